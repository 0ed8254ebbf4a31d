"""A challenge is answered once, by what it was made for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from backstay.auth.challenge import (
    LIFETIME,
    Challenge,
    begin_challenge,
    factor_challenge,
    new_challenge,
    take_authentication,
    take_factor_challenge,
    take_registration,
)
from backstay.auth.factor import add_factor
from backstay.db.store import Store
from backstay.sql.query import query
from tests.auth.people import NOW, SECOND, person, run


@query
def everything() -> Any:
    return sa.select(Challenge)


async def begun(store: Store, kind: str, at: Any = NOW, **named: Any) -> UUID:
    id, ends = await store.transact(lambda tx: begin_challenge(tx, kind, at, **named))  # type: ignore[arg-type]
    assert int((at + LIFETIME).timestamp()) == ends
    return id


async def test_a_factor_answers_its_own(store: Store) -> None:
    """MF3: id, factor, session, kind and time, each by itself; the right one is taken once, and only looked at before."""
    user, factor, session = await person(store), uuid4(), uuid4()
    other = uuid4()
    for id in (factor, other):
        await run(store, add_factor(id, user, "webauthn", None, None, NOW))
    asked = SimpleNamespace(id=session, user_id=user)
    id = await begun(store, "request", session=asked, factor_id=factor, value=b"v" * 32)
    last = NOW + LIFETIME - SECOND
    for wrong in (
        (uuid4(), factor, session, "request", last),
        (id, other, session, "request", last),
        (id, factor, uuid4(), "request", last),
        (id, factor, session, "create", last),
        (id, factor, session, "request", NOW + LIFETIME),
    ):
        assert None is await run(store, take_factor_challenge(*wrong))
        if wrong[3] == "request":
            assert None is await store.one(factor_challenge(wrong[0], wrong[1], wrong[2], wrong[4]))
    assert id == (await store.one(factor_challenge(id, factor, session, last))).id
    assert b"v" * 32 == (await run(store, take_factor_challenge(id, factor, session, "request", last))).value
    assert None is await run(store, take_factor_challenge(id, factor, session, "request", last))


async def test_a_registration_answers_its_own(store: Store) -> None:
    """MF3: in the session that asked, in time, once; what was asked for a sign-in is no registration."""
    user, session = await person(store), uuid4()
    asked = SimpleNamespace(id=session, user_id=user)
    id = await begun(store, "registration", session=asked, value=b"r")
    foreign = await begun(store, "authentication", session=asked, value=b"a")
    last = NOW + LIFETIME - SECOND
    for wrong in (
        (uuid4(), session, last),
        (id, uuid4(), last),
        (id, session, NOW + LIFETIME),
        (foreign, session, last),
    ):
        assert None is await run(store, take_registration(*wrong))
    assert b"r" == (await run(store, take_registration(id, session, last))).value
    assert None is await run(store, take_registration(id, session, last))


async def test_a_sign_in_answers_its_own(store: Store) -> None:
    """MF3: whoever brings it, in time, once; what was asked for a registration signs in nobody."""
    user, session = await person(store), uuid4()
    id = await begun(store, "authentication", value=b"a")
    foreign = await begun(store, "registration", session=SimpleNamespace(id=session, user_id=user), value=b"r")
    last = NOW + LIFETIME - SECOND
    for wrong in ((uuid4(), last), (id, NOW + LIFETIME), (foreign, last)):
        assert None is await run(store, take_authentication(*wrong))
    assert b"a" == (await run(store, take_authentication(id, last))).value
    assert None is await run(store, take_authentication(id, last))


async def test_what_is_kept_and_swept(store: Store) -> None:
    """Whose it is and when it ends; what has ended goes when the next one begins, and nothing before."""
    user, session = await person(store), uuid4()
    old = await begun(store, "totp", session=SimpleNamespace(id=session, user_id=user))
    (row,) = await store.all(everything())
    assert (old, "totp", b"", user, session, None, NOW + LIFETIME) == (
        row.id,
        row.kind,
        row.value,
        row.user_id,
        row.session_id,
        row.factor_id,
        row.expires_at,
    )
    nobody = await begun(store, "authentication", NOW + LIFETIME - SECOND)
    assert {old, nobody} == {row.id for row in await store.all(everything())}
    newest = await begun(store, "authentication", NOW + LIFETIME)
    kept = {row.id: (row.user_id, row.session_id) for row in await store.all(everything())}
    assert {nobody: (None, None), newest: (None, None)} == kept


@pytest.mark.parametrize("count", [100])
def test_what_is_signed_is_random(count: int) -> None:
    """256 bits, drawn anew each time."""
    drawn = {new_challenge() for _ in range(count)}
    assert (count, {32}) == (len(drawn), {len(value) for value in drawn})
