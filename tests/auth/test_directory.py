"""What providers say of themselves, and how often they are asked."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backstay.auth.oauth.directory import Directory, ask
from backstay.auth.oauth.provider import Provider, parse_providers
from backstay.auth.refusal import AuthError
from backstay.outbound import Answered, Call, OutboundError

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ISSUER = "https://login.example.org/realm"
METADATA: dict[str, Any] = {
    "issuer": ISSUER, "authorization_endpoint": f"{ISSUER}/auth", "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/keys", "id_token_signing_alg_values_supported": ["HS256", "RS256", "EdDSA"],
}  # fmt: skip


def provider(name: str = "corp", **options: Any) -> Provider:
    given = {"client_id": "x", "client_secret": "y", **({"issuer": ISSUER} if name == "corp" else {}), **options}
    return parse_providers(json.dumps({name: given}))[name]


class Net:
    """Answers by URL; and what was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, Any] = {
            f"{ISSUER}/.well-known/openid-configuration": METADATA,
            f"{ISSUER}/keys": {"keys": [{"kid": "a"}, "x"]},
        } | answers
        self.calls: list[Call] = []

    async def __call__(self, call: Call) -> Answered:
        self.calls.append(call)
        answer = self.answers.get(call.url)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, tuple):
            return Answered(*answer)
        return Answered(404, b"") if answer is None else Answered(200, json.dumps(answer).encode())


async def test_discovery_is_asked_for_once_an_hour() -> None:
    """And again after it; algorithms are those that all sides allow."""
    net = Net()
    directory = Directory(net)
    for minutes in (0, 1, 59):
        found = await directory.endpoints(provider(), NOW + timedelta(minutes=minutes))
    assert ((f"{ISSUER}/token", ("RS256", "Ed25519"), False), 1) == (
        (found.token_url, found.algorithms, found.secret_in_form), len(net.calls)
    )  # fmt: skip
    await directory.endpoints(provider(), NOW + timedelta(minutes=60))
    assert 1 == len(net.calls)
    await directory.endpoints(provider(), NOW + timedelta(minutes=60, seconds=1))
    assert 2 == len(net.calls)
    assert not net.calls[0].private
    await Directory(net).endpoints(provider(allow_private=True), NOW)
    assert net.calls[-1].private


async def test_an_unknown_key_is_looked_for_once_a_minute() -> None:
    """A stranger's token makes no more requests than that (OA4)."""
    net = Net()
    directory = Directory(net)

    async def keys(kid: Any, **later: float) -> list[Any]:
        return [key["kid"] for key in await directory.keys(provider(), kid, NOW + timedelta(**later))]

    assert ["a"] == await keys("a")
    assert ["a"] == await keys("b", seconds=30)
    assert ["a"] == await keys("b", seconds=60)
    for odd in (None, 7, ["b"], {}):
        assert ["a"] == await keys(odd, seconds=61)
    assert 3 == len(net.calls)
    net.answers[f"{ISSUER}/keys"] = {"keys": [{"kid": "a"}, {"kid": "b"}]}
    assert ["a"] == await keys("b", seconds=89)
    assert ["a", "b"] == await keys("b", seconds=90)
    assert ["a", "b"] == await keys("b", seconds=92)
    assert 4 == len(net.calls)
    await keys("a", minutes=61, seconds=30)
    assert 5 == len(net.calls)
    await keys("a", minutes=61, seconds=31)
    assert 6 == len(net.calls)


async def test_how_often_keys_are_looked_for() -> None:
    """A12: ten names at once, then one in five seconds; of what was looked for, the oldest is forgotten first."""
    net = Net()
    directory = Directory(net)

    async def looks(kid: str, seconds: float) -> int:
        before = len(net.calls)
        await directory.keys(provider(), kid, NOW + timedelta(seconds=seconds))
        return len(net.calls) - before

    assert 2 == await looks("a", 0)
    # The first one looked for is not the first by name.
    assert [1] * 10 == [await looks(f"x{9 - number}", 1 + number / 10) for number in range(10)]
    assert [0, 0] == [await looks(name, 2) for name in ("x9", "y")]
    assert (0, 1) == (await looks("y", 6.8), await looks("y", 6.9))
    # In the place of "x9", which may be looked for again; "x0" may not.
    assert (0, 1) == (await looks("x0", 20), await looks("x9", 20))


async def test_strangers_keep_nobody_from_signing_in() -> None:
    """A12: after whatever strangers have looked for, a key that the provider has changed to is found within seconds."""
    net = Net()
    directory = Directory(net)

    async def keys(kid: str, seconds: float, **named: bool) -> list[Any]:
        return [key["kid"] for key in await directory.keys(provider(), kid, NOW + timedelta(seconds=seconds), **named)]

    await keys("a", 0)
    # One stranger's key, and at once the provider's new one.
    assert ["a"] == await keys("made-up", 10)
    net.answers[f"{ISSUER}/keys"] = {"keys": [{"kid": "a"}, {"kid": "new"}]}
    assert ["a", "new"] == await keys("new", 10)
    # A thousand of them in a minute: some requests more, and not a thousand.
    before = len(net.calls)
    for number in range(1000):
        await keys(f"x{number}", 100 + number * 0.06)
    assert len(net.calls) - before <= 10 + 60 // 5
    net.answers[f"{ISSUER}/keys"] = {"keys": [{"kid": "newer"}]}
    assert ["a", "new"] == await keys("newer", 160)
    assert ["newer"] == await keys("newer", 165)
    # What the provider gave itself is looked for at once.
    for number in range(50):
        await keys(f"y{number}", 200)
    net.answers[f"{ISSUER}/keys"] = {"keys": [{"kid": "newest"}]}
    assert ["newer"] == await keys("newest", 200)
    assert ["newest"] == await keys("newest", 200, from_provider=True)


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://evil.example"},
        {"issuer": ISSUER + "/"},
        {"issuer": None},
        {"token_endpoint": None},
        {"authorization_endpoint": "javascript:x"},
        {"authorization_endpoint": f"{ISSUER}/\r\nx"},
        {"authorization_endpoint": f"{ISSUER}/ü"},
        {"jwks_uri": 7},
        {"id_token_signing_alg_values_supported": ["HS256", "none"]},
        {"id_token_signing_alg_values_supported": [["RS256"], {}, None]},
    ],
)
async def test_what_describes_itself_wrongly(change: dict[str, Any]) -> None:
    """It is not the provider that was meant, or cannot be used (OA5)."""
    net = Net(**{f"{ISSUER}/.well-known/openid-configuration": METADATA | change})
    with pytest.raises(AuthError, match="cannot be reached"):
        await Directory(net).endpoints(provider(), NOW)


@pytest.mark.parametrize(
    "answer", [OutboundError("no answer in time"), (500, b"{}"), (404, b""), (200, b"<html>"), (200, b"[]"), (200, b"[" * 99999), (302, b"{}"), (201, json.dumps(METADATA).encode()), (404, json.dumps(METADATA).encode())]
)  # fmt: skip
async def test_one_that_is_down_is_left_alone_for_a_while(answer: Any) -> None:
    """People wait for each try; a moment later it is asked again."""
    net = Net(**{f"{ISSUER}/.well-known/openid-configuration": answer})
    directory = Directory(net)
    for seconds in (0, 5):
        with pytest.raises(AuthError) as refused:
            await directory.endpoints(provider(), NOW + timedelta(seconds=seconds))
        assert ("provider_unavailable", 503) == (refused.value.code, refused.value.status)
    assert 1 == len(net.calls)
    net.answers[f"{ISSUER}/.well-known/openid-configuration"] = METADATA
    assert await directory.endpoints(provider(), NOW + timedelta(seconds=10))


@pytest.mark.parametrize(("status", "is_down"), [(200, False), (404, False), (499, False), (500, True), (503, True)])
async def test_a_fault_of_the_server_is_no_answer(status: int, is_down: bool) -> None:
    """What a client has done wrong is told apart from a provider that cannot answer."""
    net = Net(**{ISSUER: (status, b'{"a": 1}')})
    if is_down:
        with pytest.raises(AuthError, match="cannot be reached"):
            await ask(net, provider(), Call(ISSUER))
    else:
        assert (status, {"a": 1}) == await ask(net, provider(), Call(ISSUER))


@pytest.mark.parametrize(
    ("change", "options", "field", "expected"),
    [
        ({}, {"algorithms": ["RS256"]}, "algorithms", ("RS256",)),
        ({"id_token_signing_alg_values_supported": None}, {}, "algorithms", ("RS256",)),
        ({"id_token_signing_alg_values_supported": ["ES256", 7, ["x"]]}, {}, "algorithms", ("ES256",)),
        ({}, {}, "person_url", ""),
        ({"userinfo_endpoint": f"{ISSUER}/me"}, {}, "person_url", f"{ISSUER}/me"),
        ({"userinfo_endpoint": "javascript:x"}, {}, "person_url", ""),
        ({"userinfo_endpoint": 7}, {}, "person_url", ""),
        ({}, {}, "secret_in_form", False),
        ({"token_endpoint_auth_methods_supported": ["client_secret_post"]}, {}, "secret_in_form", True),
        ({"token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"]}, {}, "secret_in_form", False),
        ({"token_endpoint_auth_methods_supported": 7}, {}, "secret_in_form", False),
        ({}, {}, "names_issuer", False),
        ({"authorization_response_iss_parameter_supported": True}, {}, "names_issuer", True),
        ({"authorization_response_iss_parameter_supported": "true"}, {}, "names_issuer", False),
    ],
)  # fmt: skip
async def test_what_discovery_says(change: dict[str, Any], options: dict[str, Any], field: str, expected: Any) -> None:
    """Each thing that it may leave out, or say wrongly."""
    net = Net(**{f"{ISSUER}/.well-known/openid-configuration": METADATA | change})
    assert expected == getattr(await Directory(net).endpoints(provider(**options), NOW), field)


async def test_keys_that_are_none() -> None:
    """Not a list, or nobody answers."""
    for answer in ({"keys": "x"}, {}, OutboundError("down")):
        with pytest.raises(AuthError):
            await Directory(Net(**{f"{ISSUER}/keys": answer})).keys(provider(), "a", NOW)


async def test_the_special_ones() -> None:
    """GitHub needs no discovery, Microsoft's common door has a placeholder, Apple takes its secret in the form."""
    net = Net()
    found = await Directory(net).endpoints(provider("github"), NOW)
    assert ("https://github.com/login/oauth/access_token", None, True, 0) == (
        found.token_url, found.issuer, found.secret_in_form, len(net.calls)
    )  # fmt: skip
    many = "https://login.microsoftonline.com/{tenantid}/v2.0"
    url = "https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration"
    found = await Directory(Net(**{url: METADATA | {"issuer": many}})).endpoints(
        provider("azure", tenant="common"), NOW
    )
    assert many == found.issuer
    posts = METADATA | {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    net = Net(**{f"{ISSUER}/.well-known/openid-configuration": posts})
    assert (await Directory(net).endpoints(provider(), NOW)).secret_in_form
