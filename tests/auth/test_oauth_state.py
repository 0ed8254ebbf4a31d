"""The way to a provider and back: states, tickets and cookies (OA1, OA2)."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from backstay.auth.oauth.state import (
    Wish,
    begin,
    challenge_of,
    cookie_line,
    cookie_name,
    cookie_of,
    is_state,
    nonce_of,
    take,
    take_ticket,
    verifier_of,
    write_ticket,
)
from backstay.db.store import Store

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
STATE = "s" * 43
WISH = Wish("corp", "", "https://app.example.org", None)


@pytest.mark.anyio
async def test_a_state_is_good_once(store: Store) -> None:
    """Ten at once: one of them has it (OA1, ID4), and only with the cookie."""
    begun = await store.transact(lambda tx: begin(tx, WISH, NOW))
    # 256 bits each.
    assert is_state(begun.state)
    assert is_state(begun.cookie)
    assert begun.state != begun.cookie
    assert None is await store.transact(lambda tx: take(tx, begun.state, "x" * 43))
    assert None is await store.transact(lambda tx: take(tx, begun.state, ""))
    taken = await asyncio.gather(*(store.transact(lambda tx: take(tx, begun.state, begun.cookie)) for _ in range(10)))
    (row,) = [row for row in taken if row is not None]
    assert ("corp", NOW + timedelta(minutes=5)) == (row.provider, row.expires_at)
    # What was never finished is swept.
    old = await store.transact(lambda tx: begin(tx, WISH, NOW - timedelta(hours=2)))
    await store.transact(lambda tx: begin(tx, WISH, NOW))
    assert None is await store.transact(lambda tx: take(tx, old.state, old.cookie))
    # But whoever comes late by an hour is told so.
    late = await store.transact(lambda tx: begin(tx, WISH, NOW - timedelta(hours=1, minutes=5)))
    await store.transact(lambda tx: begin(tx, WISH, NOW))
    assert await store.transact(lambda tx: take(tx, late.state, late.cookie))


@pytest.mark.anyio
async def test_a_ticket_is_good_once(store: Store) -> None:
    """For a minute, for the device that asked; a ticket is no state, and a state no ticket."""
    wish = Wish("corp", "a b", "https://app.example.org", "c", uuid4(), uuid4())

    async def taken(device: str | None, by: str, **later: float) -> list[Wish | None]:
        ticket = await store.transact(lambda tx: write_ticket(tx, wish, device, NOW))
        at = NOW + timedelta(**later)
        return [
            found
            for found in await asyncio.gather(
                *(store.transact(lambda tx: take_ticket(tx, ticket, by, at)) for _ in range(5))
            )
            if found is not None
        ]

    assert [wish] == await taken("me", "me")
    assert [wish] == await taken(None, "anybody", seconds=59)
    assert [] == await taken("me", "you")
    assert [] == await taken(None, "anybody", seconds=60)
    begun = await store.transact(lambda tx: begin(tx, wish, NOW))
    assert None is await store.transact(lambda tx: take_ticket(tx, begun.state, "me", NOW))
    ticket = await store.transact(lambda tx: write_ticket(tx, wish, None, NOW))
    assert is_state(ticket)
    assert None is await store.transact(lambda tx: take(tx, ticket, ""))


def test_cookies() -> None:
    """`__Host-` by https, an ordinary one on a desk; across sites only where a page posts (OA1)."""
    name = cookie_name(STATE, secure=True)
    assert re.fullmatch("__Host-backstay-oauth-[0-9a-f]{16}", name)
    assert f"{name}=v; Path=/; Max-Age=300; HttpOnly; SameSite=Lax; Secure" == line("v", secure=True)
    assert f"{name}=v; Path=/; Max-Age=300; HttpOnly; SameSite=None; Secure" == line("v", secure=True, cross_site=True)
    assert f"{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure" == line("", secure=True)
    plain = cookie_name(STATE, secure=False)
    assert plain.startswith("backstay-oauth-")
    assert f"{plain}=v; Path=/; Max-Age=300; HttpOnly; SameSite=Lax" == line("v", secure=False, cross_site=True)
    assert name != cookie_name("t" * 43, secure=True)


def line(value: str, *, secure: bool, cross_site: bool = False) -> str:
    return cookie_line(STATE, value, secure=secure, cross_site=cross_site).decode()


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("NAME=v", "v"),
        ("a=b; NAME=v; c=d", "v"),
        ('bad cookie; "=; =; ;;; NAME=v', "v"),
        ("NAME=v=w", "v=w"),
        ("xNAME=v", ""),
        ("NAMEx=v", ""),
        ("NAME", ""),
        ("", ""),
    ],
)
def test_the_cookie_is_found(header: str, found: str) -> None:
    """Whatever other cookies stand beside it."""
    raw: dict[bytes, bytes] = {b"cookie": header.replace("NAME", cookie_name(STATE, secure=True)).encode()}
    assert found == cookie_of(raw, STATE, secure=True)


def test_what_is_made_of_a_state() -> None:
    """Verifier and nonce: apart from each other, and nothing without the key (OA2)."""
    made: list[Any] = [make(key, STATE) for make in (verifier_of, nonce_of) for key in (b"k" * 32, b"l" * 32)]
    assert 4 == len(set(made))
    assert all(is_state(text) for text in made)
    # RFC 7636, appendix B.
    assert "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" == challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
