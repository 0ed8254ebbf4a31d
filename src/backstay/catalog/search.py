"""Full-text search as a model declares it.

::

    class Post(Model):
        __searchable__ = Searchable("title", "body", language="english")

A tuple of names, ``__searchable__ = ("title", "body")``, means the same in English.  A plain ``Table`` says it by
``info={"searchable": Searchable(…)}``.

1. The declaration stands in ``Table.info`` once the catalog is built; the adapters make the index from it.
2. Clients filter by the field *name* (``search``); it holds all declared columns, and whoever may not read one of them
   may not search.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from backstay.catalog.family import Family, family_of
from backstay.errors import ConfigError

#: The key in ``Table.info``.
SEARCHABLE: Final = "searchable"

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True, init=False)
class Searchable:
    """Which columns of a model are searched together, and how their words are read.

    Args:
        columns: names of text columns, one or more.
        language: a text search configuration of PostgreSQL.  On SQLite ``english`` reduces words to their stems and
            leaves the commonest out; every other language takes words as they are.
        name: the field that clients filter by.

    Raises:
        ConfigError: BST-E025.
    """

    columns: tuple[str, ...]
    language: str
    name: str

    def __init__(self, *columns: str, language: str = "english", name: str = "search") -> None:
        if not columns or not all(isinstance(column, str) for column in columns) or len(set(columns)) != len(columns):
            raise ConfigError("BST-E025", f"searchable needs different names of columns; got {columns!r}")
        for word in (language, name):
            if not _NAME.fullmatch(word):
                raise ConfigError("BST-E025", f"{word!r} is no name for a language or a search field")
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "language", language)
        object.__setattr__(self, "name", name)


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """The field that a declaration makes: filters and orders, nothing else."""

    declared: Searchable
    table: str

    @property
    def name(self) -> str:
        return self.declared.name

    @property
    def uses(self) -> frozenset[str]:
        return frozenset(self.declared.columns)

    @property
    def family(self) -> Family:
        return "tsvector"

    @property
    def type(self) -> sa.types.TypeEngine[Any]:
        return pg.TSVECTOR()

    @property
    def nullable(self) -> bool:
        return False


def declared_search(table: sa.Table, model: type[Any] | None) -> Search | None:
    """The search field of *table*, checked, and noted in its ``info`` for the adapters.

    Raises:
        ConfigError: BST-E025, when the declaration does not fit the table.
    """
    declared: Any = table.info.get(SEARCHABLE, getattr(model, "__searchable__", None))
    if declared is None:
        return None
    if isinstance(declared, tuple | list):
        declared = Searchable(*declared)
    if not isinstance(declared, Searchable):
        raise ConfigError(
            "BST-E025",
            f"__searchable__ of {table.name} is {declared!r}",
            hint='Write __searchable__ = ("title", "body"), or Searchable("title", "body", language="english").',
        )
    for name in declared.columns:
        if name not in table.columns or family_of(table.columns[name].type) != "text":
            raise ConfigError("BST-E025", f"__searchable__ of {table.name} names {name!r}, which is no text column")
    if declared.name in table.columns:
        raise ConfigError(
            "BST-E025",
            f"{table.name} has a column {declared.name!r} already",
            hint='Give the search field another name: Searchable(…, name="words").',
        )
    table.info[SEARCHABLE] = declared
    return Search(declared, str(table.name))
