"""Tokens of other issuers: ES256, RS256 and EdDSA, whom they are for and from, and keys of older projects (B16)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from joserfc.jwk import ECKey

from backstay.auth import TokenVerifier
from tests.auth.test_forged_tokens import GENERIC, refusal
from tests.auth.tokens import (
    CLAIMS,
    ED_JWK,
    ED_PRIVATE,
    JWK,
    KID,
    NOW,
    PRIVATE,
    RSA_JWK,
    RSA_PRIVATE,
    SECRET,
    Clock,
    b64,
    eddsa,
    es256,
    hs256,
    rs256,
    signed,
)

RH, RP, RS = rs256().split(b".")
EH, EP, ES = eddsa().split(b".")
RSA_EVE = rsa.generate_private_key(65537, 2048)
ED_EVE = ed25519.Ed25519PrivateKey.from_private_bytes(b"f" * 32)
N = RSA_PRIVATE.public_key().public_numbers().n
L = 2**252 + 27742317777372353535851937790883648493


def pem(key: Any) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return bytes(key.public_key().public_bytes(serialization.Encoding.PEM, form))


def as_(alg: str, kid: str, key: Any) -> bytes:
    return signed({"alg": alg, "typ": "JWT", "kid": kid}, CLAIMS, key=key)


def padded(how: Any, hash_: Any) -> bytes:
    """RS256 with another padding or hash."""
    return b".".join([RH, RP, b64(RSA_PRIVATE.sign(RH + b"." + RP, how, hash_))])


def raw_rsa(block: bytes) -> bytes:
    """A token whose signature is *block* to the power of the private exponent: as if by a lax signer."""
    numbers = RSA_PRIVATE.private_numbers()
    made = pow(int.from_bytes(block, "big"), numbers.d, N).to_bytes(256, "big")
    return b".".join([RH, RP, b64(made)])


def digest() -> bytes:
    made = hashes.Hash(hashes.SHA256())
    made.update(RH + b"." + RP)
    return made.finalize()


#: DigestInfo of SHA-256 (RFC 8017 §9.2).
INFO = bytes.fromhex("3031300d060960864801650304020105000420")
SIGNATURE = ED_PRIVATE.sign(EH + b"." + EP)

FORGED: dict[str, bytes] = {
    # one key used as another
    **{
        f"{alg} with the kid {kid}": as_(alg, kid, key)
        for kid, key, fits in (
            (KID, PRIVATE, {"ES256"}),
            ("rsa-1", RSA_PRIVATE, {"RS256"}),
            ("ed-1", ED_PRIVATE, {"EdDSA", "Ed25519"}),
        )
        for alg in ("ES256", "RS256", "RS384", "PS256", "EdDSA", "Ed25519", "Ed448", "ES256K", "HS384", "none", "eddsa")
        if alg not in fits
    },
    "RS256 under the kid of Ed25519": as_("RS256", "ed-1", RSA_PRIVATE),
    "EdDSA under the kid of RSA": as_("EdDSA", "rsa-1", ED_PRIVATE),
    "ES256 under the kid of RSA": as_("ES256", "rsa-1", PRIVATE),
    "HS256 keyed with the RSA PEM": as_("HS256", "rsa-1", pem(RSA_PRIVATE)),
    "HS256 keyed with the Ed25519 PEM": as_("HS256", "ed-1", pem(ED_PRIVATE)),
    "HS256 keyed with x": as_("HS256", "ed-1", ED_JWK["x"].encode()),
    "HS256 keyed with raw x": as_("HS256", "ed-1", ED_PRIVATE.public_key().public_bytes_raw()),
    "HS256 keyed with n": as_("HS256", "rsa-1", RSA_JWK["n"].encode()),
    "HS256 keyed with the RSA JWK": as_("HS256", "rsa-1", json.dumps(RSA_JWK).encode()),
    "RS256 with an HMAC": as_("RS256", "rsa-1", SECRET),
    "EdDSA with an HMAC": as_("EdDSA", "ed-1", SECRET),
    # somebody else, nobody
    "RS256 by somebody else": as_("RS256", "rsa-1", RSA_EVE),
    "EdDSA by somebody else": as_("EdDSA", "ed-1", ED_EVE),
    "RS256 without kid": signed({"alg": "RS256"}, CLAIMS, key=RSA_PRIVATE),
    "EdDSA without kid": signed({"alg": "EdDSA"}, CLAIMS, key=ED_PRIVATE),
    "RS256 with another kid": rs256(kid="rsa-2"),
    "RS256 with its jwk": rs256(jwk=RSA_JWK),
    "RS256 with x5c": rs256(x5c=["MIIB"]),
    "EdDSA with crit": eddsa(crit=["exp"], exp=1),
    "RS256 of another token": b".".join([RH, RP, rs256({**CLAIMS, "sub": "b"}).split(b".")[2]]),
    "EdDSA of another token": b".".join([EH, EP, eddsa({**CLAIMS, "sub": "b"}).split(b".")[2]]),
    # signatures (after Wycheproof: rsa_signature, ed25519)
    **{
        f"RS256 of {name}": b".".join([RH, RP, b64(value)])
        for name, value in {
            "nothing": b"",
            "zero": bytes(256),
            "one": (1).to_bytes(256, "big"),
            "n": N.to_bytes(256, "big"),
            "n minus one": (N - 1).to_bytes(256, "big"),
            "ones": b"\xff" * 256,
            "a byte more": b"\0" + RSA_PRIVATE.sign(RH + b"." + RP, padding.PKCS1v15(), hashes.SHA256()),
            "a byte less": RSA_PRIVATE.sign(RH + b"." + RP, padding.PKCS1v15(), hashes.SHA256())[:-1],
        }.items()
    },
    "RS256 with PSS": padded(padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()),
    "RS256 with SHA-1": padded(padding.PKCS1v15(), hashes.SHA1()),
    "RS256 with SHA-512": padded(padding.PKCS1v15(), hashes.SHA512()),
    "a digest without its algorithm": raw_rsa(b"\0\1" + b"\xff" * 221 + b"\0" + digest()),
    "padding of one byte": raw_rsa(b"\0\1\xff\0" + INFO + digest() + b"\0" * 201),
    "padding of zeros": raw_rsa(b"\0\1" + b"\0" * 202 + b"\0" + INFO + digest()),
    "a block of type 2": raw_rsa(b"\0\2" + b"\xff" * 202 + b"\0" + INFO + digest()),
    "something after the digest": raw_rsa(b"\0\1" + b"\xff" * 192 + b"\0" + INFO + digest() + b"\0" * 10),
    **{
        f"EdDSA of {name}": b".".join([EH, EP, b64(value)])
        for name, value in {
            "nothing": b"",
            "zeros": bytes(64),
            "ones": b"\xff" * 64,
            "the identity and zero": b"\1" + bytes(63),
            "a byte more": SIGNATURE + b"\0",
            "a byte less": SIGNATURE[:-1],
            "halves exchanged": SIGNATURE[32:] + SIGNATURE[:32],
            "s plus the order": SIGNATURE[:32] + (int.from_bytes(SIGNATURE[32:], "little") + L).to_bytes(32, "little"),
            "another sign": SIGNATURE[:31] + bytes((SIGNATURE[31] ^ 0x80,)) + SIGNATURE[32:],
        }.items()
    },
}


def check(**named: Any) -> TokenVerifier:
    return TokenVerifier(secret=SECRET, jwks=[JWK, RSA_JWK, ED_JWK], clock=Clock(), **named)


def test_three_algorithms() -> None:
    """B16: each key's own algorithm, in both names of EdDSA, and the same principal from all of them."""
    verifier = check()
    tokens = [hs256(), es256(), rs256(), eddsa(), eddsa(alg="Ed25519"), rs256(typ="at+jwt")]
    assert [verifier.verify(hs256())] * 6 == [verifier.verify(token) for token in tokens]
    assert "6f1c" == verifier.verify(rs256()).id


@pytest.mark.parametrize("token", FORGED.values(), ids=[repr(name) for name in FORGED])
def test_forged(token: bytes) -> None:
    """TK6, B16: no key takes another's algorithm, and no signature but its own."""
    verifier = check()
    assert None is refusal(rs256(), verifier) is refusal(eddsa(), verifier)
    assert GENERIC == refusal(token, verifier)


@pytest.mark.parametrize("make", [hs256, es256, rs256, eddsa])
def test_whom_a_token_is_for_and_from(make: Any) -> None:
    """B16: with an audience and an issuer set, tokens for somebody must name both, whatever signs them."""
    verifier = check(audience="app", issuer="https://idp.example")
    good = {**CLAIMS, "aud": ["x", "app"], "iss": "https://idp.example"}
    assert refusal(make(good), verifier) is None
    for change in (
        {"aud": "other"},
        {"aud": None},
        {"aud": []},
        {"iss": "https://idp.example/"},
        {"iss": None},
        {"iss": ["https://idp.example"]},
    ):
        assert GENERIC == refusal(make({**good, **change}), verifier), change
    for name in ("aud", "iss"):
        assert GENERIC == refusal(make({key: value for key, value in good.items() if key != name}), verifier), name


def test_keys_for_nobody_where_an_audience_and_an_issuer_are_set() -> None:
    """B16: an API key of the shared secret has neither ``sub`` nor ``aud``, and its issuer is the operator.

    A key set is somebody else's, so that what it signs names them.
    """
    verifier = check(audience="app", issuer="https://idp.example")
    key = {"role": "anon", "exp": NOW + 60}
    assert "sub" not in key
    for more in ({}, {"iss": "supabase"}, {"iss": "https://idp.example", "aud": "app"}):
        assert "anon" == verifier.verify(hs256({**key, **more})).role
    assert GENERIC == refusal(hs256({**key, "aud": "other"}), verifier)
    for make in (es256, rs256, eddsa):
        assert GENERIC == refusal(make(key), verifier)
        assert GENERIC == refusal(make({**key, "iss": "supabase"}), verifier)
        assert refusal(make({**key, "iss": "https://idp.example"}), verifier) is None


def test_what_our_own_keys_sign_names_us() -> None:
    """B16: an audience and an issuer that are set for others do not shut out the app's own accounts; nor do they let
    its own keys speak for another issuer."""
    own = ECKey.generate_key("P-256", private=True)
    kid = own.thumbprint()
    verifier = check(audience="app", issuer="https://idp.example")
    verifier.adopt([{**own.as_dict(private=False), "kid": kid}], "https://api.example/auth/v1")
    mine = {**CLAIMS, "iss": "https://api.example/auth/v1", "session_id": "s"}

    def sign(claims: object) -> bytes:
        return signed({"alg": "ES256", "kid": kid}, claims, key=own.private_key)  # type: ignore[arg-type]

    assert refusal(sign(mine), verifier) is None
    assert GENERIC == refusal(sign({**mine, "iss": "https://idp.example", "aud": "app"}), verifier)
    assert GENERIC == refusal(sign({**mine, "aud": "app"}), verifier)
    assert GENERIC == refusal(es256(mine), verifier)


def test_keys_without_an_end() -> None:
    """B16: off by default, with a hint that names the setting; on, for nobody's keys of the two roles alone."""
    keys = [{"role": "anon", "iss": "supabase"}, {"role": "service_role", "ref": "x", "iat": NOW - 9}, {"iat": NOW}]
    strict, lax = check(), check(endless=True)
    for claims in keys:
        told = refusal(hs256(claims), strict)
        assert told is not None
        assert ("PGRST301", "The key has no exp, so it would be good for ever") == told[:2]
        assert "BACKSTAY_ENDLESS_KEYS=on" in (told[3] or "")
        assert claims.get("role", "anon") == lax.verify(hs256(claims)).role
    # Remembered, and still good in a hundred years.
    clock = Clock()
    verifier = TokenVerifier(secret=SECRET, clock=clock, endless=True)
    token = hs256({"role": "service_role"})
    first = verifier.verify(token)
    clock.now += 100 * 366 * 86400
    assert first is verifier.verify(token)
    for claims in (
        {"role": "anon", "sub": "a"},
        {"role": "authenticated"},
        {"role": "authenticated", "sub": "a"},
        {"role": "service_role", "sub": "a"},
        {"role": "nobody_knows"},
        {"role": "anon", "exp": None},
        {"role": "anon", "exp": "never"},
        {"role": "anon", "nbf": NOW + 3600},
    ):
        assert GENERIC == refusal(hs256(claims), lax), claims
    expired = refusal(hs256({"role": "anon", "exp": NOW - 60}), lax)
    assert expired is not None
    assert "JWT expired" == expired[1]


def test_a_forger_hears_nothing_of_the_end() -> None:
    """B16: only a good signature is told that its key has no end."""
    claims = {"role": "anon"}
    for token in (
        signed({"alg": "HS256"}, claims, key=b"another secret of more than 32 bytes"),
        signed({"alg": "none"}, claims, key=b""),
        signed({"alg": "RS256", "kid": "rsa-1"}, claims, key=RSA_EVE),
    ):
        assert GENERIC == refusal(token, check()) == refusal(token, check(endless=True))
