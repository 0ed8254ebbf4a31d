"""Is this ID token true, and for us?  OpenID Connect Core §3.1.3.7 (OA4).

1. The key is one of the provider's, by ``kid``; nothing in the token's header is followed.
2. The algorithm is one that we allow, never what the token asks for: it must fit the key, and be asymmetric.
3. A provider signs other tokens with the same keys: for its own API, for a sign-out, to refresh.  What says that it is
   one of them, in header or claims, is no ID token (RFC 8725 §3.11).
4. Claims are looked at after the signature.
"""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import import_key
from joserfc.util import urlsafe_b64decode

from backstay.auth.jsonobject import read_object
from backstay.auth.keys import OneAlgorithm
from backstay.auth.publickey import check_jwk

#: Longer tokens are refused unread; some directories list a person's groups.
MAX_BYTES: Final = 16 * 1024
#: Seconds that the clocks of provider and app may differ.
SKEW_SECONDS: Final = 30

#: Asymmetric ones: with a shared secret everybody who has it could sign.
ALL_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519")

_KEY_TYPES: Final = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
_CURVES: Final = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "Ed25519": "Ed25519"}
#: RFC 9864 gave EdDSA on this curve a name of its own; most providers write the old one.
_NAMES: Final = {"EdDSA": "Ed25519"}
#: Of Keycloak and of Cognito, which say in a claim what a token is for.
_OTHER_USES: Final = {"typ": ("bearer", "refresh", "offline", "logout"), "token_use": ("access", "refresh")}
_GUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class IdTokenError(Exception):
    """The token is not good; *reason* is a word for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, repr=False)
class Expected:
    """What a good token says.

    *issuer* may have Microsoft's ``{tenantid}``, for which the token's ``tid`` stands.  *audiences* are all ours; the
    first is that of this sign-in.  *nonce* ``None``: the token must have none.
    """

    issuer: str
    audiences: tuple[str, ...]
    algorithms: tuple[str, ...]
    nonce: str | None
    access_token: str = ""


def header_of(token: str) -> Mapping[str, Any]:
    """The token's header, of which nothing is believed yet.

    Raises:
        IdTokenError: malformed.
    """
    parts = token.split(".")
    if len(token) > MAX_BYTES or len(parts) != 3 or not token.isascii():
        raise IdTokenError("malformed")
    return _object(parts[0])


def check_id_token(token: str, keys: Sequence[Mapping[str, Any]], expected: Expected, now: float) -> Mapping[str, Any]:
    """The claims of a good token.

    Raises:
        IdTokenError: ``malformed``, ``algorithm``, ``typ``, ``kid``, ``signature``, ``iss``, ``sub``, ``aud``, ``azp``,
            ``exp``, ``iat``, ``nbf``, ``nonce``, ``at_hash``.
    """
    header = header_of(token)
    algorithm = _NAMES.get(str(header.get("alg")), str(header.get("alg")))
    if algorithm not in expected.algorithms or "crit" in header or "b64" in header:
        raise IdTokenError("algorithm")
    # RFC 7519 §5.1 leaves capitals to the issuer.
    if str(header.get("typ", "JWT")).lower() != "jwt":
        raise IdTokenError("typ")
    _verify(token, _key(keys, header.get("kid"), algorithm), str(header["alg"]))
    claims = _object(token.split(".")[1])
    _check_use(claims)
    tenant = claims.get("tid")
    tenant = tenant if isinstance(tenant, str) and _GUID.fullmatch(tenant) else ""
    if claims.get("iss") != expected.issuer.replace("{tenantid}", tenant):
        raise IdTokenError("iss")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255 or not subject.isprintable():
        raise IdTokenError("sub")
    _check_audience(claims, expected.audiences)
    _check_times(claims, now)
    if claims.get("nonce") != expected.nonce:
        raise IdTokenError("nonce")
    if expected.access_token and claims.get("at_hash") not in (None, half_hash(expected.access_token, algorithm)):
        raise IdTokenError("at_hash")
    return claims


def _check_use(claims: Mapping[str, Any]) -> None:
    # Back-Channel Logout §2.4: a token for a sign-out has events, and an ID token has none.
    if "events" in claims or any(str(claims.get(name, "")).lower() in other for name, other in _OTHER_USES.items()):
        raise IdTokenError("typ")


def signing_input_hash(token: str) -> bytes:
    """What tells one ID token from another: of what was signed, since some signatures can be written in two ways."""
    return hashlib.sha256(token.rpartition(".")[0].encode()).digest()


def half_hash(text: str, algorithm: str) -> str:
    """``at_hash``: the left half of the hash that goes with the token's algorithm, as base64url."""
    name = "sha512" if algorithm == "Ed25519" else f"sha{algorithm[-3:]}"
    digest = hashlib.new(name, text.encode("utf-8", "replace")).digest()
    return urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()


def _key(keys: Sequence[Mapping[str, Any]], kid: Any, algorithm: str) -> Mapping[str, Any]:
    fitting = [
        key
        for key in keys
        if key.get("kty") == _KEY_TYPES[algorithm[:2]]
        and key.get("use", "sig") == "sig"
        and _NAMES.get(str(key.get("alg")), key.get("alg")) in (None, algorithm)
        and key.get("crv") == _CURVES.get(algorithm)
        and (kid is None or key.get("kid") == kid)
    ]
    # Without a kid there is no choice: one key, or a guess.
    if len(fitting) != 1:
        raise IdTokenError("kid")
    return fitting[0]


def _verify(token: str, key: Mapping[str, Any], algorithm: str) -> None:
    public = {name: value for name, value in key.items() if name in ("kty", "n", "e", "crv", "x", "y")}
    try:
        check_jwk(public)
    except ValueError:
        raise IdTokenError("kid") from None
    try:
        jws.deserialize_compact(token, import_key(public), registry=OneAlgorithm(algorithm))
    except (JoseError, ValueError, TypeError, KeyError):
        raise IdTokenError("signature") from None


def _check_audience(claims: Mapping[str, Any], ours: tuple[str, ...]) -> None:
    audience = claims.get("aud")
    named = [audience] if isinstance(audience, str) else audience
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise IdTokenError("aud")
    if not any(name in ours for name in named):
        raise IdTokenError("aud")
    if len(named) > 1 and "azp" not in claims:
        raise IdTokenError("azp")
    if "azp" in claims and claims["azp"] not in ours:
        raise IdTokenError("azp")


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    for name in ("exp", "iat", "nbf"):
        value = claims.get(name)
        if value is None and name == "nbf":
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**53:
            raise IdTokenError(name)
        if (name == "exp" and value <= now - SKEW_SECONDS) or (name != "exp" and value > now + SKEW_SECONDS):
            raise IdTokenError(name)


def _object(part: str) -> Mapping[str, Any]:
    try:
        return read_object(urlsafe_b64decode(part.encode("ascii")))
    except (ValueError, RecursionError):
        raise IdTokenError("malformed") from None
