"""Public keys of strangers that verify too much, or nothing."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from joserfc.jwk import ECKey, OKPKey, RSAKey

from backstay.auth.publickey import check_cose, check_ed25519, check_jwk, check_rsa
from tests.accounts.authenticator import text_of

P = 2**255 - 19
RSA = rsa.generate_private_key(65537, 2048).public_key().public_numbers()
EC = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
ED = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()
X, Y, N = EC.x.to_bytes(32, "big"), EC.y.to_bytes(32, "big"), RSA.n.to_bytes(256, "big")
K1 = ec.generate_private_key(ec.SECP256K1()).public_key().public_numbers()

WEAK_RSA: dict[str, tuple[int, int]] = {
    "three": (3, 65537),
    "nothing": (0, 65537),
    "2047 bits": (RSA.n >> 1 | 1, 65537),
    "1024 bits": (rsa.generate_private_key(65537, 1024).public_key().public_numbers().n, 65537),
    "8193 bits": (1 << 8192 | 1, 65537),
    "an even modulus": (RSA.n - 1, 65537),
    "a power of two": (1 << 2047, 65537),
    "a small factor": (743 * (RSA.n | 1 << 2046), 65537),
    "a square": (next(n for n in range((1 << 1024) - 999, 1 << 1024, 2) if all(n % d for d in range(3, 752))) ** 2, 3),
    "an exponent of one": (RSA.n, 1),
    "an exponent of zero": (RSA.n, 0),
    "an even exponent": (RSA.n, 65536),
    "an exponent of 33 bits": (RSA.n, (1 << 32) + 1),
    "an exponent like the modulus": (RSA.n, RSA.n),
}

COSE: dict[str, dict[Any, Any]] = {
    "ES256": {1: 2, 3: -7, -1: 1, -2: X, -3: Y},
    "EdDSA": {1: 1, 3: -8, -1: 6, -2: ED},
    "RS256": {1: 3, 3: -257, -1: N, -2: b"\x01\x00\x01"},
}

WEAK_COSE: dict[str, dict[Any, Any]] = {
    "off the curve": COSE["ES256"] | {-3: X},
    "infinity": COSE["ES256"] | {-2: bytes(32), -3: bytes(32)},
    "beyond the field": COSE["ES256"] | {-2: b"\xff" * 32},
    "short coordinates": COSE["ES256"] | {-2: X[1:]},
    "long coordinates": COSE["ES256"] | {-2: b"\0" + X},
    "a sign for y": COSE["ES256"] | {-3: True},
    "secp256k1": COSE["ES256"] | {-1: 8, -2: K1.x.to_bytes(32, "big"), -3: K1.y.to_bytes(32, "big")},
    "secp256k1 that says P-256": COSE["ES256"] | {-2: K1.x.to_bytes(32, "big"), -3: K1.y.to_bytes(32, "big")},
    "P-384": COSE["ES256"] | {-1: 2},
    "ES512 on P-256": COSE["ES256"] | {3: -36},
    "a key for another algorithm": COSE["ES256"] | {3: -257},
    "RSA that says EC": COSE["RS256"] | {1: 2},
    "EC that says OKP": COSE["ES256"] | {1: 1, 3: -8},
    "no kind": {3: -7, -1: 1, -2: X, -3: Y},
    "no algorithm": {1: 2, -1: 1, -2: X, -3: Y},
    "a kind in words": COSE["ES256"] | {1: "EC2"},
    "SHA-1": COSE["RS256"] | {3: -65535},
    "PSS": COSE["RS256"] | {3: -37},
    "HMAC": {1: 4, 3: 5, -1: b"k" * 32},
    "X25519": COSE["EdDSA"] | {-1: 4},
    "Ed25519 in 31 bytes": COSE["EdDSA"] | {-2: ED[1:]},
    "RSA with n = 3": COSE["RS256"] | {-1: b"\x03"},
    "RSA with n = 3 and zeros before it": COSE["RS256"] | {-1: bytes(255) + b"\x03"},
    "RSA with e = 1": COSE["RS256"] | {-2: b"\x01"},
    "RSA with an even e": COSE["RS256"] | {-2: b"\x01\x00\x00"},
    "RSA without e": {1: 3, 3: -257, -1: N},
    "nothing": {},
}

#: Points of Ed25519 whose order divides eight, in all their spellings, and what is no point.
NO_POINTS = {
    "identity": (1).to_bytes(32, "little"),
    "identity with a sign": (1 | 1 << 255).to_bytes(32, "little"),
    "identity, not reduced": (P + 1).to_bytes(32, "little"),
    "order two": (P - 1).to_bytes(32, "little"),
    "order four": bytes(32),
    "order four, not reduced": P.to_bytes(32, "little"),
    "order eight": bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    "order eight, other sign": bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"),
    "order eight again": bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    "off the curve": (2).to_bytes(32, "little"),
    "all ones": b"\xff" * 32,
}


@pytest.mark.parametrize("name", WEAK_RSA)
def test_weak_rsa(name: str) -> None:
    """A12: small, even, square, with a small factor, or with an exponent that hides nothing."""
    with pytest.raises(ValueError, match="RSA"):
        check_rsa(*WEAK_RSA[name])


@pytest.mark.parametrize("e", [3, 17, 65537, 2**32 - 1])
def test_sound_rsa(e: int) -> None:
    """2048 bits and an odd exponent."""
    check_rsa(RSA.n, e)


@pytest.mark.parametrize("name", NO_POINTS)
def test_points_of_small_order(name: str) -> None:
    """A12: under them signatures verify that nobody made."""
    with pytest.raises(ValueError, match="Ed25519"):
        check_ed25519(NO_POINTS[name])
    with pytest.raises(ValueError, match="Ed25519"):
        check_cose(COSE["EdDSA"] | {-2: NO_POINTS[name]})
    with pytest.raises(ValueError, match="Ed25519"):
        check_jwk({"kty": "OKP", "crv": "Ed25519", "x": text_of(NO_POINTS[name])})


@pytest.mark.parametrize("name", COSE)
def test_sound_cose_keys(name: str) -> None:
    """The three kinds that authenticators are asked for."""
    check_cose(COSE[name])


@pytest.mark.parametrize("name", WEAK_COSE)
def test_weak_cose_keys(name: str) -> None:
    """A12: off the curve, the identity, another curve, another algorithm than its kind, weak."""
    with pytest.raises(ValueError, match=r"COSE|RSA|EC|Ed25519"):
        check_cose(WEAK_COSE[name])


@pytest.mark.parametrize(
    "jwk",
    [
        RSAKey.generate_key(2048).as_dict(private=False),
        *(ECKey.generate_key(curve).as_dict(private=False) for curve in ("P-256", "P-384", "P-521")),
        OKPKey.generate_key("Ed25519").as_dict(private=False),
    ],
)
def test_sound_jwks(jwk: dict[str, Any]) -> None:
    """What providers publish."""
    check_jwk(jwk)


@pytest.mark.parametrize(
    "jwk",
    [
        {"kty": "RSA", "n": "Aw", "e": "AQAB"},
        {"kty": "RSA", "n": text_of(bytes(300) + b"\x03"), "e": "AQAB"},
        {"kty": "RSA", "n": text_of(N), "e": "AQ"},
        {"kty": "RSA", "n": text_of(N), "e": "AQAA"},
        {"kty": "RSA", "n": text_of(N)},
        {"kty": "RSA", "n": text_of(N), "e": 65537},
        {"kty": "RSA", "n": "A" * 10_000, "e": "AQAB"},
        {"kty": "EC", "crv": "P-256", "x": text_of(X), "y": text_of(X)},
        {"kty": "EC", "crv": "P-384", "x": text_of(X), "y": text_of(Y)},
        {"kty": "EC", "crv": "secp256k1", "x": text_of(X), "y": text_of(Y)},
        {"kty": "EC", "crv": "P-256", "x": "", "y": text_of(Y)},
        {"kty": "EC", "crv": "P-256", "x": "é", "y": text_of(Y)},
        {"kty": "OKP", "crv": "Ed448", "x": text_of(bytes(57))},
        {"kty": "OKP", "crv": "X25519", "x": text_of(ED)},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": ["RSA"], "n": text_of(N), "e": "AQAB"},
        {},
    ],
)
def test_weak_jwks(jwk: dict[str, Any]) -> None:
    """A12: weak, off the curve, of another kind, cut off, or not a key."""
    with pytest.raises(ValueError, match=r"JWK|RSA|EC|kind"):
        check_jwk(jwk)
