"""Dates and times as PostgreSQL reads them of clients, forms of ISO 8601 and no other, and as its JSON shows them.

Python's own readers take week dates, commas, hours alone and digits of any script, cut what is finer than a microsecond
where PostgreSQL rounds it, and change from one version to the next.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Final

from backstay.errors import PlanError

#: What PostgreSQL trims.
BLANKS: Final = " \t\n\v\f\r"

_DATE: Final = r"(?P<year>\d{4})(?:-(?P<month>\d\d?)-(?P<day>\d\d?)|(?P<month2>\d\d)(?P<day2>\d\d)|-(?P<ordinal>\d{3}))"
_TIME: Final = (
    r"(?P<hour>\d\d?):(?P<minute>\d\d?)(?::(?P<second>\d\d?)(?P<fraction>\.\d*+)?)?"
    r"|(?P<hour2>\d\d)(?P<minute2>\d\d)(?:(?P<second2>\d\d)(?P<fraction2>\.\d*+)?)?"
)
_ZONE: Final = r"(?:[ ]*+(?:[zZ]|(?P<sign>[+-])(?P<hours>\d\d?)(?::?(?P<minutes>\d\d)(?::?(?P<seconds>\d\d))?)?))?"
_MOMENT: Final = re.compile(rf"{_DATE}(?:(?:[tT]|[ ]++)(?:{_TIME}){_ZONE})?", re.ASCII)
_CLOCK: Final = re.compile(rf"(?:{_TIME}){_ZONE}", re.ASCII)

#: The furthest zone, in hours.
_FURTHEST: Final = 16
_DAY: Final = timedelta(days=1)


def read_moment(text: str, name: str) -> datetime:
    """The date and time in *text*, with its zone where it has one; *name* is the type in an error.

    >>> read_moment("2024-12-31 24:00Z", "timestamp").isoformat(), read_moment("2024-060", "timestamp").isoformat()
    ('2025-01-01T00:00:00+00:00', '2024-02-29T00:00:00')

    Raises:
        PlanError: 22007, 22008, 22009, as PostgreSQL would; 22008, too, beyond the years 1 to 9999.
    """
    found = _found(_MOMENT, text, name)
    day, clock, zone = _day(found, text), _clock(found, text), _zone(found, text)
    try:
        return datetime(day.year, day.month, day.day, tzinfo=zone) + clock
    except OverflowError:
        raise PlanError("22008", f'timestamp out of range: "{text}"') from None


def read_date(text: str) -> date:
    """The day in *text*; of a time and a zone behind it nothing is left, and nothing is carried.

    >>> read_date("2024-01-01T24:00+02").isoformat()
    '2024-01-01'

    Raises:
        PlanError: as `read_moment`.
    """
    found = _found(_MOMENT, text, "date")
    _clock(found, text)
    _zone(found, text)
    return _day(found, text)


def read_time(text: str) -> time:
    """The time of day in *text*; its zone is dropped.

    >>> read_time("1:00:00.0000005"), read_time("10:00:60")
    (datetime.time(1, 0), datetime.time(10, 1))

    Raises:
        PlanError: as `read_moment`; 22008 for the end of a day, ``24:00``, which is no time that Python has.
    """
    found = _found(_CLOCK, text, "time")
    clock = _clock(found, text)
    _zone(found, text)
    if clock >= _DAY:
        raise _out_of_range(text)
    return (datetime.min + clock).time()


def trimmed(moment: datetime | time) -> str:
    """*moment* as ISO 8601 without the zeros that end a fraction.

    >>> trimmed(datetime(2024, 1, 1, 12)), trimmed(time(12, 30, 0, 500000))
    ('2024-01-01T12:00:00', '12:30:00.5')
    """
    text = moment.isoformat()
    if not moment.microsecond:
        return text
    at = text.index(".")
    return text[: at + 7].rstrip("0") + text[at + 7 :]


def instant_text(moment: datetime) -> str:
    """*moment* as a ``timestamptz`` is shown in UTC, which it is in where it has no zone.

    >>> instant_text(datetime(2024, 1, 1, 12, 0, 0, 500000, tzinfo=UTC))
    '2024-01-01T12:00:00.5+00:00'

    Raises:
        OverflowError: In UTC it is beyond the years 1 to 9999.
    """
    return trimmed(moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC))


def _found(form: re.Pattern[str], text: str, name: str) -> re.Match[str]:
    found = form.fullmatch(text.strip(BLANKS))
    if found is None:
        raise PlanError("22007", f'invalid input syntax for type {name}: "{text}"')
    return found


def _out_of_range(text: str) -> PlanError:
    return PlanError("22008", f'date/time field value out of range: "{text}"')


def _day(found: re.Match[str], text: str) -> date:
    year, ordinal = int(found["year"]), found["ordinal"]
    try:
        if ordinal is not None:
            if not 1 <= int(ordinal) <= 366:
                raise _out_of_range(text)
            # The 366th of a year that has fewer is the next one's first, to PostgreSQL.
            return date(year, 1, 1) + timedelta(days=int(ordinal) - 1)
        return date(year, int(found["month"] or found["month2"]), int(found["day"] or found["day2"]))
    except (ValueError, OverflowError):
        raise _out_of_range(text) from None


def _clock(found: re.Match[str], text: str) -> timedelta:
    """What *found* is behind midnight: up to the midnight after."""
    hour, minute, second = (int(found[part] or found[f"{part}2"] or 0) for part in ("hour", "minute", "second"))
    # Rounded as PostgreSQL does it, by way of a double.
    micro = round(float(f"0{found['fraction'] or found['fraction2'] or ''}") * 1_000_000)
    clock = timedelta(hours=hour, minutes=minute, seconds=second, microseconds=micro)
    if minute > 59 or second > 60 or clock > _DAY:
        raise _out_of_range(text)
    return clock


def _zone(found: re.Match[str], text: str) -> timezone | None:
    if found["sign"] is None:
        return UTC if found[0].endswith(("z", "Z")) else None
    hours, minutes, seconds = (int(found[part] or 0) for part in ("hours", "minutes", "seconds"))
    if hours >= _FURTHEST or minutes > 59 or seconds > 59:
        raise PlanError("22009", f'time zone displacement out of range: "{text}"')
    away = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return timezone(-away if found["sign"] == "-" else away)
