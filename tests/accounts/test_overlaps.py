"""A4, A8: a sign-in and what ends sign-ins, in two transactions that overlap at a chosen point (PostgreSQL).

SQLite has one writer: there is nothing to overlap, and ``test_races.py`` has what comes one after the other.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.accounts.authenticator import Authenticator
from tests.accounts.house import PASSWORD, House
from tests.accounts.overlap import overlapped
from tests.accounts.staff import service
from tests.accounts.test_factors import challenge, claims, code, enrol
from tests.accounts.test_mails import CHALLENGE, VERIFIER, follow, query_of
from tests.accounts.test_passkeys import begin, register
from tests.accounts.test_ways import PARTY, identity

pytestmark = pytest.mark.settings(site_url="https://app.example.org", rate_limits="off")

ANN = "ann@example.org"
#: One request: method, path, body, whose.
Way = tuple[str, str, Any, Any]


@pytest.fixture
def url(accounts_url: tuple[str, str, asyncio.AbstractEventLoop]) -> str:
    kind, url, _ = accounts_url
    if kind == "sqlite":
        pytest.skip("one writer: nothing overlaps")
    return url


def _password(house: House, session: Any) -> Way:
    return "POST", "token?grant_type=password", {"email": ANN, "password": PASSWORD}, None


def _magic_link(house: House, session: Any) -> Way:
    house.post("otp", {"email": ANN})
    return (
        "GET",
        f"verify?type=magiclink&token={query_of(house.letter('magic_link').data['link'])['token']}",
        None,
        None,
    )


def _otp(house: House, session: Any) -> Way:
    house.post("otp", {"email": ANN})
    body = {"type": "email", "email": ANN, "token": house.letter("magic_link").data["code"]}
    return "POST", "verify", body, None


def _recovery(house: House, session: Any) -> Way:
    house.post("recover", {"email": ANN})
    token = query_of(house.letter("recovery").data["link"])["token"]
    return "POST", "verify", {"type": "recovery", "token_hash": token}, None


def _admin_link(house: House, session: Any) -> Way:
    body = {"type": "magiclink", "email": ANN}
    made = house.post("admin/generate_link", body, as_=service(house)).json
    return "POST", "verify", {"type": "magiclink", "token_hash": made["hashed_token"]}, None


def _pkce(house: House, session: Any) -> Way:
    house.post("otp", {"email": ANN, "code_challenge": CHALLENGE, "code_challenge_method": "s256"})
    found = follow(house, house.letter("magic_link").data["link"])["code"]
    return "POST", "token?grant_type=pkce", {"auth_code": found, "code_verifier": VERIFIER}, None


def _refresh(house: House, session: Any) -> Way:
    return "POST", "token?grant_type=refresh_token", {"refresh_token": session["refresh_token"]}, None


def _passkey(house: House, session: Any) -> Way:
    key = Authenticator(count=1)
    assert 200 == register(house, session, key).status
    begun = begin(house)
    body = {"challenge_id": begun["challenge_id"], "credential": key.get(begun["options"])}
    return "POST", "passkeys/authentication/verify", body, None


def _second_factor(house: House, session: Any) -> Way:
    factor = enrol(house, session)
    body = {"challenge_id": challenge(house, session, factor["id"]), "code": code(house, factor["totp"]["secret"])}
    return "POST", f"factors/{factor['id']}/verify", body, session


WAYS: dict[str, Callable[[House, Any], Way]] = {
    "password": _password,
    "magic link": _magic_link,
    "OTP": _otp,
    "recovery": _recovery,
    "admin link": _admin_link,
    "PKCE code": _pkce,
    "refresh": _refresh,
    "passkey": _passkey,
    "second factor": _second_factor,
}

#: What ends sign-ins: the request of an administrator, and the gate behind what it writes.
ENDS: dict[str, tuple[str, Any, str]] = {
    "ban": ("PUT", {"ban_duration": "24h"}, "UPDATE OF banned_until"),
    "deletion": ("DELETE", {}, "DELETE"),
    "soft deletion": ("DELETE", {"should_soft_delete": True}, "UPDATE OF deleted_at"),
    "password": ("PUT", {"password": "another passphrase of hers"}, "UPDATE OF password_hash"),
}


def _sessions(house: House) -> int:
    from backstay.db.statement import Statement

    return len(house.run(house.store.database.fetch_all(Statement("SELECT id FROM backstay_sessions"))))


def _opens(reply: Any) -> bool:
    return b"access_token" in reply.body + (reply.one("location") or "").encode()


def _prepared(house: House, way: str) -> tuple[str, Way]:
    session = house.sign_up(ANN)
    return session["user"]["id"], WAYS[way](house, session)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("way", WAYS)
def test_an_end_that_comes_in_the_middle_of_a_sign_in(house: House, url: str, way: str, end: str) -> None:
    """A4, A8: the session is written and not committed; the end waits for it, and ends it."""
    id, (method, path, body, as_) = _prepared(house, way)
    with_method, with_body, _ = ENDS[end]
    table = "backstay_refresh_tokens" if way == "refresh" else "backstay_sessions"
    signed_in, ended = house.run(
        overlapped(
            url,
            "INSERT",
            table,
            house.sending(method, path, body, as_=as_),
            house.sending(with_method, f"admin/users/{id}", with_body, as_=service(house)),
        )
    )
    assert 200 == ended.status, ended.body
    assert signed_in.status in ((200, 303) if method == "GET" else (200, 404)), signed_in.body
    assert 0 == _sessions(house)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("way", WAYS)
def test_a_sign_in_that_comes_in_the_middle_of_an_end(house: House, url: str, way: str, end: str) -> None:
    """A4: the ban, deletion or new password is written and not committed; the sign-in waits, and is refused."""
    id, (method, path, body, as_) = _prepared(house, way)
    with_method, with_body, event = ENDS[end]
    ended, signed_in = house.run(
        overlapped(
            url,
            event,
            "backstay_users",
            house.sending(with_method, f"admin/users/{id}", with_body, as_=service(house)),
            house.sending(method, path, body, as_=as_),
        )
    )
    assert 200 == ended.status, ended.body
    # A new password says nothing about passkeys: that session was opened after it.
    stays = way == "passkey" and end == "password"
    assert (stays, int(stays)) == (_opens(signed_in), _sessions(house))
    assert signed_in.status < 500, signed_in.body


@pytest.mark.parametrize("changes", ["PUT", "DELETE"])
def test_a_refresh_in_the_middle_of_a_change_of_roles(house: House, url: str, changes: str) -> None:
    """A4, TK8: whichever comes first, the token that the refresh has brought does not hold what was taken."""
    session = house.sign_up(ANN)
    house.prove(ANN)
    role = f"admin/users/{session['user']['id']}/roles/editor"
    if changes == "DELETE":
        assert 200 == house.put(role, as_=service(house)).status
        house.clock.turn(seconds=1)
        session = house.sign_in(ANN)
    house.clock.turn(seconds=1)
    refresh = {"refresh_token": session["refresh_token"]}
    refreshed, changed = house.run(
        overlapped(
            url,
            "INSERT",
            "backstay_refresh_tokens",
            house.sending("POST", "token?grant_type=refresh_token", refresh),
            house.sending(changes, role, as_=service(house)),
        )
    )
    assert (200, 200) == (refreshed.status, changed.status)
    house.office.trust.expire()
    # Issued in the very second of the change: it is to be refreshed once more.
    assert 401 == house.rest("GET", "notices", as_=refreshed.json).status
    house.clock.turn(seconds=1)
    again = house.refresh(refreshed.json["refresh_token"])
    if changes == "PUT":
        # A role more: they sign in again.
        assert (400, "refresh_token_not_found") == (again.status, again.json["code"])
        again = house.post("token?grant_type=password", {"email": ANN, "password": PASSWORD})
    assert (["editor"] if changes == "PUT" else []) == claims(again.json)["app_metadata"]["roles"]


#: What a session may begin or change, and what would be left of it.
BEGINS: dict[str, tuple[str, str, Any]] = {
    "a new password": ("PUT", "user", {"password": "a thief's passphrase", "current_password": PASSWORD}),
    "other data": ("PUT", "user", {"data": {"name": "thief"}}),
    "another address": ("PUT", "user", {"email": "thief@example.org"}),
    "a code": ("GET", "reauthenticate", None),
    "a link": ("GET", "user/identities/authorize?provider=corp&skip_http_redirect=true", None),
    "a factor": ("POST", "factors", {"factor_type": "totp"}),
    "the end of an identity": ("DELETE", "user/identities/{identity}", None),
    "the name of a passkey": ("PATCH", "passkeys/{passkey}", {"friendly_name": "thief"}),
    "the end of a factor": ("DELETE", "factors/{factor}", None),
}


@pytest.mark.settings(
    site_url="https://app.example.org",
    rate_limits="off",
    providers=json.dumps({"corp": PARTY}),
    anonymous_sign_ins=True,
)
@pytest.mark.parametrize("begun", BEGINS)
def test_what_a_session_asks_for_while_it_is_ended(house: House, url: str, begun: str) -> None:
    """A4, A5: a stolen session changes and begins nothing once its owner has signed out everywhere."""
    owner = house.sign_up(ANN)
    linked = identity(house, owner)
    thief = house.sign_in(ANN)
    method, path, body = BEGINS[begun]
    given = {"identity": linked}
    if "{passkey}" in path:
        given["passkey"] = register(house, owner, Authenticator(count=1)).json["id"]
    if "{factor}" in path:
        given["factor"] = enrol(house, thief)["id"]
    house.letters()
    ended, refused = house.run(
        overlapped(
            url,
            "DELETE",
            "backstay_sessions",
            house.sending("POST", "logout?scope=global", as_=owner),
            house.sending(method, path.format(**given), body, as_=thief),
        )
    )
    assert 204 == ended.status
    assert (403, "session_not_found") == (refused.status, refused.json["code"])
    assert [] == house.letters()
    shown = house.get(f"admin/users/{owner['user']['id']}", as_=service(house)).json
    assert ["corp", "email"] == sorted(row["provider"] for row in shown["identities"])
    assert ("{factor}" in path) == ("factors" in shown)
    assert ("new_email" in shown, "thief" in shown["user_metadata"].values()) == (False, False)
    assert 200 == house.post("token?grant_type=password", {"email": ANN, "password": PASSWORD}).status
