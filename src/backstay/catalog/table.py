"""What exists: tables, columns and the relations between them, as the API names them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import sqlalchemy as sa

from backstay.catalog.computed import Computed
from backstay.catalog.facts import WRITINGS, Writing
from backstay.catalog.family import Family
from backstay.catalog.sealing import Sealing
from backstay.catalog.search import Search

#: What a column of a mixin is for (``catalog/mixin.py``): the server keeps it, clients cannot write it.
Duty: TypeAlias = Literal["created", "updated", "version", "deleted"]

Cardinality: TypeAlias = Literal["many-to-one", "one-to-many", "one-to-one", "many-to-many"]


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One column, under the name that the database and the API share."""

    name: str
    sql: sa.Column[Any]
    family: Family
    nullable: bool
    #: The database or the model fills it when a client leaves it out.
    has_default: bool
    #: The database computes it (``GENERATED``): clients cannot write it.
    generated: bool
    primary: bool
    description: str | None = None
    #: Set where the server owns the column.
    duty: Duty | None = None
    #: A *generated* number (``GENERATED ALWAYS AS IDENTITY``), not an expression.
    identity: bool = False
    #: Set where the database holds ciphertext.
    sealing: Sealing | None = None
    #: Set where the column is the blind index of such a one.
    blind_for: Sealing | None = None
    #: The SQL of its default, where a statement cannot say DEFAULT (SQLite).
    default_sql: str | None = None

    @property
    def type(self) -> sa.types.TypeEngine[Any]:
        return self.sql.type


@dataclass(frozen=True, slots=True)
class Junction:
    """The table in the middle of a many-to-many relation, with the two foreign keys that make it one.

    *local* pairs (column of the local table, column of the junction); *remote* pairs (column of the junction, column
    of the remote table).
    """

    table: str
    local_constraint: str
    remote_constraint: str
    local: tuple[tuple[str, str], ...]
    remote: tuple[tuple[str, str], ...]

    @property
    def columns(self) -> frozenset[str]:
        """The columns of the junction that relate."""
        return frozenset(here for _, here in self.local) | frozenset(here for here, _ in self.remote)


@dataclass(frozen=True, slots=True, eq=False)
class Join:
    """What a relation asks beside its pairs.

    *on* makes the condition of two functions that give a column of the local and of the remote row by its name; *here*
    and *there* are the columns that it asks for.
    """

    on: Callable[[Callable[[str], Any], Callable[[str], Any]], sa.ColumnElement[bool]]
    here: frozenset[str]
    there: frozenset[str]


@dataclass(frozen=True, slots=True)
class Relation:
    """One way to go from *table* to *remote*.

    *constraint* is the foreign key's name (empty for many-to-many); *pairs* are (local column, remote column).
    *holds_key* tells which side of a one-to-one has the foreign key.  *names* are the ORM's relationship attributes
    that mean the same.
    """

    table: str
    remote: str
    cardinality: Cardinality
    constraint: str
    pairs: tuple[tuple[str, str], ...]
    holds_key: bool = False
    junction: Junction | None = None
    names: frozenset[str] = frozenset()
    #: *remote* is a view: then only its name finds it, as in PostgREST.
    to_view: bool = False
    #: Declared by the model and by no foreign key: only *names* find it, and rows cannot be inserted by it.
    declared: bool = False
    join: Join | None = None

    @property
    def local_columns(self) -> frozenset[str]:
        """The columns of *table* that decide which rows belong to one."""
        named = frozenset(here for here, _ in (self.junction.local if self.junction else self.pairs))
        return named if self.join is None else named | self.join.here

    @property
    def remote_columns(self) -> frozenset[str]:
        """The columns of *remote* that decide it."""
        named = frozenset(there for _, there in (self.junction.remote if self.junction else self.pairs))
        return named if self.join is None else named | self.join.there

    @property
    def to_one(self) -> bool:
        """At most one remote row for each local row."""
        return self.cardinality in ("many-to-one", "one-to-one")

    @property
    def is_self(self) -> bool:
        return self.table == self.remote


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One table or view."""

    name: str
    sql: sa.FromClause
    columns: Mapping[str, Column]
    primary_key: tuple[str, ...]
    relations: tuple[Relation, ...]
    #: A view, or another thing that cannot be written.
    read_only: bool = False
    #: A view: it may show fewer rows than its tables hold.
    is_view: bool = False
    title: str | None = None
    description: str | None = None
    #: The mapped class, where there is one.
    model: type[Any] | None = None
    #: What SQL computes from the columns, under names of its own: on request only, never in ``*``.
    computed: Mapping[str, Computed] = field(default_factory=dict)
    #: The full-text search field, where one is declared.
    search: Search | None = None
    #: What can be done to its rows at all, whatever the policies say.
    writes: frozenset[Writing] = WRITINGS
    #: A column that tells rows apart where no key does, and that no client ever sees (SQLite's ``_rowid_``).
    row_number: Column | None = None
    #: Some column holds ciphertext.
    seals: bool = False

    def column_for(self, duty: Duty) -> Column | None:
        """The column that the server keeps for *duty*."""
        return next((column for column in self.columns.values() if column.duty == duty), None)


@dataclass(frozen=True, slots=True, eq=False)
class Catalog:
    """Everything that the API could name, before any policy; built once, when the app starts."""

    tables: Mapping[str, Table]
    #: The name under which errors speak of where tables live.
    schema: str = "public"
    description: str | None = None
    #: Where the tables' names live; errors of the database are explained by it.
    metadata: sa.MetaData | None = None
    #: What the models declare and the API does not have: a sentence each.
    findings: tuple[str, ...] = ()

    @property
    def seals(self) -> bool:
        """Whether any table has an encrypted column."""
        return any(table.seals for table in self.tables.values())
