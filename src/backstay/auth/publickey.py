"""Public keys of strangers: which of them are sound enough that a signature says something.

A weak key is not only its owner's misfortune.  Whoever finds the private half of a provider's key is everybody there,
and a key that fits any signature makes a stolen challenge a sign-in.  So keys are judged where they are registered and
where they verify, whoever's they are (A12).
"""

from __future__ import annotations

import math
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any, Final

#: NIST SP 800-131A: no less.  Above the second one a check costs more than it is worth to a visitor.
MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 8192
_MAX_EXPONENT_BITS: Final = 32
#: NIST SP 800-89 §5.3.3: no factor below 752.
_SMALL_PRIMES: Final = math.prod(
    n for n in range(3, 752, 2) if all(n % d for d in range(3, math.isqrt(n) + 1, 2))
)  # fmt: skip

#: Curve (JWK name) → bytes of a coordinate.
_CURVES: Final = {"P-256": 32, "P-384": 48, "P-521": 66}

_P25519: Final = 2**255 - 19
_D25519: Final = -121665 * pow(121666, -1, _P25519) % _P25519
#: The y of the eight points whose order divides 8.  Under such a key signatures verify that nobody made.
_SMALL_ORDER: Final = frozenset(
    {
        0,
        1,
        _P25519 - 1,
        int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"),
        int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
    }
)

# RFC 9053 §2, §7; RFC 8812 §2: what `ceremony.creation_options` asks authenticators for.
_KTY, _ALG, _CRV, _X, _Y = 1, 3, -1, -2, -3
_N, _E = -1, -2
_OKP, _EC2, _RSA = 1, 2, 3
_ES256, _EDDSA, _RS256 = -7, -8, -257
_COSE_P256, _COSE_ED25519 = 1, 6


def check_rsa(n: int, e: int) -> None:
    """A modulus of 2048 to 8192 bits that is no square and has no small factor, and an odd exponent above one.

    >>> check_rsa(3, 65537)
    Traceback (most recent call last):
    ...
    ValueError: RSA: a modulus of 2 bits

    Raises:
        ValueError: it is weak, and why.
    """
    if not MIN_RSA_BITS <= n.bit_length() <= MAX_RSA_BITS:
        raise ValueError(f"RSA: a modulus of {n.bit_length()} bits")
    if n % 2 == 0 or math.gcd(n, _SMALL_PRIMES) != 1 or math.isqrt(n) ** 2 == n:
        raise ValueError("RSA: a modulus that is factored easily")
    if e < 3 or e % 2 == 0 or e.bit_length() > _MAX_EXPONENT_BITS:
        raise ValueError("RSA: an exponent that is even, one, or too long")


def check_point(curve: str, x: bytes, y: bytes) -> None:
    """A point of the NIST curve *curve*, and not the one at infinity.

    Raises:
        ValueError: it is none, or the curve is another one.
    """
    from cryptography.hazmat.primitives.asymmetric import ec

    size = _CURVES.get(curve)
    if size is None or len(x) != size or len(y) != size:
        raise ValueError("EC: not two coordinates of the curve")
    named: ec.EllipticCurve = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}[curve]
    ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), named).public_key()


def check_ed25519(raw: bytes) -> None:
    """A point of Ed25519, written as RFC 8032 §5.1.3 wants it, whose order is large.

    The library behind `cryptography` looks only when it verifies, and takes points of small order then.

    Raises:
        ValueError: it is none.
    """
    if len(raw) != 32:
        raise ValueError("Ed25519: not 32 bytes")
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    if y >= _P25519 or y in _SMALL_ORDER:
        raise ValueError("Ed25519: a point of small order, or not written as it should be")
    square = (y * y - 1) * pow(_D25519 * y * y + 1, -1, _P25519) % _P25519
    if pow(square, (_P25519 - 1) // 2, _P25519) != 1:
        raise ValueError("Ed25519: not a point of the curve")


def check_jwk(jwk: Mapping[str, Any]) -> None:
    """A sound key of RFC 7518 §6 or RFC 8037 for signatures: RSA, a NIST curve, or Ed25519.

    Raises:
        ValueError: it is weak, malformed, or of another kind.
    """
    match jwk.get("kty"):
        case "RSA":
            check_rsa(int.from_bytes(_part(jwk, "n"), "big"), int.from_bytes(_part(jwk, "e"), "big"))
        case "EC":
            # RFC 7518 §6.2.1.2 wants leading zeros; some issuers leave them out, which makes no key another one.
            curve = str(jwk.get("crv"))
            x, y = (_part(jwk, name).rjust(_CURVES.get(curve, 0), b"\0") for name in "xy")
            check_point(curve, x, y)
        case "OKP" if jwk.get("crv") == "Ed25519":
            check_ed25519(_part(jwk, "x"))
        case _:
            raise ValueError("a key of another kind")


def check_cose(key: Mapping[Any, Any]) -> None:
    """A sound key of one of the three kinds that authenticators are asked for: ES256, EdDSA, RS256.

    Raises:
        ValueError: it is weak, malformed, or of another kind.
    """
    match key.get(_KTY), key.get(_ALG):
        case (int(kty), int(alg)) if (kty, alg) == (_EC2, _ES256) and key.get(_CRV) == _COSE_P256:
            check_point("P-256", _raw(key, _X), _raw(key, _Y))
        case (int(kty), int(alg)) if (kty, alg) == (_OKP, _EDDSA) and key.get(_CRV) == _COSE_ED25519:
            check_ed25519(_raw(key, _X))
        case (int(kty), int(alg)) if (kty, alg) == (_RSA, _RS256):
            check_rsa(int.from_bytes(_raw(key, _N), "big"), int.from_bytes(_raw(key, _E), "big"))
        case _:
            raise ValueError("COSE: a key of another kind")


def _part(jwk: Mapping[str, Any], name: str) -> bytes:
    text = jwk.get(name)
    # Longer than any sound one: not decoded to be refused.
    if not isinstance(text, str) or not 0 < len(text) <= MAX_RSA_BITS // 6 + 8 or not text.isascii():
        raise ValueError(f"JWK: no {name}")
    return urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))


def _raw(key: Mapping[Any, Any], name: int) -> bytes:
    value = key.get(name)
    if not isinstance(value, bytes):
        raise ValueError("COSE: a parameter is missing")
    return value
