"""Factors and credentials as rows: whose they are, and what is done to them once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from backstay.auth.authenticator import (
    add_passkey,
    count_use,
    credential_of_factor,
    credentials_by_user,
    delete_passkey,
    passkey_by_credential,
    passkeys_by_user,
    passkeys_of,
    rename_passkey,
    still_there,
)
from backstay.auth.factor import (
    add_factor,
    challenged_factor,
    delete_factor,
    factor_by_id,
    factors_by_user,
    factors_of,
    finish_factor,
    sweep_factors,
    use_step,
    verified_factors,
)
from backstay.db.store import Store
from tests.auth.people import NOW, SECOND, person, run


async def factor(store: Store, user: UUID, *, name: str | None = None, at: Any = NOW, finished: bool = False) -> UUID:
    id = uuid4()
    await run(store, add_factor(id, user, "totp", name, b"sealed", at))
    if finished:
        await run(store, finish_factor(id, at))
    return id


async def passkey(store: Store, user: UUID, *, of: UUID | None = None, count: int = 0, at: Any = NOW) -> UUID:
    id = uuid4()
    row = add_passkey(id, user, of, id.bytes, b"key", count, "aaguid", ["usb"], True, False, None, at)
    await run(store, row)
    return id


async def test_factors_are_their_owners(store: Store) -> None:
    """A1: another account finds and deletes none of them, finished or not."""
    ann, bob = await person(store), await person(store)
    one, two = await factor(store, ann, at=NOW + SECOND), await factor(store, ann, finished=True)
    assert [two, one] == [row.id for row in await store.all(factors_by_user(ann))]
    assert [two] == [row.id for row in await store.all(verified_factors(ann))]
    for asked in (factors_by_user(bob), verified_factors(bob), factor_by_id(one, bob), factor_by_id(uuid4(), ann)):
        assert [] == list(await store.all(asked))
    assert one == (await store.one(factor_by_id(one, ann))).id
    for wrong in (delete_factor(two, bob), delete_factor(uuid4(), ann)):
        assert None is await run(store, wrong)
    gone = await run(store, delete_factor(two, ann))
    assert (two, "totp", None, "verified") == (gone.id, gone.factor_type, gone.friendly_name, gone.status)
    assert [one] == [row.id for row in await store.all(factors_by_user(ann))]


async def test_a_factor_is_finished_once(store: Store) -> None:
    """Of two first proofs one finishes it, and no other factor; it keeps what it was."""
    ann = await person(store)
    one, two = await factor(store, ann, name="one"), await factor(store, ann, at=NOW + SECOND)
    at = NOW + timedelta(minutes=1)
    assert one == (await run(store, finish_factor(one, at))).id
    assert None is await run(store, finish_factor(one, at + SECOND))
    await run(store, challenged_factor(one, at))
    assert [
        {
            "id": str(one),
            "friendly_name": "one",
            "factor_type": "totp",
            "status": "verified",
            "created_at": "2026-11-21T12:00:00Z",
            "updated_at": "2026-11-21T12:01:00Z",
            "last_challenged_at": "2026-11-21T12:01:00Z",
        },
        {
            "id": str(two),
            "friendly_name": "",
            "factor_type": "totp",
            "status": "unverified",
            "created_at": "2026-11-21T12:00:01Z",
            "updated_at": "2026-11-21T12:00:01Z",
        },
    ] == await factors_of(store, ann)


async def test_a_step_is_taken_once_and_none_before_it(store: Store) -> None:
    """MF1: the code of an earlier or the same time step is none, of this factor alone."""
    ann = await person(store)
    one, two = await factor(store, ann), await factor(store, ann)
    taken = [await run(store, use_step(one, step, NOW)) is not None for step in (10, 10, 9, 11, 11)]
    assert [True, False, False, True, False] == taken
    assert 11 == (await store.one(factor_by_id(one, ann))).last_step
    assert await run(store, use_step(two, 9, NOW)) is not None


async def test_what_is_swept(store: Store) -> None:
    """Enrolments that were not finished by then, of this account, and no finished factor."""
    ann, bob = await person(store), await person(store)
    await factor(store, ann)
    kept = await factor(store, ann, finished=True)
    late, his = await factor(store, ann, at=NOW + SECOND), await factor(store, bob)
    await run(store, sweep_factors(ann, NOW))
    assert [kept, late] == [row.id for row in await store.all(factors_by_user(ann))]
    assert [his] == [row.id for row in await store.all(factors_by_user(bob))]


async def test_credentials_are_their_owners(store: Store) -> None:
    """MF3: a passkey is renamed and removed by its account alone, and the credential of a factor by neither way."""
    ann, bob = await person(store), await person(store)
    second = await factor(store, ann)
    later, first = await passkey(store, ann, at=NOW + SECOND), await passkey(store, ann)
    of_factor = await passkey(store, ann, of=second, at=NOW + 2 * SECOND)
    assert [first, later] == [row.id for row in await store.all(passkeys_by_user(ann))]
    assert [first, later, of_factor] == [row.id for row in await store.all(credentials_by_user(ann))]
    assert [[], []] == [list(await store.all(asked(bob))) for asked in (passkeys_by_user, credentials_by_user)]
    assert of_factor == (await store.one(credential_of_factor(second))).id
    assert None is await store.one(credential_of_factor(uuid4()))
    for mine, who in ((first, bob), (of_factor, ann), (uuid4(), ann)):
        assert None is await run(store, rename_passkey(mine, who, "mine"))
        assert None is await run(store, delete_passkey(mine, who))
    assert "Laptop" == (await run(store, rename_passkey(first, ann, "Laptop"))).friendly_name
    assert (first, "Laptop") == tuple(await run(store, delete_passkey(first, ann)))
    assert None is await store.one(still_there(first))
    assert await store.one(still_there(later)) is not None
    assert [later, of_factor] == [row.id for row in await store.all(credentials_by_user(ann))]
    shown = {"id": str(later), "created_at": "2026-11-21T12:00:01Z", "backup_eligible": True, "backed_up": False}
    assert [shown | {"transports": ["usb"]}] == await passkeys_of(store, ann)


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [(0, 0, True), (0, 1, True), (5, 6, True), (5, 5, False), (5, 4, False), (5, 0, False)],
)
async def test_counts_only_grow(store: Store, before: int, now: int, expected: bool) -> None:
    """MF3: an authenticator that counts counts on; one that does not stays at nought."""
    ann = await person(store)
    mine, other = await passkey(store, ann, count=before), await passkey(store, ann, count=before)
    assert expected == (await run(store, count_use(mine, now, True, NOW)) is not None)
    rows = {row.id: row for row in await store.all(passkeys_by_user(ann))}
    row = rows[mine]
    after = (now, True, NOW) if expected else (before, False, None)
    assert after == (row.sign_count, row.backed_up, row.last_used_at)
    assert (before, None) == (rows[other].sign_count, rows[other].last_used_at)


async def test_a_credential_is_found_by_its_id(store: Store) -> None:
    """The id that the authenticator gave it; the credential of a factor is no passkey."""
    ann = await person(store)
    mine = await passkey(store, ann)
    await passkey(store, ann)
    second = await passkey(store, ann, of=await factor(store, ann))
    assert None is await store.one(passkey_by_credential(second.bytes))
    assert mine == (await store.one(passkey_by_credential(mine.bytes))).id
    assert None is await store.one(passkey_by_credential(b"x"))
