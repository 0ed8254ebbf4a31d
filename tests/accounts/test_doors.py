"""What the accounts API takes as a request, and whom it takes it from: sizes, media types, queries, methods, callers."""

from __future__ import annotations

import json
from typing import Any

import bcrypt
import pytest

from backstay.auth.user import user_by_email
from tests.accounts.house import PASSWORD, House
from tests.accounts.staff import events, hire, lift, service
from tests.accounts.test_mails import claims, follow

ANN = "ann@example.org"
QUIET = pytest.mark.settings(rate_limits="off")
CONFIRMED = pytest.mark.settings(rate_limits="off", email_confirmation=True)
FORM = "application/x-www-form-urlencoded"
SIGN_IN = "token?grant_type=password"


def code(reply: Any) -> tuple[int, str]:
    return reply.status, reply.json["code"]


@QUIET
@pytest.mark.parametrize(
    ("media", "body", "status"),
    [
        ("application/json", b'{"email": "ann@example.org"}', 200),
        ("application/json; charset=utf-8", b'{"email": "ann@example.org"}', 200),
        (" Application/JSON ;x=y", b'{"email": "ann@example.org"}', 200),
        ("", b'{"email": "ann@example.org"}', 200),
        ("text/plain", b'{"email": "ann@example.org"}', 415),
        (FORM, b"email=ann%40example.org", 415),
        # Nothing is of every kind: an address is missing.
        ("text/plain", b"", 400),
        ("application/json", b"", 400),
        ("application/json", b"[]", 400),
        ("application/json", b"null", 400),
        ("application/json", b"{", 400),
        ("application/json", b'{"email": null}', 400),
        ("application/json", b'{"email": "ann@example.org", "code_challenge": null, "unknown": 1}', 200),
    ],
)
def test_what_is_a_body(house: House, media: str, body: bytes, status: int) -> None:
    """JSON, whatever else the header says of it."""
    reply = house.post("recover", body, headers={"content-type": media})
    assert status == reply.status, reply.body


@QUIET
@pytest.mark.parametrize(("path", "media"), [("recover", "application/json"), ("callback", FORM)])
def test_how_long_a_body_may_be(house: House, path: str, media: str) -> None:
    """LM3: 64 KiB, to the byte."""
    start = b'{"email": "ann@example.org", "x": "' if path == "recover" else b"state=x&y="
    end = b'"}' if path == "recover" else b""
    for size, expected in ((65_536, 200 if path == "recover" else 400), (65_537, 413)):
        body = start + b"x" * (size - len(start) - len(end)) + end
        reply = house.post(path, body, headers={"content-type": media})
        assert expected == reply.status, reply.body
    assert "request_body_too_large" == reply.json["code"]


@QUIET
@pytest.mark.parametrize(
    ("media", "status"), [(FORM, 400), (f"{FORM}; charset=utf-8", 400), (FORM.upper(), 400), ("", 415), ("text/plain", 415)]
)  # fmt: skip
def test_what_is_a_form(house: House, media: str, status: int) -> None:
    """A page's, and nothing that is not called so; there is no such sign-in then."""
    assert status == house.post("callback", b"state=x", headers={"content-type": media}).status


@QUIET
@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("grant_type=password", 200),
        ("x=&grant_type=password&y", 200),
        ("grant_type=x&grant_type=password", 200),
        ("&".join(["x=y"] * 49 + ["grant_type=password"]), 200),
        ("&".join(["x=y"] * 50 + ["grant_type=password"]), 400),
        ("grant_type=password&x=%ff", 400),
        ("grant_type=", 400),
        ("", 400),
    ],
)
def test_what_is_a_query(house: House, query: str, status: int) -> None:
    """UTF-8, fifty parameters, the last of each name."""
    house.sign_up(ANN)
    assert status == house.post(f"token?{query}", {"email": ANN, "password": PASSWORD}).status


@QUIET
@pytest.mark.parametrize(
    ("path", "allowed"),
    [("user", "GET, HEAD, OPTIONS, PUT"), ("signup", "OPTIONS, POST"), ("factors/x", "DELETE, OPTIONS"),
     ("passkeys/x", "DELETE, OPTIONS, PATCH"), ("callback", "GET, HEAD, OPTIONS, POST")],
)  # fmt: skip
def test_what_a_path_takes(house: House, path: str, allowed: str) -> None:
    """It is said to whoever asks, and to whoever asks otherwise."""
    asked, other = house.send("OPTIONS", path), house.send("TRACE", path)
    assert (204, b"", allowed) == (asked.status, asked.body, asked.one("allow"))
    assert (405, "method_not_allowed", allowed) == (other.status, other.json["code"], other.one("allow"))


@QUIET
@pytest.mark.parametrize("number", ["1e999", "-1e999", "1e400"])
def test_numbers_that_json_cannot_give_back(house: House, number: str) -> None:
    """What no reader of a token could read is refused, however deep it lies."""
    body = f'{{"email": "ann@example.org", "password": "{PASSWORD}", "data": {{"a": [{{"b": {number}}}]}}}}'
    assert (400, "validation_failed") == code(house.post("signup", body.encode()))
    good = body.replace(number, "[1.50, 7, 1e3]")
    made = house.post("signup", good.encode()).json
    assert [{"b": [1.5, 7, 1000.0]}] == made["user"]["user_metadata"]["a"]


@QUIET
def test_who_is_who(house: House) -> None:
    """RB1: nobody, a person, a key, a key that reads, and an administrator, at a door of each kind."""
    ann, boss = house.sign_up(ANN), hire(house, "boss@example.org")
    secret = house.post("admin/api-keys", {"name": "a", "role": "service_role"}, as_=service(house)).json["api_key"]
    reads = {"name": "b", "role": "service_role", "scopes": ["read"]}
    reader = house.post("admin/api-keys", reads, as_=service(house)).json["api_key"]
    public = house.post("admin/api-keys", {"name": "c", "role": "anon"}, as_=service(house)).json["api_key"]
    callers: dict[str, dict[str, Any]] = {
        "nobody": {}, "ann": {"as_": ann}, "boss": {"as_": boss}, "weak boss": {"as_": house.sign_in("boss@example.org")},
        "service": {"as_": service(house)}, "secret": {"headers": {"apikey": secret}},
        "reader": {"headers": {"apikey": reader}}, "public": {"headers": {"apikey": public}},
        "forged": {"as_": ann["access_token"][:-4] + "AAAA"},
    }  # fmt: skip
    doors = {"anyone": ("GET", "settings"), "user": ("GET", "user"), "admin": ("GET", "admin/users"), "writes": ("POST", "admin/users")}  # fmt: skip
    expected = {
        "nobody": [200, 401, 401, 401],
        "ann": [200, 200, 403, 403],
        "boss": [200, 200, 200, 400],
        "weak boss": [200, 200, 403, 403],
        "service": [200, 403, 200, 400],
        "secret": [200, 403, 200, 400],
        "reader": [200, 403, 200, 403],
        "public": [200, 401, 401, 401],
        "forged": [200, 403, 403, 403],
    }
    met = {
        name: [house.send(method, path, {} if method == "POST" else None, **how).status for method, path in doors.values()]
        for name, how in callers.items()
    }  # fmt: skip
    assert expected == met
    assert "insufficient_aal" == house.get("admin/users", **callers["weak boss"]).json["code"]
    assert 200 == house.send("HEAD", "admin/users", **callers["reader"]).status


@QUIET
def test_where_a_session_is_used(house: House) -> None:
    """TK10: who signed in, and who carried on last, in ASCII, bounded."""
    agent = {"user-agent": "Browser/1 " + "x" * 600}
    session = house.post("signup", {"email": ANN, "password": PASSWORD}, headers=agent).json

    def shown() -> Any:
        (row,) = house.get("sessions", as_=session).json["sessions"]
        return row["ip"], row["user_agent"], row["created_at"], row["refreshed_at"]

    assert ("192.0.2.7", agent["user-agent"][:500], "2026-11-21T12:00:00Z", "2026-11-21T12:00:00Z") == shown()
    house.clock.turn(hours=1)
    body = {"refresh_token": session["refresh_token"]}
    told = house.post(
        "token?grant_type=refresh_token", body, headers={"user-agent": "y" * 501}, client=("192.0.2.8", 1)
    )
    session = told.json
    assert ("192.0.2.8", "y" * 500, "2026-11-21T12:00:00Z", "2026-11-21T13:00:00Z") == shown()


@QUIET
def test_when_somebody_signed_in_last(house: House) -> None:
    """A sign-in is one, and neither a refresh nor a second factor is."""
    session = house.sign_up(ANN)
    house.clock.turn(hours=1)
    assert "2026-11-21T13:00:00Z" == house.sign_in(ANN)["user"]["last_sign_in_at"]
    house.clock.turn(hours=1)
    carried = house.refresh(session["refresh_token"]).json
    assert "2026-11-21T13:00:00Z" == carried["user"]["last_sign_in_at"]
    lifted = lift(house, carried)
    assert "2026-11-21T13:00:00Z" == lifted["user"]["last_sign_in_at"]
    assert ["totp", "password"] == [proof["method"] for proof in claims(lifted)["amr"]]
    assert ["totp", "password"] == [proof["method"] for proof in claims(lift(house, lifted))["amr"]]


@CONFIRMED
@pytest.mark.parametrize(
    ("account", "password", "refused"),
    [
        ({"email_confirm": True}, PASSWORD, None),
        ({"email_confirm": True}, "not the right one", "invalid_credentials"),
        ({"email_confirm": True, "password": None}, PASSWORD, "invalid_credentials"),
        ({"email_confirm": False}, PASSWORD, "email_not_confirmed"),
        ({"email_confirm": False}, "not the right one", "invalid_credentials"),
        ({"email_confirm": True, "ban_duration": "1h"}, PASSWORD, "user_banned"),
        ({"email_confirm": True, "ban_duration": "1h"}, "not the right one", "invalid_credentials"),
        (None, PASSWORD, "invalid_credentials"),
    ],
)
def test_every_try_is_in_the_log(
    house: House, account: dict[str, Any] | None, password: str, refused: str | None
) -> None:
    """AU3, TH5: with what was wrong, which is told to whoever knows the password; and whose account it is."""
    id = None
    if account is not None:
        made = house.post("admin/users", {"email": ANN, "password": PASSWORD, **account}, as_=service(house))
        id = made.json["id"]
    reply = house.post(SIGN_IN, {"email": ANN, "password": password})
    assert ((200, None) if refused is None else (400, refused)) == (reply.status, reply.json.get("code"))
    (event,) = events(house, "login", "login_failed")
    if refused is None:
        session = claims(reply.json)["session_id"]
        assert ("login", id) == (event.event, event.subject)
        assert {"session_id": session, "method": "password", "aal": "aal1"} == event.details
    else:
        assert ("login_failed", id) == (event.event, event.subject)
        assert {"method": "password", "reason": refused} == event.details


@QUIET
@pytest.mark.parametrize(
    ("grant", "body", "expected"),
    [
        ("password", {"password": PASSWORD}, "validation_failed"),
        ("password", {"phone": "49123", "password": PASSWORD}, "phone_provider_disabled"),
        ("refresh_token", {}, "validation_failed"),
        ("refresh_token", {"refresh_token": "x"}, "refresh_token_not_found"),
        ("pkce", {"auth_code": "x"}, "validation_failed"),
        ("pkce", {"code_verifier": "v" * 43}, "validation_failed"),
    ],
)
def test_grants_that_lack_something(house: House, grant: str, body: dict[str, str], expected: str) -> None:
    """Each says what is missing."""
    assert (400, expected) == code(house.post(f"token?grant_type={grant}", body))


@QUIET
def test_a_ban_that_ends(house: House) -> None:
    """TK5: the second in which it ends is the first of freedom."""
    body = {"email": ANN, "password": PASSWORD, "email_confirm": True, "ban_duration": "1h"}
    assert 200 == house.post("admin/users", body, as_=service(house)).status
    house.clock.turn(minutes=59, seconds=59)
    assert (400, "user_banned") == code(house.post(SIGN_IN, {"email": ANN, "password": PASSWORD}))
    house.clock.turn(seconds=1)
    session = house.sign_in(ANN)
    assert 200 == house.refresh(session["refresh_token"]).status
    assert 200 == house.get("user", as_=session).status


@CONFIRMED
@pytest.mark.parametrize(
    ("query", "error", "kind"),
    [
        ("type=magiclink", "validation_failed", "invalid_request"),
        ("token=x", "validation_failed", "invalid_request"),
        ("type=nothing&token=x", "validation_failed", "invalid_request"),
        ("type=magiclink&token=x", "otp_expired", "access_denied"),
        ("type=magiclink&token_hash=x", "otp_expired", "access_denied"),
    ],
)
def test_links_that_lead_nowhere(house: House, query: str, error: str, kind: str) -> None:
    """Back to the site, in the words of OAuth."""
    told = follow(house, f"https://api.example.org/auth/v1/verify?{query}")
    assert (error, kind) == (told["error_code"], told["error"])


@CONFIRMED
@pytest.mark.parametrize("name", ["token", "token_hash"])
def test_a_link_names_its_token_in_two_ways(house: House, name: str) -> None:
    """As GoTrue wrote it, and as it writes it now; the session says by what it was opened."""
    body = {"email": ANN, "email_confirm": True}
    assert 200 == house.post("admin/users", body, as_=service(house)).status
    made = house.post("admin/generate_link", {"type": "magiclink", "email": ANN}, as_=service(house)).json
    told = follow(house, f"https://x/verify?type=magiclink&{name}={made['hashed_token']}")
    assert ("magiclink", "bearer", "3600") == (told["type"], told["token_type"], told["expires_in"])
    (event,) = events(house, "login")
    assert {"session_id": claims(told)["session_id"], "method": "otp", "aal": "aal1"} == event.details


@QUIET
@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ({"type": "sms", "phone": "49123", "token": "123456"}, 400, "phone_provider_disabled"),
        ({"type": "email", "token": "123456"}, 400, "validation_failed"),
        ({"type": "email", "email": ANN}, 400, "validation_failed"),
        ({"token": "123456", "email": ANN}, 400, "validation_failed"),
        ({"type": "email", "email": "none", "token": "123456"}, 400, "email_address_invalid"),
        ({"type": "email", "email": ANN, "token": "123456"}, 403, "otp_expired"),
        ({"type": "email", "token_hash": "x"}, 403, "otp_expired"),
    ],
)
def test_proofs_that_are_none(house: House, body: dict[str, str], status: int, expected: str) -> None:
    """What is missing is said, and what is not good is one case."""
    assert (status, expected) == code(house.post("verify", body))


@QUIET
def test_a_hash_is_brought_up_to_date(house: House) -> None:
    """PW2: at the first sign-in, and the password stays what it was."""
    old = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    body = {"email": ANN, "password_hash": old, "email_confirm": True}
    made = house.post("admin/users", body, as_=service(house))
    assert 200 == made.status, made.body

    def kept() -> str:
        return str(house.run(house.store.one(user_by_email(ANN))).password_hash)

    assert old == kept()
    house.sign_in(ANN)
    new = kept()
    assert old != new
    house.sign_in(ANN)
    assert new == kept()


@QUIET
def test_a_token_that_was_copied_is_in_the_log(house: House) -> None:
    """TK2, AU3: whose session it was, and how many ended with it."""
    session = house.sign_up(ANN)
    house.refresh(session["refresh_token"])
    house.clock.turn(minutes=2)
    assert (400, "refresh_token_already_used") == code(house.refresh(session["refresh_token"]))
    (event,) = events(house, "token_reuse_detected")
    assert (session["user"]["id"], {"session_id": claims(session)["session_id"], "sessions": 1}) == (
        event.subject, event.details
    )  # fmt: skip
    assert 401 == house.rest("GET", "secrets", as_=session).status


def test_json_is_what_it_says(house: House) -> None:
    """The description of the API is JSON for anybody, with every door in it."""
    found = house.get("openapi.json")
    document = json.loads(found.body)
    assert {"/user", "/signup", "/admin/users/{id}", "/openapi.json"} <= set(document["paths"])
    assert [{"url": "https://api.example.org/auth/v1"}] == document["servers"]
