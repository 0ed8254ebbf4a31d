"""Apple's client secret: a token that the app signs itself.

https://developer.apple.com/documentation/accountorganizationaldatasharing/creating-a-client-secret
"""

from __future__ import annotations

from typing import Final, Protocol

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

#: Made for each exchange, so it needs no longer life.
_SECONDS: Final = 300


class _Key(Protocol):
    @property
    def team_id(self) -> str: ...
    @property
    def key_id(self) -> str: ...
    @property
    def private_key(self) -> str: ...


def client_secret(key: _Key, client_id: str, now: int) -> str:
    """The secret of this moment (seconds since 1970).

    Raises:
        ValueError: the key is not a private P-256 key in PEM.
    """
    claims = {
        "iss": key.team_id,
        "iat": now,
        "exp": now + _SECONDS,
        "aud": "https://appleid.apple.com",
        "sub": client_id,
    }
    try:
        private = ECKey.import_key(key.private_key)
        if not private.is_private or private.curve_name != "P-256":
            raise ValueError("not a private P-256 key")
        return jwt.encode({"alg": "ES256", "kid": key.key_id}, claims, private, algorithms=["ES256"])
    except (JoseError, TypeError) as fault:
        raise ValueError(str(fault)) from None
