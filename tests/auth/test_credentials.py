"""Headers to a principal."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from backstay.auth import Credentials, TokenVerifier
from backstay.errors import TokenError
from backstay.policy.principal import ANONYMOUS, Principal
from tests.auth.tokens import CLAIMS, JWK, NOW, SECRET, Clock, es256, hs256

PUBLISHABLE = b"sb_publishable_oQ2mF1m5bYw"
SECRET_KEY = b"sb_secret_0123456789abcdefghijklmnopqrstuv"
USER = es256()
ANON_JWT = hs256({"iss": "supabase", "role": "anon", "exp": NOW + 3600})
SERVICE_JWT = hs256({"iss": "supabase", "role": "service_role", "exp": NOW + 3600})
EXPIRED = hs256({**CLAIMS, "exp": NOW - 3600})

ADA = Principal("authenticated", "6f1c")
SERVICE = Principal("service_role")


def row(number: int, raw: bytes, role: str, *scopes: str, expires_at: float | None = None) -> Any:
    """A key of the database."""
    end = None if expires_at is None else datetime.fromtimestamp(expires_at, UTC)
    id, digest = UUID(int=number), hashlib.sha256(raw).digest()
    return SimpleNamespace(id=id, hash=digest, role=role, scopes=list(scopes), expires_at=end, banned_until=None)


def credentials() -> Credentials:
    """Both kinds of keys, as an operator who moves from one to the other has them."""
    verifier = TokenVerifier(secret=SECRET, jwks=[JWK], clock=Clock())
    known = Credentials(verifier.verify, clock=lambda: NOW)
    known.adopt(BOTH)
    return known


BOTH = [row(8, PUBLISHABLE, "anon", "read", "write"), row(9, SECRET_KEY, "service_role", "read", "write")]


def bearer(token: bytes, scheme: bytes = b"Bearer ") -> dict[bytes, bytes]:
    """An Authorization header."""
    return {b"authorization": scheme + token}


def key(value: bytes) -> dict[bytes, bytes]:
    """An apikey header."""
    return {b"apikey": value}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, ANONYMOUS),
        ({b"origin": b"https://a.example"}, ANONYMOUS),
        (bearer(USER), ADA),
        (bearer(USER, b"bearer "), ADA),
        (bearer(USER, b"BEARER  "), ADA),
        (key(USER), ADA),
        (key(ANON_JWT), ANONYMOUS),
        (key(SERVICE_JWT), SERVICE),
        (key(PUBLISHABLE), ANONYMOUS),
        (key(SECRET_KEY), SERVICE),
        (bearer(PUBLISHABLE), ANONYMOUS),
        (bearer(SECRET_KEY), SERVICE),
        (key(ANON_JWT) | bearer(ANON_JWT), ANONYMOUS),
        (key(PUBLISHABLE) | bearer(PUBLISHABLE), ANONYMOUS),
        (key(SECRET_KEY) | bearer(SECRET_KEY), SERVICE),
        (key(PUBLISHABLE) | bearer(USER), ADA),
        (key(ANON_JWT) | bearer(USER), ADA),
        (key(SECRET_KEY) | bearer(USER), ADA),
        (key(USER) | bearer(SERVICE_JWT), SERVICE),
    ],
)
def test_who_asks(headers: dict[bytes, bytes], expected: Principal) -> None:
    """Authorization outranks apikey, both kinds of keys are known, and nothing is nobody."""
    found = credentials()(headers)
    assert expected == replace(found, claims=expected.claims)


@pytest.mark.parametrize(
    "headers",
    [
        key(b""),
        key(b"x"),
        key(b"sb_publishable_other"),
        key(PUBLISHABLE + b"x"),
        key(PUBLISHABLE[:-1]),
        key(PUBLISHABLE.upper()),
        key(b"sb_"),
        key(b" " + PUBLISHABLE),
        key(EXPIRED),
        key(b"x") | bearer(USER),
        key(b"") | bearer(USER),
        key(EXPIRED) | bearer(USER),
        key(b"sb_secret_wrong") | bearer(USER),
        key(PUBLISHABLE) | bearer(EXPIRED),
        key(SECRET_KEY) | bearer(b"x"),
        bearer(b""),
        bearer(b"", b"Bearer"),
        bearer(USER, b""),
        bearer(USER, b"Bearer"),
        bearer(USER, b"Bearer\t"),
        bearer(USER, b"Basic "),
        bearer(USER, b"Bearer Bearer "),
        bearer(USER, b" Bearer "),
        bearer(b"sb_secret_wrong"),
        {b"authorization": b"Basic YTpi"},
        {b"authorization": b""},
        {b"authorization": b"\xff\xfe \x00"},
    ],
)
def test_what_is_sent_must_be_good(headers: dict[bytes, bytes]) -> None:
    """A bad key or token is 401, also beside a good one; it is never quietly somebody else."""
    with pytest.raises(TokenError) as caught:
        credentials()(headers)
    assert 401 == caught.value.status


@pytest.mark.parametrize(
    "headers",
    [
        key(SECRET_KEY),
        bearer(SECRET_KEY),
        key(SERVICE_JWT),
        bearer(SERVICE_JWT),
        key(SECRET_KEY) | bearer(USER),
        key(PUBLISHABLE) | bearer(SERVICE_JWT),
    ],
)
@pytest.mark.parametrize("origin", [b"https://a.example", b"null", b""])
def test_service_keys_are_not_for_browsers(headers: dict[bytes, bytes], origin: bytes) -> None:
    """TK9: with an Origin header a key that bypasses policies is refused, and the hint says why."""
    with pytest.raises(TokenError, match="must not be used in a browser") as caught:
        credentials()({**headers, b"origin": origin})
    assert "Replace this key" in (caught.value.hint or "")
    assert SECRET_KEY.decode() not in str(caught.value) + str(caught.value.details)


@pytest.mark.parametrize(
    "headers",
    [
        key(SECRET_KEY),
        bearer(SECRET_KEY),
        key(SERVICE_JWT),
        bearer(SERVICE_JWT),
        key(PUBLISHABLE) | bearer(SERVICE_JWT),
    ],
)
@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ({b"sec-fetch-site": b"same-origin", b"sec-fetch-mode": b"cors", b"sec-fetch-dest": b"empty"}, True),
        ({b"sec-fetch-site": b"same-site"}, True),
        ({b"sec-fetch-site": b"cross-site", b"sec-fetch-mode": b"no-cors", b"sec-fetch-dest": b"image"}, True),
        ({b"sec-fetch-site": b"none", b"sec-fetch-mode": b"navigate", b"sec-fetch-dest": b"document"}, True),
        ({b"sec-fetch-site": b"anything new"}, True),
        ({b"sec-fetch-dest": b"worker"}, True),
        ({b"sec-fetch-user": b"?1"}, True),
        ({b"referer": b"https://a.example/page"}, True),
        ({b"referer": b"HTTP://a.example/"}, True),
        ({b"referer": b"https://a.example/", b"sec-fetch-mode": b"cors"}, True),
        ({b"origin": b"null"}, True),
        # Node's fetch.
        ({b"sec-fetch-mode": b"cors", b"user-agent": b"node", b"accept-language": b"*"}, False),
        ({b"user-agent": b"Mozilla/5.0"}, False),
        ({b"referer": b"my-script"}, False),
        ({b"referer": b""}, False),
        ({}, False),
    ],
)
def test_service_keys_are_refused_by_all_that_a_browser_says(
    headers: dict[bytes, bytes], said: dict[bytes, bytes], refused: bool
) -> None:
    """S12: a page's own GET has no Origin; what it cannot leave out tells of it, and servers' clients pass."""
    if refused:
        with pytest.raises(TokenError, match="must not be used in a browser"):
            credentials()({**headers, **said})
        assert ADA == credentials()({**key(PUBLISHABLE), **bearer(USER), **said})
    else:
        assert "service_role" == credentials()({**headers, **said}).role


def test_publishable_keys_are_for_browsers() -> None:
    """An Origin header does not matter to any other key."""
    assert ADA == credentials()({**key(PUBLISHABLE), **bearer(USER), b"origin": b"https://a.example"})


READER, WRITER, AGENT = (b"sb_secret_" + letter * 32 for letter in (b"r", b"w", b"a"))


@pytest.fixture
def kept() -> tuple[Credentials, Clock]:
    """Three keys beside those of each kind."""
    clock = Clock()
    known = Credentials(TokenVerifier(secret=SECRET, jwks=[JWK], clock=clock).verify, clock=clock)
    known.adopt(
        [
            *BOTH,
            row(1, READER, "service_role", "read"),
            row(2, WRITER, "service_role", "read", "write", expires_at=NOW + 10),
            row(3, AGENT, "authenticated", "read", "write"),
        ]
    )
    return known, clock


def test_keys_of_the_database(kept: tuple[Credentials, Clock]) -> None:
    """TK9, RB5: each is its role, reads only without the scope, and ends at its second; the newest list is the list."""
    known, clock = kept
    reader, writer, agent = (known(key(raw)) for raw in (READER, WRITER, AGENT))
    assert [("service_role", True), ("service_role", False), ("authenticated", False)] == [
        (found.role, found.read_only) for found in (reader, writer, agent)
    ]
    assert {"key_id": str(UUID(int=1))} == dict(reader.claims)
    clock.now = NOW + 9.999
    assert writer == known(bearer(WRITER))
    clock.now = NOW + 10
    with pytest.raises(TokenError, match="not valid"):
        known(bearer(WRITER))
    assert reader == known(key(READER))
    known.adopt(BOTH)
    with pytest.raises(TokenError, match="not valid"):
        known(key(READER))
    assert known(key(SECRET_KEY)).is_service


def test_a_key_that_reads_makes_what_comes_with_it_read(kept: tuple[Credentials, Clock]) -> None:
    """RB5: whoever is named beside it, and no other key does."""
    known, _ = kept
    for beside, expected in ((READER, True), (WRITER, False), (PUBLISHABLE, False), (SECRET_KEY, False)):
        asks = known(key(beside) | bearer(USER))
        assert ("6f1c", expected) == (asks.id, asks.read_only)
    assert known(key(PUBLISHABLE) | bearer(READER)).read_only
    assert known(key(READER) | bearer(READER)).read_only
    assert known(key(READER) | bearer(WRITER)).read_only


def test_secret_keys_of_any_role_are_not_for_browsers(kept: tuple[Credentials, Clock]) -> None:
    """TK9: it is published there, whatever it may do."""
    known, _ = kept
    for headers in (key(AGENT), bearer(AGENT), key(AGENT) | bearer(USER), key(READER) | bearer(USER)):
        with pytest.raises(TokenError, match="must not be used in a browser"):
            known({**headers, b"origin": b"https://a.example"})
    assert "authenticated" == known(key(AGENT)).role


def test_when_keys_were_used(kept: tuple[Credentials, Clock]) -> None:
    """Those of the database, once for each time that it is asked; a refused one was not used."""
    known, clock = kept
    assert {} == known.take_uses()
    known(key(READER))
    clock.now = NOW + 10
    known(key(READER) | bearer(USER))
    with pytest.raises(TokenError):
        known(key(WRITER))
    assert {UUID(int=1): datetime.fromtimestamp(NOW + 10, UTC)} == known.take_uses()
    assert {} == known.take_uses()
