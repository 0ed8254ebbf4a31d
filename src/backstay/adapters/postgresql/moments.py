"""Days and moments on their way to PostgreSQL and back: each is the one that it says.

To asyncpg the last day and the last moment that Python knows, ``9999-12-31``, are PostgreSQL's ``infinity``, and the
first ones ``-infinity``.  So a rule of ``doc.ends == date.max`` would find no row that a client has written.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import asyncpg

_FIRST_DAY: Final = date(2000, 1, 1).toordinal()
_FIRST: Final = datetime(2000, 1, 1)
_MICROSECOND: Final = timedelta(microseconds=1)
#: How PostgreSQL writes what has no end, as days and as microseconds.
_DAYS_WITHOUT_END: Final = 2**31 - 1
_WITHOUT_END: Final = 2**63 - 1


async def read_moments(connection: asyncpg.Connection[Any]) -> None:
    """Have *connection* take days and moments for what they are."""
    for name, (encode, decode) in _CODECS.items():
        await connection.set_type_codec(name, schema="pg_catalog", encoder=encode, decoder=decode, format="tuple")


def _day(value: Any) -> tuple[int]:
    if not isinstance(value, date):
        raise TypeError(f"expected a date, got {type(value).__name__}")
    return (value.toordinal() - _FIRST_DAY,)


def _local(value: Any) -> tuple[int]:
    return ((_moment(value) - _FIRST) // _MICROSECOND,)


def _instant(value: Any) -> tuple[int]:
    return ((_moment(value).astimezone(UTC).replace(tzinfo=None) - _FIRST) // _MICROSECOND,)


def _moment(value: Any) -> datetime:
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        raise TypeError(f"expected a datetime, got {type(value).__name__}")
    return value


def _to_day(sent: tuple[int]) -> date:
    (days,) = sent
    if days in (_DAYS_WITHOUT_END, -_DAYS_WITHOUT_END - 1):
        return date.max if days > 0 else date.min
    return date.fromordinal(days + _FIRST_DAY)


def _to_local(sent: tuple[int]) -> datetime:
    (microseconds,) = sent
    if microseconds in (_WITHOUT_END, -_WITHOUT_END - 1):
        return datetime.max if microseconds > 0 else datetime.min
    return _FIRST + timedelta(microseconds=microseconds)


def _to_instant(sent: tuple[int]) -> datetime:
    return _to_local(sent).replace(tzinfo=UTC)


_CODECS: Final[dict[str, tuple[Callable[[Any], tuple[int]], Callable[[tuple[int]], date]]]] = {
    "date": (_day, _to_day),
    "timestamp": (_local, _to_local),
    "timestamptz": (_instant, _to_instant),
}
