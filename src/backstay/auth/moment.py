"""Times as the accounts API writes them."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The present, to the microsecond, in UTC."""
    return datetime.now(UTC)


def told(at: datetime | None) -> str | None:
    """RFC 3339 with a ``Z``.

    >>> told(datetime(2026, 11, 21, 12, 30, tzinfo=UTC))
    '2026-11-21T12:30:00Z'
    """
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
