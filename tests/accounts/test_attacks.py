"""What attackers try: each test is one attack, and what it does not lead to."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from tests.accounts.house import PASSWORD, House
from tests.accounts.test_mails import CHALLENGE, CONFIRMED, VERIFIER, follow, query_of

THEIRS = "the password of an attacker"


def password_works(house: House, password: str, email: str = "ann@example.org") -> bool:
    reply = house.post("token?grant_type=password", {"email": email, "password": password})
    return bool(200 == reply.status)


@CONFIRMED
def test_a_link_to_sign_in_confirms_no_password_of_a_stranger(house: House) -> None:
    """Pre-hijacking: an attacker signs up with the address, its owner asks for a link to sign in with (OA7)."""
    house.post("signup", {"email": "ann@example.org", "password": THEIRS})
    house.letters()
    house.clock.turn(minutes=2)
    house.post("otp", {"email": "ann@example.org"})
    code = house.letter("magic_link").data["code"]
    session = house.post("verify", {"type": "email", "email": "ann@example.org", "token": code})
    assert 200 == session.status
    assert not password_works(house, THEIRS)


@CONFIRMED
def test_whoever_signs_up_again_does_not_choose_the_password(house: House) -> None:
    """An attacker signs up between the owner's sign-up and the owner's click: no password is good after it (OA7)."""
    for password in (PASSWORD, THEIRS, THEIRS):
        house.post("signup", {"email": "ann@example.org", "password": password})
        house.clock.turn(minutes=2)
    session = follow(house, house.letters("confirmation")[-1].data["link"])
    assert (False, False) == (password_works(house, THEIRS), password_works(house, PASSWORD))
    # The owner has just signed in with the link, so a password may be chosen.
    assert 200 == house.put("user", {"password": PASSWORD}, as_=session).status
    assert password_works(house, PASSWORD)


@CONFIRMED
def test_a_sign_up_does_not_give_an_account_without_password_one(house: House) -> None:
    """The owner asked for a link, which made the account; an attacker's sign-up adds nothing to it (OA7)."""
    house.post("otp", {"email": "ann@example.org"})
    house.clock.turn(minutes=2)
    house.post("signup", {"email": "ann@example.org", "password": THEIRS})
    follow(house, house.letters("confirmation")[-1].data["link"])
    assert not password_works(house, THEIRS)


def test_no_session_comes_after_the_end_of_all(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The password is changed while a sign-in with the old one is being hashed (PW8, T-RACE)."""
    here = house.sign_up()
    pool = house.office.accounts.passwords
    verify, calls = pool.verify, []

    async def slow(encoded: str | None, password: str) -> Any:
        found = await verify(encoded, password)
        calls.append(password)
        if len(calls) == 1:
            body = {"password": "another long passphrase"}
            assert 200 == (await house.sending("PUT", "user", body, as_=here)).status
        return found

    monkeypatch.setattr(pool, "verify", slow)
    late = house.post("token?grant_type=password", {"email": "ann@example.org", "password": PASSWORD})
    assert (400, "invalid_credentials") == (late.status, late.json["code"])
    assert password_works(house, "another long passphrase")
