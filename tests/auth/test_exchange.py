"""Who somebody is, out of an ID token and what else a provider says."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import pytest

from backstay.auth.oauth.directory import Directory
from backstay.auth.oauth.exchange import Tokens, exchange_code, read_person
from backstay.auth.oauth.parties import Parties
from backstay.auth.refusal import AuthError
from backstay.outbound import Call, OutboundError
from tests.auth.test_directory import ISSUER, METADATA, Net, provider
from tests.auth.test_id_token import NOW, RSA, public, signed

pytestmark = pytest.mark.anyio

SAME = "248289761001"
NONCE = "n-0S6_WzA2Mj"
AT = datetime.fromtimestamp(NOW, UTC)
WELL_KNOWN = f"{ISSUER}/.well-known/openid-configuration"


async def person(claims: dict[str, Any], told: Any, **options: Any) -> Any:
    """What becomes of an ID token with *claims* where userinfo has *told* something."""
    net = Net(
        **{
            WELL_KNOWN: METADATA | {"userinfo_endpoint": f"{ISSUER}/me"},
            f"{ISSUER}/keys": {"keys": [public(RSA, kid="rsa")]},
            f"{ISSUER}/me": told,
        }
    )
    corp = provider(client_id="backstay", **options)
    token = signed(iss=ISSUER, **claims)
    return await read_person(Parties({"corp": corp}, net), corp, Tokens("access", "", token), nonce=NONCE, now=AT)


@pytest.mark.parametrize(
    ("claims", "told", "email", "verified"),
    [
        ({"email": "a@example.org", "email_verified": True}, None, "a@example.org", True),
        ({"email": "a@example.org"}, None, "a@example.org", False),
        # An address is verified by whoever gives it, and by nobody else.
        ({"email_verified": True}, {"email": "a@example.org"}, "a@example.org", False),
        ({"email_verified": True}, {"email": "a@example.org", "email_verified": False}, "a@example.org", False),
        ({"email_verified": False}, {"email": "a@example.org", "email_verified": True}, "a@example.org", True),
        ({}, {"email": "a@example.org", "email_verified": True}, "a@example.org", True),
        ({"email_verified": True}, {}, None, False),
        ({"email": "a@example.org"}, {"email": "b@example.org", "email_verified": True}, "a@example.org", False),
        ({"email": 7, "email_verified": True}, {"email": "b@example.org"}, None, False),
    ],
)
async def test_an_address_and_its_proof_come_together(
    claims: dict[str, Any], told: Any, email: str | None, verified: bool
) -> None:
    """A12: the word of one document says nothing about the address in another."""
    found = await person(claims, None if told is None else {"sub": SAME, **told})
    assert (email, verified) == (found.email, found.verified)
    assert SAME == found.subject


async def test_userinfo_says_nothing_else_about_who_it_is() -> None:
    """A12: subject and issuer are the ID token's; another subject is another person."""
    told = {"sub": SAME, "iss": "https://evil.example", "email": "a@example.org", "aud": "x", "name": "Ann"}
    found = await person({}, told)
    assert (ISSUER, "Ann", SAME) == (found.data["iss"], found.data["name"], found.subject)
    for other in ({"sub": "admin"}, {}, {"sub": None}, {"sub": [SAME]}):
        with pytest.raises(AuthError, match="who it is"):
            await person({}, {"email": "a@example.org", **other})


async def test_microsofts_word_is_about_its_own_document() -> None:
    """A12: ``xms_edov`` of the ID token does not vouch for the address of userinfo."""
    found = await person({"xms_edov": True}, {"sub": SAME, "email": "a@example.org"})
    assert not found.verified


async def test_without_userinfo_nobody_is_asked() -> None:
    """Whoever has no address there has none here."""
    net = Net(**{f"{ISSUER}/keys": {"keys": [public(RSA, kid="rsa")]}})
    corp = provider(client_id="backstay", allow_private=True)
    tokens = Tokens("access", "", signed(iss=ISSUER))
    found = await read_person(Parties({"corp": corp}, net), corp, tokens, nonce=NONCE, now=AT)
    assert (None, 2) == (found.email, len(net.calls))


async def test_a_key_that_the_provider_uses_is_found_whatever_strangers_do() -> None:
    """A12: what it gave us itself is looked for at once, also where strangers have had their looks."""
    net = Net()
    corp = provider(client_id="backstay")
    parties = Parties({"corp": corp}, net)
    for number in range(50):
        await parties.directory.keys(corp, f"made-up-{number}", AT)
    net.answers[f"{ISSUER}/keys"] = {"keys": [public(RSA, kid="rsa")]}
    tokens = Tokens("access", "", signed(iss=ISSUER, email="a@example.org"))
    assert SAME == (await read_person(parties, corp, tokens, nonce=NONCE, now=AT)).subject


GITHUB = {
    "https://api.github.com/user": {"id": 7, "login": "ann"},
    "https://api.github.com/user/emails": [{"email": "a@example.org", "primary": True, "verified": True}],
}


@pytest.mark.parametrize(
    ("emails", "email"),
    [
        (GITHUB["https://api.github.com/user/emails"], "a@example.org"),
        ((404, json.dumps(GITHUB["https://api.github.com/user/emails"]).encode()), None),
        ((201, json.dumps(GITHUB["https://api.github.com/user/emails"]).encode()), None),
        ({"message": "no"}, None),
        (7, None),
    ],
)
async def test_addresses_count_where_they_were_given(emails: Any, email: str | None) -> None:
    """OA8: who does not show addresses has none, and is still who they are."""
    net = Net(**GITHUB | {"https://api.github.com/user/emails": emails})
    github = provider("github")
    found = await read_person(Parties({"github": github}, net), github, Tokens("t", "", ""), nonce="", now=AT)
    assert ("7", email) == (found.subject, found.email)


async def exchanged(answer: Any, name: str = "corp", **options: Any) -> tuple[Tokens, Call]:
    """What becomes of a code where the token endpoint gives *answer*; and how it was asked."""
    party = provider(name, **options)
    net = Net(**{f"{ISSUER}/token": answer, "https://github.com/login/oauth/access_token": answer})
    tokens = await exchange_code(Parties({name: party}, net), party, "c", redirect_uri="r", verifier="v", now=AT)
    return tokens, net.calls[-1]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"access_token": "a", "id_token": "i"}, {"provider_token": "a"}),
        ({"access_token": "a", "id_token": "i", "refresh_token": "r"}, {"provider_token": "a", "provider_refresh_token": "r"}),
        ({"access_token": "a", "id_token": "i", "refresh_token": "ü"}, {"provider_token": "a"}),
        ({"access_token": "a" * 16384, "id_token": "i", "refresh_token": 7}, {"provider_token": "a" * 16384}),
    ],
)  # fmt: skip
async def test_tokens_are_told_as_the_session_names_them(answer: Any, told: dict[str, str]) -> None:
    """Those that there are, and that an HTTP header can carry."""
    tokens, _ = await exchanged(answer)
    assert (told, "i") == (tokens.told(), tokens.id)


@pytest.mark.parametrize("private", [True, False])
async def test_how_a_code_is_exchanged(private: bool) -> None:
    """RFC 6749 §2.3.1: the client by HTTP Basic, encoded; in a private network where the operator says so."""
    good = {"access_token": "a", "id_token": "i"}
    _, call = await exchanged(good, client_id="a:b", client_secret="c d", allow_private=private)
    assert {"authorization": "Basic " + b64encode(b"a%3Ab:c+d").decode()} == call.headers
    assert {"grant_type": "authorization_code", "code": "c", "redirect_uri": "r", "code_verifier": "v"} == call.form
    assert (private, "POST") == (call.private, call.method)


@pytest.mark.parametrize(
    "answer",
    [
        (400, b'{"error": "invalid_grant"}'),
        (401, b'{"access_token": "a", "id_token": "i"}'),
        (201, b'{"access_token": "a", "id_token": "i"}'),
        (200, b"access_token=a"),
        ["a"],
        {"access_token": "a", "id_token": "i", "error": "x"},
        {"access_token": "a"},
        {"id_token": "i"},
        {"access_token": "a" * 16385, "id_token": "i"},
        {"access_token": "a\nb", "id_token": "i"},
        {"access_token": ["a"], "id_token": "i"},
        {"access_token": "a", "id_token": "ü"},
    ],
)
async def test_an_exchange_that_is_none(answer: Any) -> None:
    """Whatever is not 200 with tokens, also where it says 200 to what it refuses."""
    with pytest.raises(AuthError, match="Unable to exchange external code"):
        await exchanged(answer)


@pytest.mark.parametrize(
    ("error", "words"),
    [("invalid_grant", "400 invalid_grant"), ("a\nb", "400 "), ("ü", "400 "), (["x"], "400 "), ("x" * 99, "400 " + "x" * 60)],
)  # fmt: skip
async def test_the_log_says_why_in_one_line(error: Any, words: str, caplog: pytest.LogCaptureFixture) -> None:
    """The operator reads the provider's word for it, and nobody writes a second line of the log."""
    with pytest.raises(AuthError):
        await exchanged((400, json.dumps({"error": error}).encode()))
    assert [f"the provider corp did not take its own code: {words}"] == caplog.messages


async def test_the_log_says_what_was_refused(caplog: pytest.LogCaptureFixture) -> None:
    """Once for each: a description that is wrong, tokens that are missing, one that is forged, two persons."""
    for change in ({"issuer": "https://evil.example"}, {"token_endpoint": None}):
        with pytest.raises(AuthError):
            await Directory(Net(**{WELL_KNOWN: METADATA | change})).endpoints(provider(), AT)
    for answer in (OutboundError("no answer in time"), (500, b""), (404, b"")):
        with pytest.raises(AuthError):
            await Directory(Net(**{WELL_KNOWN: answer})).endpoints(provider(), AT)
    with pytest.raises(AuthError):
        await exchanged({"access_token": "a"})
    with pytest.raises(AuthError):
        await person({"aud": "other"}, None)
    with pytest.raises(AuthError):
        await person({}, {"sub": "other"})
    assert 8 == len(caplog.messages), caplog.messages
    assert all("corp" in message for message in caplog.messages)
    assert "an ID token of the provider corp is refused: aud" in caplog.messages
