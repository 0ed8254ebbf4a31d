"""Sign-up, sign-in and one's own account, by e-mail address and password."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from tests.accounts.house import PASSWORD, VERSION, House, make_app


def test_sign_up_gives_a_session_and_a_user(house: House) -> None:
    """What GoTrue's clients read is there, and nothing secret."""
    session = house.sign_up("Ann@Example.org", data={"name": "Ann"})
    user = session["user"]
    assert {"access_token", "token_type", "expires_in", "expires_at", "refresh_token", "user"} == set(session)
    assert ("bearer", 3600) == (session["token_type"], session["expires_in"])
    assert int(house.clock.at.timestamp()) + 3600 == session["expires_at"]
    assert ("ann@example.org", "authenticated", "authenticated") == (user["email"], user["role"], user["aud"])
    assert {"provider": "email", "providers": ["email"]} == user["app_metadata"]
    metadata = {"name": "Ann", "sub": user["id"], "email": "ann@example.org", "email_verified": True}
    assert metadata | {"phone_verified": False} == user["user_metadata"]
    identity = user["identities"][0]
    assert ("email", user["id"], user["id"]) == (identity["provider"], identity["id"], identity["user_id"])
    assert "2026-11-21T12:00:00Z" == user["email_confirmed_at"] == user["created_at"] == user["last_sign_in_at"]
    assert not any("password" in key for key in user)


def test_the_token_opens_ones_own_rows(house: House) -> None:
    """The account is ``me`` in the policies."""
    ann, bob = house.sign_up(), house.sign_up("bob@example.org")
    made = house.rest("POST", "secrets", {"owner_id": ann["user"]["id"], "text": "mine"}, as_=ann)
    assert 201 == made.status
    assert ["mine"] == [row["text"] for row in house.rest("GET", "secrets", as_=ann).json]
    assert [] == house.rest("GET", "secrets", as_=bob).json
    assert 403 == house.rest("POST", "secrets", {"owner_id": ann["user"]["id"], "text": "no"}, as_=bob).status


def test_a_known_address_is_refused_without_confirmation(house: House) -> None:
    """Where addresses are not confirmed there is nothing to hide it behind."""
    house.sign_up()
    again = house.post("signup", {"email": "ANN@example.org", "password": PASSWORD})
    assert (422, "user_already_exists") == (again.status, again.json["code"])
    assert "user_already_exists" == again.one("x-sb-error-code")


def test_sign_in_with_the_right_password_only(house: House) -> None:
    """An unknown address and a wrong password are one case."""
    house.sign_up()
    assert "ann@example.org" == house.sign_in(" Ann@Example.org ".strip())["user"]["email"]
    wrong = [
        house.post("token?grant_type=password", {"email": email, "password": password})
        for email, password in (("ann@example.org", "wrong"), ("nobody@example.org", "wrong"), ("ann@example.org", ""))
    ]
    assert [(400, {"code": "invalid_credentials", "message": "Invalid login credentials"})] * 3 == [
        (reply.status, reply.json) for reply in wrong
    ]
    own = b"x-request-id"
    assert 1 == len({tuple(sorted(pair for pair in reply.headers if pair[0] != own)) for reply in wrong})


def test_errors_have_the_shape_that_the_client_knows(house: House) -> None:
    """By ``X-Supabase-Api-Version``: with it the new shape and its echo, without it the old one."""
    new = house.post("token?grant_type=password", {"email": "a@example.org", "password": "x"})
    old = house.post(
        "token?grant_type=password",
        {"email": "a@example.org", "password": "x"},
        headers={"X-Supabase-Api-Version": "2023-01-01"},
    )
    assert VERSION == new.one("x-supabase-api-version")
    page = house.post("token", {}, headers={"Origin": "https://app.example.org"})
    assert "X-Supabase-Api-Version" in (page.one("access-control-expose-headers") or "").split(", ")
    assert None is old.one("x-supabase-api-version")
    assert {"code": 400, "error_code": "invalid_credentials", "msg": "Invalid login credentials"} == old.json


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "bad_json"),
        (b'{"email": 1}', 400, "validation_failed"),
        (b'{"email": "a@example.org", "email": "b@example.org"}', 400, "bad_json"),
        ({"email": "not an address", "password": PASSWORD}, 400, "email_address_invalid"),
        ({"email": "a@example.org"}, 400, "validation_failed"),
        ({"password": PASSWORD}, 400, "validation_failed"),
        ({"email": "a@example.org", "password": "short"}, 422, "weak_password"),
        ({"phone": "4912345", "password": PASSWORD}, 400, "phone_provider_disabled"),
        ({}, 422, "anonymous_provider_disabled"),
        ({"email": "a@example.org", "password": PASSWORD, "data": {"x": "y" * 20_000}}, 400, "validation_failed"),
        (b'{"email": "' + b"a" * 70_000 + b'"}', 413, "request_body_too_large"),
    ],
)
def test_what_sign_up_refuses(house: House, body: object, status: int, code: str) -> None:
    """Each with the code that GoTrue has for it; nothing is made (LM3)."""
    reply = house.post("signup", body)
    assert (status, code) == (reply.status, reply.json["code"])


@pytest.mark.settings(signup=False)
def test_sign_up_can_be_switched_off(house: House) -> None:
    """And the settings say so."""
    reply = house.post("signup", {"email": "a@example.org", "password": PASSWORD})
    assert (422, "signup_disabled") == (reply.status, reply.json["code"])
    assert house.get("settings").json["disable_signup"] is True


@pytest.mark.settings(anonymous_sign_ins=True)
def test_an_account_without_an_address(house: House) -> None:
    """It has a session and an id of its own, and says that it is anonymous."""
    session = house.run(house.sending("POST", "signup", {"data": {"tour": 1}})).json
    assert (True, "", {"tour": 1}) == tuple(session["user"][key] for key in ("is_anonymous", "email", "user_metadata"))
    made = house.rest("POST", "secrets", {"owner_id": session["user"]["id"], "text": "mine"}, as_=session)
    assert 201 == made.status


def test_ones_own_account(house: House) -> None:
    """Metadata is merged, ``null`` removes; nobody without a session has an account."""
    session = house.sign_up(data={"name": "Ann", "town": "Ulm"})
    changed = house.put("user", {"data": {"town": None, "age": 7, "far": {"x": [1.5, True]}}}, as_=session)
    assert 200 == changed.status
    metadata = house.get("user", as_=session).json["user_metadata"]
    assert ("Ann", 7, {"x": [1.5, True]}, False) == (
        metadata["name"],
        metadata["age"],
        metadata["far"],
        "town" in metadata,
    )
    nobody = house.get("user")
    assert (401, "no_authorization") == (nobody.status, nobody.json["code"])
    assert (403, "bad_jwt") == ((forged := house.get("user", as_="a.b.c")).status, forged.json["code"])


def test_a_new_password_ends_the_other_sessions(house: House) -> None:
    """The owner is told by mail, the old password is none, and what was open elsewhere is closed (PW8)."""
    here = house.sign_up()
    there = house.sign_in()
    assert (422, "same_password") == (
        (same := house.put("user", {"password": PASSWORD}, as_=here)).status,
        same.json["code"],
    )
    assert 200 == house.put("user", {"password": "another long passphrase"}, as_=here).status
    assert 200 == house.get("user", as_=here).status
    assert (403, "session_not_found") == ((gone := house.get("user", as_=there)).status, gone.json["code"])
    assert 401 == house.rest("GET", "secrets", as_=there).status
    assert 400 == house.refresh(there["refresh_token"]).status
    assert 400 == house.post("token?grant_type=password", {"email": "ann@example.org", "password": PASSWORD}).status
    assert 200 == house.refresh(house.sign_in(password="another long passphrase")["refresh_token"]).status


def test_an_old_sign_in_is_no_proof(house: House) -> None:
    """After five minutes a new password takes the old one (PW8)."""
    session = house.sign_up()
    house.clock.turn(minutes=6)
    refused = house.put("user", {"password": "another long passphrase"}, as_=session)
    assert (400, "reauthentication_needed") == (refused.status, refused.json["code"])
    wrong = house.put("user", {"password": "another long passphrase", "current_password": "x"}, as_=session)
    assert (400, "current_password_mismatch") == (wrong.status, wrong.json["code"])
    right = {"password": "another long passphrase", "current_password": PASSWORD}
    assert 200 == house.put("user", right, as_=session).status


def test_what_anybody_may_know(house: House) -> None:
    """Settings, health and the public halves of the keys."""
    assert house.get("settings").json["external"]["email"] is True
    assert "GoTrue" == house.get("health").json["name"]
    keys = house.get(".well-known/jwks.json")
    assert "public, max-age=600" == keys.one("cache-control")
    assert [{"kid", "kty", "crv", "x", "y", "alg", "use"}] * 2 == [set(key) for key in keys.json["keys"]]
    found = house.get(".well-known/openid-configuration").json
    assert "https://api.example.org/auth/v1" == found["issuer"]


def test_a_field_that_is_null_was_not_given(house: House) -> None:
    """The published Python client sends every field that it knows; metadata keeps the ``null`` that removes a key."""
    body = {"email": "ann@example.org", "password": PASSWORD, "phone": None, "data": {"name": "Ann"}}
    session = house.post("signup", body).json
    assert 200 == house.post("token?grant_type=password", {**body, "refresh_token": None}).status
    assert "name" not in house.put("user", {"data": {"name": None}}, as_=session).json["user_metadata"]


def test_paths_and_methods_that_are_not_there(house: House) -> None:
    """404 and 405 in GoTrue's shape, and OPTIONS says what is there."""
    assert (404, "not_found") == ((lost := house.get("nothing")).status, lost.json["code"])
    assert (405, "GET, HEAD, OPTIONS, PUT") == ((wrong := house.post("user", {})).status, wrong.one("allow"))
    assert (204, "OPTIONS, POST") == ((asked := house.send("OPTIONS", "signup")).status, asked.one("allow"))


@pytest.mark.parametrize("compat", ["gotrue", "off"])
def test_the_start_says_that_passwords_are_short(tmp_path: Path, caplog: pytest.LogCaptureFixture, compat: str) -> None:
    """PW4: six characters are taken where that is asked for, and each start tells the operator."""
    caplog.set_level(logging.WARNING)

    async def start() -> None:
        async with make_app(f"sqlite:///{tmp_path / 'app.db'}", password_compat=compat).started():
            pass

    asyncio.run(start())
    assert (compat == "gotrue") == ("BACKSTAY_PASSWORD_COMPAT is gotrue: passwords of 6 characters" in caplog.text)
