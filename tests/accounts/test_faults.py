"""What the database refuses at the end of a flow: nothing of the flow stays, and only what is meant is told as such."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from backstay.errors import DatabaseError
from tests.accounts.authenticator import PRESENT, Authenticator
from tests.accounts.house import PASSWORD, House
from tests.accounts.staff import service
from tests.accounts.test_factors import refusal

QUIET = {"rate_limits": "off", "site_url": "https://app.example.org"}
ANN, NEW = "ann@example.org", "new@example.org"


def _admin(house: House, method: str, path: str, body: Any) -> Callable[[], Any]:
    return lambda: house.send(method, path, body, as_=service(house))


def _passkey(house: House) -> Callable[[], Any]:
    session = house.sign_up()
    begun = house.post("passkeys/registration/options", {}, as_=session).json
    body = {"challenge_id": begun["challenge_id"], "credential": Authenticator(count=1).create(begun["options"])}
    return lambda: house.post("passkeys/registration/verify", body, as_=session)


def _security_key(house: House) -> Callable[[], Any]:
    session = house.sign_up()
    path = f"factors/{house.post('factors', {'factor_type': 'webauthn'}, as_=session).json['id']}"
    asked = house.post(f"{path}/challenge", {}, as_=session).json
    answer = Authenticator(flags=PRESENT, count=1).create(asked["webauthn"]["credential_options"]["publicKey"])
    body = {"challenge_id": asked["id"], "webauthn": {"type": "create", "credential_response": answer}}
    return lambda: house.post(f"{path}/verify", body, as_=session)


def _factor(house: House) -> Callable[[], Any]:
    session = house.sign_up()
    body = {"factor_type": "totp", "friendly_name": "Phone"}
    return lambda: house.post("factors", body, as_=session)


def _wish(house: House) -> Callable[[], Any]:
    """The second proof of a change of address."""
    session = house.sign_up()
    assert 200 == house.put("user", {"email": NEW}, as_=session).status
    old, new = house.letters("email_change")
    for letter in (old, new):
        body = {"type": "email_change", "email": letter.to, "token": letter.data["code"]}
        if letter is old:
            assert "msg" in house.post("verify", body).json
    return lambda: house.post("verify", body)


def _account(house: House) -> str:
    return f"admin/users/{house.sign_up()['user']['id']}"


#: What is asked, and what is answered where another has the address, the name or the credential by now.
FLOWS: dict[str, tuple[Callable[[House], Callable[[], Any]], Any]] = {
    "sign-up": (
        lambda house: lambda: house.post("signup", {"email": NEW, "password": PASSWORD}),
        (422, "user_already_exists"),
    ),
    "link": (lambda house: lambda: house.post("otp", {"email": NEW}), (200, {})),
    "factor": (_factor, (422, "mfa_factor_name_conflict")),
    "passkey": (_passkey, (422, "webauthn_credential_exists")),
    "security key": (_security_key, (422, "webauthn_credential_exists")),
    "change of address": (_wish, (422, "email_exists")),
    "account made": (lambda house: _admin(house, "POST", "admin/users", {"email": NEW}), (422, "email_exists")),
    "account changed": (lambda house: _admin(house, "PUT", _account(house), {"email": NEW}), (422, "email_exists")),
    "invitation": (lambda house: _admin(house, "POST", "invite", {"email": NEW}), (422, "email_exists")),
    "link made": (
        lambda house: _admin(
            house, "POST", "admin/generate_link", {"type": "signup", "email": NEW, "password": PASSWORD}
        ),
        (422, "email_exists"),
    ),
}


@pytest.mark.settings(**QUIET)
@pytest.mark.parametrize("code", ["23505", "23514", "XX000"])
@pytest.mark.parametrize("flow", FLOWS)
def test_what_the_database_refuses_is_told_as_what_it_is(house: House, flow: str, code: str) -> None:
    """ER2, T-RACE: a row that is there already is the refusal of the route; anything else is none of the caller's."""
    begin, met = FLOWS[flow]
    ask = begin(house)
    house.letters()
    before = house.get("admin/users", as_=service(house)).body
    house.watch.fault = DatabaseError(code, "what a database says", details="Key (email)=(ann@example.org)")
    reply = ask()
    house.watch.fault = None
    expected = {"23505": met, "23514": (409, "conflict"), "XX000": (500, "unexpected_failure")}[code]
    assert expected == (refusal(reply) if reply.status != 200 else (reply.status, reply.json))
    assert b"Key" not in reply.body
    assert (before, []) == (house.get("admin/users", as_=service(house)).body, house.letters())


@pytest.mark.settings(email_confirmation=True, **QUIET)
def test_two_sign_ups_at_once_are_answered_alike(house: House) -> None:
    """TH5: the one that comes too late is told what it would be told; another fault is one."""
    body = {"email": NEW, "password": PASSWORD}
    for code, status in (("23505", 200), ("23514", 409), ("XX000", 500)):
        house.watch.fault = DatabaseError(code, "what a database says")
        reply = house.post("signup", body)
        assert status == reply.status, code
        assert (status == 200) == (reply.json.get("email") == NEW)
        house.watch.fault = None
        assert [] == house.letters()
