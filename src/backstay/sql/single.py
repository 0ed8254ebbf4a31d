"""A subquery that stands for a value gives one row: of several SQLite takes any, and PostgreSQL fails at that request.

There is one where it aggregates all that it finds, takes one row of an order, or names a key of each table that it
selects from.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql import elements as e
from sqlalchemy.sql import operators as op
from sqlalchemy.sql import selectable as s
from sqlalchemy.sql import visitors

from backstay.catalog.standing import is_rows, looks_around, table_of
from backstay.policy.fallible import asked_for_rows
from backstay.sql.unlike import Unlike

_SEVERAL: Final = "a subquery that may find several rows, where one value stands"
_HINT: Final = "Write .in_(select(…)), name a key in its where(), or select func.max(…)."


def several(rows: Any) -> Unlike | None:
    """The first subquery in *rows* that stands for a value and may find several."""
    every = list(visitors.iterate(rows))
    lists = {id(each) for element in every for each in asked_for_rows(element)}
    for element in every:
        if isinstance(element, sa.ScalarSelect) and id(element) not in lists and not _is_single(element.element):
            return Unlike(_SEVERAL, _HINT, element)
    return None


def _is_single(query: Any) -> bool:
    while isinstance(query, s.SelectStatementGrouping):
        query = query.element
    limit = query._limit_clause if query._limit_clause is not None else query._fetch_clause
    if limit is not None and getattr(limit, "value", None) in (0, 1):
        return True
    if not isinstance(query, sa.Select):
        return False
    if not query._group_by_clauses and any(map(looks_around, query.selected_columns)):
        return not any(isinstance(each, sa.Over) for each in visitors.iterate(query))
    froms = [from_ for each in query.get_final_froms() for from_ in _single_froms(each)]
    given = [part for each in (query.whereclause, *_on(query)) for part in _conjuncts(each)]
    left = [from_ for from_ in froms if not _is_one_row(from_)]
    # A row whose key is that of another table's one row is one itself.
    while left:
        found = next((from_ for from_ in left if _is_named(from_, given, left)), None)
        if found is None:
            return False
        left.remove(found)
    return True


def _single_froms(from_: Any) -> Iterator[Any]:
    if isinstance(from_, sa.Join):
        yield from _single_froms(from_.left)
        yield from _single_froms(from_.right)
    elif not isinstance(table_of(from_), sa.TableClause) or from_ is not table_of(from_):
        # The table itself is the row that is judged.
        yield from_


def _on(query: Any) -> Iterator[Any]:
    for each in query.get_final_froms():
        yield from (part.onclause for part in visitors.iterate(each) if isinstance(part, sa.Join) and not part.full)


def _conjuncts(condition: Any) -> Iterator[Any]:
    while isinstance(condition, e.Grouping):
        condition = condition.element
    if isinstance(condition, e.BooleanClauseList) and condition.operator is op.and_:
        for each in condition.clauses:
            yield from _conjuncts(each)
    elif condition is not None:
        yield condition


def _is_one_row(from_: Any) -> bool:
    query = table_of(from_)
    return isinstance(query, sa.SelectBase) and _is_single(query)


def _is_named(from_: Any, given: list[Any], left: list[Any]) -> bool:
    """Whether some key of *from_* is equal to what none of the tables that are *left* has."""
    if not is_rows(from_):
        return False
    fixed = set[str]()
    for each in given:
        if isinstance(each, e.BinaryExpression) and each.operator is op.eq:
            for one, other in ((each.left, each.right), (each.right, each.left)):
                # Annotated copies of a FROM are equal, and not the same.
                is_own = isinstance(one, sa.ColumnClause) and bool(one.table == from_)
                if is_own and not any(part.table in left for part in _columns(other)):
                    fixed.add(one.name)
    return any(fixed.issuperset(key) for key in _keys(table_of(from_)))


def _columns(element: Any) -> list[Any]:
    return [each for each in visitors.iterate(element) if isinstance(each, sa.ColumnClause) and each.table is not None]


def _keys(table: Any) -> Iterator[frozenset[str]]:
    """Columns of which no two rows have the same."""
    if isinstance(table, sa.Table):
        constraints: list[Any] = [each for each in table.constraints if isinstance(each, sa.UniqueConstraint)]
        indexes = [index for index in table.indexes if index.unique and not index.dialect_options]
        for each in (table.primary_key, *constraints, *indexes):
            names = frozenset(column.name for column in each.columns)
            if names:
                yield names
