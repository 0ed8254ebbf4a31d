"""Makes tokens, good and bad, for the tests of this folder; signs by hand what no library agrees to sign."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any, Final, TypeAlias

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc.jwk import ECKey, OKPKey, RSAKey

NOW: Final = 1_800_000_000
SECRET: Final = b"an example secret of forty-two characters!"
CLAIMS: Final = {"sub": "6f1c", "role": "authenticated", "aud": "authenticated", "iat": NOW, "exp": NOW + 3600}

PRIVATE: Final = ec.derive_private_key(0x1234567890ABCDEF, ec.SECP256R1())
KID: Final = "key-1"
JWK: Final[dict[str, Any]] = {**ECKey.import_key(PRIVATE).as_dict(private=False), "kid": KID}
PEM: Final = PRIVATE.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
DER: Final = PRIVATE.public_key().public_bytes(
    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
)


RSA_PRIVATE: Final = rsa.generate_private_key(65537, 2048)
ED_PRIVATE: Final = ed25519.Ed25519PrivateKey.from_private_bytes(b"e" * 32)
RSA_JWK: Final[dict[str, Any]] = {**RSAKey.import_key(RSA_PRIVATE).as_dict(private=False), "kid": "rsa-1"}
ED_JWK: Final[dict[str, Any]] = {**OKPKey.import_key(ED_PRIVATE).as_dict(private=False), "kid": "ed-1"}

#: Whoever signs with it.
Private: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def b64(raw: bytes) -> bytes:
    """base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def signed(header: object, claims: object, *, key: bytes | Private = SECRET) -> bytes:
    """A compact JWS over *header* and *claims*, which may be JSON values or raw bytes.

    HMAC-SHA256 for a bytes key, ECDSA or RSA with SHA-256 or Ed25519 for a private one, whatever the header says.
    """
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims)]
    text = b".".join(b64(part) for part in parts)
    if isinstance(key, bytes):
        return text + b"." + b64(hmac.new(key, text, hashlib.sha256).digest())
    if isinstance(key, rsa.RSAPrivateKey):
        return text + b"." + b64(key.sign(text, padding.PKCS1v15(), hashes.SHA256()))
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return text + b"." + b64(key.sign(text))
    r, s = decode_dss_signature(key.sign(text, ec.ECDSA(hashes.SHA256())))
    size = (key.curve.key_size + 7) // 8
    return text + b"." + b64(r.to_bytes(size, "big") + s.to_bytes(size, "big"))


def hs256(claims: object = CLAIMS, **header: object) -> bytes:
    """A good HS256 token, but for what *claims* and *header* change."""
    return signed({"alg": "HS256", "typ": "JWT", **header}, claims)


def es256(claims: object = CLAIMS, **header: object) -> bytes:
    """A good ES256 token, but for what *claims* and *header* change."""
    return signed({"alg": "ES256", "typ": "JWT", "kid": KID, **header}, claims, key=PRIVATE)


def rs256(claims: object = CLAIMS, **header: object) -> bytes:
    """A good RS256 token, but for what *claims* and *header* change."""
    return signed({"alg": "RS256", "typ": "JWT", "kid": "rsa-1", **header}, claims, key=RSA_PRIVATE)


def eddsa(claims: object = CLAIMS, **header: object) -> bytes:
    """A good EdDSA token, but for what *claims* and *header* change."""
    return signed({"alg": "EdDSA", "typ": "JWT", "kid": "ed-1", **header}, claims, key=ED_PRIVATE)
