"""Bearer tokens to principals.

Rules of this file:

1. The algorithm is ours to choose: a token's ``alg`` and ``kid`` only pick one of the keys here, and each key is used
   with one algorithm.  ``joserfc`` checks every signature.
2. Nothing in a token's header is followed or trusted: ``jwk``, ``jku``, ``x5u``, ``x5c``, ``crit`` and all that is not
   ``alg``, ``typ`` or ``kid`` refuse the token.
3. Claims are read after the signature is known to be good, and a name that comes twice refuses the token: two readers
   may each believe another one.
4. Every refusal reads the same, but for two that PostgREST's clients know by their text and two that the operator must
   see, of tokens whose signature is good: who forges tokens learns nothing from us (TK6).
5. A good token is remembered until it expires, and its expiry is looked at each time; a bad one never is.  What all of
   them hold is bounded: people write a part of what theirs say.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key
from joserfc.util import urlsafe_b64decode

from backstay.auth.jsonobject import read_object
from backstay.auth.keys import KID, OneAlgorithm, PublicKey, public_keys, shared_key
from backstay.errors import TokenError
from backstay.pipeline.remember import held
from backstay.policy.principal import ANON, AUTHENTICATED, SERVICE, Principal

#: Longer tokens are refused unread.
MAX_TOKEN_BYTES: Final = 8 * 1024
#: Seconds that the clocks of issuer and verifier may differ (PostgREST's tolerance).
SKEW_SECONDS: Final = 30

_HEADER_NAMES: Final = frozenset({"alg", "typ", "kid"})
#: ``at+jwt`` is RFC 9068's name for an access token; an id_token or reset token of ours would say what it is.
_TYPES: Final = frozenset({"jwt", "at+jwt"})
#: Roles of keys that an older project may have made without an end.
_ENDLESS: Final = frozenset({ANON, SERVICE})
_MAX_ID_CHARS: Final = 255
_MAX_ROLES: Final = 50
_MAX_SECONDS: Final = 2**53


class TokenVerifier:
    """Verifies access tokens and remembers those that were good.

    Args:
        secret: the HS256 secret, at least 32 bytes; ``None``: no HS256 token is accepted.
        jwks: public keys for ES256, RS256 and EdDSA, each with a ``kid``.
        roles: the roles that a token may ask for (TK8).
        audience: if given, ``aud`` must name it.  Tokens without ``sub`` (API keys) may leave ``aud`` out.
        issuer: if given, ``iss`` must be it.  API keys of *secret* are the operator's own, and may say anything.
        endless: whether tokens for nobody, of the roles ``anon`` and ``service_role``, may have no ``exp``.
        clock: seconds since 1970.
        remembered: how many good tokens are kept.
        remembered_bytes: how much they hold at most, with their claims.

    Raises:
        ConfigError: BST-E201, BST-E202 for keys that cannot verify anything safely.
    """

    def __init__(
        self,
        *,
        secret: str | bytes | None = None,
        jwks: Iterable[Mapping[str, Any]] = (),
        roles: frozenset[str] = frozenset({ANON, AUTHENTICATED, SERVICE}),
        audience: str | None = None,
        issuer: str | None = None,
        endless: bool = False,
        clock: Callable[[], float] = time.time,
        remembered: int = 10_000,
        remembered_bytes: int = 32 << 20,
    ) -> None:
        self._shared = None if secret is None else shared_key(secret)
        self._public = public_keys(jwks)
        self._own: Mapping[str, PublicKey] = {}
        self._own_issuer = ""
        self._roles = roles
        self._audience = audience
        self._issuer = issuer
        self._endless = endless
        self._clock = clock
        self._remembered = remembered
        self._remembered_bytes = remembered_bytes
        self._bytes = 0
        # Token → (last second, principal, bytes), least recently used first.  The whole token is the key: comparing it
        # costs less than a SHA-256 of it (0.1 against 0.5 µs), and a look-up compares bytes only after a 64-bit keyed
        # hash of all of them agreed, so its time says nothing about any remembered token.
        self._good: OrderedDict[bytes, tuple[float, Principal, int]] = OrderedDict()

    def adopt(self, jwks: Iterable[Mapping[str, Any]], issuer: str) -> None:
        """Take *jwks* as the app's own signing keys from now on; those given at the start stay beside them (TK7).

        What they sign must name *issuer*, an account, a session and the audience ``authenticated``.  Whatever was
        remembered is verified again: its key may have been revoked.
        """
        self._own = public_keys(jwks)
        self._own_issuer = issuer
        self._good.clear()
        self._bytes = 0

    def verify(self, token: bytes | str) -> Principal:
        """Return whom *token* speaks for.

        Raises:
            TokenError: PGRST301 when it is not a token of ours, PGRST303 when it is expired or asks for a role that
                the app does not have.
        """
        if isinstance(token, str):
            token = token.encode("utf-8", "replace")
        known = self._good.get(token)
        if known is not None:
            if self._clock() >= known[0]:
                self._forget(token)
                raise _expired()
            self._good.move_to_end(token)
            return known[1]
        claims, key = self._claims(token)
        last_second = self._check_times(claims)
        # What our own keys sign names its issuer and audience otherwise: see `_check_own`.
        if key not in self._own.values():
            self._check_issuer(claims, shared=key is None)
        principal = self._principal(claims)
        size = held(token) + held(principal)
        self._good[token] = (last_second, principal, size)
        self._bytes += size
        while len(self._good) > self._remembered or self._bytes > self._remembered_bytes:
            self._forget(next(iter(self._good)))
        return principal

    def _forget(self, token: bytes) -> None:
        self._bytes -= self._good.pop(token)[2]

    def _claims(self, token: bytes) -> tuple[dict[str, Any], PublicKey | None]:
        """The claims of a token whose form and signature are good, and the key that says so; ``None``: the secret."""
        if len(token) > MAX_TOKEN_BYTES:
            raise _invalid()
        parts = token.split(b".")
        if len(parts) != 3:
            raise TokenError("PGRST301", f"Expected 3 parts in JWT; got {len(parts)}")
        try:
            algorithm, key = self._key(read_object(urlsafe_b64decode(parts[0])))
            loaded: Key | None = self._shared if key is None else key.key
            assert loaded is not None  # noqa: S101 - `_key` found one of the two
            payload = jws.deserialize_compact(token, loaded, registry=OneAlgorithm(algorithm)).payload
            claims = read_object(payload)
            if key in self._own.values():
                self._check_own(claims)
            return claims, key
        except (JoseError, ValueError, TypeError, RecursionError):
            # No cause attached: its text may quote the token.
            raise _invalid() from None

    def _key(self, header: Mapping[str, Any]) -> tuple[str, PublicKey | None]:
        """The algorithm and the one key for a token with this *header*; ``None``: the shared secret."""
        if not header.keys() <= _HEADER_NAMES:
            raise ValueError("unknown header parameter")
        kind = header.get("typ", "JWT")
        if not isinstance(kind, str) or kind.lower() not in _TYPES:
            raise ValueError("not an access token")
        kid = header.get("kid")
        if kid is not None and not (isinstance(kid, str) and KID.fullmatch(kid)):
            raise ValueError("malformed kid")
        algorithm = header.get("alg")
        if algorithm == "HS256" and self._shared is not None:
            return "HS256", None
        key = None if kid is None else self._own.get(kid) or self._public.get(kid)
        if key is None or algorithm not in key.algorithms:
            raise ValueError("no key")
        return algorithm, key

    def _check_own(self, claims: Mapping[str, Any]) -> None:
        """Of what our own keys sign only access tokens of a session are access tokens (TK6)."""
        named = (claims.get("iss") == self._own_issuer, claims.get("aud") == AUTHENTICATED)
        if not all(named) or not all(isinstance(claims.get(name), str) for name in ("sub", "session_id")):
            raise ValueError("not an access token of ours")

    def _check_times(self, claims: Mapping[str, Any]) -> float:
        """Check exp, nbf and iat; return the second at which the token is no longer good."""
        now = self._clock()
        last_second = _seconds(claims, "exp")
        if last_second is None:
            if claims.get("sub") is not None or claims.get("role", ANON) not in _ENDLESS:
                raise _invalid()
            if not self._endless:
                raise TokenError(
                    "PGRST301",
                    "The key has no exp, so it would be good for ever",
                    hint="Make one that ends with `backstay token`, or set BACKSTAY_ENDLESS_KEYS=on.",
                )
            last_second = math.inf
        if now >= last_second + SKEW_SECONDS:
            raise _expired()
        for name in ("nbf", "iat"):
            begin = _seconds(claims, name)
            if begin is not None and begin > now + SKEW_SECONDS:
                raise _invalid()
        return last_second + SKEW_SECONDS

    def _principal(self, claims: dict[str, Any]) -> Principal:
        id = claims.get("sub")
        if id is not None and not _is_id(id):
            raise _invalid()
        role = claims.get("role", ANON if id is None else AUTHENTICATED)
        if not isinstance(role, str):
            raise _invalid()
        if role not in self._roles:
            # The signature is good, so this is no forger but an operator whose app and issuer disagree.
            raise TokenError(
                "PGRST303",
                "The token asks for a role that this app does not have",
                hint="Name the role in the app, or issue the token for another one.",
            )
        aal = claims.get("aal")
        if aal is not None and not isinstance(aal, str):
            raise _invalid()
        return Principal(role, id, _held_roles(claims), MappingProxyType(claims), aal)

    def _check_issuer(self, claims: Mapping[str, Any], *, shared: bool) -> None:
        has_id = claims.get("sub") is not None
        if self._issuer is not None and claims.get("iss") != self._issuer and (has_id or not shared):
            raise _invalid()
        named = claims.get("aud")
        if named is None:
            if self._audience is not None and has_id:
                raise _invalid()
            return
        audiences = [named] if isinstance(named, str) else named
        if not isinstance(audiences, list) or not all(isinstance(one, str) for one in audiences):
            raise _invalid()
        if self._audience is not None and self._audience not in audiences:
            raise _invalid()


def _is_id(sub: Any) -> bool:
    """Whether *sub* may name an account: a blank around it would be none to a column of numbers, and one elsewhere."""
    return isinstance(sub, str) and 0 < len(sub) <= _MAX_ID_CHARS and sub.isprintable() and sub == sub.strip(" ")


def _held_roles(claims: Mapping[str, Any]) -> frozenset[str]:
    """``app_metadata.roles``: only the server writes it, unlike ``user_metadata``."""
    metadata = claims.get("app_metadata")
    roles = metadata.get("roles") if isinstance(metadata, dict) else None
    if roles is None:
        return frozenset()
    if not isinstance(roles, list) or len(roles) > _MAX_ROLES:
        raise _invalid()
    if not all(isinstance(role, str) and role.isprintable() for role in roles):
        raise _invalid()
    return frozenset(roles)


def _seconds(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate (RFC 7519 §2), or ``None`` when the claim is absent."""
    if name not in claims:
        return None
    value = claims[name]
    # bool is an int in Python; 1e999 is read as infinity, which would never expire; an int may be beyond any float.
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_MAX_SECONDS < value < _MAX_SECONDS:
        raise _invalid()
    return float(value)


def _invalid() -> TokenError:
    return TokenError("PGRST301", "The token is not valid", hint="Sign in again.")


def _expired() -> TokenError:
    return TokenError("PGRST303", "JWT expired")
