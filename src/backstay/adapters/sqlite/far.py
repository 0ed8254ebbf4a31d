"""Moments beyond the years 1 to 9999, which PostgreSQL has: a row that never ends and a day more are no fault.

Only comparisons see them.  Their text sorts as they do: ``:`` stands behind the digits, ``-`` before.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import Any, Final

from backstay.adapters.sqlite.compute import compute
from backstay.errors import DatabaseError
from backstay.plan.duration import duration_text, parse_duration
from backstay.plan.moment import trimmed

_FAR: Final = re.compile(r"[:-]\d{7}-", re.ASCII)
_DAY: Final = 86_400_000_000
#: Days of 400 years, after which the calendar is the same again.
_CYCLE: Final = 146_097
#: Added to years before the first, so that they sort.
_EARLIER: Final = 9_000_000
#: The years that PostgreSQL has: from 4713 BC on, and of days more than of moments.
_FIRST: Final = -4712
_LAST: Final = {"date": 5_874_897, "timestamp": 294_276, "timestamptz": 294_276}


def compute_far(sign: str, left_kind: str, right_kind: str, left: Any, right: Any) -> int | float | str | None:
    """As `compute`, without an end at the year 9999.

    >>> compute_far("+", "date", "int4", "9999-12-31", 1), compute_far("-", "date", "int4", "0001-01-01", 1)
    (':0010000-01-01', '-9000000-12-31')
    >>> compute_far("-", "timestamptz", "interval", ":0010000-01-01T00:00:00.5+00:00", "1 day")
    '9999-12-31T00:00:00.5+00:00'

    Raises:
        DatabaseError: 22008, where PostgreSQL has an end too.
    """
    if not any(isinstance(each, str) and _is_far(each) for each in (left, right)):
        try:
            return compute(sign, left_kind, right_kind, left, right)
        except DatabaseError as fault:
            if fault.code != "22008":
                raise
    one, other = _position(left_kind, left), _position(right_kind, right)
    found = one + other if sign == "+" else one - other
    kinds = {left_kind, right_kind}
    if sign == "-" and left_kind == right_kind:
        return found // _DAY if left_kind == "date" else duration_text(timedelta(microseconds=found))
    kind = next(each for each in ("timestamptz", "timestamp", "date") if each in kinds)
    return _text("timestamp" if kind == "date" and "interval" in kinds else kind, found)


def _is_far(text: str) -> bool:
    """Whether it is no ISO text, and no duration such as ``-1 days``."""
    return _FAR.match(text) is not None


def _position(kind: str, value: Any) -> int:
    """Microseconds from the day 0 of the calendar; of a duration, its length."""
    if kind == "interval":
        return parse_duration(value) // timedelta(microseconds=1)
    if kind not in _LAST:
        return int(value) * _DAY
    day, _, clock = value.partition("T")
    passed = (
        datetime.fromisoformat(f"0001-01-01T{clock.removesuffix('+00:00')}") - datetime.min if clock else timedelta()
    )
    return _days(day) * _DAY + passed // timedelta(microseconds=1)


def _days(text: str) -> int:
    if not _is_far(text):
        return date.fromisoformat(text).toordinal()
    year, month, day = map(int, text[1:].split("-"))
    year -= _EARLIER if text.startswith("-") else 0
    cycles, year = divmod(year, 400)
    return date(year + 400, month, day).toordinal() + (cycles - 1) * _CYCLE


def _text(kind: str, position: int) -> str:
    days, micro = divmod(position, _DAY)
    cycles, days = divmod(days - 1, _CYCLE)
    near = date.fromordinal(days + 1)
    year = near.year + 400 * cycles
    if not _FIRST <= year <= _LAST[kind]:
        raise DatabaseError("22008", f"{'date' if kind == 'date' else 'timestamp'} out of range")
    told = f"-{_EARLIER + year}" if year < 1 else f"{year:04d}" if year <= 9999 else f":{year:07d}"
    text = f"{told}-{near.month:02d}-{near.day:02d}"
    if kind == "date":
        return text
    clock = trimmed((datetime.min + timedelta(microseconds=micro)).time())
    return f"{text}T{clock}" + ("+00:00" if kind == "timestamptz" else "")
