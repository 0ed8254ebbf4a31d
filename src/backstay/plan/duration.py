"""Durations as text: days, hours and seconds, as PostgreSQL prints an interval without months."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final


def duration_text(value: timedelta) -> str:
    """A duration as PostgreSQL prints an interval of days and microseconds.

    >>> duration_text(timedelta(days=-1, hours=2)), duration_text(timedelta(seconds=0.5)), duration_text(timedelta(1))
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


_INTERVAL: Final = re.compile(r"(?:(-?\d+) days? ?)?(?:([+-]?)(\d+):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?", re.ASCII)


def parse_duration(text: str) -> timedelta:
    """The reverse of `duration_text`.

    >>> parse_duration("-1 days +02:00:00") == timedelta(days=-1, hours=2)
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
