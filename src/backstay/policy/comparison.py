"""What a policy compares with what, as its judges know it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql import elements as e
from sqlalchemy.sql import operators as op
from sqlalchemy.sql import visitors
from sqlalchemy.sql.functions import FunctionElement

from backstay.catalog import Family, family_of
from backstay.catalog.standing import function_name

#: Of which families a value may be that has a type of one; every one where none are listed.
_TAKEN: Final[dict[Family, frozenset[Family]]] = {
    "integer": frozenset({"integer"}),
    **dict.fromkeys(("float", "numeric"), frozenset[Family]({"integer", "float", "numeric"})),
    "boolean": frozenset({"boolean"}),
    "text": frozenset({"text"}),
    **dict.fromkeys(("date", "timestamp", "timestamptz", "time", "interval", "bytes"), frozenset[Family]()),
}

#: Whether two values are the same, or one is among others.
EQUALITIES: Final = frozenset(
    {op.eq, op.ne, op.is_distinct_from, op.is_not_distinct_from, op.in_op, op.not_in_op, op.is_, op.is_not}
)
#: Those, and which of two values is the greater.
COMPARISONS: Final = EQUALITIES | {op.lt, op.le, op.gt, op.ge, op.between_op, op.not_between_op}


#: Functions that give the text that they are given, whose type SQLAlchemy does not know.
_GIVE_TEXTS: Final = frozenset(
    {
        *("concat", "left", "lower", "lpad", "ltrim", "overlay", "regexp_replace", "repeat", "replace", "reverse"),
        *("right", "rpad", "rtrim", "split_part", "substr", "substring", "translate", "trim", "upper"),
    }
)


def gives_text(element: Any) -> bool:
    """Whether *element* calls a function that gives a text, whose type SQLAlchemy does not know."""
    return function_name(element) in _GIVE_TEXTS


def compared(rows: Any) -> Iterator[tuple[Any, Any, sa.types.TypeEngine[Any]]]:
    """Each two values that *rows* compare, a parameter second, and the type of the first."""
    for element in visitors.iterate(rows):
        for left, right in _sides(element):
            for one, other in _pairs(left, right):
                type_ = getattr(one, "type", None)
                if isinstance(one, e.BindParameter) or not isinstance(type_, sa.types.TypeEngine):
                    continue
                if not is_somebodys(type_):
                    yield one, other, type_


def _sides(element: Any) -> Iterator[tuple[Any, Any]]:
    match element:
        case e.BinaryExpression() if element.operator in COMPARISONS:
            yield element.left, element.right
        case sa.Case() if element.value is not None:
            for when, _ in element.whens:
                yield element.value, when
        case FunctionElement() if function_name(element) == "nullif" and len(element.clauses) == 2:
            left, right = element.clauses
            yield left, right
        case _:
            return


def _pairs(left: Any, right: Any) -> Iterator[tuple[Any, Any]]:
    left, right = bare(left), bare(right)
    if isinstance(left, sa.Tuple) and isinstance(right, sa.Tuple):
        for one, other in zip(left.clauses, right.clauses, strict=False):
            yield from _pairs(one, other)
    elif isinstance(right, e.ClauseList | e.ExpressionClauseList) and not isinstance(right, sa.Tuple):
        # The members of a list, both ends of BETWEEN.
        for each in right.clauses:
            yield from _pairs(left, each)
    elif isinstance(left, e.BindParameter):
        yield right, left
    else:
        yield left, right


def bare(element: Any) -> Any:
    """*element* without the brackets around it."""
    # What any_() and all_() are of is what is compared.
    while isinstance(element, e.Grouping | e.CollectionAggregate):
        element = element.element
    return element


def is_constant(element: Any) -> bool:
    """Whether *element* is a value that the policy's author wrote, and none of ``me``."""
    return type(element) is e.BindParameter and element.callable is None and not element.required


def is_plain(element: Any) -> bool:
    """Whether *element* is a value, of whatever kind of parameter, and none that a request fills in."""
    return isinstance(element, e.BindParameter) and element.callable is None and element.value is not None


def values_of(constant: Any) -> Sequence[Any]:
    """The value of a *constant*, or those of its list."""
    return constant.value if constant.expanding and isinstance(constant.value, list | tuple) else [constant.value]


def is_of(value: Any, type_: sa.types.TypeEngine[Any]) -> bool:
    """Whether *value*, a text or a number, is sent as what *type_* says, and not as what it may be cast to."""
    taken = _TAKEN.get(family_of(type_))
    if taken is None or is_somebodys(type_) or type(value) not in (str, bool, int, float, Decimal):
        return True
    return family_of(sa.literal(value).type) in taken


def is_somebodys(type_: sa.types.TypeEngine[Any]) -> bool:
    """Whether its values are made into others, by whoever wrote it."""
    return isinstance(type_, sa.types.TypeDecorator) and not isinstance(type_, sa.Interval)
