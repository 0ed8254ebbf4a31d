"""`Trust`: whether a token that was signed by us is still to be believed (TK5, MF4, TK7).

A token says what was true when it was issued.  What has changed since is in the database, behind the epoch; a process
looks at that number at most once a second, and only when somebody asks.  So the usual request pays a comparison of two
times and one look into a dict that is nearly always empty.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from backstay.auth.apikey import living_keys
from backstay.auth.epoch import current_epoch, revoked_since
from backstay.auth.moment import utc_now
from backstay.auth.signing import SigningKeys, load_keys
from backstay.crypt import Keyring
from backstay.db.store import Store
from backstay.errors import TokenError
from backstay.policy.principal import Principal

#: How old the epoch may be; with the time of one query less than the second that TK5 allows.
FRESH_SECONDS: Final = 0.8
#: Most looks in a second for the sake of unknown credentials.
LOOKS: Final = 50


class Trust:
    """What has been revoked, and the keys as they stand.

    Args:
        adopt: is given the public keys when they are others than before: `TokenVerifier.adopt`, which then forgets
            every token that it knew.  Most epochs are somebody's sign-out, and change none.
        adopt_api_keys: is given the API keys (rows) whenever they may have changed: `Credentials.adopt`.
        permissions: what each role may administer, which the makers of keys must still be able to.
        timer: a monotonic clock, in seconds.
        now: the time of day.
    """

    def __init__(
        self,
        store: Store,
        keyring: Keyring,
        adopt: Callable[[Sequence[Mapping[str, Any]]], None],
        *,
        adopt_api_keys: Callable[[Sequence[Any]], None] = lambda rows: None,
        permissions: Mapping[str, frozenset[str]] = MappingProxyType({}),
        timer: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._keyring = keyring
        self._adopt = adopt
        self._adopt_api_keys = adopt_api_keys
        self._permissions = permissions
        self._timer = timer
        self._now = now
        self._epoch = 0
        self._looked_at = float("-inf")
        self._looking: asyncio.Lock | None = None
        #: How often `expire` was called: a look that began before the last call says nothing of what it was about.
        self._expired = 0
        #: Session → (ended, second factor gone, stale before this second, forgotten after this second).
        self._changed: dict[str, tuple[bool, bool, float, float]] = {}
        self._keys: SigningKeys | None = None

    @property
    def keys(self) -> SigningKeys:
        """The signing keys; `refresh` has loaded them."""
        assert self._keys is not None  # noqa: S101 - the app makes them before it serves
        return self._keys

    @property
    def is_stale(self) -> bool:
        """Whether `refresh` must be awaited before anybody is believed."""
        return self._timer() - self._looked_at > FRESH_SECONDS

    def expire(self) -> None:
        """Look again at the next request: something was revoked here just now."""
        self._expired += 1
        self._looked_at = float("-inf")

    async def look_again(self) -> bool:
        """Look for a key that was made in another process a moment ago; false where the last look is too fresh.

        For credentials that nobody here knows.  Whoever sends such ones on purpose makes `LOOKS` queries a second, and
        no more.
        """
        if self._timer() - self._looked_at < 1 / LOOKS:
            return False
        self.expire()
        await self.refresh()
        return True

    async def refresh(self) -> None:
        """Look at the epoch, and where it has grown at what has changed."""
        if self._looking is None:
            self._looking = asyncio.Lock()
        async with self._looking:
            if not self.is_stale:
                return
            # What is revoked after this moment may be missed, so the look is as old as its beginning.
            looked_at, expired = self._timer(), self._expired
            row = await self._store.one(current_epoch())
            if row is not None and row.value != self._epoch:
                await self._catch_up(row.value)
            if expired == self._expired:
                self._looked_at = looked_at

    async def _catch_up(self, epoch: int) -> None:
        now = self._now()
        for row in await self._store.all(revoked_since(self._epoch, now)):
            ended, downgraded, stale, until = self._changed.get(str(row.session_id), (False, False, 0.0, 0.0))
            at = row.at.timestamp()
            self._changed[str(row.session_id)] = (
                ended or row.action == "end",
                downgraded or row.action == "aal1",
                max(stale, at) if row.action == "stale" else stale,
                max(until, row.until.timestamp()),
            )
        moment = now.timestamp()
        for id in [id for id, facts in self._changed.items() if facts[3] < moment]:
            del self._changed[id]
        keys = await load_keys(self._store, self._keyring)
        if keys is not None:
            known, self._keys = self._keys, keys
            if known is None or known.public != keys.public:
                self._adopt(keys.public)
        self._adopt_api_keys(await living_keys(self._store, self._permissions))
        self._epoch = epoch

    def admit(self, principal: Principal) -> Principal:
        """*principal* as it stands now.

        Raises:
            TokenError: PGRST301, when its session was ended; PGRST303, when its token is older than a change of its
                roles.
        """
        if not self._changed:
            return principal
        session = principal.claims.get("session_id")
        facts = self._changed.get(session) if isinstance(session, str) else None
        if facts is None:
            return principal
        ended, downgraded, stale, _ = facts
        if ended:
            raise TokenError("PGRST301", "The token is not valid", hint="Sign in again.")
        # ``iat`` is in whole seconds: what was issued in the second of the change may be from before it.
        if stale and principal.claims.get("iat", 0) <= stale:
            raise TokenError("PGRST303", "JWT expired", hint="Refresh the session.")
        return replace(principal, aal="aal1") if downgraded else principal

    def __repr__(self) -> str:
        return f"Trust(epoch={self._epoch}, changed={len(self._changed)})"


def session_of(principal: Principal) -> UUID | None:
    """The session of a caller who signed in here."""
    session = principal.claims.get("session_id")
    try:
        return UUID(session) if isinstance(session, str) else None
    except ValueError:
        return None
