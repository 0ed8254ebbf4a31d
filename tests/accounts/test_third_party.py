"""Sign-in with a real OpenID provider: the whole dance, in a browser that keeps cookies and follows redirects."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from uuid import UUID, uuid4

import pytest

from backstay.auth.oauth.linking import MAX_IDENTITIES
from backstay.auth.user import add_identity
from tests.accounts.authenticator import Authenticator
from tests.accounts.house import PASSWORD, House
from tests.accounts.party import CALLBACK, PHONE, Browser, parameters, running_provider
from tests.accounts.staff import lift, service
from tests.accounts.test_factors import lifted
from tests.accounts.test_passkeys import register
from tests.accounts.test_passkeys import sign_in as sign_in_with

VERIFIER = "v" * 43
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
PKCE = f"&code_challenge={CHALLENGE}&code_challenge_method=s256"
QUERY = "provider=corp&redirect_to=" + quote("https://app.example.org/in?next=1")


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """The provider, once for all tests."""
    with running_provider() as issuer:
        yield issuer


@pytest.fixture(autouse=True)
def settled(issuer: str, request: pytest.FixtureRequest) -> None:
    """The app's settings: the provider twice, trusted and not."""
    client = {"client_id": "backstay", "client_secret": "a secret/of+the tests", "issuer": issuer}
    providers = {
        "corp": client | {"trusted": True, "client_ids": ["phone"], "scopes": ["openid", "email", "profile"]},
        "other": client,
        # The Python client takes no names but those it knows.
        "keycloak": client | {"trusted": True},
        "workos": client,
        "github": {"client_id": "x", "client_secret": "y"},
    }
    given = {"email_confirmation": True, "redirect_urls": ("https://app.example.org/**",)}
    marker = request.node.get_closest_marker("settings")
    given |= {} if marker is None else marker.kwargs
    request.node.add_marker(pytest.mark.settings(providers=json.dumps(providers), **given), append=False)


@pytest.fixture
def house(settled: None, house: House) -> House:
    """The app at the time of day, which is the provider's too."""
    house.clock.at = datetime.now(UTC)
    return house


@pytest.fixture
def browser(house: House) -> Iterator[Browser]:
    browser = Browser(house)
    yield browser
    browser.close()


def exchange(house: House, code: str, verifier: str = VERIFIER) -> Any:
    return house.post("token?grant_type=pkce", {"auth_code": code, "code_verifier": verifier})


def test_sign_in_and_out_and_in(house: House, browser: Browser) -> None:
    """A new account with a verified address; the same one next time; every secret is used once (OA1, OA2, OA11)."""
    url = browser.begin(QUERY + "&scopes=calendar&login_hint=eve&prompt=none&state=x&client_id=evil")
    sent = parameters(url)
    assert ("backstay", CALLBACK, "code", "S256") == (
        sent["client_id"], sent["redirect_uri"], sent["response_type"], sent["code_challenge_method"]
    )  # fmt: skip
    # OA11: nothing of the caller's but scopes.
    assert {"client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge"} == set(sent) - {
        "code_challenge_method"
    }
    assert "openid email profile calendar" == sent["scope"]
    assert 43 == len(sent["state"])
    (cookie,) = browser.set_cookies
    assert cookie.startswith("__Host-backstay-oauth-")
    assert ["Path=/", "Max-Age=300", "HttpOnly", "SameSite=Lax", "Secure"] == cookie.split("; ")[1:]
    back = browser.sign_in_there(url, "ann")
    assert house.send("HEAD", f"callback?{urlsplit(back).query}").status == 200
    place, session = browser.come_back(back)
    assert "https://app.example.org/in" == place
    assert "1" == session["next"]
    assert {} == browser.cookies
    user = house.get("user", as_=session).json
    assert ("ann@example.org", {"provider": "corp", "providers": ["corp"]}) == (user["email"], user["app_metadata"])
    assert "The one called ann" == user["user_metadata"]["full_name"]
    (identity,) = user["identities"]
    assert ("corp", "ann", "ann@example.org") == (identity["provider"], identity["id"], identity["email"])
    assert {"access_token", "expires_at", "expires_in", "provider_token", "refresh_token", "token_type"} <= set(session)
    # Replay: the state is gone, with the cookie and without.
    refused = house.get(f"callback?{urlsplit(back).query}", headers={"cookie": cookie.partition(";")[0]})
    assert (400, "bad_oauth_state") == (refused.status, refused.json["code"])
    again = browser.dance(QUERY, "ann")
    assert user["id"] == house.get("user", as_=again).json["id"]
    assert 200 == house.refresh(again["refresh_token"]).status
    assert (
        house.get("settings").json["external"] | {"corp": True, "github": True, "google": False}
        == (house.get("settings").json["external"])
    )


def test_with_pkce(house: House, browser: Browser) -> None:
    """The app gets a code; its verifier changes it for a session with the provider's token, which is nowhere stored (OA9)."""
    told = browser.dance(QUERY + PKCE, "bob")
    assert {"next", "code"} == set(told)
    wrong = exchange(house, told["code"], "w" * 43)
    assert (400, "bad_code_verifier") == (wrong.status, wrong.json["code"])
    told = browser.dance(QUERY + PKCE, "bob")
    session = exchange(house, told["code"]).json
    assert "bob@example.org" == session["user"]["email"]
    assert session["provider_token"]
    assert 404 == exchange(house, told["code"]).status
    assert "oauth" == claims(session)["amr"][0]["method"]
    assert "corp" == claims(session)["amr"][0]["provider"]


def test_a_state_belongs_to_one_browser(house: House, browser: Browser) -> None:
    """A callback that was begun elsewhere signs in nobody (OA1), also not with another sign-in's cookie."""
    back = browser.sign_in_there(browser.begin(QUERY), "eve")
    victim = Browser(house)
    refused = victim.at_app("GET", f"callback?{urlsplit(back).query}")
    assert (400, "bad_oauth_state") == (refused.status, refused.json["code"])
    victim.begin(QUERY)
    assert 400 == victim.at_app("GET", f"callback?{urlsplit(back).query}").status
    (name,) = browser.cookies
    stolen = {"cookie": f"{name}={next(iter(victim.cookies.values()))}"}
    assert 400 == house.get(f"callback?{urlsplit(back).query}", headers=stolen).status
    victim.close()
    for query in ("", "state=", "state=x&code=y", f"state={'x' * 43}&code=y", "code=y"):
        assert 400 == browser.at_app("GET", f"callback?{query}").status
    # And it is still the first browser's.
    assert "access_token" in browser.come_back(back)[1]


def test_what_can_go_wrong_on_the_way_back(house: House, browser: Browser) -> None:
    """Cancelled, late, mixed up (OA5), without a code, with a forged one: back to the app, with a reason."""

    def altered(**change: str | None) -> dict[str, str]:
        back = parameters(browser.sign_in_there(browser.begin(QUERY), "ann"))
        query = {name: value for name, value in (back | change).items() if value is not None}
        return browser.come_back(f"{CALLBACK}?{urlencode(query)}")[1]

    cancelled = altered(code=None, error="access_denied", error_description="No <b>thanks</b>")
    assert ("access_denied", "bad_oauth_callback", "No bthanks/b") == (
        cancelled["error"], cancelled["error_code"], cancelled["error_description"]
    )  # fmt: skip
    assert "server_error" == altered(error="<script>")["error"]
    assert "The answer is of another provider" == altered(iss="https://evil.example")["error_description"]
    assert "The answer is of another provider" == altered(iss=None)["error_description"]
    assert "OAuth callback with missing authorization code" == altered(code=None)["error_description"]
    assert "Unable to exchange external code" == altered(code="forged")["error_description"]
    back = browser.sign_in_there(browser.begin(QUERY), "ann")
    house.clock.turn(minutes=5)
    assert "bad_oauth_state" == browser.come_back(back)[1]["error_code"]
    assert 0 == len(house.letters())


def test_a_code_of_another_sign_in_is_refused(house: House, browser: Browser) -> None:
    """Whoever gets hold of a code cannot put it into an own sign-in: verifier and nonce differ (OA2)."""
    stolen = parameters(browser.sign_in_there(browser.begin(QUERY), "ann"))["code"]
    other = Browser(house)
    mine = parameters(other.sign_in_there(other.begin(QUERY), "eve"))
    told = other.come_back(f"{CALLBACK}?{urlencode(mine | {'code': stolen})}")[1]
    assert ("bad_oauth_callback", False) == (told["error_code"], "access_token" in told)
    other.close()


def test_unverified_addresses(house: House, browser: Browser) -> None:
    """An address that the provider has not verified signs in nobody, whether or not it has an account (OA6)."""
    first = browser.dance(QUERY, "unann")
    assert "provider_email_needs_verification" == first["error_code"]
    browser.client.cookies.clear()
    house.post("signup", {"email": "unbob@example.org", "password": PASSWORD})
    assert first == browser.dance(QUERY, "unbob")


def test_an_account_with_the_same_address(house: House, browser: Browser) -> None:
    """Linked where both sides have verified it and the provider is trusted; dropped what was unproved (OA6, OA7)."""
    # Somebody signed up with Ann's address and never confirmed it.
    house.post("signup", {"email": "ann@example.org", "password": "of somebody else"})
    house.letters()
    session = browser.dance(QUERY, "ann")
    user = house.get("user", as_=session).json
    assert ["corp", "email"] == sorted(user["app_metadata"]["providers"])
    assert user["email_confirmed_at"]
    stale = house.post("token?grant_type=password", {"email": "ann@example.org", "password": "of somebody else"})
    assert (400, "invalid_credentials") == (stale.status, stale.json["code"])
    assert "corp" == house.letter("identity_linked").data["provider"]
    # The provider that is not trusted: the owner signs in first.
    assert "email_exists" == browser.dance(QUERY.replace("corp", "other"), "ann")["error_code"]
    # Without an account of that address it makes one that has none.
    browser.client.cookies.clear()
    apart = house.get("user", as_=browser.dance(QUERY.replace("corp", "other"), "cat")).json
    assert ("", "cat@example.org") == (apart["email"], apart["identities"][0]["email"])
    assert "email" not in apart["user_metadata"]


@pytest.mark.settings(email_confirmation=False)
def test_without_confirmation_an_address_proves_nothing(house: House, browser: Browser) -> None:
    """A3: whoever signed up with somebody's address must not share the account with them (OA6, OA7)."""
    stranger = house.sign_up("ann@example.org", data={"name": "Mallory"})
    other = QUERY.replace("corp", "other")
    assert "email_exists" == browser.dance(other, "ann")["error_code"]
    browser.client.cookies.clear()
    owner = house.get("user", as_=browser.dance(QUERY, "ann")).json
    assert (stranger["user"]["id"], False) == (owner["id"], "Mallory" in owner["user_metadata"].values())
    assert 403 == house.get("user", as_=stranger).status
    assert 400 == house.refresh(stranger["refresh_token"]).status
    body = {"email": "ann@example.org", "password": PASSWORD}
    assert 400 == house.post("token?grant_type=password", body).status


@pytest.mark.settings(signup=False)
def test_without_sign_ups(house: House, browser: Browser) -> None:
    """Nobody new comes in by the side door."""
    assert "signup_disabled" == browser.dance(QUERY, "ann")["error_code"]


def link(house: House, browser: Browser, session: Any, more: str = "", **named: Any) -> Any:
    return browser.at_app(
        "GET", f"user/identities/authorize?{QUERY}{more}&skip_http_redirect=true", as_=session, **named
    )


def ticket_of(url: str) -> str:
    assert url.startswith("https://api.example.org/auth/v1/authorize?ticket=")
    return urlsplit(url).query


def linked(house: House, session: dict[str, Any], told: dict[str, str]) -> dict[str, Any]:
    """End a link in the session that began it; that session."""
    assert {"link_code", "sb", "next"} == {*told, "next"}
    done = house.post("user/identities/confirm", {"code": told["link_code"]}, as_=session)
    assert 200 == done.status, done.body
    return session


@pytest.mark.settings(email_confirmation=False)
def test_linking_and_unlinking(house: House, browser: Browser) -> None:
    """A signed-in user links an identity and signs in with it; the last way in stays (OA8, OA10)."""
    session = house.sign_up("zoe@example.org")
    assert 401 == house.get(f"user/identities/authorize?{QUERY}&skip_http_redirect=true").status
    moved = browser.at_app("GET", f"user/identities/authorize?{QUERY}", as_=session)
    assert 302 == moved.status
    reply = link(house, browser, session)
    ticket = ticket_of(reply.json["url"])
    # In another's hands the ticket is worth nothing, and it is used up.
    eve = Browser(house, agent="Browser/2")
    assert (400, "bad_oauth_state") == (eve.at_app("GET", f"authorize?{ticket}").status, "bad_oauth_state")
    assert 400 == browser.at_app("GET", f"authorize?{ticket}").status
    late = ticket_of(link(house, browser, session).json["url"])
    house.clock.turn(seconds=61)
    assert 400 == browser.at_app("GET", f"authorize?{late}").status
    told = linked(house, session, browser.dance(ticket_of(link(house, browser, session).json["url"]), "ann"))
    user = house.get("user", as_=told).json
    assert (session["user"]["id"], "zoe@example.org") == (user["id"], user["email"])
    assert ["email", "corp"] == user["app_metadata"]["providers"]
    assert "corp" == house.letter("identity_linked").data["provider"]
    again = browser.dance(ticket_of(link(house, browser, told).json["url"]), "ann")
    twice = house.post("user/identities/confirm", {"code": again["link_code"]}, as_=told)
    assert (422, "identity_already_exists") == (twice.status, twice.json["code"])
    through, signed_in = browser.dance(QUERY, "ann"), browser.dance(QUERY, "ann")
    assert user["id"] == house.get("user", as_=signed_in).json["id"]
    mine = {identity["provider"]: identity["identity_id"] for identity in user["identities"]}
    stranger = house.sign_up("eve@example.org")
    foreign = house.delete(f"user/identities/{mine['corp']}", as_=stranger)
    assert (404, "identity_not_found") == (foreign.status, foreign.json["code"])
    assert 400 == house.delete("user/identities/x", as_=stranger).status
    kept = house.delete(f"user/identities/{mine['email']}", as_=signed_in)
    assert (422, "email_conflict_identity_not_deletable") == (kept.status, kept.json["code"])
    assert 200 == house.delete(f"user/identities/{mine['corp']}", as_=signed_in).status
    assert (403, 200) == (house.get("user", as_=through).status, house.get("user", as_=signed_in).status)
    last = house.delete(f"user/identities/{mine['email']}", as_=house.sign_in("zoe@example.org"))
    assert (422, "single_identity_not_deletable") == (last.status, last.json["code"])
    # What was unlinked is somebody new.
    fresh = house.get("user", as_=browser.dance(QUERY, "ann")).json
    assert user["id"] != fresh["id"]
    only = house.delete(f"user/identities/{fresh['identities'][0]['identity_id']}", as_=browser.dance(QUERY, "ann"))
    assert (422, "single_identity_not_deletable") == (only.status, only.json["code"])
    eve.close()


@pytest.mark.settings(email_confirmation=False)
def test_an_account_has_so_many_identities(house: House, browser: Browser) -> None:
    """S11: each is in every answer about the account."""
    session = house.sign_up("zoe@example.org")

    async def fill(tx: Any) -> None:
        for number in range(MAX_IDENTITIES - 1):
            id = UUID(session["user"]["id"])
            await tx.run(add_identity(uuid4(), id, "corp", f"other {number}", {}, None, house.clock()))

    house.run(house.store.transact(fill))
    told = browser.dance(ticket_of(link(house, browser, session).json["url"]), "ann")
    refused = house.post("user/identities/confirm", {"code": told["link_code"]}, as_=session)
    assert (422, "too_many_identities") == (refused.status, refused.json["code"])
    user = house.get("user", as_=session).json
    other = next(one["identity_id"] for one in user["identities"] if one["provider"] == "corp")
    assert 200 == house.delete(f"user/identities/{other}", as_=session).status
    told = browser.dance(ticket_of(link(house, browser, session).json["url"]), "ann")
    assert 200 == house.post("user/identities/confirm", {"code": told["link_code"]}, as_=session).status


@pytest.mark.settings(email_confirmation=False)
def test_linking_with_pkce_ends_at_the_app_that_began_it(house: House, browser: Browser) -> None:
    """A link that somebody was talked into is not made: only the app that asked for it has the verifier."""
    session = house.sign_up("zoe@example.org")
    ticket = ticket_of(link(house, browser, session, PKCE).json["url"])
    victim = Browser(house, agent="Browser/2")
    code = victim.dance(ticket, "bob")["code"]
    assert ["email"] == house.get("user", as_=session).json["app_metadata"]["providers"]
    ended = exchange(house, code).json
    assert ["email", "corp"] == ended["user"]["app_metadata"]["providers"]
    assert session["user"]["id"] == ended["user"]["id"]
    # A link for a session that has ended is none.
    ticket = ticket_of(link(house, browser, session, PKCE).json["url"])
    house.post("logout?scope=global", as_=ended)
    late = browser.at_app("GET", f"authorize?{ticket}")
    assert (400, "bad_oauth_state") == (late.status, late.json["code"])
    victim.close()


@pytest.mark.settings(email_confirmation=False, rate_limits="off")
@pytest.mark.parametrize("end", ["local", "global", "others", "session", "password", "ban"])
@pytest.mark.parametrize("stage", ["ticket", "state", "link code", "PKCE code"])
def test_a_link_ends_with_its_session(house: House, browser: Browser, stage: str, end: str) -> None:
    """A5: a link that a stolen session has begun gives neither a session nor an identity once that session is out."""
    owner = house.sign_up("zoe@example.org")
    thief = house.sign_in("zoe@example.org")
    ticket = ticket_of(link(house, browser, thief, PKCE if stage == "PKCE code" else "").json["url"])
    if stage == "ticket":
        last = partial(browser.at_app, "GET", f"authorize?{ticket}")
        expected = (400, "bad_oauth_state")
    elif stage == "state":
        back = browser.sign_in_there(browser.begin(ticket), "bob")
        last = partial(browser.at_app, "GET", f"callback?{urlsplit(back).query}")
        expected = (400, "bad_oauth_state")
    elif stage == "link code":
        code = browser.dance(ticket, "bob")["link_code"]
        last = partial(house.post, "user/identities/confirm", {"code": code}, as_=thief)
        expected = (403, "session_not_found")
    else:
        code = browser.dance(ticket, "bob")["code"]
        last = partial(exchange, house, code)
        expected = (404, "flow_state_not_found")
    id = owner["user"]["id"]
    if end == "local":
        house.post("logout?scope=local", as_=thief)
    elif end in ("global", "others"):
        house.post(f"logout?scope={end}", as_=owner)
    elif end == "session":
        (other,) = (row["id"] for row in house.get("sessions", as_=owner).json["sessions"] if not row["current"])
        assert 204 == house.delete(f"sessions/{other}", as_=owner).status
    elif end == "password":
        body = {"password": "another passphrase of hers", "current_password": PASSWORD}
        assert 200 == house.put("user", body, as_=owner).status
    else:
        assert 200 == house.put(f"admin/users/{id}", {"ban_duration": "1h"}, as_=service(house)).status
    refused = last()
    assert expected == (refused.status, refused.json["code"])
    shown = house.get(f"admin/users/{id}", as_=service(house)).json
    assert ["email"] == [identity["provider"] for identity in shown["identities"]]


@pytest.mark.settings(email_confirmation=False, rate_limits="off")
def test_a_strangers_ticket_links_nobody(house: House, browser: Browser) -> None:
    """A6: the victim shares an address and a browser with the attacker, follows the ticket, and comes back from there."""
    attacker, victim = house.sign_up("eve@example.org"), house.sign_up("vic@example.org")
    told = browser.dance(ticket_of(link(house, browser, attacker).json["url"]), "bob")
    assert {"link_code", "sb"} == set(told) - {"next"}
    # What the victim's app has is of no use in the victim's session, and stays good for nobody but the attacker.
    refused = house.post("user/identities/confirm", {"code": told["link_code"]}, as_=victim)
    assert (404, "flow_state_not_found") == (refused.status, refused.json["code"])
    body = {"auth_code": told["link_code"], "code_verifier": "v" * 43}
    assert 400 == house.post("token?grant_type=pkce", body).status
    for session in (attacker, victim):
        assert ["email"] == house.get("user", as_=session).json["app_metadata"]["providers"]
    # Bob signs in as himself.
    browser.client.cookies.clear()
    bob = house.get("user", as_=browser.dance(QUERY, "bob")).json
    assert bob["id"] not in (attacker["user"]["id"], victim["user"]["id"])


@pytest.mark.settings(email_confirmation=False, rate_limits="off")
def test_a_link_code_is_good_once_and_for_five_minutes(house: House, browser: Browser) -> None:
    """A6, ID4: in the session that began the link, or the one that a second factor made of it."""
    session = house.sign_up("zoe@example.org")
    assert 400 == house.post("user/identities/confirm", {}, as_=session).status
    late = browser.dance(ticket_of(link(house, browser, session).json["url"]), "bob")["link_code"]
    house.clock.turn(minutes=5)
    refused = house.post("user/identities/confirm", {"code": late}, as_=session)
    assert (404, "flow_state_not_found") == (refused.status, refused.json["code"])
    code = browser.dance(ticket_of(link(house, browser, session).json["url"]), "bob")["link_code"]
    stepped = lift(house, session)
    done = house.post("user/identities/confirm", {"code": code}, as_=stepped)
    assert (200, ["email", "corp"]) == (done.status, done.json["user"]["app_metadata"]["providers"])
    assert {"user", "provider_token"} <= set(done.json)
    again = house.post("user/identities/confirm", {"code": code}, as_=stepped)
    assert (404, "flow_state_not_found") == (again.status, again.json["code"])


@pytest.mark.settings(email_confirmation=False, site_url="https://app.example.org", rate_limits="off")
def test_passkeys_and_second_factors(house: House, browser: Browser) -> None:
    """A passkey is another way in (OA10); where there is a second factor, linking and unlinking take it (MF7)."""
    session = browser.dance(QUERY, "ann")
    id = house.get("user", as_=session).json["identities"][0]["identity_id"]
    assert 422 == house.delete(f"user/identities/{id}", as_=session).status
    key = Authenticator()
    assert 200 == register(house, session, key).status
    assert 200 == house.delete(f"user/identities/{id}", as_=session).status
    by_key = sign_in_with(house, key).json
    assert ([], []) == (by_key["user"]["identities"], by_key["user"]["app_metadata"]["providers"])
    lifted(house, house.sign_up("zoe@example.org"))
    weak = house.sign_in("zoe@example.org")
    for refused in (link(house, browser, weak), house.delete(f"user/identities/{id}", as_=weak)):
        assert (403, "insufficient_aal") == (refused.status, refused.json["code"])


def test_an_id_token_of_a_phone(house: House, browser: Browser, issuer: str) -> None:
    """A native client's ID token signs in, with its nonce, if it is for us, and once (OA4, A12)."""
    nonce = "of the phone"

    def token(client: str = "phone", **more: str) -> dict[str, Any]:
        asked = {
            "client_id": client, "response_type": "code", "redirect_uri": PHONE, "scope": "openid email",
            "code_challenge": CHALLENGE, "code_challenge_method": "S256", "state": "s",
            "nonce": sha256(nonce.encode()).hexdigest(),
            "claims": json.dumps({"id_token": {"email": None, "email_verified": None}}), **more,
        }  # fmt: skip
        back = browser.sign_in_there(f"{issuer}/auth?{urlencode(asked)}", "dan")
        form = {
            "grant_type": "authorization_code", "code": parameters(back)["code"], "redirect_uri": PHONE,
            "client_id": client, "code_verifier": VERIFIER,
        }  # fmt: skip
        found: dict[str, Any] = browser.client.post(f"{issuer}/token", data=form).json()
        return found

    def grant(**body: str) -> Any:
        return house.post("token?grant_type=id_token", {"provider": "corp"} | body)

    tokens = token()
    session = grant(id_token=tokens["id_token"], access_token=tokens["access_token"], nonce=nonce).json
    assert "dan@example.org" == session["user"]["email"]
    assert "provider_token" not in session
    again = grant(id_token=tokens["id_token"], nonce=nonce)
    used = (400, "validation_failed", "The ID token was used already")
    assert used == (again.status, again.json["code"], again.json["message"])
    # Another nonce: with the same one, and in the same second, the provider signs the same token.
    hashed = sha256(b"another one").hexdigest()
    fresh = {"provider": "corp", "id_token": token(nonce=hashed)["id_token"], "nonce": "another one"}

    async def at_once() -> Any:
        path = "token?grant_type=id_token"
        return await asyncio.gather(*(house.sending("POST", path, fresh) for _ in range(5)))

    assert [200, 400, 400, 400, 400] == sorted(reply.status for reply in house.run(at_once()))
    tokens = token(nonce=sha256(b"a third one").hexdigest())
    nonce = "a third one"
    for body, message in (
        ({"nonce": "other"}, "Nonces mismatch"),
        ({}, "Nonces mismatch"),
        ({"nonce": nonce, "id_token": tokens["id_token"][:-6] + "AAAAAA"}, "Bad ID token"),
        ({"nonce": nonce, "id_token": "x"}, "Bad ID token"),
        ({"nonce": nonce, "id_token": ""}, "provider and id_token are required"),
    ):
        refused = grant(**({"id_token": tokens["id_token"]} | body))
        assert (400, "validation_failed", message) == (refused.status, refused.json["code"], refused.json["message"])
    wrong = grant(id_token=tokens["id_token"], nonce=nonce, provider="other")
    assert (400, "unexpected_audience") == (wrong.status, wrong.json["code"])
    assert "oauth_provider_not_supported" == grant(id_token="x", provider="github").json["code"]
    assert "provider_disabled" == grant(id_token="x", provider="google").json["code"]
    house.clock.turn(hours=2)
    assert "Bad ID token" == grant(id_token=tokens["id_token"], nonce=nonce).json["message"]


def test_the_published_client(house: House, browser: Browser) -> None:
    """`supabase_auth` signs in, links and unlinks as it is, with PKCE and its own idea of what to send."""
    httpx = pytest.importorskip("httpx")
    supabase_auth = pytest.importorskip("supabase_auth")
    root = "https://api.example.org/auth/v1"

    def answer(request: Any) -> Any:
        path = str(request.url).removeprefix(f"{root}/")
        headers = {name: value for name, value in request.headers.items() if name not in ("host", "content-length")}
        reply = browser.at_app(request.method, path, body=request.content or None, headers=headers)
        lines = [(name.decode(), value.decode()) for name, value in reply.headers]
        return httpx.Response(reply.status, headers=lines, content=reply.body)

    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        client = supabase_auth.SyncGoTrueClient(url=root, http_client=http, flow_type="pkce", auto_refresh_token=False)
        back = {"redirect_to": "https://app.example.org/in"}

        def followed(url: str, login: str) -> str:
            assert url.startswith(f"{root}/authorize?")
            return browser.dance(urlsplit(url).query, login)["code"]

        begun = client.sign_in_with_oauth({"provider": "keycloak", "options": back | {"scopes": "calendar"}})
        session = client.exchange_code_for_session({"auth_code": followed(begun.url, "ann")}).session
        assert ("ann@example.org", True) == (session.user.email, bool(session.provider_token))
        browser.client.cookies.clear()
        linking = client.link_identity({"provider": "workos", "options": back})
        linked = client.exchange_code_for_session({"auth_code": followed(linking.url, "bob")}).user
        assert (session.user.id, ["keycloak", "workos"]) == (linked.id, linked.app_metadata["providers"])
        other = next(found for found in client.get_user_identities().identities if found.provider == "workos")
        client.unlink_identity(other)
        assert ["keycloak"] == [found.provider for found in client.get_user_identities().identities]
        with pytest.raises(supabase_auth.errors.AuthApiError) as refused:
            client.unlink_identity(client.get_user_identities().identities[0])
        assert "single_identity_not_deletable" == refused.value.code
        with pytest.raises(supabase_auth.errors.AuthApiError) as refused:
            client.sign_in_with_id_token({"provider": "keycloak", "token": "x.y.z"})
        assert "validation_failed" == refused.value.code
    linking_by_token = {"provider": "keycloak", "id_token": "x.y.z", "link_identity": True}
    assert "link_identity" in house.post("token?grant_type=id_token", linking_by_token).json["message"]


def test_what_cannot_begin(house: House, browser: Browser) -> None:
    """Bad requests are refused before anybody is sent anywhere; a strange way back leads to the site (OA3)."""
    for query, code in (
        ("provider=nobody", "provider_disabled"),
        ("", "validation_failed"),
        ("provider=corp&scopes=a%20%20b", "validation_failed"),
        ("provider=corp&code_challenge=x&code_challenge_method=s256", "validation_failed"),
        ("ticket=x", "bad_oauth_state"),
    ):
        refused = browser.at_app("GET", f"authorize?{query}")
        assert (400, code) == (refused.status, refused.json["code"])
    back = browser.sign_in_there(browser.begin("provider=corp&redirect_to=https://evil.example/"), "ann")
    assert "https://api.example.org" == browser.come_back(back)[0].rstrip("/")
    assert 415 == house.post("callback", {"state": "x"}).status
    assert 200 == house.send("HEAD", "authorize?provider=corp").status


def claims(session: Any) -> Any:
    part = session["access_token"].split(".")[1]
    return json.loads(__import__("base64").urlsafe_b64decode(part + "=" * (-len(part) % 4)))
