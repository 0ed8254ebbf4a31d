"""Roles are given and taken once each, and somebody always keeps ``admin``."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from backstay.auth.assignment import assign, assignments_of, checked_role, names, take_all, unassign
from backstay.auth.epoch import current_epoch, revoked_since
from backstay.auth.options import AuthOptions
from backstay.auth.refusal import AuthError
from backstay.auth.session import Device, start_session
from backstay.auth.tables import User
from backstay.db.store import Store
from backstay.sql.query import query
from tests.auth.people import NOW, SECOND, person, run


@query
def _ban(id: UUID, until: datetime) -> Any:
    return sa.update(User).where(User.id == id).values(banned_until=until)


@query
def _delete(id: UUID) -> Any:
    return sa.update(User).where(User.id == id).values(deleted_at=NOW)


async def give(store: Store, user: UUID, role: str, by: UUID | None = None) -> bool:
    # Whoever has proved their address is not emptied, so nothing is asked of the accounts and of the request.
    accounts: Any = None
    asked: Any = SimpleNamespace(session=None, user_id=by)
    return await store.transact(lambda tx: assign(tx, accounts, asked, user, role, by, NOW))


async def take(store: Store, user: UUID, role: str) -> bool:
    return await store.transact(lambda tx: unassign(tx, user, role, NOW))


async def roles(store: Store, user: UUID) -> list[str]:
    return names(await store.all(assignments_of(user)))


async def session(store: Store, user: UUID) -> UUID:
    opened = await store.transact(
        lambda tx: start_session(tx, AuthOptions(), user_id=user, method="otp", device=Device("", ""), now=NOW)
    )
    return opened.id


async def test_a_role_is_given_and_taken_once(store: Store) -> None:
    """RB4, TK8, S4: the second time nothing is done; who gets a role signs in again, and who loses one gets new tokens."""
    ann, bob, by = await person(store), await person(store), uuid4()
    hers, _ = await session(store, ann), await session(store, bob)
    assert [True, False] == [await give(store, ann, "editor", by) for _ in range(2)]
    (row,) = await store.all(assignments_of(ann))
    assert (ann, "editor", by, NOW) == (row.user_id, row.role, row.granted_by, row.granted_at)
    assert [(hers, "end")] == [(told.session_id, told.action) for told in await store.all(revoked_since(0, NOW))]
    hers = await session(store, ann)
    before = (await store.one(current_epoch())).value
    assert await give(store, bob, "editor")
    assert [True, False] == [await take(store, ann, "editor") for _ in range(2)]
    assert ([], ["editor"]) == (await roles(store, ann), await roles(store, bob))
    assert (hers, "stale") in {(told.session_id, told.action) for told in await store.all(revoked_since(before, NOW))}


async def test_the_last_admin_stays(store: Store) -> None:
    """RB4: another one counts who is there and not banned, to the second; other roles may die out."""
    ann, bob = await person(store), await person(store)
    await give(store, ann, "admin")
    await give(store, ann, "editor")
    await give(store, bob, "editor")

    async def refused() -> bool:
        try:
            return not await take(store, ann, "admin")
        except AuthError as refusal:
            assert ("conflict", 409) == (refusal.code, refusal.status)  # noqa: PT017
            return True

    assert await refused()
    await give(store, bob, "admin")
    await run(store, _ban(bob, NOW + SECOND))
    assert await refused()
    assert ["admin", "editor"] == await roles(store, ann)
    await run(store, _ban(bob, NOW))
    assert not await refused()
    assert ["editor"] == await roles(store, ann)
    await give(store, ann, "admin")
    await run(store, _delete(bob))
    assert await refused()
    assert await take(store, ann, "editor")
    assert ["admin"] == await roles(store, ann)


async def test_fifty_roles_are_enough(store: Store) -> None:
    """As many as a token may name; one more is refused, and not given."""
    ann = await person(store)
    for number in range(50):
        assert await give(store, ann, f"role{number:02}")
    with pytest.raises(AuthError, match="at most 50"):
        await give(store, ann, "role50")
    assert [f"role{number:02}" for number in range(50)] == await roles(store, ann)
    bob = await person(store)
    await give(store, bob, "editor")
    await run(store, take_all(ann))
    assert ([], ["editor"]) == (await roles(store, ann), await roles(store, bob))


@pytest.mark.parametrize("name", ["a", "admin", "Editor", "org:42.read-only_x", "a" * 63])
def test_roles_that_can_be_assigned(name: str) -> None:
    """A letter, and up to sixty-two more signs."""
    assert name == checked_role(name)


@pytest.mark.parametrize(
    "name", ["", "anon", "authenticated", "service_role", "1a", "_a", "a b", "a\n", "é", "a/b", "a" * 64]
)
def test_roles_that_cannot(name: str) -> None:
    """RB1: those of every app are nobody's to give."""
    with pytest.raises(AuthError) as refused:
        checked_role(name)
    assert "validation_failed" == refused.value.code
