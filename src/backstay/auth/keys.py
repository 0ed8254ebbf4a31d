"""The keys that verify tokens, checked when the app starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey

from backstay.errors import ConfigError
from backstay.secret import secret_fault

_PUBLIC_PARTS: Final = ("kty", "crv", "x", "y", "kid")


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


def public_keys(jwks: Iterable[Mapping[str, Any]]) -> dict[str, ECKey]:
    """Make ES256 keys by ``kid`` from JWKs; private parts, if any, are left behind.

    Raises:
        ConfigError: BST-E202 for a key without a kid, a kid that comes twice, or anything but P-256 for signatures.
    """
    keys: dict[str, ECKey] = {}
    for jwk in jwks:
        kid = jwk.get("kid")
        if not isinstance(kid, str) or not kid or kid in keys:
            raise ConfigError(
                "BST-E202", "Every public key needs a kid of its own", hint='Add "kid", e.g. its RFC 7638 thumbprint.'
            )
        fits = jwk.get("kty") == "EC" and jwk.get("crv") == "P-256"
        if not fits or jwk.get("alg", "ES256") != "ES256" or jwk.get("use", "sig") != "sig":
            raise ConfigError(
                "BST-E202", f"The public key {kid!r} is not for ES256", hint="Use an EC key on P-256 for signatures."
            )
        try:
            keys[kid] = ECKey.import_key({part: jwk[part] for part in _PUBLIC_PARTS})
        except (JoseError, KeyError, TypeError, ValueError) as error:
            raise ConfigError("BST-E202", f"The public key {kid!r} is not a valid JWK") from error
    return keys


def _refused(fault: str) -> ConfigError:
    return ConfigError(
        "BST-E201",
        f"The shared secret {fault}",
        hint="Make one with: openssl rand -hex 32   Public keys go where JWKs do; they verify ES256.",
    )
