"""Providers that only the Internet has, played by a table of answers: GitHub, Apple, and one that is down."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from backstay.auth.oauth.parties import Parties
from backstay.auth.oauth.provider import parse_providers
from backstay.outbound import Answered, Call, OutboundError
from tests.accounts.house import House
from tests.accounts.party import Browser, parameters, told

PEM = ECKey.generate_key("P-256", private=True).as_pem(private=True).decode()
KEY = RSAKey.generate_key(2048, private=True)
PROVIDERS = json.dumps(
    {
        "github": {"client_id": "x", "client_secret": "y", "parameters": {"allow_signup": "false"}},
        "apple": {"client_id": "org.example.app", "team_id": "TEAM", "key_id": "KEY", "private_key": PEM},
        "corp": {"client_id": "x", "client_secret": "y", "issuer": "https://login.example.org"},
    }
)
APPLE = "https://appleid.apple.com"


class Internet:
    """Answers by URL, and what was asked."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.answers: dict[str, Any] = {
            "https://github.com/login/oauth/access_token": {"access_token": "gho_1", "token_type": "bearer"},
            "https://api.github.com/user": {"id": 583231, "login": "ann", "name": "Ann"},
            "https://api.github.com/user/emails": [{"email": "ann@example.org", "primary": True, "verified": True}],
            f"{APPLE}/.well-known/openid-configuration": {
                "issuer": APPLE, "authorization_endpoint": f"{APPLE}/auth/authorize", "jwks_uri": f"{APPLE}/auth/keys",
                "token_endpoint": f"{APPLE}/auth/token", "id_token_signing_alg_values_supported": ["RS256"],
            },
            f"{APPLE}/auth/keys": {"keys": [KEY.as_dict(private=False) | {"kid": "k", "use": "sig", "alg": "RS256"}]},
        }  # fmt: skip

    async def __call__(self, call: Call) -> Answered:
        self.calls.append(call)
        answer = self.answers.get(call.url, OutboundError("nobody"))
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, tuple):
            return Answered(*answer)
        return Answered(200, json.dumps(answer).encode())


@pytest.fixture
def internet(house: House) -> Internet:
    """In the place of the one there is."""
    internet = Internet()
    object.__setattr__(house.office.accounts, "parties", Parties(parse_providers(PROVIDERS), internet))
    return internet


SETTINGS = pytest.mark.settings(email_confirmation=True)


@SETTINGS
def test_github(house: House, internet: Internet) -> None:
    """OAuth 2.0 with PKCE, the person and the addresses; what goes wrong there is told to the app (OA8)."""
    browser = Browser(house)

    def dance() -> dict[str, str]:
        url = browser.begin("provider=github")
        sent = parameters(url)
        assert url.startswith("https://github.com/login/oauth/authorize?")
        assert ("read:user user:email", "S256", "false", False) == (
            sent["scope"], sent["code_challenge_method"], sent["allow_signup"], "nonce" in sent
        )  # fmt: skip
        return browser.come_back(f"https://x/?{urlencode({'state': sent['state'], 'code': 'c'})}")[1]

    session = dance()
    user = house.get("user", as_=session).json
    assert ("ann@example.org", "583231", "ann") == (
        user["email"], user["identities"][0]["id"], user["user_metadata"]["user_name"]
    )  # fmt: skip
    assert "gho_1" == session["provider_token"]
    exchange, person, emails = internet.calls
    assert exchange.form is not None
    assert ("x", "y", "c", 43) == (
        exchange.form["client_id"], exchange.form["client_secret"], exchange.form["code"],
        len(exchange.form["code_verifier"]),
    )  # fmt: skip
    assert person.headers == emails.headers == {"authorization": "Bearer gho_1"}
    # Another name and address, the same person.
    internet.answers["https://api.github.com/user"] = {"id": 583231, "login": "anna"}
    internet.answers["https://api.github.com/user/emails"] = [{"email": "anna@example.net", "primary": True, "verified": True}]  # fmt: skip
    again = house.get("user", as_=dance()).json
    assert (user["id"], "anna") == (again["id"], again["identities"][0]["identity_data"]["user_name"])
    # Another person with the old name: somebody else, and not let in to the address.
    internet.answers["https://api.github.com/user"] = {"id": 7, "login": "ann"}
    internet.answers["https://api.github.com/user/emails"] = [{"email": "ann@example.org", "primary": True}]
    assert "provider_email_needs_verification" == dance()["error_code"]
    # Nobody's address: an account without one.
    internet.answers["https://api.github.com/user/emails"] = (404, b"{}")
    assert "" == house.get("user", as_=dance()).json["email"]
    for answer, code, kind in (
        ({"error": "bad_verification_code"}, "bad_oauth_callback", "invalid_request"),
        ({"token_type": "bearer"}, "bad_oauth_callback", "invalid_request"),
        ({"access_token": "a\nb"}, "bad_oauth_callback", "invalid_request"),
        ((401, b"no"), "bad_oauth_callback", "invalid_request"),
        ((502, b"<html>"), "provider_unavailable", "server_error"),
        (OutboundError("no answer in time"), "provider_unavailable", "server_error"),
    ):
        internet.answers["https://github.com/login/oauth/access_token"] = answer
        failed = dance()
        assert (code, kind) == (failed["error_code"], failed["error"])
        assert "y" not in failed["error_description"].split()
    internet.answers["https://github.com/login/oauth/access_token"] = {"access_token": "gho_2"}
    internet.answers["https://api.github.com/user"] = {"message": "no"}
    assert "bad_oauth_callback" == dance()["error_code"]
    browser.close()


@SETTINGS
def test_apple(house: House, internet: Internet) -> None:
    """The answer is posted by Apple's page, so the cookie goes across sites; the secret is signed; the name comes once."""
    browser = Browser(house)
    url = browser.begin("provider=apple&redirect_to=https://api.example.org/in")
    sent = parameters(url)
    assert ("form_post", "openid email name") == (sent["response_mode"], sent["scope"])
    assert browser.set_cookies[-1].endswith("HttpOnly; SameSite=None; Secure")
    now = int(house.clock.at.timestamp())
    claims = {
        "iss": APPLE, "aud": "org.example.app", "sub": "001", "exp": now + 600, "iat": now, "nonce": sent["nonce"],
        "email": "ann@privaterelay.appleid.com", "email_verified": "true",
    }  # fmt: skip
    internet.answers[f"{APPLE}/auth/token"] = {
        "access_token": "a", "refresh_token": "r", "id_token": jwt.encode({"alg": "RS256", "kid": "k"}, claims, KEY),
    }  # fmt: skip
    form = {
        "state": sent["state"], "code": "c", "user": json.dumps({"name": {"firstName": "Ann", "lastName": "L\x00ee\ud800"}})
    }  # fmt: skip

    def post(body: str, kind: str = "application/x-www-form-urlencoded") -> Any:
        return browser.at_app("POST", "callback", body=body.encode(), headers={"content-type": kind, "origin": APPLE})

    for body, kind, status in (
        ("state=%ff", "application/x-www-form-urlencoded", 400),
        ("a=" + "x" * 70_000, "application/x-www-form-urlencoded", 413),
        ("&".join("a=b" for _ in range(60)), "application/x-www-form-urlencoded", 400),
        (json.dumps(form), "application/json", 415),
    ):
        assert status == post(body, kind).status
    reply = post(urlencode(form))
    assert 303 == reply.status
    place, session = told(str(reply.one("location")))
    assert ("https://api.example.org/in", "a", "r") == (
        place, session["provider_token"], session["provider_refresh_token"]
    )  # fmt: skip
    user = house.get("user", as_=session).json
    assert ("ann@privaterelay.appleid.com", "Ann Lee?") == (user["email"], user["user_metadata"]["full_name"])
    (exchange,) = [call for call in internet.calls if call.url == f"{APPLE}/auth/token"]
    assert exchange.form is not None
    signed = jwt.decode(exchange.form["client_secret"], ECKey.import_key(PEM), algorithms=["ES256"])
    assert "TEAM" == signed.claims["iss"]
    # The same token again, under another state: its nonce is not that of this sign-in (OA2).
    again = parameters(browser.begin("provider=apple"))
    for user_field in ("", "{", "[]", '{"name": 7}'):
        reply = post(urlencode(form | {"state": again["state"], "user": user_field}))
        assert "bad_oauth_callback" == told(str(reply.one("location")))[1]["error_code"]
        again = parameters(browser.begin("provider=apple"))
    browser.close()


@SETTINGS
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ({"firstName": "Ann", "lastName": "Lee"}, "Ann Lee"),
        ({"firstName": " Ann ", "lastName": " "}, "Ann"),
        ({"firstName": 7, "lastName": "Lee"}, "Lee"),
        ({"lastName": ["Lee"]}, None),
        ({"firstName": "x" * 201}, "x" * 200),
        (None, None),
    ],
)
def test_a_name_that_apple_gives(house: House, internet: Internet, name: Any, shown: str | None) -> None:
    """Whichever parts of it there are, bounded; and the cookie is taken back as it was given."""
    browser = Browser(house)
    sent = parameters(browser.begin("provider=apple"))
    now = int(house.clock.at.timestamp())
    claims = {"iss": APPLE, "aud": "org.example.app", "sub": "1", "exp": now + 9, "iat": now, "nonce": sent["nonce"]}
    token = jwt.encode({"alg": "RS256", "kid": "k"}, claims, KEY)
    internet.answers[f"{APPLE}/auth/token"] = {"access_token": "a", "id_token": token}
    form = {"state": sent["state"], "code": "c", "user": json.dumps({"name": name})}
    media = {"content-type": "application/x-www-form-urlencoded", "origin": APPLE}
    reply = browser.at_app("POST", "callback", body=urlencode(form).encode(), headers=media)
    assert str(reply.one("set-cookie")).endswith("=; Path=/; Max-Age=0; HttpOnly; SameSite=None; Secure")
    user = house.get("user", as_=told(str(reply.one("location")))[1]).json
    assert shown == user["user_metadata"].get("full_name")
    browser.close()


@SETTINGS
def test_one_that_is_down(house: House, internet: Internet) -> None:
    """Back to the app with a reason, from where people are sent off; 503 to an app that waits itself. Never a 500."""
    reply = house.get("authorize?provider=corp&redirect_to=https://api.example.org/in%3Fa=b%23c")
    place, failed = told(str(reply.one("location")))
    assert (303, "https://api.example.org/in", "b", "server_error", "provider_unavailable") == (
        reply.status, place, failed["a"], failed["error"], failed["error_code"]
    )  # fmt: skip
    header = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ"
    refused = house.post("token?grant_type=id_token", {"provider": "corp", "id_token": f"{header}.e30.x"})
    assert (503, "provider_unavailable") == (refused.status, refused.json["code"])
    assert {"a": ["b"], "error": ["server_error"]}.items() <= parse_qs(
        str(reply.one("location")).partition("?")[2].partition("#")[0]
    ).items()


@SETTINGS
def test_the_banned_and_the_many(house: House, internet: Internet) -> None:
    """A banned account is not let in by a third party, and limits count here too."""
    browser = Browser(house)

    def dance() -> dict[str, str]:
        sent = parameters(browser.begin("provider=github"))
        return browser.come_back(f"https://x/?{urlencode({'state': sent['state'], 'code': 'c'})}")[1]

    user = house.get("user", as_=dance()).json
    ban(house, user["id"])
    assert "user_banned" == dance()["error_code"]
    for _ in range(30):
        last = browser.at_app("GET", "authorize?provider=github")
    assert (429, "over_request_rate_limit") == (last.status, last.json["code"])
    browser.close()


def ban(house: House, id: str) -> None:
    from datetime import timedelta
    from uuid import UUID

    import sqlalchemy as sa

    from backstay.auth.tables import User
    from backstay.sql.query import query

    @query
    def banned(id: UUID, until: Any) -> sa.Executable:
        return sa.update(User).where(User.id == id).values(banned_until=until)

    house.run(house.store.transact(lambda tx: tx.run(banned(UUID(id), house.clock.at + timedelta(days=1)))))
