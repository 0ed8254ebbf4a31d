"""How long a ban lasts, as Go writes durations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from backstay.auth.admin.ban import banned_until
from backstay.auth.refusal import AuthError

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CENTURY = 36525 * 24


@pytest.mark.parametrize(
    ("text", "lasts"),
    [
        ("24h", timedelta(hours=24)),
        ("1h30m", timedelta(minutes=90)),
        ("1.5h", timedelta(minutes=90)),
        ("2m10s", timedelta(seconds=130)),
        ("1s", timedelta(seconds=1)),
        ("250ms", timedelta(milliseconds=250)),
        ("3us", timedelta(microseconds=3)),
        ("4µs", timedelta(microseconds=4)),
        ("5000ns", timedelta(microseconds=5)),
        (f"{CENTURY}h", timedelta(hours=CENTURY)),
    ],
)
def test_a_ban_ends_so_much_later(text: str, lasts: timedelta) -> None:
    """Every unit, fractions, and a century at most."""
    assert NOW + lasts == banned_until(text, NOW)


def test_no_ban() -> None:
    """The word that ends one."""
    assert banned_until("none", NOW) is None


@pytest.mark.parametrize(
    "text",
    ["", "24", "h", "0s", "0h0m", "-1h", "+1h", "1h ", " 1h", "1 h", "1h30", "1d", "1H", "1,5h", "None", "1e3s", "1hx1h",
     f"{CENTURY}h1s", "9" * 13 + "h"],
)  # fmt: skip
def test_what_is_no_duration(text: str) -> None:
    """Refused, never half read: a ban that is shorter than it was meant would let somebody in."""
    with pytest.raises(AuthError, match="ban_duration"):
        banned_until(text, NOW)
