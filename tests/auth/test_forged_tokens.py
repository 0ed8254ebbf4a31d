"""TK6: the table of forged tokens.  All of them are refused, and but for two texts all refusals are the same."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc.jwk import ECKey

from backstay.auth import TokenVerifier
from backstay.errors import TokenError
from tests.auth.tokens import CLAIMS, DER, JWK, KID, NOW, PEM, PRIVATE, SECRET, Clock, b64, es256, hs256, signed

P384 = ec.derive_private_key(0x1234567890ABCDEF, ec.SECP384R1())
K1 = ec.derive_private_key(0x1234567890ABCDEF, ec.SECP256K1())
EVE = ec.derive_private_key(0x666, ec.SECP256R1())
EVE_JWK = ECKey.import_key(EVE).as_dict(private=False)

HEADER = {"alg": "HS256", "typ": "JWT"}
H, P, S = hs256().split(b".")
EH, EP, ES = es256().split(b".")
DEEP = b'{"a":' * 2000 + b"1" + b"}" * 2000


def values(*values: object) -> tuple[object, ...]:
    """Values of any type, to go through."""
    return values


def unsigned(alg: object, signature: bytes = b"") -> bytes:
    """A token with that alg and that signature part."""
    return b".".join([b64(json.dumps({"alg": alg, "kid": KID}).encode()), P, signature])


def nested(opening: bytes, closing: bytes, levels: int) -> bytes:
    """Good claims, and one more so many levels deep."""
    deep = opening * levels + b"1" + closing * levels
    return json.dumps(CLAIMS).encode()[:-1] + b',"x":' + deep + b"}"


def der_signature() -> bytes:
    """An ES256 token whose signature is in DER instead of r ‖ s."""
    text = EH + b"." + EP
    return text + b"." + b64(PRIVATE.sign(text, ec.ECDSA(hashes.SHA256())))


def high_s() -> tuple[int, int]:
    """r and s of the good ES256 token."""
    return decode_dss_signature(PRIVATE.sign(EH + b"." + EP, ec.ECDSA(hashes.SHA256())))


FORGED: dict[str, bytes] = {
    # no algorithm, or another one
    **{f"alg {alg!r}": unsigned(alg) for alg in values("none", "None", "NONE", "nOnE", "", None, 5, [], ["HS256"], {})},
    **{
        f"alg {alg} with our signature": unsigned(alg, S) for alg in values("none", "nOnE", "hs256", "HS256 ", "HS-256")
    },
    **{
        f"alg {alg}": unsigned(alg, S)
        for alg in values("HS384", "HS512", "RS256", "PS256", "ES384", "ES512", "ES256K", "EdDSA", "Ed25519", "dir")
    },
    "no alg": signed({"typ": "JWT"}, CLAIMS),
    "an empty signature": b".".join([H, P, b""]),
    "an empty signature for ES256": b".".join([EH, EP, b""]),
    # one key used as another
    "HS256 keyed with the public PEM": signed(HEADER, CLAIMS, key=PEM),
    "HS256 keyed with the public PEM, stripped": signed(HEADER, CLAIMS, key=PEM.strip()),
    "HS256 keyed with the public DER": signed(HEADER, CLAIMS, key=DER),
    "HS256 keyed with the public JWK": signed(HEADER, CLAIMS, key=json.dumps(JWK).encode()),
    "HS256 keyed with the public JWK, compact": signed(
        HEADER, CLAIMS, key=json.dumps(JWK, separators=(",", ":")).encode()
    ),
    "HS256 keyed with the public PEM, with kid": signed({**HEADER, "kid": KID}, CLAIMS, key=PEM),
    "HS256 keyed with x": signed(HEADER, CLAIMS, key=JWK["x"].encode()),
    "HS256 keyed with nothing": signed(HEADER, CLAIMS, key=b""),
    "HS256 keyed with another secret": signed(HEADER, CLAIMS, key=b"another secret of more than 32 bytes"),
    "HS256 keyed with a longer secret": signed(HEADER, CLAIMS, key=SECRET + b"\n"),
    "ES256 with an HMAC by our secret": signed({"alg": "ES256", "kid": KID}, CLAIMS),
    # curves and signatures
    "ES256 on P-384": signed({"alg": "ES256", "kid": KID}, CLAIMS, key=P384),
    "ES384 on P-384": signed({"alg": "ES384", "kid": KID}, CLAIMS, key=P384),
    "ES256 on secp256k1": signed({"alg": "ES256", "kid": KID}, CLAIMS, key=K1),
    "ES256 by somebody else": signed({"alg": "ES256", "kid": KID}, CLAIMS, key=EVE),
    "ES256 in DER": der_signature(),
    "ES256 of zeros": b".".join([EH, EP, b64(bytes(64))]),
    "ES256 of r = n, s = n": b".".join(
        [EH, EP, b64(bytes.fromhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551") * 2)]
    ),
    "ES256 of r = 1, s = 1": b".".join([EH, EP, b64((b"\0" * 31 + b"\1") * 2)]),
    "ES256 with zeros before": b".".join([EH, EP, b64(bytes(2) + b"x" * 64)]),
    "ES256 of another token": b".".join([EH, EP, es256({**CLAIMS, "sub": "b"}).split(b".")[2]]),
    # keys brought along
    "jwk header": signed({"alg": "ES256", "kid": KID, "jwk": EVE_JWK}, CLAIMS, key=EVE),
    "jwk header without kid": signed({"alg": "ES256", "jwk": EVE_JWK}, CLAIMS, key=EVE),
    "jwk header of our own key": es256(jwk=JWK),
    "oct jwk header": signed({**HEADER, "jwk": {"kty": "oct", "k": "YQ"}}, CLAIMS, key=b"a"),
    **{
        f"{name} header": es256(**{name: value})
        for name, value in {
            "jku": "https://evil.example/jwks.json",
            "x5u": "https://evil.example/cert.pem",
            "x5c": ["MIIB"],
            "x5t": "abc",
            "x5t#S256": "abc",
            "b64": False,
            "zip": "DEF",
            "enc": "A256GCM",
            "url": "https://evil.example/",
            "nonce": "1",
        }.items()
    },
    "unknown crit": es256(crit=["exp"], exp=1),
    "crit of what we know": es256(crit=["kid"]),
    "empty crit": es256(crit=[]),
    "b64 with crit": es256(b64=False, crit=["b64"]),
    # key names
    "absent kid": signed({"alg": "ES256"}, CLAIMS, key=PRIVATE),
    **{
        f"kid {kid!r} for ES256": es256(kid=kid)
        for kid in values(
            "", "key-2", "KEY-1", "key-1 ", "key-1\0", "\0", "../key-1", "/dev/null", None, 1, [KID], {}, True
        )
    },
    **{
        f"kid {kid!r} for HS256": hs256(kid=kid)
        for kid in values(
            "",
            "\0",
            "a\0b",
            "../../dev/null",
            "' OR '1'='1",
            "x'; DROP TABLE keys;--",
            "|id",
            "k" * 129,
            1,
            [],
        )
    },
    # duplicates
    "alg twice": signed(b'{"alg":"none","alg":"HS256"}', CLAIMS),
    "alg twice, escaped": signed(b'{"al\\u0067":"none","alg":"HS256"}', CLAIMS),
    "kid twice": signed(b'{"alg":"ES256","kid":"key-2","kid":"key-1"}', CLAIMS, key=PRIVATE),
    "sub twice": hs256(json.dumps(CLAIMS).encode()[:-1] + b',"sub":"admin"}'),
    "a nested claim twice": hs256(json.dumps(CLAIMS).encode()[:-1] + b',"app_metadata":{"roles":[],"roles":["a"]}}'),
    # another kind of token
    **{
        f"typ {typ!r}": hs256(typ=typ)
        for typ in values(
            "id_token",
            "ID",
            "reset+jwt",
            "logout+jwt",
            "secevent+jwt",
            "dpop+jwt",
            "JWE",
            "",
            None,
            1,
            ["JWT"],
        )
    },
    # claims
    "no exp": hs256({"sub": "a"}),
    **{
        f"sub {sub!r}": hs256({**CLAIMS, "sub": sub})
        for sub in values("", "a\0", "a\nb", 5, [], {}, True, "x" * 256, "\ud800")
    },
    **{f"role {role!r}": hs256({**CLAIMS, "role": role}) for role in values(None, 5, [], ["anon"], {}, True)},
    **{f"aal {aal!r}": hs256({**CLAIMS, "aal": aal}) for aal in values(2, [], {}, True)},
    **{
        f"app_metadata.roles {roles!r:.20}": hs256({**CLAIMS, "app_metadata": {"roles": roles}})
        for roles in values("admin", {"admin": True}, [5], [None], ["a", []], True, ["x"] * 51, ["\0"], ["\ud800"])
    },
    # sizes and shapes
    "900 levels deep": hs256(nested(b'{"a":', b"}", 900)),
    "2,000 levels deep, lists": hs256(nested(b"[", b"]", 2000)),
    "32 levels deep": hs256(nested(b"[", b"]", 31)),
    "2,000 levels deep in the header": signed(DEEP, CLAIMS),
    "200 levels deep in the header": signed(b'{"alg":"HS256","kid":' + b"[" * 150 + b"]" * 150 + b"}", CLAIMS),
    "more than 8 KiB": hs256({**CLAIMS, "x": "y" * 8192}),
    "a header of 1 KiB": hs256(kid="k" * 1024),
    "an integer of 5,000 digits": hs256(b'{"exp":' + b"9" * 5000 + b"}"),
    "claims: a list": hs256([CLAIMS]),
    "claims: a string": hs256("sub"),
    "claims: null": hs256(b"null"),
    "claims: nothing": hs256(b""),
    "claims: not JSON": hs256(b"{sub: a}"),
    "claims: UTF-16": hs256(json.dumps(CLAIMS).encode("utf-16")),
    "claims: not UTF-8": hs256(b'{"exp": 1900000000, "sub": "\xff"}'),
    "claims: a byte order mark": hs256(b"\xef\xbb\xbf" + json.dumps(CLAIMS).encode()),
    "claims: two values": hs256(json.dumps(CLAIMS).encode() * 2),
    "header: a list": signed(["HS256"], CLAIMS),
    "header: null": signed(b"null", CLAIMS),
    "header: nothing": signed(b"", CLAIMS),
    # base64
    "padding in the header": b".".join([H + b"=", P, S]),
    "padding in the signature": b".".join([H, P, S + b"="]),
    "padding percent-encoded": b".".join([H, P, S + b"%3D"]),
    "signature with other spare bits": b".".join([H, P, S[:-1] + (b"B" if S[-1:] != b"B" else b"C")]),
    "a space in the signature": b".".join([H, P, S[:5] + b" " + S[5:]]),
    "a line break in the claims": b".".join([H, P[:5] + b"\n" + P[5:], S]),
    "a line break at the end": hs256() + b"\n",
    "a space before": b" " + hs256(),
    "a NUL in the signature": b".".join([H, P, S + b"\0"]),
    "not ASCII": hs256() + "é".encode(),
    "the standard alphabet": b".".join([H, P, b"+/" + S[2:]]),
    "a cut signature": b".".join([H, P, S[:-1]]),
    "half a signature": b".".join([H, P, S[: len(S) // 2]]),
    "a longer signature": b".".join([H, P, S + b"AAAA"]),
    "a signature of one byte": b".".join([H, P, b"AA"]),
    "parts exchanged": b".".join([P, H, S]),
    "two dots": b"..",
    "another header over the same claims": b".".join([b64(b'{"alg":"HS256"}'), P, S]),
}


def check() -> TokenVerifier:
    """A verifier that accepts the good tokens of these tests."""
    return TokenVerifier(secret=SECRET, jwks=[JWK], clock=Clock())


def refusal(token: bytes | str, verifier: TokenVerifier) -> tuple[str, str, object, str | None] | None:
    """Everything that a refusal of *token* says, or ``None``."""
    try:
        verifier.verify(token)
    except TokenError as error:
        return error.code, error.message, error.details, error.hint
    return None


GENERIC = ("PGRST301", "The token is not valid", None, "Sign in again.")


@pytest.mark.parametrize("token", FORGED.values(), ids=[repr(name) for name in FORGED])
def test_forged(token: bytes) -> None:
    """TK6: refused, in the same words as every other one, also when a good token was seen before."""
    verifier = check()
    assert refusal(hs256(), verifier) is None
    assert refusal(es256(), verifier) is None
    assert GENERIC == refusal(token, verifier)
    assert GENERIC == refusal(token, verifier)


@pytest.mark.parametrize(
    ("token", "parts"),
    [
        (b"", 1),
        (b"a", 1),
        (b"a.b", 2),
        (H + b"." + P, 2),
        (b"...", 4),
        (hs256() + b".", 4),
        (hs256() + b".x.y", 5),
        (json.dumps({"payload": "e30", "signatures": [{"protected": "e30", "signature": ""}]}).encode(), 1),
        (json.dumps({"payload": P.decode(), "protected": H.decode(), "signature": S.decode()}).encode(), 1),
    ],
)
def test_the_number_of_parts(token: bytes, parts: int) -> None:
    """PostgREST's text for what is not a compact JWS: JSON serialisations, JWEs, nonsense (detail 40)."""
    assert refusal(token, check()) == ("PGRST301", f"Expected 3 parts in JWT; got {parts}", None, None)


def test_tokens_without_their_key() -> None:
    """A verifier without a secret takes no HS256, one without public keys no ES256, one without either nothing."""
    only_shared = TokenVerifier(secret=SECRET, clock=Clock())
    only_public = TokenVerifier(jwks=[JWK], clock=Clock())
    neither = TokenVerifier(clock=Clock())
    assert [None, GENERIC] == [refusal(token, only_shared) for token in (hs256(), es256())]
    assert [GENERIC, None] == [refusal(token, only_public) for token in (hs256(), es256())]
    assert [GENERIC, GENERIC] == [refusal(token, neither) for token in (hs256(), es256())]
    for key in (PEM, PEM.strip(), DER, json.dumps(JWK).encode(), b""):
        assert GENERIC == refusal(signed(HEADER, CLAIMS, key=key), only_public)


def test_eight_kibibytes() -> None:
    """TK6: a token of 8,192 bytes is read, one of 8,193 is not."""
    for size in range(5700, 6200):
        token = hs256({**CLAIMS, "x": "y" * size})
        if len(token) >= 8190:
            break
    at_limit = [hs256({**CLAIMS, "x": "y" * n}) for n in range(size - 5, size + 8)]
    assert {len(token) for token in at_limit} & {8191, 8192}
    assert max(map(len, at_limit)) > 8192
    for token in at_limit:
        assert (refusal(token, check()) is None) == (len(token) <= 8192)


def test_rsa_public_numbers_are_no_shared_secret() -> None:
    """TK6: HS256 keyed with an RSA modulus is refused like any other wrong secret."""
    numbers = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key().public_numbers()
    token = signed(HEADER, CLAIMS, key=numbers.n.to_bytes(256, "big"))
    assert GENERIC == refusal(token, check())


def test_the_example_of_the_standard() -> None:
    """RFC 7515 A.1: the published token is good in its time, over in ours, and bad when its tag is changed."""
    token = (
        b"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
        b".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
        b".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    )
    secret = (
        b"\x03#5K+\x0f\xa5\xbc\x83~\x06ew{\xa6\x8fZ\xb3(\xe6\xf0T\xc9(\xa9\x0f\x84\xb2\xd2P.\xbf"
        b'\xd3\xfbZ\x92\xd2\x06G\xef\x96\x8a\xb4\xc3wb="=.!r\x05.O\x08\xc0\xcd\x9a\xf5g\xd0\x80\xa3'
    )
    verifier = TokenVerifier(secret=secret, clock=Clock(1300819380))
    assert verifier.verify(token).claims["http://example.com/is_root"] is True
    late = TokenVerifier(secret=secret, clock=Clock(NOW))
    assert ("PGRST303", "JWT expired", None, None) == refusal(token, late)
    head, tag = token.rsplit(b".", 1)
    raw = bytes.fromhex("7418dfb49799e0254ffa607dd8adbbba16d4254d69d6bff05b5805585384 8d79".replace(" ", ""))
    assert b64(raw) == tag
    tags = {
        "every byte changed": bytes(byte ^ 0xFF for byte in raw),
        "first bit": bytes([raw[0] ^ 1]) + raw[1:],
        "last bit": raw[:-1] + bytes([raw[-1] ^ 0x80]),
        "middle": raw[:16] + bytes([raw[16] ^ 0x10]) + raw[17:],
        "truncated to 128 bits": raw[:16],
        "truncated to 248 bits": raw[:-1],
        "prefixed": b"\0" + raw,
        "extended": raw + b"\0",
        "zeros": bytes(32),
        "ones": b"\xff" * 32,
        "reversed": raw[::-1],
        "twice": raw * 2,
        "empty": b"",
    }
    assert dict.fromkeys(tags, GENERIC) == {
        name: refusal(head + b"." + b64(value), verifier) for name, value in tags.items()
    }
