"""What a rule leaves to the database to choose, which chooses in its own way, and perhaps another one each time.

1. Texts and enums have an order in each database, and another one in the next: a rule says which it means.
2. Rows have none: where a subquery takes some of them, its ``order_by()`` must tell which.
3. Of the rows of a group there is one only where the group says which.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql import elements as e
from sqlalchemy.sql import operators as op
from sqlalchemy.sql import selectable as s
from sqlalchemy.sql import visitors
from sqlalchemy.sql.functions import FunctionElement

from backstay.catalog import family_of
from backstay.catalog.standing import is_aggregate
from backstay.sql.unlike import Unlike

RANKS: Final = frozenset({op.lt, op.le, op.gt, op.ge})
BETWEEN: Final = frozenset({op.between_op, op.not_between_op})

#: Functions that give the text that they are given, whose type SQLAlchemy does not know.
_GIVE_TEXTS: Final = frozenset(
    {
        *("concat", "left", "lower", "lpad", "ltrim", "overlay", "regexp_replace", "repeat", "replace", "reverse"),
        *("right", "rpad", "rtrim", "split_part", "substr", "substring", "translate", "trim", "upper"),
    }
)
_EXTREMES: Final = frozenset({"max", "min", "greatest", "least"})

COLLATE: Final = 'Databases sort texts in several ways; write .collate("C") on one side, which is by code point.'
_NAMES: Final = "Name the values: column.in_([…])."
_TAKE_OUT: Final = 'Take the value out: column["key"].as_integer() < ….'
_ORDERED: Final = "Write .order_by(…) of what is selected, or with the primary key at its end."
_LAST: Final = "Write .nulls_first() or .nulls_last()."


def chosen(rows: Any) -> Unlike | None:
    """The first part of *rows* whose meaning the database would choose.

    >>> chosen(sa.column("name", sa.String) < "b").seen
    'texts by their order: name < :name_1'
    >>> chosen(sa.column("name", sa.String).collate("C") < "b") is None
    True
    """
    asked = {id(_bare(each.element)) for each in visitors.iterate(rows) if isinstance(each, sa.Exists)}
    around = set[Any]()
    for element in visitors.iterate(rows):
        found = next(_said(element), None)
        if found is None and isinstance(element, s.GenerativeSelect) and id(element) not in asked:
            found = next(_taken(element), None)
        if found is None and isinstance(element, sa.Select):
            # What stands around a subquery is looked at before it, and each FROM has an alias of its own.
            brought = {each for from_ in element.get_final_froms() for each in from_._from_objects} - around
            around |= brought
            found = next(_grouped(element, {each for each in brought if not isinstance(each, sa.TableClause)}), None)
        if found is not None:
            return found
    return None


def _said(element: Any) -> Iterator[Unlike]:
    match element:
        case e.BinaryExpression() if element.operator in RANKS:
            yield from _in_order([element.left, element.right], element)
        case e.BinaryExpression() if element.operator in BETWEEN:
            for bound in element.right.clauses:
                yield from _in_order([element.left, bound], element)
        case FunctionElement() if str(getattr(element, "name", "")).lower() in _EXTREMES:
            yield from _in_order(list(element.clauses), element)
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
    if isinstance(value, FunctionElement) and str(getattr(value, "name", "")).lower() in _GIVE_TEXTS:
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


def _taken(query: Any) -> Iterator[Unlike]:
    """*query* may take some of its rows only, and have each twice."""
    if query._for_update_arg is not None:
        yield Unlike("rows that are locked", "Leave out .with_for_update(): a rule only looks.")
    if getattr(query, "_distinct_on", ()) or getattr(query, "_pre_columns_clause", None) is not None:
        yield Unlike("the first row of each by DISTINCT ON", "Ask for it by exists(), or by func.max().")
    if all(each is None for each in (query._limit_clause, query._offset_clause, query._fetch_clause)):
        return
    keys = list(map(sorted_by, query._order_by_clauses))
    for key, clause in zip(keys, query._order_by_clauses, strict=True):
        yield from _in_order([key], clause)
        if not _tells_null(clause) and getattr(key, "nullable", True):
            yield Unlike("an order that does not say where NULL stands", _LAST, clause)
    if not _decide([key.left if _is_collated(key) else key for key in keys], query.selected_columns):
        yield Unlike("some rows of a subquery whose order does not tell which", _ORDERED)


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
    elif not isinstance(part, sa.SelectBase | sa.FunctionFilter) and not is_aggregate(part):
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
