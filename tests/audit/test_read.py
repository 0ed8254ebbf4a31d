"""Rows as operators and the admin API see them."""

from __future__ import annotations

import json
from datetime import timedelta
from uuid import UUID

import pytest

from backstay.audit import Actor, gotrue_entry
from backstay.audit.read import Wanted, newest, newest_of, shown
from backstay.db.store import Store
from tests.audit.chains import ANN, AT, event, write

BOB = UUID("00000000-0000-4000-8000-00000000000b")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(), [4, 3, 2, 1]),
        (Wanted(event="login"), [3, 1]),
        (Wanted(actor=BOB), [3]),
        (Wanted(actor=ANN, event="login"), [1]),
        (Wanted(since=AT + timedelta(seconds=2)), [4, 3]),
        (Wanted(before=3), [2, 1]),
        (Wanted(event="nothing"), []),
    ],
)
async def test_rows_are_chosen(store: Store, wanted: Wanted, found: list[int]) -> None:
    """By time, event and actor, newest first."""
    await write(
        store,
        event("login"),
        event("logout", 1),
        event("login", 2, actor=Actor("user", BOB)),
        event("user_deleted", 3, actor=Actor("system")),
    )
    assert found == [row.seq for row in await newest(store, wanted, 100)]
    assert found[:2] == [row.seq for row in await newest(store, wanted, 2)]


async def test_the_newest_of_a_kind(store: Store) -> None:
    """Or nothing."""
    await write(store, event("login"), event("login", 1), event("logout", 2))
    assert [2, None] == [(await newest_of(store, "login")).seq, await newest_of(store, "user_deleted")]


async def test_a_row_for_machines(store: Store) -> None:
    """All of it is JSON."""
    await write(store, event("logout", details={"scope": "local"}))
    [row] = await newest(store, Wanted(), 1)
    value = json.loads(json.dumps(shown(row)))
    assert {"seq": 1, "at": "2026-11-21T12:30:00.250000Z", "event": "logout", "actor_id": str(ANN)} == {
        name: value[name] for name in ("seq", "at", "event", "actor_id")
    }
    assert row.hash.hex() == value["hash"]


async def test_a_row_as_gotrue_shows_it(store: Store) -> None:
    """Its action and type are GoTrue's, and the address is the account's of today."""
    await write(store, event("token_reuse_detected", details={"sessions": 1}), event(actor=Actor("anon"), subject=None))
    anonymous, row = await newest(store, Wanted(), 2)
    found = gotrue_entry(row, {ANN: "ann@example.org"})
    assert {"id", "payload", "created_at", "ip_address"} == set(found)
    assert ("192.0.2.7", "2026-11-21T12:30:00.250000Z") == (found["ip_address"], found["created_at"])
    assert {
        "action": "token_revoked",
        "actor_id": str(ANN),
        "actor_username": "ann@example.org",
        "actor_via_sso": False,
        "log_type": "token",
        "timestamp": "2026-11-21T12:30:00.250000Z",
        "traits": {"sessions": 1, "subject": str(ANN)},
    } == found["payload"]
    assert found["id"] == gotrue_entry(row, {})["id"] != gotrue_entry(anonymous, {})["id"]
    assert ("", str(UUID(int=0))) == (
        gotrue_entry(row, {})["payload"]["actor_username"],
        gotrue_entry(anonymous, {})["payload"]["actor_id"],
    )
