"""What a database says about itself: the raw material of a reflected catalog, the same for every database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import sqlalchemy as sa

Writing: TypeAlias = Literal["create", "update", "delete"]
WRITINGS: frozenset[Writing] = frozenset(("create", "update", "delete"))


class Name(NamedTuple):
    """A table's schema and name.  SQLite's only schema is ``main``."""

    schema: str
    table: str


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """One column.  *computed* says that only the database ever writes it."""

    name: str
    type: sa.types.TypeEngine[Any]
    nullable: bool = True
    has_default: bool = False
    computed: bool = False
    identity: bool = False
    comment: str | None = None
    #: The SQL of its default, where a statement cannot say DEFAULT (SQLite).
    default: str | None = None


@dataclass(frozen=True, slots=True)
class TableFacts:
    """One table or view, with what may be written into it at all."""

    name: Name
    columns: tuple[ColumnFacts, ...]
    primary_key: tuple[str, ...] = ()
    uniques: tuple[tuple[str, tuple[str, ...]], ...] = ()
    writes: frozenset[Writing] = WRITINGS
    is_view: bool = False
    comment: str | None = None
    #: The rows have a hidden number that tells them apart (SQLite's ``_rowid_``).
    has_rowid: bool = False


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """A foreign key: *pairs* are (column, referred column).  *unique* says that its columns are unique together."""

    name: str
    table: Name
    referred: Name
    pairs: tuple[tuple[str, str], ...]
    unique: bool = False


@dataclass(frozen=True, slots=True)
class ViewKey:
    """A key that a view shows whole: for each of its columns, the view's columns that come from it.

    *kind* is ``p`` (a primary key), ``f`` (a foreign key) or ``f_ref`` (what a foreign key refers to).
    """

    view: Name
    table: Name
    constraint: str
    kind: Literal["p", "f", "f_ref"]
    columns: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class ArgumentFacts:
    """One argument of a function; *name* is empty where it has none."""

    name: str
    type: sa.types.TypeEngine[Any]
    required: bool = True
    #: It takes the rest of the values, as an array (``VARIADIC``).
    variadic: bool = False
    #: The type as PostgreSQL writes it.
    type_name: str = ""


@dataclass(frozen=True, slots=True)
class FunctionFacts:
    """A function of the database.

    *gives* is what a call gives back: nothing, a value, or rows.  Rows are of *table*, or have *columns* of their own.
    Whole rows of the tables *within* stand inside of what it gives: as a field, or as items of an array.
    """

    name: Name
    arguments: tuple[ArgumentFacts, ...]
    gives: Literal["void", "value", "rows"]
    is_set: bool = False
    table: Name | None = None
    within: frozenset[Name] = frozenset()
    columns: tuple[ColumnFacts, ...] = ()
    may_write: bool = True
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that was found."""

    tables: tuple[TableFacts, ...]
    keys: tuple[KeyFacts, ...] = ()
    view_keys: tuple[ViewKey, ...] = ()
    #: The time zones that the database knows; ``None`` where it knows none.
    timezones: frozenset[str] | None = None
    #: The functions that were asked for.
    functions: tuple[FunctionFacts, ...] = ()
