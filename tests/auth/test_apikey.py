"""API keys as rows: what is kept of them, and until when they live."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from backstay.auth.apikey import (
    add_key,
    is_whole,
    key_by_id,
    living_keys,
    new_key,
    note_uses,
    page_of_keys,
    revoke_api_key,
)
from backstay.auth.epoch import current_epoch
from backstay.db.store import Store
from tests.auth.people import NOW, SECOND


async def add(store: Store, key: str, **named: Any) -> UUID:
    id = uuid4()
    values: dict[str, Any] = {
        "name": "job",
        "role": "service_role",
        "scopes": ("read",),
        "created_by": None,
        "expires_at": None,
        "now": NOW,
        **named,
    }
    await store.transact(lambda tx: add_key(tx, id, key, **values))
    return id


@pytest.mark.parametrize(
    ("role", "prefix"),
    [("anon", "sb_publishable_"), ("authenticated", "sb_secret_"), ("service_role", "sb_secret_"), ("x", "sb_secret_")],
)
async def test_what_is_kept(store: Store, role: str, prefix: str) -> None:
    """TK9: how it begins, and its hash; the epoch grows, so that every process sees it."""
    key, by = new_key(role), uuid4()
    id = await add(store, key, role=role, scopes=("read", "write"), created_by=by, expires_at=NOW + SECOND)
    row = await store.one(key_by_id(id))
    assert (prefix, len(prefix) + 4) == (row.hint[: len(prefix)], len(row.hint))
    assert key.startswith(row.hint)
    assert hashlib.sha256(key.encode()).digest() == row.hash
    assert ("job", role, ["read", "write"], by, NOW, NOW + SECOND) == (
        row.name,
        row.role,
        row.scopes,
        row.created_by,
        row.created_at,
        row.expires_at,
    )
    assert (None, None, 1) == (row.last_used_at, row.revoked_at, (await store.one(current_epoch())).value)


async def test_a_key_is_revoked_once(store: Store) -> None:
    """TK9: the first word counts, for this key alone; the living are all that were not revoked."""
    one, two = await add(store, "sb_secret_1"), await add(store, "sb_secret_2", now=NOW + SECOND)
    assert [two, one] == [row.id for row in await store.all(page_of_keys(9, 0))]
    for at, expected in ((NOW, "service_role"), (NOW + SECOND, None)):
        gone = await store.transact(lambda tx: revoke_api_key(tx, one, at))  # noqa: B023
        assert expected == (None if gone is None else gone.role)
    assert NOW == (await store.one(key_by_id(one))).revoked_at
    assert None is await store.transact(lambda tx: revoke_api_key(tx, uuid4(), NOW))
    assert [two] == [row.id for row in await living_keys(store, {})]
    assert 5 == (await store.one(current_epoch())).value


async def test_the_latest_use_stays(store: Store) -> None:
    """Of what several processes write down the latest is shown."""
    one, two = await add(store, "sb_secret_1"), await add(store, "sb_secret_2")
    later = NOW + timedelta(minutes=1)
    for uses in ({one: later}, {}, {one: NOW, two: NOW}):
        await note_uses(store, uses)
    shown = [(await store.one(key_by_id(id))).last_used_at for id in (one, two)]
    assert [later, NOW] == shown


def test_the_form_of_a_key() -> None:
    """A scanner knows one by its prefix and checksum; what was cut off or mistyped is none."""
    for role in ("anon", "service_role"):
        key = new_key(role)
        body = key.rpartition("_")[0]
        assert is_whole(key)
        assert 43 == len(body.removeprefix("sb_publishable_").removeprefix("sb_secret_"))
        swapped = body[:-1] + ("A" if body[-1] != "A" else "B")
        for wrong in (key[:-1], key + "0", key.upper(), body, f"{swapped}_{key[-8:]}", f"é{key}", f"{key[3:]}", ""):
            assert not is_whole(wrong)
    assert new_key("anon") != new_key("anon")
