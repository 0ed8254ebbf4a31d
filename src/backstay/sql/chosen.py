"""What a rule leaves to the database to choose, which chooses in its own way, and perhaps another one each time.

1. Texts and enums have an order in each database, and another one in the next: a rule says which it means.
2. Rows have none: where a subquery takes some of them, its ``order_by()`` must tell which.
3. How many rows it takes is a number that the rule says, and no value that may be missing.
4. Of the rows of a group there is one only where the group says which.
5. A window goes through rows in an order, and what gathers values does: it must tell any two of them apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.sql import elements as e
from sqlalchemy.sql import operators as op
from sqlalchemy.sql import selectable as s
from sqlalchemy.sql import visitors
from sqlalchemy.sql.functions import FunctionElement

from backstay.catalog import family_of
from backstay.catalog.shown import shown
from backstay.catalog.standing import function_name, is_aggregate
from backstay.policy.comparison import gives_text, is_plain
from backstay.sql.unlike import Unlike

RANKS: Final = frozenset({op.lt, op.le, op.gt, op.ge})
BETWEEN: Final = frozenset({op.between_op, op.not_between_op})

_EXTREMES: Final = frozenset({"max", "min", "greatest", "least"})

#: Aggregates that keep each value in its place, and functions of a window that give rows of one place one number.
_GATHER: Final = frozenset(
    {
        *("aggregate_strings", "array_agg", "group_concat", "json_agg", "json_group_array", "json_group_object"),
        *("json_object_agg", "jsonb_agg", "jsonb_object_agg", "string_agg", "xmlagg"),
    }
)
_RANK: Final = frozenset({"cume_dist", "dense_rank", "percent_rank", "rank"})

COLLATE: Final = 'Databases sort texts in several ways; write .collate("C") on one side, which is by code point.'
_NAMES: Final = "Name the values: column.in_([…])."
_TAKE_OUT: Final = 'Take the value out: column["key"].as_integer() < ….'
_ORDERED: Final = "Write .order_by(…) of what is selected, or with the primary key at its end."
_GATHERED: Final = "Write .aggregate_order_by(…) of what is gathered, or with the primary key at its end."
_WINDOW: Final = "End its order_by= with the primary key of each table, or ask by exists() and func.count()."
_NUMBER: Final = "Give .limit(), .offset() and .fetch() a number; or compare a count of rows with the value."
_LAST: Final = "Write .nulls_first() or .nulls_last()."


def chosen(rows: Any) -> Unlike | None:
    """The first part of *rows* whose meaning the database would choose.

    >>> chosen(sa.column("name", sa.String) < "b").seen
    'texts by their order: name < :name_1'
    >>> chosen(sa.column("name", sa.String).collate("C") < "b") is None
    True
    """
    return next(_found(rows), None)


def _found(rows: Any) -> Iterator[Unlike]:
    asked = {id(_bare(each.element)) for each in visitors.iterate(rows) if isinstance(each, sa.Exists)}
    around, ordered = set[Any](), set[int]()
    element: Any
    for element in visitors.iterate(rows):
        if isinstance(element, sa.Over | e.AggregateOrderBy):
            ordered.add(id(element.element))
        yield from _said(element)
        if id(element) not in ordered and function_name(element) in _GATHER:
            yield from _gathered(list(element.clauses), [])
        if isinstance(element, s.GenerativeSelect):
            yield from _uncounted(element)
            if id(element) not in asked:
                yield from _taken(element)
        if isinstance(element, sa.Select):
            # What stands around a subquery is looked at before it, and each FROM has an alias of its own.
            brought = {each for from_ in element.get_final_froms() for each in from_._from_objects} - around
            around |= brought
            yield from _windowed(element, brought)
            yield from _grouped(element, {each for each in brought if not isinstance(each, sa.TableClause)})


def _said(element: Any) -> Iterator[Unlike]:
    match element:
        case e.BinaryExpression() if element.operator in RANKS:
            yield from _in_order([element.left, element.right], element)
        case e.BinaryExpression() if element.operator in BETWEEN:
            for bound in element.right.clauses:
                yield from _in_order([element.left, bound], element)
        case FunctionElement() if function_name(element) in _EXTREMES:
            yield from _in_order(list(element.clauses), element)
        case sa.WithinGroup():
            if function_name(element.element) == "mode":
                yield Unlike("the most frequent value, which several may be", "Ask by func.count() of a subquery.")
            yield from _sorted_by(_clauses(element.order_by))
        case e.AggregateOrderBy():
            yield from _gathered(list(element.element.clauses), _clauses(element.order_by))
        case sa.TableSample():
            yield Unlike("a sample of rows", "Ask for the rows by a condition.")


def _in_order(values: list[Any], whole: Any) -> Iterator[Unlike]:
    """*values* are compared by which is the greater."""
    values = [_bare(value) for value in values]
    rows = [value for value in values if isinstance(value, sa.Tuple)]
    if rows:
        for beside in zip(*(row.clauses for row in rows), strict=False):
            yield from _in_order(list(beside), whole)
        return
    families = {_family(value) for value in values}
    if "enum" in families:
        yield Unlike("the order of values that are an enum", _NAMES, whole)
    if "json" in families:
        yield Unlike("JSON compared", _TAKE_OUT, whole)
    if "text" in families and not any(map(_says_its_order, values)):
        yield Unlike("texts by their order", COLLATE, whole)


def _family(value: Any) -> str:
    value = _bare(value)
    if gives_text(value):
        return "text"
    if isinstance(value, sa.ScalarSelect | sa.SelectBase):
        columns = list(_bare(value).selected_columns)
        return _family(columns[0]) if len(columns) == 1 else "other"
    type_: Any = getattr(value, "type", sa.types.NULLTYPE)
    return family_of(type_)


def _says_its_order(value: Any) -> bool:
    if _is_collated(value):
        return bool(value.right.collation != "default")
    return isinstance(value, sa.ColumnClause) and getattr(value.type, "collation", None) is not None


def _is_collated(value: Any) -> bool:
    return isinstance(value, e.BinaryExpression) and value.operator is op.collate


def _uncounted(query: Any) -> Iterator[Unlike]:
    """Where a number is NULL, PostgreSQL takes all rows and SQLite fails."""
    for number in (query._limit_clause, query._offset_clause, query._fetch_clause):
        if number is not None and not (is_plain(number) and isinstance(number.value, int)):
            yield Unlike(f"as many rows of a subquery as {shown(number)} says", _NUMBER)


def _taken(query: Any) -> Iterator[Unlike]:
    """*query* may take some of its rows only, and have each twice."""
    if query._for_update_arg is not None:
        yield Unlike("rows that are locked", "Leave out .with_for_update(): a rule only looks.")
    if getattr(query, "_distinct_on", ()) or getattr(query, "_pre_columns_clause", None) is not None:
        yield Unlike("the first row of each by DISTINCT ON", "Ask for it by exists(), or by func.max().")
    if all(each is None for each in (query._limit_clause, query._offset_clause, query._fetch_clause)):
        return
    yield from _sorted_by(query._order_by_clauses)
    if not _decide(_keys(query._order_by_clauses), query.selected_columns):
        yield Unlike("some rows of a subquery whose order does not tell which", _ORDERED)


def _sorted_by(clauses: Iterable[Any]) -> Iterator[Unlike]:
    for clause in clauses:
        yield from _in_order([sorted_by(clause)], clause)
        if not _tells_null(clause) and getattr(_keys([clause])[0], "nullable", True):
            yield Unlike("an order that does not say where NULL stands", _LAST, clause)


def _keys(clauses: Iterable[Any]) -> list[Any]:
    return [key.left if _is_collated(key) else key for key in map(sorted_by, clauses)]


def _clauses(listed: Any) -> list[Any]:
    return [] if listed is None else list(listed.clauses) if isinstance(listed, e.ClauseList) else [listed]


def _gathered(values: list[Any], order: list[Any]) -> Iterator[Unlike]:
    if values and isinstance(values[0], aggregate_order_by):
        values, order = [values[0].target, *values[1:]], _clauses(values[0].order_by)
    yield from _sorted_by(order)
    if not order or not _decide(_keys(order), values):
        yield Unlike("values that are gathered in no order that tells which comes first", _GATHERED)


def _windowed(query: Any, brought: Iterable[Any]) -> Iterator[Unlike]:
    """The windows of *query*, which brings these FROMs."""
    for over in (each for part in (*query.selected_columns, *query._order_by_clauses) for each in _windows(part)):
        order = _clauses(over.order_by)
        yield from _sorted_by(order)
        told = {(key.table, key.name) for key in _keys([*order, *_clauses(over.partition_by)]) if _is_column(key)}
        rows = [each for each in brought if not isinstance(each, sa.Join)]
        if not _is_alike_of_peers(over) and not all(told.issuperset(_tell_apart(each)) for each in rows):
            yield Unlike("a window whose order does not tell any two rows apart", _WINDOW, over)


def _windows(part: Any) -> Iterator[Any]:
    if isinstance(part, sa.Over):
        yield part
    elif not isinstance(part, sa.SelectBase):
        for child in part.get_children():
            yield from _windows(child)


def _is_alike_of_peers(over: Any) -> bool:
    """Whether rows that its order does not tell apart have one answer."""
    called = over.element.func if isinstance(over.element, sa.FunctionFilter) else over.element
    name = function_name(called)
    return name in _RANK or (is_aggregate(called) and name not in _GATHER and over.rows is None)


def _tell_apart(from_: Any) -> list[Any]:
    """The columns that tell the rows of *from_* apart."""
    return [(from_, each.name) for each in (getattr(from_, "primary_key", ()) or from_.c)]


def _is_column(key: Any) -> bool:
    return isinstance(key, sa.ColumnClause)


def _grouped(query: Any, own: set[Any]) -> Iterator[Unlike]:
    groups = [_bare(each) for each in query._group_by_clauses]
    if not groups and not query._having_criteria and not any(map(_aggregates, query.selected_columns)):
        return
    if not _decide(groups, [*query.selected_columns, *query._having_criteria], own):
        yield Unlike("one row of a group, and nothing says which", "Group by it, or take func.max() of it.")


def _aggregates(part: Any) -> bool:
    if isinstance(part, sa.Over | sa.SelectBase):
        return False
    return is_aggregate(part) or any(map(_aggregates, part.get_children()))


def _decide(keys: list[Any], selected: Iterable[Any], own: set[Any] | None = None) -> bool:
    """Whether rows that are alike in their *keys* are alike in what is *selected*, as far as it is of *own* FROMs."""
    columns = {(key.table, key.name) for key in keys if isinstance(key, sa.ColumnClause)}

    def decides(leaf: Any) -> bool:
        primary = [(leaf.table, each.name) for each in getattr(leaf.table, "primary_key", ())]
        is_strange = own is not None and leaf.table not in own
        return is_strange or (leaf.table, leaf.name) in columns or (bool(primary) and columns.issuperset(primary))

    return all(
        any(_bare(column).compare(key) for key in keys) or all(map(decides, _leaves(column))) for column in selected
    )


def _leaves(part: Any) -> Iterator[Any]:
    """The columns that *part* asks of a row of its own; aggregates ask many, and subqueries others."""
    part = _bare(part)
    if isinstance(part, sa.ColumnClause):
        yield part
    elif not isinstance(
        part, sa.SelectBase | sa.FunctionFilter | sa.WithinGroup | e.AggregateOrderBy
    ) and not is_aggregate(part):
        for child in part.get_children():
            yield from _leaves(child)


def sorted_by(clause: Any) -> Any:
    """What *clause* of an ``order_by()`` sorts by."""
    while isinstance(clause, sa.UnaryExpression | sa.Label | e.Grouping) and (
        not isinstance(clause, sa.UnaryExpression) or clause.operator is None
    ):
        clause = clause.element
    return clause


def _tells_null(clause: Any) -> bool:
    while isinstance(clause, sa.UnaryExpression) and clause.operator is None:
        if clause.modifier in (op.nulls_first_op, op.nulls_last_op):
            return True
        clause = clause.element
    return False


def _bare(element: Any) -> Any:
    while isinstance(element, e.Grouping | sa.Label | s.SelectStatementGrouping | sa.ScalarSelect):
        element = element.element
    return element
