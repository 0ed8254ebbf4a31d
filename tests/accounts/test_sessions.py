"""Sessions: carried on, copied, ended, and believed no longer than they should be."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import jwt
import pytest

from backstay.auth.admin.signingkeys import revoke as revoke_by_operator
from backstay.auth.admin.signingkeys import rotate as rotate_by_operator
from backstay.auth.refusal import AuthError
from backstay.auth.session import Device, rotate
from backstay.auth.signing import current_kid, list_keys, revoke_key, rotate_keys
from backstay.auth.token import TokenVerifier
from tests.accounts.house import KEYRING, House
from tests.accounts.staff import events
from tests.accounts.test_mails import claims


def test_a_refresh_token_is_used_once(house: House) -> None:
    """Each refresh gives a new pair; the session stays the same."""
    first = house.sign_up()
    second = house.refresh(first["refresh_token"]).json
    third = house.refresh(second["refresh_token"]).json
    assert 3 == len({session["refresh_token"] for session in (first, second, third)})
    assert 200 == house.get("user", as_=third).status


def test_parallel_refreshes_converge(house: House) -> None:
    """Fifty tabs wake up at once: all get the same successor, and nobody is signed out (TK3)."""
    session = house.sign_up()

    async def all_at_once() -> list[Any]:
        body = {"refresh_token": session["refresh_token"]}
        path = "token?grant_type=refresh_token"
        return await asyncio.gather(*(house.sending("POST", path, body) for _ in range(50)))

    replies = house.run(all_at_once())
    assert {200} == {reply.status for reply in replies}
    successors = {reply.json["refresh_token"] for reply in replies}
    assert 1 == len(successors)
    assert 200 == house.refresh(successors.pop()).status


def test_a_copied_token_ends_the_family(house: House) -> None:
    """After the interval a superseded token means a thief: thief and owner are signed out, and it commits (TK2)."""
    first = house.sign_up()
    second = house.refresh(first["refresh_token"]).json
    third = house.refresh(second["refresh_token"]).json
    house.clock.turn(seconds=11)
    replayed = house.refresh(first["refresh_token"])
    assert (400, "refresh_token_already_used") == (replayed.status, replayed.json["code"])
    assert (400, "refresh_token_not_found") == (
        (dead := house.refresh(third["refresh_token"])).status,
        dead.json["code"],
    )
    assert 401 == house.rest("GET", "secrets", as_=third).status
    assert 403 == house.get("user", as_=third).status


def test_a_lost_answer_is_forgiven(house: House) -> None:
    """The parent of an unused token may come again within a minute (TK2)."""
    first = house.sign_up()
    second = house.refresh(first["refresh_token"]).json
    house.clock.turn(seconds=50)
    assert second["refresh_token"] == house.refresh(first["refresh_token"]).json["refresh_token"]
    house.clock.turn(seconds=11)
    assert 400 == house.refresh(first["refresh_token"]).status
    assert 400 == house.refresh(second["refresh_token"]).status


@pytest.mark.parametrize(("days", "status"), [({"days": 6}, 200), ({"days": 7, "seconds": 1}, 400)])
def test_an_unused_session_ends(house: House, days: dict[str, float], status: int) -> None:
    """After seven days without a refresh (TK1)."""
    session = house.sign_up()
    house.clock.turn(**days)
    assert status == house.refresh(session["refresh_token"]).status


def test_a_session_ends_in_the_end(house: House) -> None:
    """After thirty days, however often it was refreshed (TK1)."""
    session = house.sign_up()
    for _ in range(5):
        house.clock.turn(days=5, hours=23)
        session = house.refresh(session["refresh_token"]).json
    house.clock.turn(hours=4, minutes=45)
    last = house.refresh(session["refresh_token"]).json
    assert (900, int(house.clock.at.timestamp()) + 900) == (last["expires_in"], last["expires_at"])
    house.clock.turn(days=1)
    over = house.refresh(last["refresh_token"])
    assert (400, "session_expired") == (over.status, over.json["code"])


@pytest.mark.parametrize(
    ("scope", "here", "there"), [("global", 403, 403), ("local", 403, 200), ("others", 200, 403), ("", 400, 0)]
)
def test_sign_out(house: House, scope: str, here: int, there: int) -> None:
    """This session, the others, or all; on the data plane from the next request on (TK4, TK5)."""
    one, other = house.sign_up(), house.sign_in()
    reply = house.post(f"logout?scope={scope}", as_=one)
    if here == 400:
        assert (400, "validation_failed") == (reply.status, reply.json["code"])
        return
    assert (204, b"") == (reply.status, reply.body)
    for session, status in ((one, here), (other, there)):
        assert status == house.get("user", as_=session).status
        assert (200 if status == 200 else 401) == house.rest("GET", "secrets", as_=session).status
        assert (200 if status == 200 else 400) == house.refresh(session["refresh_token"]).status


def test_what_is_over_is_swept(house: House) -> None:
    """Ended sessions and codes leave nothing behind; those that go on stay."""
    from backstay.auth.session import sessions_of
    from backstay.auth.tending import sweep

    old = house.sign_up()
    house.post("recover", {"email": "ann@example.org"})
    house.clock.turn(days=29, hours=23)
    new = house.sign_in()
    house.clock.turn(hours=2)
    house.run(sweep(house.office.accounts))
    left = house.run(house.store.all(sessions_of(UUID(old["user"]["id"]))))
    assert [claims(new)["session_id"]] == [str(row.id) for row in left]
    assert 200 == house.refresh(new["refresh_token"]).status


def test_keys_rotate_without_losing_a_session(house: House) -> None:
    """Old tokens stay good after a rotation; after their key's revocation they do not, and refreshing mends it (TK7)."""
    old = house.sign_up()
    kids = [key["kid"] for key in house.get(".well-known/jwks.json").json["keys"]]
    now = house.clock()
    house.run(house.store.transact(lambda tx: rotate_keys(tx, KEYRING, now)))
    house.office.trust.expire()
    assert 200 == house.rest("GET", "secrets", as_=old).status
    new = house.refresh(old["refresh_token"]).json
    listed = [key["kid"] for key in house.get(".well-known/jwks.json").json["keys"]]
    assert (3, set(kids) <= set(listed)) == (len(listed), True)
    current = house.office.trust.keys.kid
    first = next(kid for kid in kids if kid != current)
    assert house.run(house.store.transact(lambda tx: revoke_key(tx, first, now)))
    house.office.trust.expire()
    assert 401 == house.rest("GET", "secrets", as_=old).status
    assert 200 == house.rest("GET", "secrets", as_=new).status
    assert not house.run(house.store.transact(lambda tx: revoke_key(tx, current, now)))


def test_a_sign_out_forgets_nobody_else(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """TK5, LM10: what was verified of others' tokens stays known, and the one who left is out."""
    gone, stays = house.sign_up("gone@example.org"), house.sign_up("stays@example.org")
    assert [200, 200] == [house.rest("GET", "secrets", as_=one).status for one in (gone, stays)]
    verified: list[bytes] = []
    claims_of = TokenVerifier._claims

    def counted(self: TokenVerifier, token: bytes) -> Any:
        verified.append(token)
        return claims_of(self, token)

    monkeypatch.setattr(TokenVerifier, "_claims", counted)
    house.post("logout", as_=gone)
    house.office.trust.expire()
    assert [401, 200] == [house.rest("GET", "secrets", as_=one).status for one in (gone, stays)]
    assert [] == verified


def test_an_operator_turns_the_keys(house: House) -> None:
    """TK7, AU3: the standby key signs from now on, the one before is good until it is revoked, and the log says so."""
    accounts = house.office.accounts
    session = house.sign_up()
    first = house.run(current_kid(house.store))
    second = house.run(rotate_by_operator(accounts))
    assert second != first
    assert 200 == house.rest("GET", "secrets", as_=session).status
    assert second == jwt.get_unverified_header(house.sign_in()["access_token"])["kid"]
    with pytest.raises(AuthError, match="neither"):
        house.run(revoke_by_operator(accounts, second))
    house.run(revoke_by_operator(accounts, first))
    assert 401 == house.rest("GET", "secrets", as_=session).status
    with pytest.raises(AuthError, match="neither"):
        house.run(revoke_by_operator(accounts, first))
    assert [(first, {"kid": first, "state": "revoked"}), (second, {"kid": second, "state": "current"})] == [
        (event.subject, event.details) for event in events(house, "signing_key_rotated")
    ]
    states = {key["kid"]: key["state"] for key in house.run(list_keys(house.store))}
    assert ("revoked", "current", 3) == (states[first], states[second], len(states))


@pytest.mark.parametrize(("known", "outcome"), [("newest", "repeated"), ("second", "repeated"), ("none", "reused")])
def test_a_successor_is_found_under_every_key_on_the_ring(house: House, known: str, outcome: str) -> None:
    """TK3: parallel refreshes converge while the server's keys are changed; under a key that is gone nothing is found."""
    token = house.sign_up()["refresh_token"]
    accounts, device = house.office.accounts, Device("192.0.2.7", "")
    mine, other = accounts.refresh_keys()[0], b"x" * 32

    def use(*keys: bytes) -> Any:
        return house.run(
            house.store.transact(lambda tx: rotate(tx, accounts.options, token, keys, device, house.clock()))
        )

    first = use(mine)
    again = use(*{"newest": (mine, other), "second": (other, mine), "none": (other,)}[known])
    assert ("rotated", outcome) == (first.outcome, again.outcome)
    assert (first.token if outcome == "repeated" else "") == again.token


def test_another_worker_sees_a_revocation_within_a_second(house: House) -> None:
    """Its own look at the epoch is never older (TK5)."""
    from backstay.auth.trust import FRESH_SECONDS, Trust

    session = house.sign_up()
    elapsed = [0.0]
    adopted: list[Any] = []
    other = Trust(house.store, KEYRING, adopted.append, timer=lambda: elapsed[0], now=house.clock)
    house.run(other.refresh())
    principal = house.app._kernel._authenticate({b"authorization": b"Bearer " + session["access_token"].encode()})
    assert principal == other.admit(principal)
    house.post("logout", as_=session)
    assert not other.is_stale
    elapsed[0] = FRESH_SECONDS + 0.01
    assert other.is_stale
    house.run(other.refresh())
    with pytest.raises(Exception, match="not valid"):
        other.admit(principal)
    assert 2 == len(adopted[-1])
