"""The values that a policy compares: each of the kind of what it stands beside, or the databases would not agree.

SQLite compares a number with a text and says no; PostgreSQL does not run such a statement; a list of 9 and
``Decimal("100")`` is bound as what its first value is.  So a value of another kind is refused, and one of a kind that
has several forms (numbers; a day for a moment) takes that of its column.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BindParameter,
    ClauseList,
    CollectionAggregate,
    ExpressionClauseList,
    Grouping,
)

from backstay.arguments import told
from backstay.catalog import Family, family_of
from backstay.policy.comparison import COMPARISONS

_NUMBERS: Final = (int, float, Decimal)
#: What a value may be, and what that is called.
_KINDS: Final[dict[Family, tuple[tuple[type, ...], str]]] = {
    "boolean": ((bool,), "True or False"),
    "integer": (_NUMBERS, "a number"),
    "float": (_NUMBERS, "a number"),
    "numeric": (_NUMBERS, "a number"),
    "text": ((str,), "a text"),
    "uuid": ((UUID, str), "a UUID"),
    "timestamptz": ((date,), "a datetime"),
    "timestamp": ((date,), "a datetime"),
    "date": ((date,), "a date"),
    "time": ((time,), "a time"),
    "interval": ((timedelta,), "a timedelta"),
    "bytes": ((bytes, bytearray, memoryview), "bytes"),
}
_NUMERIC: Final[frozenset[Family]] = frozenset({"integer", "float", "numeric"})
_MOMENTS: Final[frozenset[Family]] = frozenset({"date", "timestamp", "timestamptz"})
#: Of these PostgreSQL compares nothing that is of another family, and SQLite what it has stored.
_COMPARED: Final = frozenset(_KINDS) | {"enum", "json"}


def mismatched(rows: Any) -> tuple[str, str] | None:
    """What in *rows* is compared with a value of another kind, and what to write; ``None`` where nothing is.

    Values that may be written in several forms are given that of what they stand beside.

    >>> mismatched(sa.column("n", sa.Integer) == "x")
    ("n, which is integer, with 'x' (str)", 'Compare it with a number.')
    """
    for element in visitors.iterate(rows):
        if isinstance(element, BindParameter):
            _unsize(element)
        if isinstance(element, BinaryExpression) and element.operator in COMPARISONS:
            for one, other in _pairs(element.left, element.right):
                found = _mismatched(one, other)
                if found is not None:
                    return found
    return None


def _unsize(parameter: Any) -> None:
    """``price == Decimal("0.305")`` is not true of 0.31: PostgreSQL would round the value to the column's size."""
    type_ = parameter.type
    if isinstance(type_, sa.Numeric) and type_.scale is not None and isinstance(parameter.value, Decimal):
        places = parameter.value.as_tuple().exponent
        if isinstance(places, int) and -places > type_.scale:
            parameter.type = sa.Numeric()


def _pairs(left: Any, right: Any) -> Iterator[tuple[Any, Any]]:
    """Each two values that are compared, a parameter second."""
    left, right = _bare(left), _bare(right)
    if isinstance(left, sa.Tuple) and isinstance(right, BindParameter):
        return
    if isinstance(right, ClauseList | ExpressionClauseList) and not isinstance(right, sa.Tuple):
        # The members of a list, both ends of BETWEEN.
        for each in right.clauses:
            yield from _pairs(left, each)
    elif isinstance(left, BindParameter):
        yield right, left
    else:
        yield left, right


def _bare(element: Any) -> Any:
    # What any_() and all_() are of is what is compared.
    while isinstance(element, Grouping | CollectionAggregate):
        element = element.element
    return element


def _mismatched(one: Any, other: Any) -> tuple[str, str] | None:
    type_ = getattr(one, "type", None)
    if isinstance(one, BindParameter) or not isinstance(type_, sa.types.TypeEngine) or _is_somebodys(type_):
        return None
    family = family_of(type_)
    if type(other) is not BindParameter:
        beside = getattr(other, "type", None)
        if not isinstance(beside, sa.types.TypeEngine) or _is_somebodys(beside) or hasattr(other, "me_source"):
            return None
        if not _go_together(family, family_of(beside)):
            return f"{_told(one)}, which is {family}, with {_told(other)}, which is {family_of(beside)}", _CAST
        return None
    if other.callable is not None or other.required:
        return None
    values = other.value if other.expanding and isinstance(other.value, list | tuple) else [other.value]
    for value in values:
        if not _fits(value, family, type_):
            return f"{_told(one)}, which is {family}, with {told(value)}", _advice(value, family, type_)
    _settle(other, family, type_)
    return None


def _advice(value: Any, family: Family, type_: Any) -> str:
    if isinstance(value, str) and value.startswith("me."):
        return f"Write {value} without quotation marks."
    if family == "enum":
        return f"Compare it with one of {', '.join(map(str, type_.enums))}."
    return f"Compare it with {_KINDS[family][1]}."


def _go_together(one: Family, other: Family) -> bool:
    """Whether both databases compare values of the two families, and alike.

    >>> _go_together("integer", "numeric"), _go_together("date", "timestamp"), _go_together("text", "uuid")
    (True, True, False)
    """
    families = {one, other}
    return one == other or families <= _NUMERIC or families <= _MOMENTS or not families <= _COMPARED


_CAST: Final = "Compare values of one kind, or cast() one of them."


def _is_somebodys(type_: sa.types.TypeEngine[Any]) -> bool:
    """Whether its values are made into others, by whoever wrote it."""
    return isinstance(type_, sa.types.TypeDecorator) and not isinstance(type_, sa.Interval)


def _fits(value: Any, family: Family, type_: Any) -> bool:
    if value is None:
        return True
    if family == "enum":
        listed = getattr(type_, "enums", None)
        kind = getattr(type_, "enum_class", None)
        return listed is None or value in listed or (kind is not None and isinstance(value, kind))
    if family not in _KINDS:
        return True
    if isinstance(value, bool):
        return family == "boolean"
    if family == "uuid" and isinstance(value, str):
        return _is_uuid(value)
    if family == "date" and isinstance(value, datetime):
        return False
    return isinstance(value, _KINDS[family][0])


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _settle(parameter: Any, family: Family, type_: Any) -> None:
    """Give *parameter* the form of what it stands beside, of *family*."""
    many = parameter.expanding and isinstance(parameter.value, list | tuple)
    values = list(parameter.value) if many else [parameter.value]
    mixed = len({type(value) for value in values if value is not None}) > 1
    if (family in _NUMERIC and mixed) or (family == "numeric" and many):
        # With a precision, PostgreSQL would round the values until they fit.
        parameter.type = sa.Double() if family == "float" else sa.Numeric()
        values = [
            value if value is None else float(value) if family == "float" else Decimal(str(value)) for value in values
        ]
    elif family in ("timestamp", "timestamptz"):
        zone = UTC if family == "timestamptz" else None
        values = [_moment(value, zone) for value in values]
        parameter.type = type_
    else:
        return
    parameter.value = values if many else values[0]


def _moment(value: Any, zone: Any) -> Any:
    """A day begins at midnight."""
    return datetime(value.year, value.month, value.day, tzinfo=zone) if type(value) is date else value


def _told(element: Any) -> str:
    text = " ".join(str(element).split())
    return text if len(text) <= 80 else text[:79] + "…"
