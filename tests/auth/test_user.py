"""Accounts as clients see them."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from backstay.auth.user import about_providers, user_json

AT, LATER = datetime(2026, 11, 21, 12, tzinfo=UTC), datetime(2026, 11, 21, 13, tzinfo=UTC)
MOMENTS = (
    "email_confirmed_at", "phone_confirmed_at", "last_sign_in_at", "confirmation_sent_at", "recovery_sent_at",
    "reauthentication_sent_at", "email_change_sent_at", "invited_at", "banned_until", "deleted_at",
)  # fmt: skip


@pytest.mark.parametrize(
    ("before", "linked", "provider", "providers"),
    [
        ({}, ["email"], "email", ["email"]),
        ({"provider": "email", "providers": ["email"]}, ["email", "corp"], "email", ["email", "corp"]),
        ({"provider": "email", "providers": ["email", "corp"]}, ["corp"], "corp", ["corp"]),
        ({"provider": "corp", "providers": ["corp", "email"]}, ["email", "corp"], "corp", ["corp", "email"]),
        ({"provider": "corp", "providers": ["corp"]}, ["corp", "corp"], "corp", ["corp"]),
        ({"provider": "corp", "providers": ["corp"]}, [], "corp", []),
        ({"provider": "lost", "providers": ["lost"]}, ["email", "corp"], "email", ["email", "corp"]),
    ],
)
def test_the_providers_of_an_account(
    before: dict[str, Any], linked: list[str], provider: str, providers: list[str]
) -> None:
    """Those that are linked, in the order in which they came; the first stays the first as long as it is one."""
    rows = [SimpleNamespace(provider=name) for name in linked]
    assert {"plan": "pro", "provider": provider, "providers": providers} == about_providers(
        {"plan": "pro", **before}, rows
    )


def row(**more: Any) -> Any:
    told = dict.fromkeys(MOMENTS) | {"email": None, "phone": None, "new_email": None}
    plain = {"id": UUID(int=7), "aud": "a", "role": "r", "app_metadata": {}, "user_metadata": {}, "is_anonymous": False}
    return SimpleNamespace(**(told | plain | {"created_at": AT, "updated_at": LATER} | more))


def test_what_is_always_shown() -> None:
    """Texts that clients do not expect to be null; nothing of what never happened."""
    assert {
        "id": str(UUID(int=7)), "aud": "a", "role": "r", "email": "", "phone": "", "app_metadata": {},
        "user_metadata": {}, "identities": [], "created_at": "2026-11-21T12:00:00Z",
        "updated_at": "2026-11-21T13:00:00Z", "is_anonymous": False,
    } == user_json(row(), ())  # fmt: skip


@pytest.mark.parametrize("name", MOMENTS)
def test_what_happened_is_shown(name: str) -> None:
    """Each moment by its name, and of the confirmations the first."""
    shown = user_json(row(**{name: AT}), ())
    confirmed = name in ("email_confirmed_at", "phone_confirmed_at")
    assert ("2026-11-21T12:00:00Z", confirmed) == (shown[name], "confirmed_at" in shown)


def test_the_first_confirmation_counts() -> None:
    """Whichever of the two it was."""
    for first, second in ((AT, LATER), (LATER, AT)):
        shown = user_json(row(email_confirmed_at=first, phone_confirmed_at=second), ())
        assert "2026-11-21T12:00:00Z" == shown["confirmed_at"]


def test_an_address_that_is_wanted_and_factors() -> None:
    """Where there are some."""
    shown = user_json(row(email="a@example.org", phone="49", new_email="b@example.org"), (), [{"id": "f"}])
    assert ("a@example.org", "49", "b@example.org", [{"id": "f"}]) == (
        shown["email"], shown["phone"], shown["new_email"], shown["factors"]
    )  # fmt: skip
