"""T-RACE, ID4: of twenty who use one thing at the same moment that is good once, one gets through.

Twenty requests are begun before any is answered; on PostgreSQL they are in as many transactions at once as its pool has
connections, on SQLite they queue for its one writer, having read what they read before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click
import pytest

from backstay.auth.admin.change import change_user
from backstay.auth.admin.create import UserParams
from backstay.auth.admin.remove import Removal, remove_user
from backstay.auth.admin.roles import take_role
from backstay.cli.office import ask, with_accounts
from tests.accounts.house import COSTLY, PASSWORD, SECRET, House
from tests.accounts.staff import give, service
from tests.accounts.test_factors import challenge, code, lifted
from tests.accounts.test_mails import CHALLENGE, VERIFIER, follow, query_of

TWENTY = 20
#: The keyring of the house, as an operator writes it.
RING = "2026-11:" + "0123456789abcdef" * 4

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
@pytest.mark.settings(rate_limits="off", caller_share=100, password_hash=COSTLY)
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


@pytest.mark.settings(rate_limits="off", email_confirmation=True, caller_share=100, password_hash=COSTLY)
def test_twenty_sign_ups_that_are_confirmed_make_one_account(house: House) -> None:
    """T-RACE, TH5: with confirmation all are answered alike, and one link at most is good."""

    async def at_once() -> list[Any]:
        body = {"email": "bob@example.org", "password": PASSWORD}
        return await asyncio.gather(*(house.sending("POST", "signup", body) for _ in range(TWENTY)))

    assert {200} == {reply.status for reply in house.run(at_once())}
    told = [follow(house, letter.data["link"]) for letter in house.letters("confirmation")]
    assert 1 == sum("access_token" in one for one in told)


@pytest.mark.settings(rate_limits="off", password_hash=COSTLY)
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


@pytest.mark.settings(rate_limits="off")
@pytest.mark.parametrize("kind", ["recovery code", "code"])
def test_what_lifts_a_session_lifts_one_of_twenty(house: House, kind: str) -> None:
    """T-RACE, MF1, MF2: a recovery code, and a code of an app, is good once, in whichever of twenty sessions."""
    factor, session = lifted(house, house.sign_up())
    codes = house.post("factors/recovery-codes", as_=session).json["codes"]
    house.letters()
    lost = [house.sign_in() for _ in range(TWENTY)]
    if kind == "code":
        path = f"factors/{factor['id']}/verify"
        shown = code(house, factor["totp"]["secret"])
        bodies = [{"challenge_id": challenge(house, one, factor["id"]), "code": shown} for one in lost]
    else:
        path, bodies = "factors/recovery-codes/verify", [{"code": codes[0]}] * TWENTY

    async def at_once() -> list[Any]:
        return await asyncio.gather(
            *(house.sending("POST", path, body, as_=one) for body, one in zip(bodies, lost, strict=True))
        )

    replies = house.run(at_once())
    assert [200] + [422] * (TWENTY - 1) == sorted(reply.status for reply in replies)
    remaining = house.get("factors/recovery-codes", as_=session).json["remaining"]
    expected = (10, 0) if kind == "code" else (9, 1)
    assert expected == (remaining, len(house.letters("recovery_code_used")))


@pytest.mark.parametrize("kind", ["recovery code", "code"])
def test_wrong_codes_at_once_are_counted_each(house: House, kind: str) -> None:
    """T-RACE, TH6: of twenty that come before any is answered no more are looked at than of twenty in a row."""
    factor, session = lifted(house, house.sign_up())
    right = house.post("factors/recovery-codes", as_=session).json["codes"][0]
    lost = house.sign_in()
    asked = challenge(house, lost, factor["id"])

    def body(text: str) -> tuple[str, dict[str, str]]:
        if kind == "code":
            return f"factors/{factor['id']}/verify", {"challenge_id": asked, "code": text}
        return "factors/recovery-codes/verify", {"code": text}

    async def at_once() -> list[Any]:
        sent = (body(f"{number:06d}" if kind == "code" else f"0000-0000-{number:04d}") for number in range(TWENTY))
        return await asyncio.gather(*(house.sending("POST", path, one, as_=lost) for path, one in sent))

    looked_at = [reply for reply in house.run(at_once()) if reply.status == 422]
    assert 0 < len(looked_at) <= 5
    path, last = body(code(house, factor["totp"]["secret"]) if kind == "code" else right)
    assert 429 == house.post(path, last, as_=lost).status


@pytest.mark.settings(rate_limits="off", caller_share=100)
def test_an_invitation_is_redeemed_by_one_of_twenty(house: House) -> None:
    """T-RACE, ID4: nineteen come too late."""
    house.post("invite", {"email": "bob@example.org"}, as_=service(house))
    token = query_of(house.letter("invite").data["link"])["token"]

    async def at_once() -> list[Any]:
        body = {"type": "invite", "token_hash": token}
        return await asyncio.gather(*(house.sending("POST", "verify", body) for _ in range(TWENTY)))

    assert [200] + [403] * (TWENTY - 1) == sorted(reply.status for reply in house.run(at_once()))
    assert 1 == _sessions(house)


def test_the_last_admin_stays_whoever_asks(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """RB4, ID4: an operator's commands and the API take the role, ban and delete at once; one account with it is left."""
    # The app's settings and time, as a command finds them.
    house.clock.at = datetime.now(UTC)
    settings = house.app._given
    assert settings is not None
    given = {"DATABASE": settings.database, "JWT_SECRET": SECRET, "PUBLIC_URL": "https://api.example.org"}
    for name, value in {**given, "ENCRYPTION_KEYS": RING, "RATE_LIMITS": "off"}.items():
        monkeypatch.setenv(f"BACKSTAY_{name}", value)
    key, ids = service(house), []
    for number in range(8):
        made = {"email": f"admin{number}@example.org", "email_confirm": True}
        session = {"user": house.post("admin/users", made, as_=key).json}
        give(house, session, "admin")
        ids.append(session["user"]["id"])

    def commanded(*handled: Any, **asked: Any) -> int:
        try:
            with_accounts(lambda accounts: ask(accounts, *handled, **asked))
        except click.ClickException as refused:
            return 409 if "[conflict]" in refused.message else 500
        return 200

    async def requested(*parts: Any) -> int:
        return (await house.sending(*parts, as_=key)).status

    async def all_at_once() -> list[int]:
        thread = asyncio.to_thread
        return await asyncio.gather(
            thread(commanded, take_role, path={"id": ids[0], "role": "admin"}),
            requested("DELETE", f"admin/users/{ids[1]}/roles/admin"),
            thread(commanded, change_user, path={"id": ids[2]}, body=UserParams(ban_duration="24h")),
            requested("PUT", f"admin/users/{ids[3]}", {"ban_duration": "24h"}),
            thread(commanded, remove_user, path={"id": ids[4]}, body=Removal()),
            requested("DELETE", f"admin/users/{ids[5]}", {}),
            thread(commanded, remove_user, path={"id": ids[6]}, body=Removal(should_soft_delete=True)),
            requested("DELETE", f"admin/users/{ids[7]}", {"should_soft_delete": True}),
        )

    assert [200] * 7 + [409] == sorted(house.run(all_at_once()))
    held = [house.get(f"admin/users/{id}/roles", as_=key) for id in ids]
    banned = {ids[2], ids[3]} - {id for id in ids if "banned_until" not in house.get(f"admin/users/{id}", as_=key).json}
    admins = [id for id, reply in zip(ids, held, strict=True) if reply.status == 200 and reply.json["roles"]]
    assert 1 == len(set(admins) - banned)
