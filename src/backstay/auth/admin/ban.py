"""How long a ban lasts, as GoTrue's clients write it: ``24h``, ``1h30m``, ``none``."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

from backstay.auth.refusal import invalid

#: Go's units of time.
_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART: Final = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)(ns|us|µs|ms|s|m|h)")
_LONGEST: Final = timedelta(days=36525)


def banned_until(duration: str, now: datetime) -> datetime | None:
    """When a ban of *duration* from now on ends; ``None`` for no ban.

    >>> banned_until("1h30m", datetime(2026, 11, 21, 12, 0)).isoformat()
    '2026-11-21T13:30:00'

    Raises:
        AuthError: validation_failed, for what is no duration, not above zero, or longer than a century.
    """
    if duration == "none":
        return None
    parts = _PART.findall(duration)
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    whole = "".join(number + unit for number, unit in parts)
    if not parts or whole != duration or not 0 < seconds <= _LONGEST.total_seconds():
        raise invalid("ban_duration is none, or a time like 24h or 1h30m, a century at most")
    return now + timedelta(seconds=seconds)
