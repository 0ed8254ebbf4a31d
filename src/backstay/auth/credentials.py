"""Request headers to a principal: who does the caller say it is, and is it true?

Rules of this file:

1. ``Authorization: Bearer`` outranks ``apikey``; the published clients send both, and the key twice until somebody
   signs in.
2. What is sent must be good, also when something better is sent beside it: a broken key is a fault to be seen.
3. Nothing sent is nobody: `ANONYMOUS`.
4. A secret key is refused from a browser (TK9): there it is published already.  A page cannot leave out what says so:
   ``Origin`` where it writes or asks another site, ``Sec-Fetch-Site`` and ``Sec-Fetch-Dest`` always, and ``Referer`` in
   browsers that are too old for these.  ``Sec-Fetch-Mode`` alone says nothing: Node's ``fetch`` sends it too.
5. A key that only reads makes whatever comes with it only read (RB5).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from backstay.errors import TokenError
from backstay.policy.principal import ANON, ANONYMOUS, Principal

_OPAQUE_PREFIX: Final = b"sb_"
_SECRET_PREFIX: Final = b"sb_secret_"


#: Forbidden header names (Fetch, "forbidden request-header"): a page can neither set them nor leave them out.
_OF_BROWSERS: Final = frozenset((b"origin", b"sec-fetch-site", b"sec-fetch-dest", b"sec-fetch-user"))


def from_browser(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a browser made a request with these *headers*: for a page, or because somebody typed its address.

    >>> from_browser({b"sec-fetch-site": b"same-origin"}), from_browser({b"sec-fetch-mode": b"cors"})
    (True, False)
    """
    return not _OF_BROWSERS.isdisjoint(headers) or headers.get(b"referer", b"")[:4].lower() == b"http"


@dataclass(frozen=True, slots=True)
class _Kept:
    """A key of the database."""

    id: UUID
    principal: Principal
    #: The second since 1970 at which it is no longer good, and that from which on it is good again.
    end: float
    begin: float = 0.0


class Credentials:
    """Call it with request headers.

    Args:
        verify: `TokenVerifier.verify`, for whatever has the form of a token.
        clock: seconds since 1970.
    """

    def __init__(self, verify: Callable[[bytes], Principal], *, clock: Callable[[], float] = time.time) -> None:
        self._verify = verify
        self._clock = clock
        #: Keys by SHA-256, and when each was used since anybody asked.  A look-up that compared them byte by byte would
        #: tell by its time how far a guess was right.
        self._kept: dict[bytes, _Kept] = {}
        self._uses: dict[UUID, float] = {}

    def adopt(self, rows: Iterable[Any]) -> None:
        """Take *rows* of `apikey.living_keys` as the keys of the database from now on."""
        self._kept = {
            row.hash: _Kept(
                row.id,
                Principal(
                    role=row.role,
                    claims=MappingProxyType({"key_id": str(row.id)}),
                    read_only="write" not in row.scopes,
                ),
                float("inf") if row.expires_at is None else row.expires_at.timestamp(),
                # A publishable key does nothing that needs its maker.
                0.0 if row.banned_until is None or row.role == ANON else row.banned_until.timestamp(),
            )
            for row in rows
        }

    def take_uses(self) -> dict[UUID, datetime]:
        """Which keys of the database were used since this was asked last, and when."""
        uses, self._uses = self._uses, {}
        return {id: datetime.fromtimestamp(at, UTC) for id, at in uses.items()}

    def __call__(self, headers: Mapping[bytes, bytes]) -> Principal:
        """Return the caller.  *headers* have lower-case names; of both headers there is one line at most.

        Raises:
            TokenError: PGRST301 or PGRST303 (401) for anything that is sent and not good.
        """
        authorization = headers.get(b"authorization")
        key = headers.get(b"apikey")
        in_browser = from_browser(headers)
        if authorization is None:
            return ANONYMOUS if key is None else self._principal(key, in_browser)
        scheme, _, token = authorization.partition(b" ")
        token = token.strip(b" ")
        if scheme.lower() != b"bearer" or not token:
            raise TokenError(
                "PGRST301", "The Authorization header is not a bearer token", hint="Send: Authorization: Bearer <token>"
            )
        reads_only = key is not None and key != token and self._principal(key, in_browser).read_only
        principal = self._principal(token, in_browser)
        return replace(principal, read_only=True) if reads_only else principal

    def _principal(self, credential: bytes, in_browser: bool) -> Principal:
        if credential.startswith(_OPAQUE_PREFIX):
            principal = self._of_key(hashlib.sha256(credential).digest())
        else:
            principal = self._verify(credential)
        if in_browser and (principal.is_service or credential.startswith(_SECRET_PREFIX)):
            raise TokenError(
                "PGRST301",
                "A service key must not be used in a browser",
                hint="Replace this key now: whoever opens the page has it. Use a publishable key there.",
            )
        return principal

    def _of_key(self, digest: bytes) -> Principal:
        kept = self._kept.get(digest)
        if kept is None or not kept.begin <= (now := self._clock()) < kept.end:
            raise TokenError("PGRST301", "The API key is not valid", hint="Use a key of this project.")
        self._uses[kept.id] = now
        return kept.principal
