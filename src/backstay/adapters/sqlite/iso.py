"""Times as text, the way PostgreSQL's JSON shows them: ISO 8601 without the zeros that end a fraction."""

from __future__ import annotations

from datetime import UTC, datetime, time


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
