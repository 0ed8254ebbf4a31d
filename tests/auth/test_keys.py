"""Keys that are refused before anything is served."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import ECKey, OKPKey, RSAKey

from backstay.auth.keys import public_keys, shared_key
from backstay.errors import ConfigError
from tests.auth.tokens import DER, JWK, PEM, PRIVATE, b64


@pytest.mark.parametrize("secret", [b"x" * 32, "x" * 32, "ü" * 16, b"{" + b"x" * 40])
def test_secrets_of_32_bytes(secret: str | bytes) -> None:
    """SE2: bytes are counted, not characters, and used as they are."""
    raw = secret if isinstance(secret, bytes) else secret.encode()
    assert raw == shared_key(secret).raw_value


@pytest.mark.parametrize("secret", ["", b"", "x" * 31, b"x" * 31])
def test_short_secrets(secret: str | bytes) -> None:
    """SE2, RFC 7518 §3.2: a shorter secret than the hash can be guessed offline from any token."""
    with pytest.raises(ConfigError, match="BST-E201"):
        shared_key(secret)


@pytest.mark.parametrize(
    "secret",
    [PEM, PEM.decode(), b"\n" + PEM, DER, json.dumps(JWK), b"-----BEGIN CERTIFICATE-----\nMIIBxxxxxxxxxxxxxxx"],
)
def test_public_keys_are_not_secrets(secret: str | bytes) -> None:
    """TK6: with a public key as the shared secret everybody could sign."""
    with pytest.raises(ConfigError, match="BST-E201"):
        shared_key(secret)


def test_private_parts_are_left_behind() -> None:
    """TK7: a JWK with its private part verifies, and the verifier cannot sign with it."""
    private = {**ECKey.import_key(PRIVATE).as_dict(private=True), "kid": "a", "use": "sig", "alg": "ES256"}
    key = public_keys([private])["a"].key
    assert not key.is_private
    assert "d" not in key.as_dict()


EC384 = ECKey.import_key(ec.derive_private_key(5, ec.SECP384R1())).as_dict(private=False)
RSA = RSAKey.generate_key(2048).as_dict(private=False)
ED = OKPKey.generate_key("Ed25519").as_dict(private=False)


def test_three_kinds_of_keys() -> None:
    """B16: each verifies with its own algorithm; EdDSA has two names."""
    jwks = [{**JWK, "kid": "a"}, {**RSA, "kid": "b", "use": "sig"}, {**ED, "kid": "c", "key_ops": ["verify"]}]
    found = {kid: key.algorithms for kid, key in public_keys(jwks).items()}
    assert {"a": ("ES256",), "b": ("RS256",), "c": ("EdDSA", "Ed25519")} == found
    named = [
        {**RSA, "kid": "b", "alg": "RS256"},
        {**ED, "kid": "c", "alg": "EdDSA"},
        {**ED, "kid": "d", "alg": "Ed25519"},
    ]
    assert {"b", "c", "d"} == public_keys(named).keys()
    ours = [{**RSA, "kid": "b" * 128, "use": "sig", "key_ops": ["sign", "verify"]}, {**JWK, "kid": "c", "key_ops": []}]
    assert {"b" * 128, "c"} == public_keys(ours).keys()


@pytest.mark.parametrize(
    "jwks",
    [
        [{**JWK, "kid": None}],
        [{name: value for name, value in JWK.items() if name != "kid"}],
        [{**JWK, "kid": ""}],
        [{**JWK, "kid": 5}],
        [JWK, JWK],
        [{**JWK, "crv": "P-384"}],
        [{**EC384, "kid": "a"}],
        [{**RSA, "kid": "a", "alg": "RS512"}],
        [{**RSA, "kid": "a", "alg": "PS256"}],
        [{**RSA, "kid": "a", "alg": "ES256"}],
        [{**RSA, "kid": "a", "e": "AQ"}],
        [{**RSA, "kid": "a", "e": "AQAA"}],
        [{**RSA, "kid": "a", "n": "Aw"}],
        [{**RSA, "kid": "a", "n": b64(bytes(255) + b"\3").decode()}],
        [{**RSA, "kid": "a", "n": b64(b"\xff" * 128).decode()}],
        [{**RSA, "kid": "a", "crv": "P-256"}],
        [{**ED, "kid": "a", "alg": "ES256"}],
        [{**ED, "kid": "a", "crv": "X25519"}],
        [{**ED, "kid": "a", "crv": "Ed448"}],
        [{**ED, "kid": "a", "x": b64(bytes(32)).decode()}],
        [{**ED, "kid": "a", "x": b64(b"\1" + bytes(31)).decode()}],
        [{**JWK, "key_ops": ["sign"]}],
        [{**RSA, "kid": "a", "key_ops": ["sign", "encrypt"]}],
        [{**RSA, "kid": "a", "use": "enc", "key_ops": ["verify"]}],
        [{**JWK, "kid": "a" * 129}],
        [{**JWK, "kid": "a/b"}],
        [{**JWK, "kid": "a b"}],
        [{**JWK, "kty": ["EC"]}],
        [{**JWK, "crv": ["P-256"]}],
        [{"kty": "oct", "k": "eHh4", "kid": "a"}],
        [{**JWK, "alg": "ES384"}],
        [{**JWK, "use": "enc"}],
        [{**JWK, "x": "AAAA"}],
        [{**JWK, "x": 5}],
        [{**JWK, "y": JWK["x"]}],
        [{"kty": "EC", "crv": "P-256", "kid": "a"}],
        [{}],
    ],
)
def test_keys_that_verify_nothing(jwks: list[dict[str, Any]]) -> None:
    """TK6, TK7, A12, B16: only distinct, named and sound keys for one of the three algorithms are taken."""
    with pytest.raises(ConfigError, match="BST-E202"):
        public_keys(jwks)
