"""`Accounts`: what every flow of this room works with, wired by ``app.py``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from backstay.auth.access import issue_access_token
from backstay.auth.factor import factors_of
from backstay.auth.hashers import HashPool
from backstay.auth.oauth.parties import Parties
from backstay.auth.options import AuthOptions
from backstay.auth.refusal import AuthError
from backstay.auth.session import Opened
from backstay.auth.throttle import Attempt, Throttle
from backstay.auth.trust import Trust
from backstay.auth.user import identities_of, roles_of, user_by_id, user_json
from backstay.crypt import Keyring
from backstay.db.store import Asks, Store, Transaction
from backstay.mail import Letter
from backstay.policy.principal import ANON, AUTHENTICATED, SERVICE


@dataclass(frozen=True, slots=True, eq=False)
class Accounts:
    """The room's surroundings, as arguments.

    *send* puts a letter into the outbox, *unsend* takes as long and sends nothing, and *audit* puts an event into the
    log: each in the transaction of what it is about; *posted* wakes the delivery after a commit.
    """

    store: Store
    options: AuthOptions
    keyring: Keyring
    trust: Trust
    passwords: HashPool
    send: Callable[[Transaction, Letter], Awaitable[None]]
    unsend: Callable[[Transaction, Letter], Awaitable[None]]
    audit: Callable[..., Coroutine[Any, Any, None]]
    posted: Callable[[], None]
    now: Callable[[], datetime]
    throttle: Throttle
    #: SHA-1 hashes of passwords that were leaked.
    pwned: Container[bytes]
    #: Role → permissions of accounts that hold it (``users:read``, ``users:write``, …).
    permissions: dict[str, frozenset[str]]
    #: The roles that a token may ask for.
    roles: frozenset[str] = frozenset({ANON, AUTHENTICATED, SERVICE})
    #: Those that policies and functions ask about besides.
    asked: frozenset[str] = frozenset()
    #: Third parties that people sign in with.
    parties: Parties = field(default_factory=Parties)

    @property
    def named(self) -> frozenset[str]:
        """Every role that the app names; no other is given to anybody."""
        return self.roles | self.asked | self.permissions.keys()

    async def rights(self, user_id: UUID) -> frozenset[str]:
        """Every permission of the account, by the roles that are assigned to it in the database (RB1)."""
        held = await roles_of(self.store, user_id)
        return frozenset().union(*(self.permissions.get(role, frozenset()) for role in held))

    async def spend(self, asked: Any, *names: str, identifier: str = "") -> None:
        """Count the request for each of the limits *names*.

        Raises:
            BackstayError: 429, over_request_rate_limit or over_email_send_rate_limit.
        """
        await self.throttle.guard(self.store, *names, now=self.now(), ip=asked.device.bucket, identifier=identifier)

    async def attempt(
        self, asked: Any, identifier: str, *, purpose: str = "password", limit: str = "signin"
    ) -> Attempt:
        """Count a try of a secret of *identifier* before it is looked at; see `Throttle.attempt`.

        Raises:
            BackstayError: 429, over_request_rate_limit.
        """
        return await self.throttle.attempt(
            self.store,
            now=self.now(),
            ip=asked.device.bucket,
            identifier=identifier,
            purpose=purpose,
            limit=limit,
        )

    @property
    def otp_key(self) -> bytes:
        """The key of what is stored of links and codes."""
        return self.keyring.derive("one-time-token")

    def refresh_keys(self) -> tuple[bytes, ...]:
        """Keys that derive successors of refresh tokens, newest first."""
        return self.keyring.derive_all("refresh-token")

    async def living(self, asks: Asks, user_id: UUID | None) -> Any:
        """The account of a caller (row).

        Raises:
            AuthError: user_not_found, user_banned.
        """
        return self.admitted(None if user_id is None else await asks.one(user_by_id(user_id)))

    def admitted(self, user: Any) -> Any:
        """*user* (row), of an account that is there and not banned.

        Raises:
            AuthError: user_not_found, user_banned.
        """
        if user is None:
            raise AuthError("user_not_found", "User from sub claim in JWT does not exist")
        if user.banned_until is not None and user.banned_until > self.now():
            raise AuthError("user_banned", "User is banned")
        return user

    def opened_extra(self, flow: Any) -> dict[str, Any]:
        """What a flow's session answers with besides: the third party's tokens (OA9)."""
        return {name: value for name, value in self.flow_extra(flow).items() if name.startswith("provider_")}

    def flow_extra(self, flow: Any) -> dict[str, Any]:
        """What a flow keeps sealed."""
        if flow.extra is None:
            return {}
        raw = self.keyring.open_sealed(flow.extra, purpose="flow", context=str(flow.id))
        found: dict[str, Any] = msgspec.json.decode(raw)
        return found

    async def user_json(self, user: Any) -> dict[str, Any]:
        """The User object of an account's row."""
        identities = await self.store.all(identities_of(user.id))
        return user_json(user, identities, await self.factors(user.id))

    async def factors(self, user_id: UUID) -> Sequence[dict[str, Any]]:
        """The account's factors, as its User object shows them."""
        return await factors_of(self.store, user_id)

    async def session_json(self, opened: Opened, **more: Any) -> dict[str, Any]:
        """The Session object: what a sign-in answers."""
        now = self.now()
        user = await self.store.one(user_by_id(opened.user_id))
        token, expires_at = issue_access_token(
            self.trust.keys,
            self.options,
            user=user,
            roles=await roles_of(self.store, user.id),
            session_id=opened.id,
            aal=opened.aal,
            amr=opened.amr,
            not_after=opened.not_after,
            now=now,
        )
        return {
            "access_token": token,
            "token_type": "bearer",
            "expires_in": expires_at - int(now.timestamp()),
            "expires_at": expires_at,
            "refresh_token": opened.refresh_token,
            "user": await self.user_json(user),
            **more,
        }
