"""Sign-ins on their way: each is proved once, and its code is good once, where it began."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha256
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from backstay.auth.flow import (
    CODE_LIFETIME,
    LIFETIME,
    FlowState,
    begin_flow,
    checked_challenge,
    discard_flows,
    fits,
    prove_flow,
    proved_account,
    take_flow,
    take_link,
)
from backstay.auth.refusal import AuthError
from backstay.db.store import Store
from backstay.sql.query import query
from tests.auth.people import NOW, SECOND

CHALLENGE = urlsafe_b64encode(sha256(b"v" * 43).digest()).rstrip(b"=").decode()


@query
def everything() -> Any:
    return sa.select(FlowState)


async def begun(store: Store, challenge: str | None = CHALLENGE, at: Any = NOW, **named: Any) -> UUID:
    return await store.transact(lambda tx: begin_flow(tx, challenge, at, **named))


async def proved(store: Store, id: UUID, at: Any = NOW, **named: Any) -> str:
    values: dict[str, Any] = {"user_id": uuid4(), "method": "otp", **named}
    return await store.transact(lambda tx: prove_flow(tx, id, now=at, **values))


async def test_a_flow_is_proved_once_and_in_time(store: Store) -> None:
    """ID4: up to an hour after it began, and not again; its code then has five minutes of its own."""
    id, late, user = await begun(store), await begun(store), uuid4()
    at = NOW + LIFETIME - SECOND
    code = await proved(store, id, at, user_id=user, method="oauth", provider="corp", extra=b"sealed")
    assert 43 == len(code)
    for wrong, when in ((id, at), (uuid4(), at), (late, NOW + LIFETIME)):
        with pytest.raises(AuthError) as refused:
            await proved(store, wrong, when)
        assert "flow_state_not_found" == refused.value.code
    assert user == await store.transact(lambda tx: proved_account(tx, code))
    flow = await store.transact(lambda tx: take_flow(tx, code))
    assert (id, CHALLENGE, user, "oauth", "corp", b"sealed", at + CODE_LIFETIME) == (
        flow.id,
        flow.code_challenge,
        flow.user_id,
        flow.method,
        flow.provider,
        flow.extra,
        flow.expires_at,
    )
    for gone in (take_flow, proved_account):
        assert None is await store.transact(lambda tx: gone(tx, code))  # noqa: B023


async def test_the_code_of_a_link_is_its_sessions(store: Store) -> None:
    """A5: in the session that began it, in time, once; a code that needs a verifier is none of a link."""
    session = uuid4()
    code = await proved(store, await begun(store, None, session_id=session))
    keyed = await proved(store, await begun(store, CHALLENGE, session_id=session))
    last = NOW + CODE_LIFETIME - SECOND
    for wrong in (
        ("x", session, last),
        (code, uuid4(), last),
        (code, session, NOW + CODE_LIFETIME),
        (keyed, session, last),
    ):
        assert None is await store.transact(lambda tx: take_link(tx, *wrong))  # noqa: B023
    assert session == (await store.transact(lambda tx: take_link(tx, code, session, last))).session_id
    assert None is await store.transact(lambda tx: take_link(tx, code, session, last))


async def test_what_is_discarded_and_swept(store: Store) -> None:
    """The codes of one account; and what was never finished goes when another begins, after its hour."""
    ann, bob = uuid4(), uuid4()
    hers, his = [await proved(store, await begun(store), user_id=who) for who in (ann, bob)]
    await store.transact(lambda tx: discard_flows(tx, ann))
    assert None is await store.transact(lambda tx: take_flow(tx, hers))
    assert await store.transact(lambda tx: take_flow(tx, his)) is not None
    old = await begun(store)
    new = await begun(store, at=NOW + LIFETIME)
    assert {old, new} == {row.id for row in await store.all(everything())}
    newest = await begun(store, at=NOW + LIFETIME + SECOND)
    assert {new, newest} == {row.id for row in await store.all(everything())}


@pytest.mark.parametrize(
    ("challenge", "verifier", "expected"),
    [
        (CHALLENGE, "v" * 43, True),
        (CHALLENGE, "v" * 42, False),
        (CHALLENGE, "v" * 44, False),
        (CHALLENGE, "w" * 43, False),
        (CHALLENGE, "", False),
        (CHALLENGE, "é" * 43, False),
        (None, "v" * 43, False),
        (urlsafe_b64encode(sha256(b"v" * 128).digest()).rstrip(b"=").decode(), "v" * 128, True),
        (urlsafe_b64encode(sha256(b"v" * 129).digest()).rstrip(b"=").decode(), "v" * 129, False),
        (urlsafe_b64encode(sha256(b"v" * 42).digest()).rstrip(b"=").decode(), "v" * 42, False),
        (urlsafe_b64encode(sha256(b"~" * 43).digest()).rstrip(b"=").decode(), "~" * 43, True),
        (urlsafe_b64encode(sha256(b"+" * 43).digest()).rstrip(b"=").decode(), "+" * 43, False),
    ],
)
def test_which_verifier_fits(challenge: str | None, verifier: str, expected: bool) -> None:
    """RFC 7636 §4.1: 43 to 128 unreserved characters, and the very ones; without a challenge nothing fits."""
    assert expected == fits(SimpleNamespace(code_challenge=challenge), verifier)


@pytest.mark.parametrize(
    ("challenge", "method", "expected"),
    [
        (None, None, None),
        ("", "", None),
        (CHALLENGE, "s256", CHALLENGE),
        (CHALLENGE, "S256", CHALLENGE),
    ],
)
def test_challenges_that_are_good(challenge: str | None, method: str | None, expected: str | None) -> None:
    """S256, in either case, or none at all."""
    assert expected == checked_challenge(challenge, method)


@pytest.mark.parametrize(
    ("challenge", "method"),
    [
        (CHALLENGE, "plain"),
        (CHALLENGE, None),
        (CHALLENGE, ""),
        (None, "s256"),
        ("", "s256"),
        (CHALLENGE[:-1], "s256"),
        (CHALLENGE + "=", "s256"),
        ("." * 43, "s256"),
    ],
)
def test_challenges_that_are_none(challenge: str | None, method: str | None) -> None:
    """OA2: ``plain`` protects from nothing, and half of the two is a mistake."""
    with pytest.raises(AuthError) as refused:
        checked_challenge(challenge, method)
    assert "validation_failed" == refused.value.code
