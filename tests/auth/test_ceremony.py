"""The relying party of WebAuthn, and what its ceremonies take; ``tests/accounts/test_passkeys.py`` has the flows."""

from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.auth.ceremony import (
    RelyingParty,
    check_assertion,
    check_registration,
    creation_options,
    credential_id_of,
    relying_party,
    request_options,
)
from backstay.auth.options import AuthOptions
from backstay.auth.refusal import AuthError
from tests.accounts.authenticator import ORIGIN, Authenticator, bytes_of, text_of

PARTY = RelyingParty("app.example.org", "House", (ORIGIN,))
USER = UUID(int=7)


@pytest.mark.parametrize(
    ("options", "id", "origins"),
    [
        ({"site_url": "https://example.org"}, "example.org", ("https://example.org",)),
        (
            {
                "site_url": "https://example.org/home",
                "public_url": "https://api.example.org",
                "redirect_urls": (
                    "https://app.example.org:8443/back",
                    "https://*.example.org/**",
                    "https://other.example/",
                    "https://evilexample.org/",
                    "com.example.app://back",
                    "https://example.org:443/x",
                ),
            },
            "example.org",
            ("https://example.org", "https://api.example.org", "https://app.example.org:8443"),
        ),
        ({"site_url": "https://www.example.org"}, "www.example.org", ("https://www.example.org",)),
        ({"site_url": "http://127.0.0.1:3000"}, "localhost", ("http://localhost:3000", "http://localhost:8000")),
        ({"site_url": "http://[::1]:3000"}, "localhost", ("http://localhost:3000", "http://localhost:8000")),
        (
            {"site_url": "https://www.example.org", "webauthn_rp_id": "example.org"},
            "example.org",
            ("https://www.example.org",),
        ),
        (
            {"site_url": "https://example.org", "webauthn_origins": ("https://a.example.org",)},
            "example.org",
            ("https://a.example.org",),
        ),
    ],
)
def test_the_relying_party(options: dict[str, Any], id: str, origins: tuple[str, ...]) -> None:
    """An exact list: nothing of a pattern, of another domain, or of one that only ends alike (MF3)."""
    party = relying_party(AuthOptions(**options))
    assert (id, origins) == (party.id, party.origins)


def registered() -> tuple[Authenticator, Any, dict[str, Any], bytes]:
    """An authenticator, its credential (row), the answer that registered it, and the challenge."""
    key, challenge = Authenticator(), b"c" * 32
    options = creation_options(PARTY, challenge, user_id=USER, name="Ann", known=[], passkey=True)
    answer = key.create(options)
    made = check_registration(PARTY, answer, challenge, verified_owner=True)
    row = SimpleNamespace(user_id=USER, credential_id=made.credential_id, public_key=made.public_key)
    return key, row, answer, challenge


def test_a_ceremony_there_and_back() -> None:
    """What is registered signs in; the handle is the account's id."""
    key, row, _, _ = registered()
    assert USER.bytes == key.handle
    challenge = b"d" * 32
    answer = key.get(request_options(PARTY, challenge, allowed=()))
    assert 0 == check_assertion(PARTY, answer, challenge, row, passkey=True).sign_count
    assert row.credential_id == credential_id_of(answer)
    with pytest.raises(AuthError, match="verification failed"):
        check_assertion(PARTY, answer, b"e" * 32, row, passkey=True)
    elsewhere = RelyingParty("app.example.org", "House", ("https://b.example.org",))
    with pytest.raises(AuthError, match="verification failed"):
        check_assertion(elsewhere, answer, challenge, row, passkey=True)


@settings(deadline=None, max_examples=150)
@given(
    part=st.sampled_from(["clientDataJSON", "authenticatorData", "signature", "attestationObject"]),
    at=st.integers(0, 400),
    to=st.binary(max_size=3),
)
def test_one_changed_byte_is_a_refusal(part: str, at: int, to: bytes) -> None:
    """Of what is signed no byte may be another one, and nothing that is sent is a crash (MF3, T-500)."""
    _, row, registration, first = GOOD
    for answer in (registration, ASSERTION):
        response = answer["response"]
        raw = bytes_of(response.get(part, ""))
        if not raw or raw[at % len(raw) : at % len(raw) + 1] == to:
            continue
        forged = raw[: at % len(raw)] + to + raw[at % len(raw) + 1 :]
        sent = answer | {"response": response | {part: text_of(forged)}}
        if answer is registration:
            # Without attestation nothing is signed here: another key is the key of whoever sends it.
            with suppress(AuthError):
                check_registration(PARTY, sent, first, verified_owner=True)
        else:
            with pytest.raises(AuthError, match="verification failed"):
                check_assertion(PARTY, sent, b"d" * 32, row, passkey=True)


GOOD = registered()
ASSERTION = GOOD[0].get(request_options(PARTY, b"d" * 32, allowed=()))
