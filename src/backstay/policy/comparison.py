"""What a policy compares with what, as its judges know it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql import elements as e
from sqlalchemy.sql import operators as op
from sqlalchemy.sql import visitors

#: Whether two values are the same, or one is among others.
EQUALITIES: Final = frozenset(
    {op.eq, op.ne, op.is_distinct_from, op.is_not_distinct_from, op.in_op, op.not_in_op, op.is_, op.is_not}
)
#: Those, and which of two values is the greater.
COMPARISONS: Final = EQUALITIES | {op.lt, op.le, op.gt, op.ge, op.between_op, op.not_between_op}


def compared(rows: Any) -> Iterator[tuple[Any, Any, sa.types.TypeEngine[Any]]]:
    """Each two values that *rows* compare, a parameter second, and the type of the first."""
    for element in visitors.iterate(rows):
        if isinstance(element, e.BinaryExpression) and element.operator in COMPARISONS:
            for one, other in _pairs(element.left, element.right):
                type_ = getattr(one, "type", None)
                if isinstance(one, e.BindParameter) or not isinstance(type_, sa.types.TypeEngine):
                    continue
                if not is_somebodys(type_):
                    yield one, other, type_


def _pairs(left: Any, right: Any) -> Iterator[tuple[Any, Any]]:
    left, right = _bare(left), _bare(right)
    if isinstance(left, sa.Tuple) and isinstance(right, e.BindParameter):
        return
    if isinstance(right, e.ClauseList | e.ExpressionClauseList) and not isinstance(right, sa.Tuple):
        # The members of a list, both ends of BETWEEN.
        for each in right.clauses:
            yield from _pairs(left, each)
    elif isinstance(left, e.BindParameter):
        yield right, left
    else:
        yield left, right


def _bare(element: Any) -> Any:
    # What any_() and all_() are of is what is compared.
    while isinstance(element, e.Grouping | e.CollectionAggregate):
        element = element.element
    return element


def is_constant(element: Any) -> bool:
    """Whether *element* is a value that the policy's author wrote, and none of ``me``."""
    return type(element) is e.BindParameter and element.callable is None and not element.required


def values_of(constant: Any) -> Sequence[Any]:
    """The value of a *constant*, or those of its list."""
    return constant.value if constant.expanding and isinstance(constant.value, list | tuple) else [constant.value]


def is_somebodys(type_: sa.types.TypeEngine[Any]) -> bool:
    """Whether its values are made into others, by whoever wrote it."""
    return isinstance(type_, sa.types.TypeDecorator) and not isinstance(type_, sa.Interval)
