"""The keys that verify tokens, checked when the app starts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import Key, OctKey, import_key
from joserfc.jws import JWSRegistry

from backstay.auth.publickey import check_jwk
from backstay.errors import ConfigError
from backstay.secret import secret_fault

_PUBLIC_PARTS: Final = ("kty", "crv", "x", "y", "n", "e", "kid")
#: Kind and curve of a key → the names that a token may give its one algorithm.  RFC 9864 gave EdDSA on Ed25519 a name
#: of its own; most issuers write the old one.
_ALGORITHMS: Final[Mapping[tuple[Any, Any], tuple[str, ...]]] = {
    ("EC", "P-256"): ("ES256",),
    ("RSA", None): ("RS256",),
    ("OKP", "Ed25519"): ("EdDSA", "Ed25519"),
}
_NAMES: Final = {"EdDSA": "Ed25519"}
#: A kid is looked up in a dict and nowhere else; the pattern keeps paths, SQL and controls out of whatever comes later.
KID: Final = re.compile(r"[A-Za-z0-9._~=+-]{1,128}")


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A *key*, and the names of the one algorithm that it verifies with: whatever a token says, no other one."""

    key: Key
    algorithms: tuple[str, ...]


class OneAlgorithm(JWSRegistry):
    """A registry of `joserfc` that knows *algorithm* alone, by the names that tokens give it.

    Ed25519 is looked up by its new name: by the old one the library would take another curve too, and warn each time.
    """

    def __init__(self, algorithm: str) -> None:
        super().__init__(algorithms=[_NAMES.get(algorithm, algorithm)], strict_check_header=False)

    def get_alg(self, name: str) -> Any:
        return super().get_alg(_NAMES.get(name, name))


def shared_key(secret: str | bytes) -> OctKey:
    """Make the HS256 key of *secret*, used as its bytes (UTF-8), never decoded from base64.

    Raises:
        ConfigError: BST-E201, for what `backstay.secret.secret_fault` finds.
    """
    raw = secret.encode() if isinstance(secret, str) else bytes(secret)
    fault = secret_fault(raw)
    if fault is not None:
        raise _refused(fault)
    try:
        return OctKey.import_key(raw)
    except (JoseError, ValueError) as error:
        raise _refused("is a key file or certificate, not a secret") from error


def public_keys(jwks: Iterable[Mapping[str, Any]]) -> dict[str, PublicKey]:
    """Make the keys for ES256, RS256 and EdDSA by ``kid`` from JWKs; private parts, if any, are left behind.

    Raises:
        ConfigError: BST-E202 for a key without a kid of its own, of another kind, for something else than signatures,
            or a weak one.
    """
    keys: dict[str, PublicKey] = {}
    for jwk in jwks:
        kid = jwk.get("kid")
        if not isinstance(kid, str) or not KID.fullmatch(kid) or kid in keys:
            raise ConfigError(
                "BST-E202",
                "Every public key needs a kid of its own",
                hint='Add "kid", e.g. its RFC 7638 thumbprint: letters, digits and . _ ~ = + -, 128 at most.',
            )
        kind, curve = jwk.get("kty"), jwk.get("crv")
        named = _ALGORITHMS.get((kind, curve), ()) if isinstance(kind, str) and isinstance(curve, str | None) else ()
        verifies = jwk.get("use", "sig") == "sig" and "verify" in (jwk.get("key_ops") or ("verify",))
        if not named or not verifies or jwk.get("alg", named[0]) not in named:
            raise ConfigError(
                "BST-E202",
                f"The public key {kid!r} is not for ES256, RS256 or EdDSA",
                hint="Use a key for signatures: EC on P-256, RSA, or Ed25519.",
            )
        try:
            check_jwk(jwk)
            keys[kid] = PublicKey(import_key({part: jwk[part] for part in _PUBLIC_PARTS if part in jwk}), named)
        except (JoseError, KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                "BST-E202",
                f"The public key {kid!r} is not a sound one: {error}",
                hint="Ask its issuer for the key set again; RSA takes 2048 bits.",
            ) from error
    return keys


def _refused(fault: str) -> ConfigError:
    return ConfigError(
        "BST-E201",
        f"The shared secret {fault}",
        hint="Make one with: openssl rand -hex 32   Public keys go where JWKs do.",
    )
