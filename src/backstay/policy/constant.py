"""The values that a policy compares: each of the kind of what it stands beside, or the databases would not agree.

SQLite compares a number with a text and says no; PostgreSQL does not run such a statement.  So a value of another kind
is refused, and one of a kind that has several forms takes that of its column (`form`).
"""

from __future__ import annotations

import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import BinaryExpression, BindParameter

from backstay.arguments import told
from backstay.catalog import Family, family_of
from backstay.catalog.shown import shown
from backstay.policy.affix import ends_within, escape_of
from backstay.policy.casting import miscast, wrapped
from backstay.policy.comparison import bare, compared, is_constant, is_of, is_somebodys, values_of
from backstay.policy.me import MeParameter

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
    "timestamp": ((date,), "a datetime without a time zone"),
    "date": ((date,), "a date"),
    "time": ((time,), "a time without a time zone"),
    "interval": ((timedelta,), "a timedelta"),
    "bytes": ((bytes, bytearray, memoryview), "bytes"),
}
_NUMERIC: Final[frozenset[Family]] = frozenset({"integer", "float", "numeric"})
_MOMENTS: Final[frozenset[Family]] = frozenset({"date", "timestamp", "timestamptz"})
#: Of these PostgreSQL compares nothing that is of another family, and SQLite what it has stored.
_COMPARED: Final = frozenset(_KINDS) | {"enum", "json"}


def mismatched(rows: Any) -> tuple[str, str] | None:
    """What in *rows* is compared with a value of another kind, and what to write; ``None`` where nothing is.

    >>> mismatched(sa.column("n", sa.Integer) == "x")
    ("compares n, which is integer, with 'x' (str)", 'Compare it with a number.')
    """
    compares = (_mismatched(one, other, type_) for one, other, type_ in compared(rows))
    looks = (miscast, _misplaced, _unkept, _unended, _mixed, wrapped)
    others = (look(element) for element in visitors.iterate(rows) for look in looks)
    return next((found for found in chain(compares, others) if found is not None), None)


def _misplaced(element: Any) -> tuple[str, str] | None:
    """A value of VALUES, which is sent as what its column is, and PostgreSQL takes 7.5 for 7."""
    if not isinstance(element, sa.Values):
        return None
    for value, column in (
        (v, c) for data in element._data for row in data for v, c in zip(row, element.c, strict=False)
    ):
        if not (is_of(value, column.type) and _fits(value, family_of(column.type), column.type)):
            seen = f"has {told(value)} in the column {column.name}, which is {family_of(column.type)}"
            return seen, "Write values of the column's type."
    return None


def _unkept(element: Any) -> tuple[str, str] | None:
    """A value that is none: PostgreSQL has no letter NUL, SQLite no NaN, and no database half a letter."""
    for value in values_of(element) if is_constant(element) else ():
        if isinstance(value, str) and any(map(_is_no_letter, value)):
            return f"holds {told(value)}, which is no text", "Leave NUL and surrogates out."
        if _is_nan(value):
            # It is the greatest number of PostgreSQL, whatever it is added to.
            return f"holds {told(value)}, which is no number", "Write a number, or null() for one that is not there."
    return None


def _unended(element: Any) -> tuple[str, str] | None:
    """A pattern at whose end the database would complain, when a row makes it look so far."""
    escape = escape_of(element)
    pattern = bare(element.right).value if escape is not None and is_constant(bare(element.right)) else None
    if escape is None or not isinstance(pattern, str) or not ends_within(pattern, escape):
        return None
    return (
        f"holds the pattern {told(pattern)}, which ends with an escape of nothing",
        f"Write {escape * 2!r} for {escape!r} itself, or .endswith(…) without an escape.",
    )


def _mixed(element: Any) -> tuple[str, str] | None:
    """A list of values of several kinds, beside a value of ``me``, which has none of its own."""
    asked = bare(element.left) if isinstance(element, BinaryExpression) else None
    if not isinstance(asked, MeParameter):
        return None
    listed = bare(element.right)
    values = [value for value in values_of(listed) if value is not None] if is_constant(listed) else []
    wrong = next((value for value in values if not _go_together(_kind(values[0]), _kind(value))), None)
    if wrong is None:
        return None
    return (
        f"looks for {asked.me_handed.asked} among {told(values[0])} and {told(wrong)}",
        "Write values of one kind.",
    )


def _kind(value: Any) -> Family:
    return family_of(sa.literal(value).type)


def _is_nan(value: Any) -> bool:
    return value.is_nan() if isinstance(value, Decimal) else isinstance(value, float) and math.isnan(value)


def _is_no_letter(letter: str) -> bool:
    return letter == "\0" or "\ud800" <= letter <= "\udfff"


def _mismatched(one: Any, other: Any, type_: sa.types.TypeEngine[Any]) -> tuple[str, str] | None:
    family = family_of(type_)
    if not is_constant(other):
        beside = getattr(other, "type", None)
        if not isinstance(beside, sa.types.TypeEngine) or is_somebodys(beside) or isinstance(other, BindParameter):
            return None
        if not _go_together(family, family_of(beside)):
            seen = f"{shown(one)}, which is {family}, with {shown(other)}, which is {family_of(beside)}"
            return f"compares {seen}", _CAST
        return None
    wrong = next((value for value in values_of(other) if not _fits(value, family, type_)), None)
    if wrong is None:
        return None
    return f"compares {shown(one)}, which is {family}, with {told(wrong)}", _advice(wrong, family, type_)


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


def _fits(value: Any, family: Family, type_: Any) -> bool:
    if value is None:
        return True
    if family == "enum":
        kind = getattr(type_, "enum_class", None)
        return value in type_.enums or (kind is not None and isinstance(value, kind))
    if family not in _KINDS:
        return True
    if isinstance(value, bool):
        return family == "boolean"
    if family == "uuid" and isinstance(value, str):
        return _is_uuid(value)
    if family == "date" and isinstance(value, datetime):
        return False
    if family in ("time", "timestamp") and getattr(value, "tzinfo", None) is not None:
        return False
    if family in _NUMERIC and isinstance(value, _NUMBERS):
        return not _is_nan(value) and (family != "float" or _is_float(value))
    return isinstance(value, _KINDS[family][0])


def _is_float(value: int | float | Decimal) -> bool:
    """Whether a float may stand for it; an infinite one does for itself."""
    try:
        return abs(value) == math.inf or abs(float(value)) < math.inf
    except OverflowError:
        return False


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
