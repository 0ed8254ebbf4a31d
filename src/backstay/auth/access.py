"""Access tokens: what a session may show for at most an hour (TK1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from joserfc import jwt

from backstay.auth.options import AuthOptions
from backstay.auth.signing import SigningKeys

#: A token goes with every request, and 8 KiB is the most that is read; who stores more reads it from ``/user``.
_MAX_METADATA_BYTES: Final = 2048
#: Verifiers refuse what nests more than 32 levels, so the account would be locked out by its own metadata.
_MAX_METADATA_DEPTH: Final = 20


def issue_access_token(
    keys: SigningKeys,
    options: AuthOptions,
    *,
    user: Any,
    roles: Sequence[str],
    session_id: UUID,
    aal: str,
    amr: Sequence[Mapping[str, Any]],
    not_after: datetime,
    now: datetime,
) -> tuple[str, int]:
    """The token, and the second since 1970 at which it expires.

    *roles* are those assigned in the database: they become ``app_metadata.roles``, over whatever stands there.
    No token is good past *not_after*, the end of its session (TK1).
    """
    issued_at = int(now.timestamp())
    expires_at = min(issued_at + options.access_seconds, int(not_after.timestamp()))
    claims = {
        "iss": options.issuer,
        "sub": str(user.id),
        "aud": user.aud,
        "exp": expires_at,
        "iat": issued_at,
        "email": user.email or "",
        "phone": user.phone or "",
        "app_metadata": _small({**user.app_metadata, "roles": sorted(roles)}, {"roles": sorted(roles)}),
        "user_metadata": _small(user.user_metadata, {}),
        "role": user.role,
        "aal": aal,
        "amr": list(amr),
        "session_id": str(session_id),
        "is_anonymous": user.is_anonymous,
    }
    return jwt.encode({"alg": "ES256", "kid": keys.kid}, claims, keys.current), expires_at


def _small(metadata: dict[str, Any], otherwise: dict[str, Any]) -> dict[str, Any]:
    fits = len(msgspec.json.encode(metadata)) <= _MAX_METADATA_BYTES and not _is_deep(metadata, _MAX_METADATA_DEPTH)
    return metadata if fits else otherwise


def _is_deep(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deep(one, levels - 1) for one in inner)
