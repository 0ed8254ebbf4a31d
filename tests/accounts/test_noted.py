"""What people do with their own accounts: counted before it is looked at, and in the log when it is done."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.accounts.authenticator import Authenticator
from tests.accounts.house import PASSWORD, House
from tests.accounts.staff import events, service
from tests.accounts.test_factors import challenge, claims, enrol, lifted
from tests.accounts.test_passkeys import begin, register, sign_in

QUIET = {"rate_limits": "off", "site_url": "https://app.example.org"}
UNKNOWN = str(UUID(int=1))
CREDENTIAL = {"challenge_id": UNKNOWN, "credential": {}}

#: Limit, method, path, body, and whether somebody must have signed in.
COUNTED: list[tuple[str, str, str, Any, bool]] = [
    ("signup", "POST", "signup", {"email": "bob@example.org", "password": PASSWORD}, False),
    ("anonymous", "POST", "signup", {}, False),
    ("refresh", "POST", "token?grant_type=refresh_token", {"refresh_token": "x"}, False),
    ("verify", "POST", "token?grant_type=pkce", {"auth_code": "x", "code_verifier": "v" * 43}, False),
    ("verify", "POST", "verify", {"type": "email", "token_hash": "x"}, False),
    ("verify", "GET", "verify?type=email&token=x", None, False),
    ("verify", "POST", "verify", {"type": "email", "email": "a@example.org", "token": "123456"}, False),
    ("verify", "POST", "user/identities/confirm", {"code": "x"}, True),
    ("challenge", "POST", "passkeys/registration/options", {}, True),
    ("challenge", "POST", "passkeys/registration/verify", CREDENTIAL, True),
    ("challenge", "POST", "passkeys/authentication/options", {}, False),
    ("challenge", "POST", "passkeys/authentication/verify", CREDENTIAL, False),
    ("factor", "POST", "factors/recovery-codes/verify", {"code": "x"}, True),
    ("factor", "POST", "factors/{totp}/verify", {"challenge_id": "{challenge}", "code": "000000"}, True),
    ("challenge", "POST", "factors/{totp}/challenge", {}, True),
    ("challenge", "POST", "factors/{key}/verify", {"challenge_id": UNKNOWN, "webauthn": {"type": "create"}}, True),
    ("signin", "POST", "token?grant_type=password", {"email": "a@example.org", "password": "x"}, False),
    ("signin", "PUT", "user", {"password": "another passphrase", "current_password": "x"}, True),
    ("verify", "PUT", "user", {"password": "another passphrase", "nonce": "x"}, True),
    ("otp", "POST", "otp", {"email": "a@example.org", "create_user": False}, False),
    ("otp", "POST", "magiclink", {"email": "a@example.org", "create_user": False}, False),
    ("otp", "POST", "recover", {"email": "a@example.org"}, False),
    ("otp", "POST", "resend", {"type": "signup", "email": "a@example.org"}, False),
]


@pytest.fixture(params=COUNTED, ids=lambda case: f"{case[0]} {case[2]}")
def counted(request: pytest.FixtureRequest) -> Any:
    """A request, in an app that lets one through."""
    limits = {"mail_address": "off", request.param[0]: "1/3600"}
    rates = {"rate_limits": json.dumps(limits), "site_url": "https://app.example.org"}
    request.node.add_marker(pytest.mark.settings(anonymous_sign_ins=True, **rates))
    return request.param


def test_what_is_counted(counted: Any, house: House) -> None:
    """TH1: the second one is refused whatever it is about, and another place is not."""
    limit, method, path, body, needed = counted
    as_ = house.sign_up() if needed else None
    if "{" in path:
        named = {
            "totp": enrol(house, as_)["id"],
            "key": house.post("factors", {"factor_type": "webauthn"}, as_=as_).json["id"],
        }
        # Where it is what is counted, this would be the one that is let through.
        named["challenge"] = UNKNOWN if limit == "challenge" else challenge(house, as_, named["totp"])
        path, body = path.format(**named), json.loads(json.dumps(body).replace("{challenge}", named["challenge"]))
    asked = [house.send(method, path, body, as_=as_) for _ in range(2)]
    elsewhere = house.send(method, path, body, as_=as_, client=("198.51.100.9", 1))
    if method == "GET":
        codes = [reply.one("location") or "" for reply in (*asked, elsewhere)]
        assert [False, True, False] == ["over_request_rate_limit" in code for code in codes]
    else:
        assert [False, True, False] == [reply.status == 429 for reply in (*asked, elsewhere)]
        assert "over_request_rate_limit" == asked[1].json["code"]


#: What sends a mail: of a caller, with a number that names an address.
MAILS: dict[str, Callable[[House, int], Any]] = {
    "recover": lambda house, n: house.post("recover", {"email": f"p{n}@example.org"}),
    "otp": lambda house, n: house.post("otp", {"email": f"p{n}@example.org"}),
    "resend": lambda house, n: house.post("resend", {"type": "signup", "email": f"p{n}@example.org"}),
    "sign-up": lambda house, n: house.post("signup", {"email": f"p{n}@example.org", "password": PASSWORD}),
    "a code": lambda house, n: house.get("reauthenticate", as_=_person(house, n)),
    "another address": lambda house, n: house.put("user", {"email": f"p{n}@example.org"}, as_=_person(house, 9)),
}


def _person(house: House, number: int) -> dict[str, Any]:
    """A session of the account with that number, which an administrator has made."""
    body = {"email": f"p{number}@example.org", "password": PASSWORD, "email_confirm": True}
    house.post("admin/users", body, as_=service(house))
    return house.sign_in(f"p{number}@example.org")


@pytest.mark.settings(email_confirmation=True, site_url="https://app.example.org")
@pytest.mark.parametrize("mail", MAILS)
def test_mails_are_counted_by_their_address(house: House, mail: str) -> None:
    """TH4: the second mail to an address waits, one to another address does not, and a minute later it is sent."""
    send = MAILS[mail]
    codes = [(reply.status, reply.json.get("code")) for reply in (send(house, 1), send(house, 1), send(house, 2))]
    refused = (429, "over_email_send_rate_limit")
    assert ([200, 200], refused) == ([codes[0][0], codes[2][0]], codes[1])
    house.clock.turn(seconds=60)
    assert 200 == send(house, 1).status


@pytest.mark.settings(email_confirmation=True, rate_limits='{"mail_address": "off", "mail_address_hour": "2/3600"}')
def test_what_is_written_to_as_well_is_counted(house: House) -> None:
    """TH4: a wish for another address writes to the old one, whatever new one is asked for."""
    session = _person(house, 1)
    asked = [house.put("user", {"email": f"new{n}@example.org"}, as_=session) for n in range(3)]
    assert [200, 200, 429] == [reply.status for reply in asked]
    assert 429 == house.post("recover", {"email": "p1@example.org"}).status
    assert 200 == house.post("recover", {"email": "p2@example.org"}).status


@pytest.mark.settings(anonymous_sign_ins=True, **QUIET)
def test_sign_ups_are_in_the_log(house: House) -> None:
    """AU3: by what, and the session that it opened."""
    for body, method, details in (
        ({"email": "ann@example.org", "password": PASSWORD}, "password", {"method": "password", "provider": "email"}),
        ({}, "anonymous", {"method": "anonymous"}),
    ):
        session = house.post("signup", body).json
        signed_up, login = events(house, "user_signedup")[0], events(house, "login")[0]
        assert (session["user"]["id"], details) == (signed_up.subject, signed_up.details)
        assert (session["user"]["id"], {"session_id": claims(session)["session_id"], "method": method, "aal": "aal1"}) == (
            login.subject, login.details
        )  # fmt: skip
        assert (method == "anonymous", "authenticated") == (session["user"]["is_anonymous"], session["user"]["role"])


@pytest.mark.settings(**QUIET)
def test_recovery_codes_are_in_the_log(house: House) -> None:
    """MF2, AU3: made, tried, used and removed; and the owner learns of what was used and removed."""
    _, session = lifted(house, house.sign_up(), "phone")
    id = session["user"]["id"]
    made = house.post("factors/recovery-codes", as_=session).json
    weak = house.sign_in()
    house.letters()
    wrong = house.post("factors/recovery-codes/verify", {"code": "0000-0000-0000"}, as_=weak)
    assert (422, "mfa_verification_failed") == (wrong.status, wrong.json["code"])
    assert (400, "validation_failed") == (
        (empty := house.post("factors/recovery-codes/verify", {}, as_=weak)).status, empty.json["code"]
    )  # fmt: skip
    assert [] == house.letters()
    used = house.post("factors/recovery-codes/verify", {"code": made["codes"][0]}, as_=weak).json
    assert ("aal2", ["mfa/recovery_code", "password"]) == (
        claims(used)["aal"], [proof["method"] for proof in claims(used)["amr"]]
    )  # fmt: skip
    assert "ann@example.org" == house.letter("recovery_code_used").to
    left = house.get("factors/recovery-codes", as_=used).json
    assert (made["id"], 10, 9) == (left["id"], left["total"], left["remaining"])
    assert {"id": made["id"]} == house.delete("factors/recovery-codes", as_=session).json
    assert "recovery_code" == house.letter("factor_removed").data["factor"]
    kinds = ("recovery_codes_generated", "recovery_codes_used", "factor_failed", "factor_deleted")
    assert [
        ("factor_deleted", {"factor_id": made["id"], "factor_type": "recovery_code"}),
        ("recovery_codes_used", {"left": 9}),
        ("factor_failed", {"factor_type": "recovery_code", "reason": "code"}),
        ("recovery_codes_generated", {"count": 10}),
    ] == [(event.event, event.details) for event in events(house, *kinds)]
    assert {id} == {event.subject for event in events(house, *kinds)}
    assert "aal1" == house.get("sessions", as_=used).json["sessions"][0]["aal"]


@pytest.mark.settings(**QUIET)
def test_passkeys_are_in_the_log(house: House) -> None:
    """MF3, AU3: added, named, used and removed; the owner learns of the first and the last."""
    session = house.sign_up()
    key = Authenticator(count=1)
    made = register(house, session, key).json
    assert "passkey" == house.letter("factor_enrolled").data["factor"]
    by_key = sign_in(house, key).json
    assert 200 == house.send("PATCH", f"passkeys/{made['id']}", {"friendly_name": "Key"}, as_=by_key).status
    assert 404 == house.send("PATCH", f"passkeys/{uuid4()}", {"friendly_name": "Key"}, as_=by_key).status
    assert 204 == house.delete(f"passkeys/{made['id']}", as_=by_key).status
    assert "ann@example.org" == house.letter("factor_removed").to
    assert "aal1" == house.get("sessions", as_=by_key).json["sessions"][0]["aal"]
    id, about = session["user"]["id"], {"passkey_id": made["id"]}
    assert [(id, about), (id, about)] == [
        (event.subject, event.details) for event in events(house, "passkey_added", "passkey_updated")
    ]
    login = events(house, "login")[0]
    assert (id, {"session_id": claims(by_key)["session_id"], "method": "passkey", "aal": "aal2"}) == (
        login.subject, login.details
    )  # fmt: skip
    gone = sign_in(house, key)
    assert (422, "webauthn_verification_failed") == (gone.status, gone.json["code"])


@pytest.mark.settings(**QUIET)
def test_a_challenge_ends(house: House) -> None:
    """MF3: after five minutes, to the second, and with its first answer."""
    key = Authenticator(count=1)
    assert 200 == register(house, house.sign_up(), key).status
    for seconds, status in ((299, 200), (300, 422)):
        begun = begin(house)
        assert int(house.clock.at.timestamp()) + 300 == begun["expires_at"]
        house.clock.turn(seconds=seconds)
        body = {"challenge_id": begun["challenge_id"], "credential": key.get(begun["options"])}
        reply = house.post("passkeys/authentication/verify", body)
        assert status == reply.status, reply.body
        again = house.post("passkeys/authentication/verify", body)
        assert (422, "webauthn_challenge_expired") == (again.status, again.json["code"])


@pytest.mark.settings(email_confirmation=True, **QUIET)
def test_a_passkey_of_the_banned(house: House) -> None:
    """TK5: it opens nothing until the ban is over."""
    made = {"email": "ann@example.org", "password": PASSWORD, "email_confirm": True}
    user = house.post("admin/users", made, as_=service(house)).json
    key = Authenticator(count=1)
    assert 200 == register(house, house.sign_in(), key).status
    body = {"ban_duration": "1h"}
    assert 200 == house.put(f"admin/users/{user['id']}", body, as_=service(house)).status
    refused = sign_in(house, key)
    assert (400, "user_banned") == (refused.status, refused.json["code"])
    house.clock.turn(hours=1)
    assert 200 == sign_in(house, key).status
