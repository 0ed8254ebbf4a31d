"""What a sign-in at a third party makes of an account, with providers played by a table of answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
import sqlalchemy as sa
from joserfc import jwt
from joserfc.jwk import RSAKey

from backstay.auth.oauth.parties import Parties
from backstay.auth.oauth.provider import parse_providers
from backstay.auth.tables import User
from backstay.errors import DatabaseError
from backstay.sql.query import query
from tests.accounts.house import PASSWORD, House
from tests.accounts.party import Browser, parameters, told
from tests.accounts.staff import events, service
from tests.accounts.test_administration import Meets
from tests.accounts.test_mails import CHALLENGE, VERIFIER
from tests.accounts.test_presets import Internet

KEY = RSAKey.generate_key(2048, private=True)
CORP, OTHER = "https://login.example.org", "https://id.example.net"
TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
MICROSOFT = "https://login.microsoftonline.com"
CLIENT = {"client_id": "x", "client_secret": "y"}
PROVIDERS = json.dumps(
    {
        "corp": CLIENT | {"issuer": CORP, "trusted": True},
        "other": CLIENT | {"issuer": OTHER},
        "azure": CLIENT | {"tenant": "common"},
        "github": CLIENT,
    }
)
ANN = "ann@example.org"
APP = "https://app.example.org/in"

pytestmark = pytest.mark.settings(
    email_confirmation=True, anonymous_sign_ins=True, rate_limits="off", redirect_urls=("https://app.example.org/**",)
)


class Street:
    """The app, a browser, and the providers that both reach."""

    def __init__(self, house: House) -> None:
        self.house, self.browser, self.internet = house, Browser(house), Internet()
        keys = {"keys": [KEY.as_dict(private=False) | {"kid": "k", "use": "sig", "alg": "RS256"}]}
        for url, issuer, place in (
            (CORP, CORP, f"{CORP}/auth?page=1"),
            (OTHER, OTHER, f"{OTHER}/auth"),
            (f"{MICROSOFT}/common/v2.0", f"{MICROSOFT}/{{tenantid}}/v2.0", f"{MICROSOFT}/auth"),
        ):
            self.internet.answers |= {
                f"{url}/.well-known/openid-configuration": {
                    "issuer": issuer, "authorization_endpoint": place, "token_endpoint": f"{url}/token",
                    "jwks_uri": f"{url}/keys",
                },
                f"{url}/keys": keys,
            }  # fmt: skip
        object.__setattr__(house.office.accounts, "parties", Parties(parse_providers(PROVIDERS), self.internet))

    def token(self, issuer: str, **claims: Any) -> str:
        now = int(self.house.clock.at.timestamp())
        said = {"iss": issuer, "aud": "x", "sub": "1", "iat": now, "exp": now + 600} | claims
        return jwt.encode({"alg": "RS256", "kid": "k"}, said, KEY)

    def grant(self, provider: str = "corp", **claims: Any) -> Any:
        """A sign-in of an app on a phone."""
        # Each sign-in has its own, or the provider would sign the same token twice.
        nonce = uuid4().hex
        token = self.token(CORP if provider == "corp" else OTHER, nonce=sha256(nonce.encode()).hexdigest(), **claims)
        body = {"provider": provider, "id_token": token, "nonce": nonce}
        return self.house.post("token?grant_type=id_token", body)

    def go(self, query: str, url: str = CORP, issuer: str = CORP, back: Any = None, **claims: Any) -> Any:
        """Off to a provider and back: the app's answer there."""
        sent = parameters(self.browser.begin(query))
        token = self.token(issuer, nonce=sent.get("nonce"), **claims)
        self.internet.answers[f"{url}/token"] = {"access_token": "a", "id_token": token}
        answer = {"state": sent["state"], "code": "c", **(back or {})}
        return self.browser.at_app("GET", f"callback?{urlencode(answer)}")

    def link(self, session: Any, provider: str = "corp", **claims: Any) -> Any:
        """Link an identity to the account of *session*: the answer to its end."""
        path = f"user/identities/authorize?provider={provider}&redirect_to={APP}&skip_http_redirect=true"
        ticket = self.browser.at_app("GET", path, as_=session).json["url"].partition("?")[2]
        issuer = CORP if provider == "corp" else OTHER
        reply = self.go(ticket, issuer, issuer, **claims)
        code = told(str(reply.one("location")))[1]["link_code"]
        return self.house.post("user/identities/confirm", {"code": code}, as_=session)


@pytest.fixture
def street(house: House) -> Iterator[Street]:
    street = Street(house)
    yield street
    street.browser.close()


VERIFIED = {"email": ANN, "email_verified": True}


def member(house: House, email: str = ANN, **more: Any) -> dict[str, Any]:
    """A session of a new account with a password and a confirmed address."""
    made = {"email": email, "password": PASSWORD, "email_confirm": True, **more}
    assert 200 == house.post("admin/users", made, as_=service(house)).status
    return house.sign_in(email)


@query
def _row(email: str) -> Any:
    return sa.select(User.email_confirmed_at, User.email_proved_at).where(User.email == email)


def test_a_new_account(street: Street) -> None:
    """OA6: the address of a trusted provider is the account's, confirmed and proved; what the identity says of itself is not."""
    house = street.house
    session = street.grant(**VERIFIED, name="Ann").json
    user, now = session["user"], "2026-11-21T12:00:00Z"
    assert (ANN, now, False, "authenticated") == (
        user["email"], user["email_confirmed_at"], user["is_anonymous"], user["role"]
    )  # fmt: skip
    assert {"provider": "corp", "providers": ["corp"]} == user["app_metadata"]
    assert ("Ann", True) == (user["user_metadata"]["full_name"], user["user_metadata"]["email_verified"])
    (row,) = house.run(house.store.all(_row(ANN)))
    assert (house.clock.at, house.clock.at) == (row.email_confirmed_at, row.email_proved_at)
    (identity,) = user["identities"]
    assert ("corp", "1", ANN, now) == (
        identity["provider"], identity["id"], identity["email"], identity["last_sign_in_at"]
    )  # fmt: skip
    (made,), (login,) = events(house, "user_signedup"), events(house, "login")
    assert (user["id"], {"method": "oauth", "provider": "corp"}) == (made.subject, made.details)
    assert (user["id"], "oauth") == (login.subject, login.details["method"])


def test_a_new_account_without_an_address(street: Street) -> None:
    """OA6: whoever is not trusted gives an account no address, neither in its row nor in what tokens say."""
    user = street.grant("other", **VERIFIED, name="Ann").json["user"]
    assert ("", None, False) == (user["email"], user.get("email_confirmed_at"), user["is_anonymous"])
    assert ("Ann", set()) == (user["user_metadata"]["name"], {"email", "email_verified"} & set(user["user_metadata"]))
    assert ANN == user["identities"][0]["email"]
    # The address is free for its owner.
    assert ANN == street.grant(**VERIFIED).json["user"]["email"]


def test_an_identity_is_kept_up(street: Street) -> None:
    """OA8: a sign-in later it says what its provider says now, and the account keeps its address."""
    id = street.grant(**VERIFIED, name="Ann").json["user"]["id"]
    street.house.clock.turn(hours=1)
    user = street.grant(email="anna@example.net", email_verified=True, name="Anna").json["user"]
    assert (id, ANN, "Ann") == (user["id"], user["email"], user["user_metadata"]["name"])
    (identity,) = user["identities"]
    later = "2026-11-21T13:00:00Z"
    assert ("Anna", "anna@example.net", later, later) == (
        identity["identity_data"]["name"], identity["email"], identity["last_sign_in_at"], identity["updated_at"]
    )  # fmt: skip


@pytest.mark.parametrize("known", ["identity", "address"])
def test_a_ban_holds_until_its_end(street: Street, known: str) -> None:
    """TK5: whichever way the account is found; the refusal is in the log with whom it is about."""
    house, key = street.house, service(street.house)
    id = street.grant(**VERIFIED).json["user"]["id"] if known == "identity" else member(house)["user"]["id"]
    assert 200 == house.put(f"admin/users/{id}", {"ban_duration": "1h"}, as_=key).status
    house.clock.turn(minutes=59, seconds=59)
    refused = street.grant(**VERIFIED)
    assert (400, "user_banned") == (refused.status, refused.json["code"])
    (failed,) = events(house, "login_failed")
    assert (id, {"method": "oauth", "provider": "corp", "reason": "user_banned"}) == (failed.subject, failed.details)
    house.clock.turn(seconds=1)
    assert id == street.grant(**VERIFIED).json["user"]["id"]


@pytest.mark.parametrize("way", ["phone", "browser"])
@pytest.mark.parametrize(("error", "good"), [("23505", True), ("23503", False)])
def test_two_first_sign_ins_at_once(street: Street, way: str, error: str, good: bool) -> None:
    """ID4: the unique index decides, and the second finds what the first has made; another fault is not tried again."""
    accounts = street.house.office.accounts
    store = accounts.store
    sent = parameters(street.browser.begin("provider=corp"))
    token = street.token(CORP, nonce=sent["nonce"], **VERIFIED)
    street.internet.answers[f"{CORP}/token"] = {"access_token": "a", "id_token": token}
    # Before it the limit is counted, or the state is taken.
    object.__setattr__(accounts, "store", Meets(store, DatabaseError(error, "met"), 1))
    if way == "phone":
        reply = street.grant(**VERIFIED)
    else:
        reply = street.browser.at_app("GET", f"callback?{urlencode({'state': sent['state'], 'code': 'c'})}")
    object.__setattr__(accounts, "store", store)
    opened = b"access_token" in reply.body + str(reply.one("location")).encode()
    assert (good, 1 if good else 0) == (opened, len(events(street.house, "user_signedup")))


@pytest.mark.parametrize(
    ("provider", "claims", "code"),
    [
        ("corp", {"email": ANN, "email_verified": False}, "provider_email_needs_verification"),
        ("other", {"email": ANN}, "provider_email_needs_verification"),
        ("other", VERIFIED, "email_exists"),
    ],
)
def test_an_account_that_is_not_theirs(street: Street, provider: str, claims: dict[str, Any], code: str) -> None:
    """OA6: the account with the address stays as it is, and the refusal is in the log."""
    house = street.house
    id = member(house)["user"]["id"]
    refused = street.grant(provider, **claims)
    assert code == refused.json["code"]
    (failed,) = events(house, "login_failed")
    assert {"method": "oauth", "provider": provider, "reason": code} == failed.details
    assert (id if code == "email_exists" else None) == failed.subject
    assert ["email"] == [identity["provider"] for identity in house.sign_in(ANN)["user"]["identities"]]


@pytest.mark.parametrize(
    ("provider", "claims", "email"),
    [
        ("corp", VERIFIED, ANN),
        ("corp", {"email": ANN}, ""),
        ("corp", {}, ""),
        ("other", VERIFIED, ""),
        ("corp", {"email": "taken@example.org", "email_verified": True}, ""),
    ],
)
def test_somebody_anonymous_links_an_identity(
    street: Street, provider: str, claims: dict[str, Any], email: str
) -> None:
    """OA6, OA8: they are no longer anonymous; an address is theirs where it is believed, and nobody's yet."""
    house = street.house
    member(house, "taken@example.org")
    session = house.post("signup", {"data": {"colour": "red"}}).json
    assert session["user"]["is_anonymous"]
    done = street.link(session, provider, **claims, name="Ann")
    assert 200 == done.status, done.body
    user = done.json["user"]
    assert (session["user"]["id"], email, False) == (user["id"], user["email"], user["is_anonymous"])
    assert [provider] == user["app_metadata"]["providers"]
    assert {"colour": "red", "name": "Ann", "full_name": "Ann"} == user["user_metadata"]
    if email:
        (row,) = house.run(house.store.all(_row(email)))
        assert (house.clock.at, house.clock.at) == (row.email_confirmed_at, row.email_proved_at)
    (linked,) = events(house, "identity_linked")
    (identity,) = user["identities"]
    assert {"provider": provider, "identity_id": identity["identity_id"]} == linked.details
    assert user["id"] == linked.subject


def test_what_an_account_says_of_itself_outranks_its_identities(street: Street) -> None:
    """A link adds what was not there, and takes no address of the account."""
    house = street.house
    session = member(house, user_metadata={"name": "Ann"})
    user = street.link(session, email="anna@example.net", email_verified=True, name="Anna", picture="https://x/y").json[
        "user"
    ]
    assert (ANN, "Ann", "Anna", "https://x/y") == (
        user["email"], user["user_metadata"]["name"], user["user_metadata"]["full_name"],
        user["user_metadata"]["picture"],
    )  # fmt: skip
    assert ANN == house.letter("identity_linked").to


def test_an_identity_has_one_account(street: Street) -> None:
    """OA8: it is linked once, and whoever has it keeps it."""
    house = street.house
    first, second = member(house), member(house, "bob@example.org")
    assert 200 == street.link(first).status
    for session, words in ((first, "Identity is already linked"), (second, "already linked to another user")):
        refused = street.link(session)
        assert (422, "identity_already_exists") == (refused.status, refused.json["code"])
        assert refused.json["message"].endswith(words)
    assert ["email"] == house.get("user", as_=second).json["app_metadata"]["providers"]


def test_unlinking_ends_what_came_through_it(street: Street) -> None:
    """OA10: other sessions of the identity end; the caller's own and those of the password go on."""
    house = street.house
    owner = member(house)
    assert 200 == street.link(owner).status
    mine, thief, password = street.grant().json, street.grant().json, house.sign_in(ANN)
    id = next(i["identity_id"] for i in mine["user"]["identities"] if i["provider"] == "corp")
    assert 200 == house.delete(f"user/identities/{id}", as_=mine).status
    assert [200, 403, 200, 200] == [house.get("user", as_=s).status for s in (mine, thief, password, owner)]
    assert 401 == house.rest("GET", "secrets", as_=thief).status
    user = house.get("user", as_=owner).json
    assert {"provider": "email", "providers": ["email"]} == user["app_metadata"]
    (event,) = events(house, "identity_unlinked")
    assert (user["id"], {"provider": "corp", "identity_id": id}) == (event.subject, event.details)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"id_token": "x.y.z"}, 400, "validation_failed"),
        ({"provider": "corp"}, 400, "validation_failed"),
        ({"provider": "nobody", "id_token": "x.y.z"}, 400, "provider_disabled"),
        ({"provider": "github", "id_token": "x.y.z"}, 400, "oauth_provider_not_supported"),
        ({"provider": "corp", "id_token": "x.y.z"}, 400, "validation_failed"),
    ],
)
def test_grants_that_are_none(street: Street, body: dict[str, str], status: int, code: str) -> None:
    """OA4: what is missing, unknown or malformed."""
    refused = street.house.post("token?grant_type=id_token", body)
    assert (status, code) == (refused.status, refused.json["code"])


@pytest.mark.parametrize(
    ("change", "code"),
    [({"aud": "evil"}, "unexpected_audience"), ({"azp": "evil"}, "unexpected_audience"), ({"exp": 1}, "validation_failed")],
)  # fmt: skip
def test_a_token_for_another_app(street: Street, change: dict[str, Any], code: str) -> None:
    """OA4: said as such; every other fault is not told apart."""
    refused = street.grant(**VERIFIED, **change)
    assert (400, code) == (refused.status, refused.json["code"])
    assert [] == events(street.house, "user_signedup")


# -- there and back ----------------------------------------------------------------------------------------------------


def test_where_the_browser_is_sent(street: Street) -> None:
    """Blanks as ``%20``, behind what the endpoint's own query says; HEAD begins nothing (OA11)."""
    assert (200, []) == (
        street.browser.at_app("HEAD", "authorize?provider=corp").status, street.browser.set_cookies
    )  # fmt: skip
    url = street.browser.begin(f"provider=corp&scopes=calendar&redirect_to={APP}")
    assert url.startswith(f"{CORP}/auth?page=1&")
    assert "scope=openid%20email%20profile%20calendar&" in url
    assert street.browser.begin("provider=other").startswith(f"{OTHER}/auth?client_id=x&")


@pytest.mark.parametrize(
    ("scopes", "status"),
    [
        ("a", 302),
        ("%20a%20", 302),
        ("+".join(["a"] * 20), 302),
        ("+".join(["a"] * 21), 400),
        ("a" * 1000, 302),
        ("a" * 1001, 400),
        ("a++b", 400),
        ("a%22b", 400),
        ("%C3%A4", 400),
    ],
)
def test_scopes_are_bounded(street: Street, scopes: str, status: int) -> None:
    """Twenty names of ASCII, in a thousand characters."""
    assert status == street.browser.at_app("GET", f"authorize?provider=corp&scopes={scopes}").status


def removed(reply: Any) -> bool:
    """Whether the cookie of the sign-in is taken back, as it was given."""
    return str(reply.one("set-cookie")).endswith("=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure")


@pytest.mark.parametrize(
    ("back", "error", "words"),
    [
        ({"error": "access_denied"}, "access_denied", "The provider did not sign in"),
        ({"error": "login_required", "error_description": "w" * 300}, "login_required", "w" * 200),
        ({"error": "invented", "error_description": "<a href=x>"}, "server_error", "a hrefx"),
        ({"iss": OTHER}, "invalid_request", "The answer is of another provider"),
        ({"code": ""}, "invalid_request", "OAuth callback with missing authorization code"),
        ({"code": "c" * 4097}, "invalid_request", "OAuth callback with missing authorization code"),
    ],
)
def test_what_the_app_is_told(street: Street, back: dict[str, str], error: str, words: str) -> None:
    """OA5: in the provider's word for it if that is one of the standard's; and the cookie is taken back."""
    reply = street.go(f"provider=corp&redirect_to={APP}", back=back)
    place, said = told(str(reply.one("location")))
    assert (APP, error, "bad_oauth_callback", words) == (
        place, said["error"], said["error_code"], said["error_description"]
    )  # fmt: skip
    assert removed(reply)
    assert {} == street.browser.cookies


def test_every_way_back_takes_the_cookie(street: Street) -> None:
    """OA1: with a session, with a code, with a link; a code may be as long as providers make them."""
    reply = street.go(f"provider=corp&redirect_to={APP}", back={"code": "c" * 4096, "iss": CORP}, **VERIFIED)
    assert ({"access_token"}, True) == ({"access_token"} & set(told(str(reply.one("location")))[1]), removed(reply))
    pkce = f"&code_challenge={CHALLENGE}&code_challenge_method=s256"
    reply = street.go(f"provider=corp&redirect_to={APP}{pkce}", **VERIFIED)
    code = told(str(reply.one("location")))[1]["code"]
    assert removed(reply)
    session = street.house.post("token?grant_type=pkce", {"auth_code": code, "code_verifier": VERIFIER}).json
    assert ("a", ANN) == (session["provider_token"], session["user"]["email"])
    assert 3 == len(events(street.house, "login", "user_signedup"))
    assert street.link(session, "other").status == 200
    assert {} == street.browser.cookies


def test_a_name_in_the_query_is_nobodys(street: Street) -> None:
    """Only a page that posts says a name besides: anybody can write a query."""
    back = {"user": json.dumps({"name": {"firstName": "Eve", "lastName": "Il"}})}
    session = told(str(street.go("provider=corp", back=back, **VERIFIED).one("location")))[1]
    assert "full_name" not in street.house.get("user", as_=session).json["user_metadata"]


@pytest.mark.parametrize(
    ("issuer", "good"),
    [
        (f"{MICROSOFT}/{TENANT}/v2.0", True),
        (f"{MICROSOFT}/{{tenantid}}/v2.0", True),
        (None, True),
        (f"{MICROSOFT}/{TENANT}/v1.0", False),
        ("https://evil.example/v2.0", False),
        (CORP, False),
    ],
)
def test_each_of_microsofts_tenants_answers_as_itself(street: Street, issuer: str | None, good: bool) -> None:
    """OA5: an answer of another issuer is none, and which tenant it is, the ID token says."""
    url, signs = f"{MICROSOFT}/common/v2.0", f"{MICROSOFT}/{TENANT}/v2.0"
    back = {} if issuer is None else {"iss": issuer}
    said = told(str(street.go("provider=azure", url, signs, back=back, tid=TENANT).one("location")))[1]
    assert good == ("access_token" in said), said


def test_a_state_ends_to_the_second(street: Street) -> None:
    """ID4: after five minutes it is late, and a second before it is not."""
    for seconds, good in ((299, True), (300, False)):
        sent = parameters(street.browser.begin("provider=corp"))
        street.house.clock.turn(seconds=seconds)
        token = street.token(CORP, nonce=sent["nonce"], **VERIFIED)
        street.internet.answers[f"{CORP}/token"] = {"access_token": "a", "id_token": token}
        back = street.browser.at_app("GET", f"callback?{urlencode({'state': sent['state'], 'code': 'c'})}")
        assert good == ("access_token" in told(str(back.one("location")))[1])


@pytest.mark.settings(
    email_confirmation=True, rate_limits=json.dumps({"oauth": "2/3600"}), redirect_urls=("https://app.example.org/**",)
)
def test_every_beginning_counts(street: Street) -> None:
    """TH1: a sign-in, a link, and a token of a phone are one limit."""
    house = street.house
    session = member(house)
    ways = (
        lambda: street.browser.at_app("GET", "authorize?provider=corp").status,
        lambda: street.browser.at_app("GET", "user/identities/authorize?provider=corp", as_=session).status,
        lambda: street.grant(**VERIFIED).status,
    )
    for way in ways:
        assert 429 not in (way(), way())
        assert 429 == way()
        house.clock.at += timedelta(hours=2)
        session = house.sign_in(ANN)
