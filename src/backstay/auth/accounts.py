"""`Accounts`: what every flow of this room works with, wired by ``app.py``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from backstay.auth.access import issue_access_token
from backstay.auth.hashers import HashPool
from backstay.auth.options import AuthOptions
from backstay.auth.refusal import AuthError
from backstay.auth.session import Opened
from backstay.auth.trust import Trust
from backstay.auth.user import identities_of, roles_of, user_by_id, user_json
from backstay.crypt import Keyring
from backstay.db.store import Asks, Store, Transaction
from backstay.mail import Letter


@dataclass(frozen=True, slots=True, eq=False)
class Accounts:
    """The room's surroundings, as arguments.

    *send* puts a letter into the outbox and *audit* an event into the log, both in the transaction of what they are
    about; *posted* wakes the delivery after a commit.
    """

    store: Store
    options: AuthOptions
    keyring: Keyring
    trust: Trust
    passwords: HashPool
    send: Callable[[Transaction, Letter], Awaitable[None]]
    audit: Callable[..., Coroutine[Any, Any, None]]
    posted: Callable[[], None]
    now: Callable[[], datetime]
    #: Role → permissions of accounts that hold it (``users:read``, ``users:write``, …).
    permissions: dict[str, frozenset[str]]

    async def may(self, user_id: UUID, permission: str) -> bool:
        """Whether one of the account's roles, as assigned in the database, has *permission* (RB1)."""
        held = await roles_of(self.store, user_id)
        return any(permission in self.permissions.get(role, frozenset()) for role in held)

    def refresh_keys(self) -> tuple[bytes, ...]:
        """Keys that derive successors of refresh tokens, newest first."""
        return self.keyring.derive_all("refresh-token")

    async def living(self, asks: Asks, user_id: UUID | None) -> Any:
        """The account of a caller (row).

        Raises:
            AuthError: user_not_found, user_banned.
        """
        user = None if user_id is None else await asks.one(user_by_id(user_id))
        if user is None:
            raise AuthError("user_not_found", "User from sub claim in JWT does not exist")
        if user.banned_until is not None and user.banned_until > self.now():
            raise AuthError("user_banned", "User is banned")
        return user

    async def user_json(self, user: Any) -> dict[str, Any]:
        """The User object of an account's row."""
        identities = await self.store.all(identities_of(user.id))
        return user_json(user, identities, await self.factors(user.id))

    async def factors(self, user_id: UUID) -> Sequence[dict[str, Any]]:
        """The account's factors, as its User object shows them."""
        return ()

    async def session_json(self, opened: Opened, **more: Any) -> dict[str, Any]:
        """The Session object: what a sign-in answers."""
        user = await self.store.one(user_by_id(opened.user_id))
        token, expires_at = issue_access_token(
            self.trust.keys,
            self.options,
            user=user,
            roles=await roles_of(self.store, user.id),
            session_id=opened.id,
            aal=opened.aal,
            amr=opened.amr,
            now=self.now(),
        )
        return {
            "access_token": token,
            "token_type": "bearer",
            "expires_in": self.options.access_seconds,
            "expires_at": expires_at,
            "refresh_token": opened.refresh_token,
            "user": await self.user_json(user),
            **more,
        }
