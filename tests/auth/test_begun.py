"""What a session has begun: it ends with it, is handed on, or is dropped with all of its account."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from backstay.auth import otp
from backstay.auth.begun import carry_begun, drop_begun, end_begun
from backstay.auth.challenge import Challenge, begin_challenge
from backstay.auth.emailchange import wish
from backstay.auth.flow import FlowState, begin_flow
from backstay.auth.oauth.state import OAuthState, Wish, begin
from backstay.auth.otp import OneTimeToken
from backstay.auth.tables import User
from backstay.auth.user import user_by_id
from backstay.db.store import Store
from backstay.sql.query import query
from tests.auth.people import NOW, person, run


@query
def _tokens() -> Any:
    return sa.select(OneTimeToken)


@query
def _flows() -> Any:
    return sa.select(FlowState)


@query
def _links() -> Any:
    return sa.select(OAuthState)


@query
def _challenges() -> Any:
    return sa.select(Challenge)


@query
def _one_side(id: UUID) -> Any:
    return sa.update(User).where(User.id == id).values(email_change_confirmed=1)


TABLES = {"token": _tokens, "flow": _flows, "link": _links, "challenge": _challenges}


async def begin_all(store: Store, user: UUID, session: UUID | None) -> None:
    """One of everything, in *session*."""

    async def all_of(tx: Any) -> None:
        await otp.issue(tx, b"k" * 32, user_id=user, kind="x", address="a", now=NOW, session_id=session)
        await begin_flow(tx, None, NOW, session_id=session)
        await begin(tx, Wish("corp", "", "https://app.example.org", None, user, session), NOW)
        asked = SimpleNamespace(id=session, user_id=user)
        await begin_challenge(tx, "registration", NOW, session=asked)
        await tx.run(wish(user, "new@example.org", session, NOW))

    await store.transact(all_of)
    await run(store, _one_side(user))


async def left(store: Store, user: UUID) -> dict[str, set[UUID | None]]:
    """Of everything the sessions that it belongs to, and that of the account's wish."""
    found: dict[str, set[UUID | None]] = {
        name: {row.session_id for row in await store.all(asked())} for name, asked in TABLES.items()
    }
    row = await store.one(user_by_id(user))
    assert (row.new_email is None) == (row.email_change_confirmed == 0)
    return found | {"wish": set() if row.new_email is None else {row.email_change_session_id}}


@pytest.mark.parametrize("other", ["of another account", "of nobody's session"])
async def test_it_ends_with_its_session(store: Store, other: str) -> None:
    """A5: all of it, and nothing else."""
    ann, bob, session = await person(store), await person(store), uuid4()
    kept = uuid4() if other == "of another account" else None
    await begin_all(store, ann, session)
    await begin_all(store, bob, kept)
    await store.transact(lambda tx: end_begun(tx, session))
    assert {name: {kept} for name in TABLES} | {"wish": set()} == await left(store, ann)
    assert {name: {kept} for name in TABLES} | {"wish": {kept}} == await left(store, bob)


async def test_it_is_handed_on(store: Store) -> None:
    """A5: to the session that a second factor makes, but for challenges; what others have begun is theirs."""
    ann, bob = await person(store), await person(store)
    old, new, his = uuid4(), uuid4(), uuid4()
    await begin_all(store, ann, old)
    await begin_all(store, bob, his)
    await store.transact(lambda tx: carry_begun(tx, old, new))
    both: dict[str, set[UUID | None]] = {name: {new, his} for name in TABLES}
    assert both | {"challenge": {old, his}, "wish": {new}} == await left(store, ann)
    assert {his} == (await left(store, bob))["wish"]


async def test_it_is_dropped_with_all_of_its_account(store: Store) -> None:
    """OA7: whichever session has begun it; links and codes that were mailed are dropped elsewhere."""
    ann, bob, hers, his = await person(store), await person(store), uuid4(), uuid4()
    await begin_all(store, ann, hers)
    await begin_all(store, bob, his)
    await store.transact(lambda tx: drop_begun(tx, ann))
    mailed: dict[str, set[UUID | None]] = {"token": {hers, his}, "flow": {hers, his}}
    assert mailed | {"link": {his}, "challenge": {his}, "wish": set()} == await left(store, ann)
    assert {his} == (await left(store, bob))["wish"]
