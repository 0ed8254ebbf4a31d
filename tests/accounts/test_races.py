"""T-RACE, ID4: of twenty who use one thing at the same moment that is good once, one gets through.

Twenty requests are begun before any is answered; on PostgreSQL they are in as many transactions at once as its pool has
connections, on SQLite they queue for its one writer, having read what they read before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.accounts.house import PASSWORD, House
from tests.accounts.test_mails import CHALLENGE, VERIFIER, follow, query_of

TWENTY = 20

#: What a body is sent to, and the status of those who come too late.
Thing = tuple[str, str, dict[str, Any], int]


def _link(house: House) -> Thing:
    house.post("recover", {"email": "ann@example.org"})
    token = query_of(house.letter("recovery").data["link"])["token"]
    return "POST", "verify", {"type": "recovery", "token_hash": token}, 403


def _followed(house: House) -> Thing:
    house.post("recover", {"email": "ann@example.org"})
    token = query_of(house.letter("recovery").data["link"])["token"]
    return "GET", f"verify?type=recovery&token={token}", {}, 303


def _code(house: House) -> Thing:
    house.post("otp", {"email": "ann@example.org"})
    code = house.letter("magic_link").data["code"]
    return "POST", "verify", {"type": "email", "email": "ann@example.org", "token": code}, 403


def _pkce(house: House) -> Thing:
    challenge = {"code_challenge": CHALLENGE, "code_challenge_method": "s256"}
    house.post("otp", {"email": "ann@example.org", **challenge})
    code = follow(house, house.letter("magic_link").data["link"])["code"]
    return "POST", "token?grant_type=pkce", {"auth_code": code, "code_verifier": VERIFIER}, 404


def _address(house: House) -> Thing:
    return "POST", "signup", {"email": "bob@example.org", "password": PASSWORD}, 422


THINGS: dict[str, Callable[[House], Thing]] = {
    "link": _link,
    "followed link": _followed,
    "code": _code,
    "PKCE code": _pkce,
    "address": _address,
}


# The twenty come from one address, whose share of the queue of passwords is less.
@pytest.mark.settings(rate_limits="off", caller_share=100)
@pytest.mark.parametrize("thing", THINGS)
def test_one_of_twenty(house: House, thing: str) -> None:
    """T-RACE, ID4: one session is opened, and nineteen are refused as if they had come later."""
    house.sign_up()
    house.prove()
    method, path, body, late = THINGS[thing](house)

    async def at_once() -> list[Any]:
        sent = None if method == "GET" else body
        return await asyncio.gather(*(house.sending(method, path, sent) for _ in range(TWENTY)))

    replies = house.run(at_once())
    assert {200, late} >= {reply.status for reply in replies}
    opened = [reply for reply in replies if b"access_token" in reply.body + (reply.one("location") or "").encode()]
    assert (1, TWENTY) == (len(opened), len(replies))
    assert 2 == _sessions(house)


def _sessions(house: House) -> int:
    """Of everybody; the sign-up that the tests begin with has opened one."""
    from backstay.db.statement import Statement

    rows = house.run(house.store.database.fetch_all(Statement("SELECT id FROM backstay_sessions")))
    return len(rows)


def test_twenty_refreshes_converge(house: House) -> None:
    """T-RACE, TK3: each gets the same successor, nobody is signed out, and there is one session."""
    session = house.sign_up()

    async def at_once() -> list[Any]:
        body = {"refresh_token": session["refresh_token"]}
        return await asyncio.gather(
            *(house.sending("POST", "token?grant_type=refresh_token", body) for _ in range(TWENTY))
        )

    replies = house.run(at_once())
    assert {200} == {reply.status for reply in replies}
    (successor,) = {reply.json["refresh_token"] for reply in replies}
    assert (200, 1) == (house.refresh(successor).status, _sessions(house))


@pytest.mark.settings(rate_limits="off", email_confirmation=True, caller_share=100)
def test_twenty_sign_ups_that_are_confirmed_make_one_account(house: House) -> None:
    """T-RACE, TH5: with confirmation all are answered alike, and one link at most is good."""

    async def at_once() -> list[Any]:
        body = {"email": "bob@example.org", "password": PASSWORD}
        return await asyncio.gather(*(house.sending("POST", "signup", body) for _ in range(TWENTY)))

    assert {200} == {reply.status for reply in house.run(at_once())}
    told = [follow(house, letter.data["link"]) for letter in house.letters("confirmation")]
    assert 1 == sum("access_token" in one for one in told)


@pytest.mark.settings(rate_limits="off")
def test_five_of_twenty_wrong_codes_are_looked_at(house: House) -> None:
    """T-RACE, TH6: nineteen wrong codes at once end it: the right one among the last comes too late."""
    house.sign_up()
    house.post("otp", {"email": "ann@example.org"})
    code = house.letter("magic_link").data["code"]

    async def wrong() -> list[Any]:
        body = {"type": "magiclink", "email": "ann@example.org"}
        return await asyncio.gather(
            *(house.sending("POST", "verify", {**body, "token": f"x{number}"}) for number in range(TWENTY))
        )

    assert {403} == {reply.status for reply in house.run(wrong())}
    assert 403 == house.post("verify", {"type": "magiclink", "email": "ann@example.org", "token": code}).status
