"""Links and codes: confirmation, recovery, sign-in by mail, a change of address, and what attackers learn of them."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.accounts.house import PASSWORD, House

CONFIRMED = pytest.mark.settings(email_confirmation=True)
VERIFIER = "v" * 43
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


def query_of(link: str) -> dict[str, str]:
    parts = urlsplit(link)
    assert ("https", "api.example.org", "/auth/v1/verify") == (parts.scheme, parts.netloc, parts.path)
    return {name: values[0] for name, values in parse_qs(parts.query).items()}


def follow(house: House, link: str, method: str = "GET") -> dict[str, str]:
    """Follow a link of a mail; what the app is told in the fragment, or in the query."""
    reply = house.send(method, f"verify?{urlsplit(link).query}")
    assert 303 == reply.status, reply.body
    back = urlsplit(reply.one("location") or "")
    return {name: values[0] for name, values in parse_qs(back.fragment or back.query).items()}


@CONFIRMED
def test_sign_up_with_confirmation(house: House) -> None:
    """No session before the link was followed; the link signs in, once."""
    user = house.post("signup", {"email": "ann@example.org", "password": PASSWORD, "data": {"name": "Ann"}}).json
    assert ("ann@example.org", False) == (user["email"], "access_token" in user)
    refused = house.post("token?grant_type=password", {"email": "ann@example.org", "password": PASSWORD})
    assert (400, "email_not_confirmed") == (refused.status, refused.json["code"])
    letter = house.letter("confirmation")
    assert "signup" == query_of(letter.data["link"])["type"]
    assert b"" == house.send("HEAD", f"verify?{urlsplit(letter.data['link']).query}").body
    told = follow(house, letter.data["link"])
    assert {"access_token", "expires_at", "expires_in", "refresh_token", "token_type", "type"} == set(told)
    shown = house.get("user", as_=told).json
    assert (user["id"], True) == (shown["id"], shown["user_metadata"]["email_verified"])
    assert "2026-11-21T12:00:00Z" == shown["email_confirmed_at"]
    assert "otp_expired" == follow(house, letter.data["link"])["error_code"]
    assert "Ann" == house.sign_in()["user"]["user_metadata"]["name"]


@CONFIRMED
def test_a_code_confirms_too(house: House) -> None:
    """Six digits with the address they were sent to; five wrong ones end it (TH6)."""
    house.post("signup", {"email": "ann@example.org", "password": PASSWORD})
    code = house.letter("confirmation").data["code"]
    for address in ("bob@example.org", "ann@example.org"):
        wrong = house.post(
            "verify", {"type": "signup", "email": address, "token": "000000" if code != "000000" else "1"}
        )
        assert (403, "otp_expired") == (wrong.status, wrong.json["code"])
    session = house.post("verify", {"type": "signup", "email": "Ann@example.org", "token": code}).json
    assert "ann@example.org" == session["user"]["email"]
    assert [{"method": "otp", "timestamp": int(house.clock.at.timestamp())}] == claims(session)["amr"]


@CONFIRMED
def test_the_fifth_wrong_code_is_the_last(house: House) -> None:
    """After it the right one is refused as well (TH6)."""
    house.post("signup", {"email": "ann@example.org", "password": PASSWORD})
    code = house.letter("confirmation").data["code"]
    for guess in range(5):
        assert 403 == house.post("verify", {"type": "signup", "email": "ann@example.org", "token": f"x{guess}"}).status
    assert 429 == house.post("verify", {"type": "signup", "email": "ann@example.org", "token": code}).status
    house.clock.turn(minutes=6)
    assert 403 == house.post("verify", {"type": "signup", "email": "ann@example.org", "token": code}).status


@CONFIRMED
def test_a_taken_address_looks_like_a_new_one(house: House) -> None:
    """Same status, headers and shape; its owner is told by mail, and nobody else (TH5)."""
    new = house.post("signup", {"email": "ann@example.org", "password": PASSWORD})
    follow(house, house.letter("confirmation").data["link"])
    house.clock.turn(minutes=2)
    taken = house.post("signup", {"email": "ann@example.org", "password": "another passphrase"})
    again = house.post("signup", {"email": "zoe@example.org", "password": "another passphrase"})
    assert (200, 200) == (taken.status, again.status)
    assert [name for name, _ in new.headers] == [name for name, _ in taken.headers]
    assert shape(taken.json) == shape(again.json) == shape(new.json)
    assert {"confirmation", "account_exists"} == {letter.kind for letter in house.letters()}
    assert 200 == house.post("token?grant_type=password", {"email": "ann@example.org", "password": PASSWORD}).status


@CONFIRMED
def test_the_newest_sign_up_counts(house: House) -> None:
    """Its link replaces the one before; the password is good when both sign-ups had the same."""
    house.post("signup", {"email": "ann@example.org", "password": PASSWORD})
    old = house.letter("confirmation").data["link"]
    house.clock.turn(minutes=2)
    house.post("signup", {"email": "ann@example.org", "password": PASSWORD})
    assert "otp_expired" == follow(house, old)["error_code"]
    follow(house, house.letter("confirmation").data["link"])
    assert 200 == house.post("token?grant_type=password", {"email": "ann@example.org", "password": PASSWORD}).status


@CONFIRMED
def test_the_first_proof_of_a_mailbox_drops_what_was_there(house: House) -> None:
    """A password that was set before by whoever did not read the mail signs in nobody (OA7)."""
    house.post("signup", {"email": "ann@example.org", "password": "of somebody else"})
    house.letters()
    house.clock.turn(minutes=2)
    house.post("recover", {"email": "ann@example.org"})
    session = follow(house, house.letter("recovery").data["link"])
    assert (
        400
        == house.post("token?grant_type=password", {"email": "ann@example.org", "password": "of somebody else"}).status
    )
    assert 200 == house.put("user", {"password": PASSWORD}, as_=session).status
    assert 200 == house.post("token?grant_type=password", {"email": "ann@example.org", "password": PASSWORD}).status


@pytest.mark.parametrize("path", ["recover", "otp", "magiclink", "resend"])
def test_nobody_learns_who_has_an_account(house: House, path: str) -> None:
    """The same answer for known and unknown addresses, and mail to known ones only (TH5)."""
    house.sign_up()
    extra = {"create_user": False, "type": "signup"}
    known, unknown = (house.post(path, {"email": email, **extra}) for email in ("ann@example.org", "bob@example.org"))
    assert (200, b"{}", known.headers) == (unknown.status, unknown.body, unknown.headers)
    assert (known.status, known.body) == (unknown.status, unknown.body)
    assert {"ann@example.org"} >= {letter.to for letter in house.letters()}


def test_recovery(house: House) -> None:
    """The link signs in at aal1 (MF5), and within five minutes a new password takes no old one."""
    house.sign_up()
    house.prove()
    house.clock.turn(minutes=10)
    house.post("recover?redirect_to=https://api.example.org/reset", {"email": "ann@example.org"})
    link = house.letter("recovery").data["link"]
    assert "https://api.example.org/reset" == query_of(link)["redirect_to"]
    session = follow(house, link)
    assert ("recovery", "aal1") == (session["type"], claims(session)["aal"])
    assert 200 == house.put("user", {"password": "another long passphrase"}, as_=session).status
    assert ["password_changed"] == [letter.kind for letter in house.letters()]


def test_sign_in_by_mail_makes_an_account(house: House) -> None:
    """A new address gets a confirmation, a known one a magic link; both sign in."""
    assert 200 == house.post("otp", {"email": "new@example.org", "data": {"name": "New"}}).status
    letter = house.letter("confirmation")
    first = house.post("verify", {"type": "email", "email": "new@example.org", "token": letter.data["code"]}).json
    assert ("New", True) == (
        first["user"]["user_metadata"]["name"],
        first["user"]["user_metadata"]["email_verified"],
    )
    house.clock.turn(minutes=2)
    house.post("otp", {"email": "new@example.org"})
    token = query_of(house.letter("magic_link").data["link"])["token"]
    second = house.post("verify", {"type": "magiclink", "token_hash": token}).json
    assert first["user"]["id"] == second["user"]["id"]


def test_a_link_with_a_challenge_ends_with_a_code(house: House) -> None:
    """PKCE: what comes back through the browser is worth nothing without the verifier, and nothing the second time."""
    house.sign_up()
    body = {"email": "ann@example.org", "code_challenge": CHALLENGE, "code_challenge_method": "s256"}
    house.post("otp", body)
    link = house.letter("magic_link").data["link"]
    assert query_of(link)["token"].startswith("pkce_")
    told = follow(house, link)
    assert ["code"] == list(told)
    wrong = house.post("token?grant_type=pkce", {"auth_code": told["code"], "code_verifier": "w" * 43})
    assert (400, "bad_code_verifier") == (wrong.status, wrong.json["code"])
    gone = house.post("token?grant_type=pkce", {"auth_code": told["code"], "code_verifier": VERIFIER})
    assert (404, "flow_state_not_found") == (gone.status, gone.json["code"])
    house.clock.turn(minutes=2)
    house.post("otp", body)
    told = follow(house, house.letter("magic_link").data["link"])
    session = house.post("token?grant_type=pkce", {"auth_code": told["code"], "code_verifier": VERIFIER}).json
    assert ("ann@example.org", "magiclink") == (session["user"]["email"], claims(session)["amr"][0]["method"])


def test_a_code_that_is_typed_opens_a_session_whatever_began_it(house: House) -> None:
    """The published Python client begins every sign-in with a challenge; what the app posts needs no browser."""
    house.sign_up()
    body = {"email": "ann@example.org", "code_challenge": CHALLENGE, "code_challenge_method": "s256"}
    house.post("otp", body)
    code = house.letter("magic_link").data["code"]
    typed = house.post("verify", {"type": "email", "email": "ann@example.org", "token": code})
    assert "ann@example.org" == typed.json["user"]["email"]
    house.clock.turn(minutes=2)
    house.post("otp", body)
    token = query_of(house.letter("magic_link").data["link"])["token"]
    posted = house.post("verify", {"type": "email", "token_hash": token})
    assert ("ann@example.org", True) == (posted.json["user"]["email"], token.startswith("pkce_"))


@pytest.mark.parametrize(
    ("challenge", "method"), [("x" * 43, "plain"), ("short", "s256"), ("", "s256"), (CHALLENGE, None)]
)
def test_a_challenge_is_s256(house: House, challenge: str, method: str | None) -> None:
    """Anything else protects from nothing (OA2)."""
    body = {"email": "ann@example.org", "code_challenge": challenge, "code_challenge_method": method}
    assert (400, "validation_failed") == ((reply := house.post("otp", body)).status, reply.json["code"])


def test_a_change_of_address_is_confirmed_on_both_sides(house: House) -> None:
    """Neither alone changes it; then the old address is told, and other sessions end (TK4)."""
    here = house.sign_up()
    there = house.sign_in()
    assert "new@example.org" == house.put("user", {"email": "new@example.org"}, as_=here).json["new_email"]
    old, new = house.letters("email_change")
    assert ("ann@example.org", "new@example.org") == (old.to, new.to)
    half = follow(house, old.data["link"])
    assert half["message"].startswith("Confirmation link accepted")
    assert "ann@example.org" == house.get("user", as_=here).json["email"]
    done = follow(house, new.data["link"])
    user = house.get("user", as_=done).json
    assert ("new@example.org", "new@example.org") == (user["email"], user["identities"][0]["email"])
    assert "new_email" not in user
    assert 403 == house.get("user", as_=there).status
    assert ["email_changed"] == [letter.kind for letter in house.letters()]
    assert "new@example.org" == house.sign_in("new@example.org")["user"]["email"]
    assert 400 == house.post("token?grant_type=password", {"email": "ann@example.org", "password": PASSWORD}).status


def test_half_of_a_change_by_code(house: House) -> None:
    """``verify`` says that the other side is waited for."""
    here = house.sign_up()
    house.put("user", {"email": "new@example.org"}, as_=here)
    old, new = house.letters("email_change")
    half = house.post("verify", {"type": "email_change", "email": new.to, "token": new.data["code"]})
    assert {"code": "200", "msg": half.json["msg"]} == half.json
    done = house.post("verify", {"type": "email_change", "email": old.to, "token": old.data["code"]})
    assert "new@example.org" == done.json["user"]["email"]


@pytest.mark.settings(anonymous_sign_ins=True)
def test_an_anonymous_account_becomes_one_with_an_address(house: House) -> None:
    """Its id and rows stay; the new address alone confirms."""
    session = house.post("signup", {}).json
    assert 200 == house.put("user", {"email": "ann@example.org"}, as_=session).status
    done = follow(house, house.letter("email_change").data["link"])
    user = house.get("user", as_=done).json
    assert (session["user"]["id"], False, "ann@example.org") == (user["id"], user["is_anonymous"], user["email"])
    assert ["email"] == [identity["provider"] for identity in user["identities"]]


def test_a_code_proves_who_changes_the_password(house: House) -> None:
    """``/reauthenticate`` sends it, and it is good once (PW8)."""
    session = house.sign_up()
    house.clock.turn(minutes=10)
    assert 200 == house.get("reauthenticate", as_=session).status
    code = house.letter("reauthentication").data["code"]
    wrong = house.put("user", {"password": "another long passphrase", "nonce": "12"}, as_=session)
    assert (422, "reauthentication_not_valid") == (wrong.status, wrong.json["code"])
    body = {"password": "another long passphrase", "nonce": code}
    assert 200 == house.put("user", body, as_=session).status
    assert 422 == house.put("user", {**body, "password": "a third passphrase"}, as_=session).status


def test_where_a_link_leads(house: House) -> None:
    """To a listed place, or to the site; never where the request says alone (OA3)."""
    house.sign_up()
    house.post("recover?redirect_to=https://evil.example/", {"email": "ann@example.org"})
    assert "https://api.example.org" == query_of(house.letter("recovery").data["link"])["redirect_to"]
    reply = house.get("verify?token=x&type=recovery&redirect_to=https://evil.example/")
    assert (reply.one("location") or "").startswith(
        "https://api.example.org#error=access_denied&error_code=otp_expired"
    )


def test_mails_are_limited_alike(house: House) -> None:
    """The second within a minute is refused for known and unknown addresses with the same answer (TH4)."""
    house.sign_up()
    replies = []
    for email in ("ann@example.org", "bob@example.org"):
        assert 200 == house.post("recover", {"email": email}).status
        replies.append(house.post("recover", {"email": email}))
    first, second = replies
    assert (429, "over_email_send_rate_limit") == (first.status, first.json["code"])
    assert (first.status, first.body, first.headers) == (second.status, second.body, second.headers)
    assert "60" == first.one("retry-after")


def claims(session: Any) -> dict[str, Any]:
    from joserfc import jws

    token = session["access_token"]
    import json

    return dict(json.loads(jws.extract_compact(token.encode()).payload))


def shape(value: Any) -> Any:
    """*value* with each leaf replaced by its type and length class."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return type(value).__name__


def test_one_place_cannot_spend_what_everybody_may_send(house: House) -> None:
    """After twenty mails in an hour its address waits; others are served (TH1)."""
    for number in range(20):
        assert 200 == house.post("recover", {"email": f"p{number}@example.org"}).status
    refused = house.post("recover", {"email": "p30@example.org"})
    assert (429, "over_email_send_rate_limit") == (refused.status, refused.json["code"])
    house.client.scope["client"] = ("192.0.2.8", 4711)
    assert 200 == house.post("recover", {"email": "p31@example.org"}).status
