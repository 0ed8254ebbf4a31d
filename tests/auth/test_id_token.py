"""Forged ID tokens: one table, all refused (OA4)."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from backstay.auth.keys import OneAlgorithm
from backstay.auth.oauth.idtoken import (
    ALL_ALGORITHMS,
    MAX_BYTES,
    Expected,
    IdTokenError,
    check_id_token,
    half_hash,
    header_of,
    signing_input_hash,
)

NOW = 1_795_264_569
ISSUER = "https://login.example.org"
CLIENT = "backstay"
ACCESS = "the access token"
RSA = RSAKey.generate_key(2048, private=True)
EC = ECKey.generate_key("P-256", private=True)
EC384 = ECKey.generate_key("P-384", private=True)
ED = OKPKey.generate_key("Ed25519", private=True)
OTHER = RSAKey.generate_key(2048, private=True)


def public(key: Key, **more: str) -> dict[str, Any]:
    return {**key.as_dict(private=False), "use": "sig", **more}


KEYS: list[Mapping[str, Any]] = [
    public(RSA, kid="rsa"),
    public(EC, kid="ec"),
    public(EC384, kid="ec384", alg="ES384"),
    public(ED, kid="ed"),
    {"kty": "RSA", "kid": "weak", "e": "AQAB", "n": urlsafe_b64encode(b"\xff" * 128).decode().rstrip("=")},
    public(OTHER, kid="enc") | {"use": "enc"},
    {"kty": "oct", "kid": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"},
]
N = RSA.as_dict(private=False)["n"]
#: Keys that verify what anybody makes, or nothing.
WEAK: dict[str, tuple[str, dict[str, Any]]] = {
    "three": ("RS256", {"kty": "RSA", "n": "Aw", "e": "AQAB"}),
    "three-with-zeros": ("RS256", {"kty": "RSA", "n": urlsafe_b64encode(bytes(255) + b"\3").decode(), "e": "AQAB"}),
    "e-is-one": ("RS256", {"kty": "RSA", "n": N, "e": "AQ"}),
    "e-is-even": ("PS256", {"kty": "RSA", "n": N, "e": "AQAA"}),
    "even": ("RS256", {"kty": "RSA", "n": urlsafe_b64encode(b"\xff" * 255 + b"\xfe").decode(), "e": "AQAB"}),
    "off-the-curve": ("ES256", {"kty": "EC", "crv": "P-256", "x": "AQ" + "A" * 41, "y": "AQ" + "A" * 41}),
    "infinity": ("ES256", {"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43}),
    "identity": ("EdDSA", {"kty": "OKP", "crv": "Ed25519", "x": "AQ" + "A" * 41}),
    "nothing": ("EdDSA", {"kty": "OKP", "crv": "Ed25519"}),
}
KEYS += [{**jwk, "kid": kid} for kid, (_, jwk) in WEAK.items()]
KEYS += [{"kty": "RSA", "kid": "odd", "n": N, "e": "AQAB", "key_ops": 7, "x5c": "x"}]
CLAIMS: dict[str, Any] = {
    "iss": ISSUER, "sub": "248289761001", "aud": CLIENT, "exp": NOW + 3600, "iat": NOW - 1, "nonce": "n-0S6_WzA2Mj",
}  # fmt: skip
EXPECTED = Expected(ISSUER, (CLIENT,), ALL_ALGORITHMS, "n-0S6_WzA2Mj", ACCESS)


def signed(key: Key = RSA, header: dict[str, Any] | None = None, claims: Any = None, **change: Any) -> str:
    head = {"alg": "RS256", "kid": "rsa"} | (header or {})
    head = {name: value for name, value in head.items() if value is not None}
    said = {name: value for name, value in (CLAIMS | change).items() if value is not None} if claims is None else claims
    registry = OneAlgorithm(str(head["alg"]))
    registry.max_header_length = 4096
    return jws.serialize_compact(head, json.dumps(said), key, registry=registry)


def part(value: Any) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def unsigned(alg: str) -> str:
    return f"{part({'alg': alg, 'kid': 'rsa'})}.{part(CLAIMS)}."


def swapped(**change: Any) -> str:
    """Good signature, other claims."""
    head, _, signature = signed().split(".")
    return f"{head}.{part(CLAIMS | change)}.{signature}"


def with_public_key_as_secret() -> str:
    body = f"{part({'alg': 'HS256', 'kid': 'rsa'})}.{part(CLAIMS)}"
    mac = hmac.digest(RSA.as_pem(private=False), body.encode(), "sha256")
    return f"{body}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def twice() -> str:
    """A good signature over claims that name two people."""
    raw = json.dumps(CLAIMS).encode()[:-1] + b',"sub":"admin"}'
    return jws.serialize_compact({"alg": "RS256", "kid": "rsa"}, raw, RSA)


def deep(levels: int) -> Any:
    return [deep(levels - 1)] if levels else 1


GOOD: list[Any] = [
    pytest.param(signed(ED, {"alg": "EdDSA", "kid": "ed"}), id="EdDSA"),
    *(pytest.param(signed(header={"typ": typ}), id=f"typ {typ}") for typ in ("JWT", "jwt", "Jwt")),
    pytest.param(signed(typ="ID", token_use="id"), id="claims that say what it is"),
    pytest.param(signed(), id="RS256"),
    pytest.param(signed(header={"alg": "PS256"}), id="PS256"),
    pytest.param(signed(EC, {"alg": "ES256", "kid": "ec"}), id="ES256"),
    pytest.param(signed(EC384, {"alg": "ES384", "kid": "ec384"}), id="ES384"),
    pytest.param(signed(ED, {"alg": "Ed25519", "kid": "ed"}), id="Ed25519"),
    pytest.param(signed(header={"typ": "JWT", "x5t": "abc"}), id="other header names"),
    pytest.param(signed(header={"jku": "https://evil.example/keys"}), id="a jku that nobody follows"),
    pytest.param(signed(EC384, {"alg": "ES384", "kid": None}), id="no kid and one key that fits"),
    pytest.param(signed(aud=[CLIENT, "other"], azp=CLIENT), id="several audiences"),
    pytest.param(signed(at_hash=half_hash(ACCESS, "RS256")), id="at_hash"),
    pytest.param(signed(aud=[CLIENT]), id="one audience in a list"),
    pytest.param(signed(header={"kid": "odd"}), id="a key with odd members"),
    pytest.param(signed(exp=NOW - 29), id="within the skew"),
    pytest.param(signed(iat=NOW + 30, nbf=NOW + 30), id="just issued"),
    pytest.param(signed(iat=NOW - 9000, nbf=NOW - 9000), id="issued long ago"),
    pytest.param(signed(exp=2**53 - 1), id="the last second that every JSON reader knows"),
    pytest.param(signed(exp=NOW + 3600.5), id="a fraction of a second"),
]

BAD: list[Any] = [
    # the algorithm
    pytest.param(unsigned("none"), "algorithm", id="none"),
    pytest.param(unsigned("None"), "algorithm", id="None"),
    pytest.param(unsigned("nOnE"), "algorithm", id="nOnE"),
    pytest.param(with_public_key_as_secret(), "algorithm", id="HS256 with the public key"),
    pytest.param(signed(OctKey.import_key("secretsecretsecretsecret"), {"alg": "HS256", "kid": "oct"}), "algorithm", id="HS256 with a key of the set"),
    pytest.param(f"{part({'alg': 'RS256', 'kid': 'rsa', 'crit': ['x']})}.{part(CLAIMS)}.x", "algorithm", id="crit"),
    pytest.param(f"{part({'alg': 'RS256', 'kid': 'rsa', 'b64': False})}.{part(CLAIMS)}.x", "algorithm", id="b64"),
    pytest.param(f"{part({'alg': ['RS256'], 'kid': 'rsa'})}.{part(CLAIMS)}.x", "algorithm", id="alg is a list"),
    pytest.param(f"{part({'kid': 'rsa'})}.{part(CLAIMS)}.x", "algorithm", id="no alg"),
    # another kind of token, by its header or by its claims
    *(pytest.param(signed(header={"typ": typ}), "typ", id=f"typ {typ}") for typ in ("at+jwt", "AT+JWT", "application/at+jwt", "logout+jwt", "secevent+jwt", "dpop+jwt", "JWE", "", "id_token", "reset+jwt")),
    *(pytest.param(f"{part({'alg': 'RS256', 'kid': 'rsa', 'typ': typ})}.{part(CLAIMS)}.x", "typ", id=f"typ {typ!r}") for typ in (None, 7, ["JWT"], {})),
    pytest.param(signed(events={"http://schemas.openid.net/event/backchannel-logout": {}}), "typ", id="a token for a sign-out"),
    pytest.param(signed(events={}), "typ", id="events, and none in it"),
    *(pytest.param(signed(typ=typ), "typ", id=f"Keycloak's {typ}") for typ in ("Bearer", "Refresh", "Offline", "Logout", "bearer")),
    *(pytest.param(signed(token_use=use), "typ", id=f"Cognito's {use}") for use in ("access", "refresh")),
    # the key
    *(pytest.param(f"{part({'alg': alg, 'kid': kid})}.{part(CLAIMS)}.x", "kid", id=f"the weak key {kid}") for kid, (alg, _) in WEAK.items()),
    pytest.param(signed(EC, {"alg": "ES256", "kid": "rsa"}), "kid", id="the key of another algorithm"),
    pytest.param(signed(EC, {"alg": "ES256", "kid": "ec384"}), "kid", id="the key of another curve"),
    pytest.param(signed(header={"kid": "unknown"}), "kid", id="unknown kid"),
    pytest.param(signed(header={"kid": "../../etc/passwd"}), "kid", id="kid is a path"),
    pytest.param(signed(header={"kid": None}), "kid", id="no kid and two keys"),
    pytest.param(signed(OTHER, {"kid": "enc"}), "kid", id="a key to encrypt with"),
    pytest.param(f"{part({'alg': 'RS256', 'kid': 'weak'})}.{part(CLAIMS)}.x", "kid", id="a weak key"),
    pytest.param(f"{part({'alg': 'RS256', 'kid': 7})}.{part(CLAIMS)}.x", "kid", id="kid is a number"),
    # the signature
    pytest.param(signed(OTHER), "signature", id="another's key"),
    pytest.param(signed(OTHER, {"jwk": public(OTHER)}), "signature", id="a key of its own in the header"),
    pytest.param(swapped(sub="admin"), "signature", id="other claims"),
    pytest.param(signed().rpartition(".")[0] + ".", "signature", id="no signature"),
    pytest.param(signed().rpartition(".")[0] + ".AAAA", "signature", id="a short signature"),
    pytest.param(signed(EC, {"alg": "ES256", "kid": "ec"}).rpartition(".")[0] + "." + "A" * 86, "signature", id="zeros"),
    # who and for whom
    pytest.param(signed(iss=None), "iss", id="no iss"),
    pytest.param(signed(iss=ISSUER + "/"), "iss", id="iss with a slash"),
    pytest.param(signed(iss="https://evil.example"), "iss", id="another iss"),
    pytest.param(signed(iss=[ISSUER]), "iss", id="iss is a list"),
    pytest.param(signed(sub=None), "sub", id="no sub"),
    pytest.param(signed(sub=""), "sub", id="empty sub"),
    pytest.param(signed(sub=7), "sub", id="sub is a number"),
    pytest.param(signed(sub="x" * 256), "sub", id="long sub"),
    pytest.param(signed(sub="a\x00b"), "sub", id="NUL in sub"),
    pytest.param(signed(aud=None), "aud", id="no aud"),
    pytest.param(signed(aud="other"), "aud", id="another aud"),
    pytest.param(signed(aud=["other", "another"]), "aud", id="other audiences"),
    pytest.param(signed(aud=[]), "aud", id="no audience"),
    pytest.param(signed(aud={CLIENT: 1}), "aud", id="aud is an object"),
    pytest.param(signed(aud=[CLIENT, 7], azp=CLIENT), "aud", id="aud has a number"),
    pytest.param(signed(aud=[CLIENT, ["x"]], azp=CLIENT), "aud", id="aud has a list"),
    pytest.param(signed(aud=[CLIENT, "other"], azp="other"), "azp", id="several audiences and another azp"),
    pytest.param(signed(azp=[CLIENT]), "azp", id="azp is a list"),
    pytest.param(signed(aud=CLIENT.upper()), "aud", id="aud in capitals"),
    pytest.param(signed(aud=[CLIENT, "other"]), "azp", id="several audiences without azp"),
    pytest.param(signed(azp="other"), "azp", id="another azp"),
    # when
    pytest.param(signed(exp=None), "exp", id="no exp"),
    pytest.param(signed(exp=NOW - 30), "exp", id="expired"),
    pytest.param(signed(exp=str(NOW + 60)), "exp", id="exp is text"),
    pytest.param(signed(exp=True), "exp", id="exp is true"),
    pytest.param(signed(exp=1e300), "exp", id="exp is endless"),
    pytest.param(signed(exp=2**53), "exp", id="exp is not exact"),
    pytest.param(signed(iat=True), "iat", id="iat is true"),
    pytest.param(signed(nbf=False), "nbf", id="nbf is false"),
    pytest.param(signed(iat=None), "iat", id="no iat"),
    pytest.param(signed(iat=NOW + 31), "iat", id="issued in the future"),
    pytest.param(signed(iat=NOW + 10**9), "iat", id="issued in the far future"),
    pytest.param(signed(iat=float("nan")), "malformed", id="iat is NaN"),
    pytest.param(signed(nbf=NOW + 31), "nbf", id="not yet"),
    # the sign-in
    pytest.param(signed(nonce=None), "nonce", id="no nonce"),
    pytest.param(signed(nonce="other"), "nonce", id="another nonce"),
    pytest.param(signed(nonce=["n-0S6_WzA2Mj"]), "nonce", id="nonce is a list"),
    pytest.param(signed(nonce="ü"), "nonce", id="a nonce beyond ASCII"),
    pytest.param(signed(at_hash=half_hash("other", "RS256")), "at_hash", id="another access token"),
    pytest.param(signed(at_hash=""), "at_hash", id="empty at_hash"),
    # the form
    pytest.param("", "malformed", id="nothing"),
    pytest.param("a.b", "malformed", id="two parts"),
    pytest.param(signed() + ".x", "malformed", id="four parts"),
    pytest.param("x." + signed().partition(".")[2], "malformed", id="a header that is no JSON"),
    pytest.param(f"{part(['RS256'])}.{part(CLAIMS)}.x", "malformed", id="a header that is a list"),
    pytest.param(signed(claims=["sub"]), "malformed", id="claims that are a list"),
    pytest.param(twice(), "malformed", id="a claim twice"),
    pytest.param(signed(x=deep(40)), "malformed", id="too deep"),
    pytest.param(signed(name="x" * 20_000), "malformed", id="too long"),
    pytest.param(signed() + "ü", "malformed", id="beyond ASCII"),
]  # fmt: skip


@pytest.mark.parametrize("token", GOOD)
def test_a_good_token(token: str) -> None:
    """Its claims."""
    assert "248289761001" == check_id_token(token, KEYS, EXPECTED, NOW)["sub"]


@pytest.mark.parametrize(("token", "reason"), BAD)
def test_a_forged_token(token: str, reason: str) -> None:
    """Refused, for the right reason (OA4, A12)."""
    with pytest.raises(IdTokenError) as refused:
        check_id_token(token, KEYS, EXPECTED, NOW)
    assert reason == refused.value.reason


def test_what_is_expected_decides() -> None:
    """An algorithm that the operator has not allowed, a nonce that was not asked for, and Microsoft's many issuers."""
    only = Expected(ISSUER, (CLIENT,), ("ES256",), "n-0S6_WzA2Mj")
    with pytest.raises(IdTokenError, match="algorithm"):
        check_id_token(signed(), KEYS, only, NOW)
    without = Expected(ISSUER, (CLIENT,), ALL_ALGORITHMS, None)
    assert check_id_token(signed(nonce=None), KEYS, without, NOW)
    with pytest.raises(IdTokenError, match="nonce"):
        check_id_token(signed(), KEYS, without, NOW)
    tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47"
    many = Expected("https://login.microsoftonline.com/{tenantid}/v2.0", (CLIENT,), ALL_ALGORITHMS, "n-0S6_WzA2Mj")
    url = f"https://login.microsoftonline.com/{tenant}/v2.0"
    assert check_id_token(signed(iss=url, tid=tenant), KEYS, many, NOW)
    for change in (
        {"iss": url},
        {"iss": url, "tid": "x"},
        {"iss": url, "tid": [tenant]},
        {"iss": url, "tid": tenant[::-1]},
        {"tid": tenant},
    ):
        with pytest.raises(IdTokenError, match="iss"):
            check_id_token(signed(**change), KEYS, many, NOW)


@pytest.mark.parametrize(
    ("key", "header", "others"),
    [
        pytest.param(RSA, {"alg": "RS256"}, [KEYS[6]], id="of another kind"),
        pytest.param(RSA, {"alg": "RS256"}, [public(OTHER) | {"use": "enc"}], id="to encrypt with"),
        pytest.param(RSA, {"alg": "RS256"}, [public(OTHER, alg="PS256")], id="for another algorithm"),
        pytest.param(EC, {"alg": "ES256"}, [public(EC384)], id="of another curve"),
        pytest.param(ED, {"alg": "EdDSA"}, [public(OTHER), public(EC)], id="of several kinds"),
    ],
)
def test_without_a_kid_one_key_fits(key: Key, header: dict[str, Any], others: list[Mapping[str, Any]]) -> None:
    """What cannot have signed it is no choice; two that can are, and nobody guesses (OA4)."""
    token = signed(key, header | {"kid": None})
    assert check_id_token(token, [*others, public(key)], EXPECTED, NOW)
    with pytest.raises(IdTokenError, match="kid"):
        check_id_token(token, [*others, public(key), public(key)], EXPECTED, NOW)


@pytest.mark.parametrize("subject", ["x", "x" * 255, "00u1-ä@corp"])
def test_subjects_of_every_length(subject: str) -> None:
    """From one character to the 255 of the specification."""
    assert subject == check_id_token(signed(sub=subject), KEYS, EXPECTED, NOW)["sub"]


def test_a_hash_of_no_access_token_is_not_looked_at() -> None:
    """The app on a phone may keep the access token for itself."""
    alone = Expected(ISSUER, (CLIENT,), ALL_ALGORITHMS, "n-0S6_WzA2Mj")
    assert check_id_token(signed(at_hash="of another"), KEYS, alone, NOW)


def test_the_header_is_only_read() -> None:
    """For the kid, before there is a key, and of 16 KiB at most."""
    assert "rsa" == header_of(signed())["kid"]
    head = f"{part({'alg': 'RS256', 'kid': 'rsa'})}."
    assert "rsa" == header_of((head + "x" * MAX_BYTES)[: MAX_BYTES - 1] + ".")["kid"]
    with pytest.raises(IdTokenError, match="malformed"):
        header_of((head + "x" * MAX_BYTES)[:MAX_BYTES] + ".")


def test_a_token_is_known_by_what_was_signed() -> None:
    """Another signature of the same claims is the same token, and other claims are another (A12)."""
    same = {signing_input_hash(token) for token in (signed(), signed().rpartition(".")[0] + ".AAAA")}
    assert (1, 2) == (len(same), len(same | {signing_input_hash(signed(sub="other"))}))


def test_at_hash_of_the_specification() -> None:
    """OpenID Connect Core, appendix A.3."""
    token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"
    assert "77QmUPtjPfzWtF2AnpK9RQ" == half_hash(token, "RS256")
