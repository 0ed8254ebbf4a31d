"""The form of the values that a policy compares: that of what each stands beside, so that it means there what it says.

A list of 9 and ``Decimal("100")`` is bound as what its first value is; a float beside a whole number makes PostgreSQL
compare both as floats, which cannot tell 2⁵³ from its neighbour, and SQLite not; a date beside a moment is a shorter
text there.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import chain, repeat
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import BinaryExpression, BindParameter, ClauseElement, ExpressionClauseList

from backstay.catalog import family_of, integer_bound
from backstay.policy.comparison import bare, compared, gives_text, is_constant, is_of, values_of


def spell_out(rows: Any) -> None:
    """Write in *rows* one by one what is sent as a whole: the values of rows in a list, and the keys of a path.

    A row goes without its types, and PostgreSQL would take 7.5 for 7; in a path it takes 0 for ``"0"``.
    """
    element: Any
    for element in list(visitors.iterate(rows)):
        if isinstance(element, BinaryExpression) and element.operator is operators.json_path_getitem_op:
            _walk(element)
        if isinstance(element, BinaryExpression) and element.operator in (operators.in_op, operators.not_in_op):
            left, right = bare(element.left), bare(element.right)
            if isinstance(left, sa.Tuple) and is_constant(right) and right.value:
                types = [each.type for each in left.clauses]
                element.right = left.in_([_row(values, types) for values in right.value]).right


def _walk(path: Any) -> None:
    keys = path.right.value if is_constant(path.right) else ()
    if not isinstance(keys, list | tuple) or not keys:
        return
    found = path.left
    for key in keys:
        found = found[key]
    path.left, path.operator, path.right = found.left, found.operator, found.right


def _row(values: Any, types: list[Any]) -> Any:
    given = zip(values, chain(types, repeat(None)), strict=False)
    return sa.tuple_(*(each if isinstance(each, ClauseElement) else sa.literal(each, type_) for each, type_ in given))


def join_texts(rows: Any) -> None:
    """Write ``+`` of texts in *rows* as texts are joined: SQLAlchemy does not know what ``func.lower(…)`` gives.

    >>> said = sa.func.lower(sa.column("a")) + sa.func.lower(sa.column("b")) == "ab"
    >>> join_texts(said)
    >>> print(said)
    lower(a) || lower(b) = :param_1
    """
    element: Any
    for element in list(visitors.iterate(rows)):
        if _is_sum(element) and all(map(_is_text, _summands(element))):
            element.operator, element.type = operators.concat_op, sa.String()


def _is_sum(element: Any) -> bool:
    return isinstance(element, BinaryExpression | ExpressionClauseList) and element.operator is operators.add


def _summands(element: Any) -> Any:
    return element.clauses if isinstance(element, ExpressionClauseList) else (element.left, element.right)


def _is_text(element: Any) -> bool:
    element = bare(element)
    if _is_sum(element):
        return all(map(_is_text, _summands(element)))
    return gives_text(element) or family_of(element.type) == "text"


def settle(rows: Any) -> None:
    """Give each value in *rows* the form of what it stands beside; all of them fit that (`constant`).

    >>> said = sa.column("n", sa.Integer) == 9007199254740992.0
    >>> settle(said)
    >>> said.right.value, said.right.type
    (9007199254740992, BigInteger())
    """
    for element in visitors.iterate(rows):
        if is_constant(element):
            _retype(element)
            _widen(element)
        if isinstance(element, BindParameter):
            _unsize(element)
    for _, constant, beside in compared(rows):
        if is_constant(constant):
            _settle(constant, beside)


def _retype(constant: Any) -> None:
    """``cast("5", Integer)`` is a text that is cast; SQLAlchemy takes it for a number, and PostgreSQL 7.5 for 7."""
    if not is_of(constant.value, constant.type):
        constant.type = sa.literal(constant.value).type


def _widen(constant: Any) -> None:
    """``Post.stars * 10**10`` is of large numbers, and SQLAlchemy takes every whole one for what its column is."""
    value, type_ = constant.value, constant.type
    if type(value) is int and family_of(type_) == "integer" and integer_bound(type_) <= abs(value) < 2**63:
        constant.type = sa.BigInteger()


def _unsize(parameter: Any) -> None:
    """``price == Decimal("0.305")`` is not true of 0.31: PostgreSQL would round the value to the column's size.

    Nor has a value a collation: it stands beside what has one, and PostgreSQL takes none behind BETWEEN.
    """
    type_ = parameter.type
    if getattr(type_, "collation", None) is not None:
        parameter.type = sa.String()
    if isinstance(type_, sa.Numeric) and type_.scale is not None and isinstance(parameter.value, Decimal):
        places = parameter.value.as_tuple().exponent
        if isinstance(places, int) and -places > type_.scale:
            parameter.type = sa.Numeric()


def _settle(constant: Any, beside: sa.types.TypeEngine[Any]) -> None:
    values = values_of(constant)
    found = _settled([value for value in values if value is not None], beside)
    if found is None:
        return
    told, constant.type = found
    given = iter(told)
    settled = [value if value is None else next(given) for value in values]
    constant.value = settled if values is constant.value else settled[0]


def _settled(values: list[Any], beside: sa.types.TypeEngine[Any]) -> tuple[list[Any], sa.types.TypeEngine[Any]] | None:
    """*values* and their type; ``None`` where they are as they should be."""
    match family_of(beside):
        case "integer" | "numeric" if any(abs(value) == math.inf for value in values):
            # Of numbers only floats have an end that is none.
            return [float(value) for value in values], sa.Double()
        case "integer":
            return _whole(values, beside)
        case "numeric" if not all(isinstance(value, int) for value in values):
            # With a precision, PostgreSQL would round the values until they fit.
            return [Decimal(str(value)) for value in values], sa.Numeric()
        case "float":
            return [float(value) for value in values], beside
        case "timestamp" | "timestamptz":
            zone = UTC if getattr(beside, "timezone", False) else None
            return [_moment(value, zone) for value in values], beside
        case _:
            return None


def _whole(values: list[Any], beside: sa.types.TypeEngine[Any]) -> tuple[list[Any], sa.types.TypeEngine[Any]] | None:
    """Whole numbers as such, and all of them as decimals where one is broken, or beyond all that is stored."""
    if not all(value == int(value) and abs(value) < 2**63 for value in values):
        return [Decimal(str(value)) for value in values], sa.Numeric()
    fits = all(type(value) is int and abs(value) < integer_bound(beside) for value in values)
    return None if fits else ([int(value) for value in values], sa.BigInteger())


def _moment(value: Any, zone: Any) -> Any:
    """A day begins at midnight."""
    return datetime(value.year, value.month, value.day, tzinfo=zone) if type(value) is date else value
