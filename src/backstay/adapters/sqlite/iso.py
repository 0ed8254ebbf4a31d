"""Times as text, the way PostgreSQL's JSON shows them: ISO 8601 without the zeros that end a fraction."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from typing import Final


def instant_text(value: datetime) -> str:
    """A point in time as PostgreSQL's JSON shows a ``timestamptz`` in UTC.

    >>> instant_text(datetime(2024, 1, 1, 12, 0, 0, 500000, tzinfo=UTC))
    '2024-01-01T12:00:00.5+00:00'
    """
    utc = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    text = utc.replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if utc.microsecond else text) + "+00:00"


def local_text(value: datetime) -> str:
    """A date and time without a zone.

    >>> local_text(datetime(2024, 1, 1, 12))
    '2024-01-01T12:00:00'

    Raises:
        ValueError: *value* has a zone.
    """
    if value.tzinfo is not None:
        raise ValueError("a datetime with a zone was given to a column without: use DateTime(timezone=True)")
    text = value.isoformat()
    return text.rstrip("0") if value.microsecond else text


def time_text(value: time) -> str:
    """
    >>> time_text(time(12, 30, 0, 500000))
    '12:30:00.5'
    """
    text = value.replace(tzinfo=None).isoformat()
    zone = value.isoformat()[len(text) :]
    return (text.rstrip("0") if value.microsecond else text) + zone


def interval_text(value: timedelta) -> str:
    """A duration as PostgreSQL prints an interval of days and microseconds.

    >>> interval_text(timedelta(days=-1, hours=2)), interval_text(timedelta(seconds=0.5)), interval_text(timedelta(1))
    ('-1 days +02:00:00', '00:00:00.5', '1 day')
    """
    micro = value.seconds * 1_000_000 + value.microseconds
    days = f"{value.days} day{'' if value.days == 1 else 's'}" if value.days else ""
    if days and not micro:
        return days
    clock = f"{value.seconds // 3600:02d}:{value.seconds // 60 % 60:02d}:{value.seconds % 60:02d}"
    if value.microseconds:
        clock += f".{value.microseconds:06d}".rstrip("0")
    sign = "+" if value.days < 0 else ""
    return f"{days} {sign}{clock}" if days else clock


_INTERVAL: Final = re.compile(r"(?:(-?\d+) days? ?)?(?:([+-]?)(\d+):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?")


def parse_interval(text: str) -> timedelta:
    """The reverse of `interval_text`.

    >>> parse_interval("-1 days +02:00:00") == timedelta(days=-1, hours=2)
    True

    Raises:
        ValueError: *text* is no such interval.
    """
    found = _INTERVAL.fullmatch(text)
    if found is None or not text:
        raise ValueError(f"invalid interval: {text!r}")
    days, sign, hours, minutes, seconds, fraction = found.groups()
    clock = timedelta(
        hours=int(hours or 0),
        minutes=int(minutes or 0),
        seconds=int(seconds or 0),
        microseconds=int((fraction or "").ljust(6, "0")),
    )
    return timedelta(days=int(days or 0)) + (-clock if sign == "-" else clock)
