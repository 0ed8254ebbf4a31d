"""Where SQL asks whether something is true: only what is a condition may stand there.

Python binds ``&``, ``|`` and ``~`` before ``==`` and ``<``: ``Post.public & Post.stars < 3`` is
``(Post.public & Post.stars) < 3``, the number that an AND is, compared.  SQLite computes it, and most rows are smaller
than three.  Nothing is compared like that on purpose, so it is refused wherever a condition is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import (
    AsBoolean,
    BinaryExpression,
    BindParameter,
    BooleanClauseList,
    CollectionAggregate,
    False_,
    Grouping,
    True_,
)
from sqlalchemy.sql.operators import custom_op
from sqlalchemy.sql.selectable import Join

from backstay.catalog.shown import shown

_COMPARE: Final = frozenset({operators.eq, operators.ne, operators.lt, operators.le, operators.gt, operators.ge})


def is_condition(element: Any) -> bool:
    """Whether *element* may be true or false, as far as its type tells."""
    if is_order(element):
        return False
    type_ = getattr(element, "type", None)
    if not isinstance(type_, sa.types.TypeEngine) or isinstance(type_, sa.types.NullType):
        return not isinstance(element, sa.Column | BindParameter)
    # `column.op("@@")(…)` has the type of its column, whatever it gives.
    return type_._type_affinity is sa.Boolean or isinstance(getattr(_bare(element), "operator", None), custom_op)


def untrue(expression: Any, judge: Callable[[Any], bool] = is_condition) -> str | None:
    """What stands in *expression* in the place of a condition and is none; ``None`` where all is right.

    *judge* says of one element whether it is a condition.

    >>> untrue((sa.column("a", sa.Boolean) & sa.column("n", sa.Integer)) < 3)
    'compares an AND or OR as if it were a value: (a AND n) < :param_1'
    """
    for element in visitors.iterate(expression):
        for asked in _asked(element):
            if not judge(asked):
                return f"takes {shown(asked)} for a condition, and it is {kind_of(asked)}"
        if isinstance(element, BinaryExpression) and element.operator in _COMPARE:
            left, right = _bare(element.left), _bare(element.right)
            if isinstance(left, BooleanClauseList) or isinstance(right, BooleanClauseList):
                return f"compares an AND or OR as if it were a value: {shown(element)}"
            # Of AND and OR with a constant SQLAlchemy leaves that constant; `column == True` has it on the right.
            if _is_constant(left) or _mixes(left, right, judge) or _mixes(right, left, judge):
                return f"compares a condition with what is none: {shown(element)}"
    return None


def _asked(element: Any) -> Iterator[Any]:
    """What *element* asks whether it is true."""
    match element:
        case BooleanClauseList():
            yield from element.clauses
        case sa.UnaryExpression() if element.operator is operators.inv:
            yield element.element
        case sa.Case() if element.value is None:
            yield from (when for when, _ in element.whens)
        case sa.FunctionFilter():
            yield element.criterion
        case Join() if element.onclause is not None:
            yield element.onclause
        case sa.Select():
            yield from element._where_criteria
            yield from element._having_criteria
        case _:
            return


def _mixes(one: Any, other: Any, judge: Callable[[Any], bool]) -> bool:
    """Whether *one* is a condition by what it says, and not by its type alone, and *other* is none."""
    if not isinstance(one, AsBoolean | BinaryExpression | sa.UnaryExpression) or isinstance(one, CollectionAggregate):
        return False
    if getattr(one, "type", None) is None or one.type._type_affinity is not sa.Boolean:
        return False
    if type(other) is BindParameter:
        # It was given the type of the other side, whatever it is.
        return other.callable is None and not other.required and other.value not in (None, True, False)
    return not judge(other)


def _is_constant(element: Any) -> bool:
    return isinstance(element.element if isinstance(element, AsBoolean) else element, True_ | False_)


def _bare(element: Any) -> Any:
    while isinstance(element, Grouping):
        element = element.element
    return element


def is_order(element: Any) -> bool:
    """Whether *element* is for queries, as ``.desc()`` and ``distinct()`` are: each has the type of what it sorts."""
    return isinstance(element, sa.UnaryExpression) and (
        element.modifier is not None or element.operator is operators.distinct_op
    )


def kind_of(element: Any) -> str:
    if is_order(element):
        return "an order" if element.modifier is not None else "a DISTINCT"
    type_ = getattr(element, "type", sa.types.NULLTYPE)
    return "a value" if isinstance(type_, sa.types.NullType) else f"of the type {type(type_).__name__}"
