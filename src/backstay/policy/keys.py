"""Which columns hold the same thing: what the foreign keys and relations of an app say, taken together.

``members.team_id`` and ``notes.team_id`` both refer to ``teams.id``, so they may be compared; ``members.team_id`` and
``notes.id`` do not, though both are numbers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.sql import elements as e

from backstay.catalog import Catalog
from backstay.catalog.standing import elements, is_rows, table_of

#: ``table.column``.
_Key: TypeAlias = str


class Keys:
    """Which columns hold the same thing, as foreign keys and relations say."""

    def __init__(self, catalogs: Iterable[Catalog]) -> None:
        self._catalogs = tuple(catalogs)

    @cached_property
    def _beside(self) -> dict[_Key, set[_Key]]:
        beside = defaultdict[_Key, set[_Key]](set)

        def relate(one: _Key, other: _Key) -> None:
            beside[one].add(other)
            beside[other].add(one)

        for catalog in self._catalogs:
            named = {name: table_of(table.sql).fullname for name, table in catalog.tables.items()}
            for table in catalog.tables.values():
                for key in getattr(table.sql, "foreign_keys", ()):
                    relate(_names(key.parent)[0], key.target_fullname)
                here = named[table.name]
                for relation in table.relations:
                    middle = relation.junction
                    there = named.get(relation.remote) if middle is None else named.get(middle.table, middle.table)
                    for one, other in relation.pairs if middle is None else middle.local:
                        relate(f"{here}.{one}", f"{there}.{other}")
        return beside

    def _thing(self, column: Any) -> frozenset[_Key]:
        """All columns that hold what *column* does; none where that is not known."""
        found, waiting = set[_Key](), _names(column)
        while waiting:
            if (key := waiting.pop()) not in found:
                found.add(key)
                waiting.extend(self._beside.get(key, ()))
        return frozenset(found) if len(found) > 1 or _numbers(column) else frozenset()

    def are_unlike(self, one: Any, other: Any) -> bool:
        """Whether it is known of both what they hold, and that is not the same."""
        return bool(self._thing(one)) and bool(self._thing(other)) and self._thing(one).isdisjoint(self._thing(other))

    def are_alike(self, one: Any, other: Any) -> bool:
        """Whether both hold the same, as far as that is known."""
        return not self._thing(one).isdisjoint(self._thing(other))

    def links(self, select: Any, froms: Iterable[Any], table: sa.FromClause) -> Iterator[tuple[Any, Any]]:
        """Columns of *froms* and of *table* that hold the same, but those that *select* compares with a value."""
        told = {
            key
            for element in elements(select)
            if isinstance(element, e.BinaryExpression)
            and any(isinstance(x, e.BindParameter) for x in elements(element))
            for each in elements(element)
            if isinstance(each, sa.ColumnClause)
            for key in _names(each)
        }
        for from_ in froms:
            if not is_rows(from_) or table_of(from_) is table:
                continue
            for here in from_.c:
                for there in table.c:
                    if told.isdisjoint(_names(here)) and self.are_alike(here, there):
                        yield here, there


def _numbers(column: Any) -> bool:
    """Whether the table of *column* makes up its values: rows of two tables have nothing to do with each other then."""
    return any(
        isinstance(each, sa.Column)
        and isinstance(each.table, sa.Table)
        and each.primary_key
        and (each.table.autoincrement_column is each or bool(each.default or each.server_default or each.identity))
        for each in column.base_columns
    )


def _names(column: Any) -> list[_Key]:
    """The columns of tables that *column* is, through aliases and derived tables."""
    bases = [each for each in column.base_columns if isinstance(each, sa.ColumnClause) and is_rows(each.table)]
    return [f"{table_of(each.table).fullname}.{each.key}" for each in bases]
