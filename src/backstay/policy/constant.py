"""The values that a policy compares: each of the kind of what it stands beside, or the databases would not agree.

SQLite compares a number with a text and says no; PostgreSQL does not run such a statement.  So a value of another kind
is refused, and one of a kind that has several forms takes that of its column (`form`).
"""

from __future__ import annotations

import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.sql.elements import BindParameter

from backstay.arguments import told
from backstay.catalog import Family, family_of
from backstay.policy.comparison import compared, is_constant, is_somebodys, values_of

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

    >>> mismatched(sa.column("n", sa.Integer) == "x")
    ("n, which is integer, with 'x' (str)", 'Compare it with a number.')
    """
    found = (_mismatched(one, other, type_) for one, other, type_ in compared(rows))
    return next((each for each in found if each is not None), None)


def _mismatched(one: Any, other: Any, type_: sa.types.TypeEngine[Any]) -> tuple[str, str] | None:
    family = family_of(type_)
    if not is_constant(other):
        beside = getattr(other, "type", None)
        if not isinstance(beside, sa.types.TypeEngine) or is_somebodys(beside) or isinstance(other, BindParameter):
            return None
        if not _go_together(family, family_of(beside)):
            return f"{_told(one)}, which is {family}, with {_told(other)}, which is {family_of(beside)}", _CAST
        return None
    wrong = next((value for value in values_of(other) if not _fits(value, family, type_)), None)
    if wrong is None:
        return None
    return f"{_told(one)}, which is {family}, with {told(wrong)}", _advice(wrong, family, type_)


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
    if family in _NUMERIC and isinstance(value, _NUMBERS):
        # NaN is the greatest number of PostgreSQL, and SQLite has none.
        return value == value and (family != "float" or _is_float(value))
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


def _told(element: Any) -> str:
    text = " ".join(str(element).split())
    return text if len(text) <= 80 else text[:79] + "…"
