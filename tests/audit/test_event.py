"""An event says what its kind allows, and no secret."""

from __future__ import annotations

from typing import Any

import pytest

from backstay.audit import EVENTS
from backstay.observe import is_secret_key
from tests.audit.chains import AT, event


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_no_kind_has_a_place_for_a_secret(name: str) -> None:
    """AU3: no key of any kind is one under which a secret stands."""
    assert [] == [key for key in EVENTS[name].details if is_secret_key(key)]


@pytest.mark.parametrize(
    "named",
    [
        {"name": "signed_in"},
        {"at": AT.replace(tzinfo=None)},
        {"details": {"password": "hunter22"}},
        {"details": {"method": {"password": "x"}}},
        {"details": {"method": 0.5}},
        {"details": {"method": 2**63}},
        {"details": {"method": ("a", 1)}},
    ],
)
def test_what_is_no_event_is_refused(named: dict[str, Any]) -> None:
    """AU3: by name, time, key and value; it is a fault of ours, and a test finds it."""
    with pytest.raises(ValueError, match=r"event|detail"):
        event(**named)


def test_texts_lose_what_looks_like_a_secret() -> None:
    """AU3: a client may send anything anywhere, and what it sent as a user agent is kept for good."""
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
    found = event(
        details={"user_agent": f"curl {token}", "reason": "password=hunter22 sb_secret_abcdef"}, subject=token
    )
    assert {"user_agent": "curl ***", "reason": "password=*** sb_secret_***"} == found.details
    assert "***" == found.subject


def test_texts_and_lists_are_bounded() -> None:
    """A megabyte of user agent is not kept."""
    found = event("user_modified", details={"fields": ("x" * 9999,) * 99})
    fields = found.details["fields"]
    assert isinstance(fields, tuple)
    assert (50, 500) == (len(fields), len(fields[0]))
