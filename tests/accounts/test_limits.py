"""Limits as a client meets them: through HTTP, with headers, for accounts that are and that are none."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backstay.proxies import Proxies
from tests.accounts.house import PASSWORD, House
from tests.accounts.staff import service
from tests.http.api import Reply

SIGN_IN = "token?grant_type=password"
PROXY = ("198.51.100.1", 443)


def body(email: str = "ann@example.org", password: str = "not the right one") -> dict[str, str]:
    return {"email": email, "password": password}


async def ask(house: House, number: int, **named: Any) -> Reply:
    return await house.sending("POST", SIGN_IN, body(f"person{number}@example.org"), **named)


def told(reply: Reply) -> tuple[int, bytes, Any]:
    return reply.status, reply.body, reply.headers


def test_a_hundred_at_once_never_exceed_the_limit(house: House) -> None:
    """TH1: of a hundred wrong passwords at the same moment, each for another name, ten are looked at."""

    async def at_once() -> list[Reply]:
        return await asyncio.gather(*(ask(house, number) for number in range(100)))

    replies = house.run(at_once())
    assert (10, 90) == tuple(sum(reply.status == status for reply in replies) for status in (400, 429))
    assert {"over_request_rate_limit"} == {reply.json["code"] for reply in replies if reply.status == 429}
    # The next one fits when a tenth of the minute has passed, and not the one after it.
    house.clock.turn(seconds=6)
    assert [400, 429] == [house.run(ask(house, 200 + number)).status for number in range(2)]


@pytest.mark.settings(rate_limits='{"signin": "off"}')
def test_failures_lock_a_name_and_no_known_place(house: House) -> None:
    """TH2, TH4: five wrong ones lock a name for five minutes, account or not; its owner at home is not locked out."""
    house.sign_up()
    house.sign_in()
    away = {"client": ("203.0.113.9", 1)}
    locked = []
    for email in ("ann@example.org", "nobody@example.org"):
        for _ in range(5):
            assert 400 == house.post(SIGN_IN, body(email), **away).status
        locked.append(house.post(SIGN_IN, body(email), **away))
    known, unknown = locked
    assert told(known) == told(unknown)
    assert (429, "300") == (known.status, known.one("retry-after"))
    # The right password does not open it from there, and does from where it was used before.
    assert 429 == house.post(SIGN_IN, body(password=PASSWORD), **away).status
    assert 200 == house.post(SIGN_IN, body(password=PASSWORD)).status
    house.clock.turn(minutes=5, seconds=1)
    assert 200 == house.post(SIGN_IN, body(password=PASSWORD), **away).status


def test_success_clears_nothing_of_the_place(house: House) -> None:
    """TH3: nine guesses at others and one sign-in of one's own leave room for one more guess, not for ten."""
    house.sign_up()
    statuses = [house.run(ask(house, number)).status for number in range(9)]
    assert 200 == house.post(SIGN_IN, body(password=PASSWORD)).status
    statuses += [house.run(ask(house, number)).status for number in range(9, 12)]
    assert [400] * 10 + [429] * 2 == statuses


@pytest.mark.settings(trusted_proxies=Proxies.parse("198.51.100.0/24"), rate_limits='{"account": "off"}')
def test_a_place_is_who_the_proxy_says(house: House) -> None:
    """TH7: the last address that no trusted proxy has, IPv6 by its network; what the client writes itself is nothing."""

    def guess(forwarded: str | None, client: tuple[str, int] = PROXY) -> int:
        headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
        return house.post(SIGN_IN, body("x@example.org", "x"), headers=headers, client=client).status

    assert [400] * 10 + [429] == [guess(f"203.0.113.{number}, 192.0.2.1") for number in range(11)]
    assert 400 == guess("192.0.2.2")
    assert [400] * 10 + [429] == [guess(f"2001:db8:1:2::{number:x}") for number in range(11)]
    assert 400 == guess("2001:db8:1:3::1")
    # From somebody who is no proxy the header is a claim.
    assert [400] * 10 + [429] == [guess(f"192.0.2.{number}", ("203.0.113.77", 9)) for number in range(100, 111)]
    # Who cannot be told is one with all others who cannot.
    assert [400] * 10 + [429] == [guess(f"nonsense{number}") for number in range(11)]


@pytest.mark.settings(rate_limits="off")
def test_codes_die_of_guessing(house: House) -> None:
    """TH6: six digits, ten minutes, five tries, the newest only, and for the address that it was sent to."""
    house.sign_up()
    house.sign_up("bob@example.org")

    def sent() -> str:
        house.clock.turn(minutes=2)
        assert 200 == house.post("otp", {"email": "ann@example.org"}).status
        return str(house.letter("magic_link").data["code"])

    def typed(code: str, email: str = "ann@example.org") -> int:
        return house.post("verify", {"type": "email", "email": email, "token": code}).status

    old, new = sent(), sent()
    assert (6, True) == (len(new), new.isdigit())
    assert [403, 403, 200] == [403 if old == new else typed(old), typed(new, "bob@example.org"), typed(new)]
    late = sent()
    house.clock.turn(minutes=10)
    assert 403 == typed(late)
    guessed = sent()
    assert [403] * 6 == [*(typed(f"x{number}") for number in range(5)), typed(guessed)]


@pytest.mark.settings(max_answer_bytes=65536, rate_limits="off")
def test_an_answer_of_accounts_is_bounded(house: House) -> None:
    """LM10: a page of accounts is refused where it is larger than any answer may be; a smaller page is not."""
    key = service(house)
    for number in range(3):
        made = {"email": f"a{number}@example.org", "user_metadata": {"x": "y" * 16000}}
        assert 200 == house.post("admin/users", made, as_=key).status
    for path in ("admin/users", "admin/users?per_page=1000", "admin/users?limit=3"):
        assert 413 == house.get(path, as_=key).status, path
    assert 200 == house.get("admin/users?per_page=1", as_=key).status
