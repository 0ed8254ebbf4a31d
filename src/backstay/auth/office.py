"""`Office`: the accounts of one running app, opened and closed with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Mapping
from datetime import datetime
from typing import Self

from backstay.audit import Event, audit_keys, record
from backstay.auth.accounts import Accounts
from backstay.auth.hashers import HashPool
from backstay.auth.hashing import HashCost
from backstay.auth.limits import RateLimits
from backstay.auth.moment import utc_now
from backstay.auth.options import AuthOptions
from backstay.auth.plane import AuthPlane
from backstay.auth.postage import NOBODY
from backstay.auth.routes import ROUTES
from backstay.auth.signing import ensure_keys
from backstay.auth.tending import tend
from backstay.auth.throttle import Throttle
from backstay.auth.token import TokenVerifier
from backstay.auth.trust import Trust
from backstay.crypt import Keyring
from backstay.db.store import Store, Transaction
from backstay.mail import Letter, enqueue
from backstay.mail.outbox import forget
from backstay.policy.principal import Principal


class Office:
    """Made by `open`; what it lends is good until `close`."""

    def __init__(self, accounts: Accounts) -> None:
        self.accounts = accounts
        self._tending: asyncio.Task[None] | None = None

    @property
    def trust(self) -> Trust:
        return self.accounts.trust

    @classmethod
    async def open(
        cls,
        store: Store,
        options: AuthOptions,
        keyring: Keyring,
        verifier: TokenVerifier,
        *,
        rates: RateLimits | None = None,
        cost: HashCost | None = None,
        pwned: Container[bytes] = (),
        posted: Callable[[], None] = lambda: None,
        now: Callable[[], datetime] = utc_now,
    ) -> Self:
        """Make the signing keys where there are none, and load what is needed to believe a token.

        *posted* is called after letters were put into the outbox.
        """
        trust = Trust(store, keyring, lambda jwks: verifier.adopt(jwks, options.issuer), now=now)
        await store.transact(lambda tx: ensure_keys(tx, keyring, now()))
        await trust.refresh()
        keys = audit_keys(keyring)

        def sealed(letter: bytes) -> bytes:
            return keyring.seal(letter, purpose="mail", context="")

        async def send(transaction: Transaction, letter: Letter) -> None:
            await enqueue(transaction, letter, now=now(), seal=sealed)
            # Nothing: as many statements as `unsend` has, so that their number tells nobody apart (TH5).
            await transaction.run(forget(NOBODY))

        async def unsend(transaction: Transaction, letter: Letter) -> None:
            id = await enqueue(transaction, letter, now=now(), seal=sealed)
            await transaction.run(forget(id))

        async def audit(transaction: Transaction, *events: Event) -> None:
            await record(transaction, keys, *events)

        passwords = HashPool(cost)
        await passwords.prepare()
        accounts = Accounts(
            store=store,
            options=options,
            keyring=keyring,
            trust=trust,
            passwords=passwords,
            send=send,
            unsend=unsend,
            pwned=pwned,
            throttle=Throttle(keyring.derive("throttle"), rates),
            audit=audit,
            posted=posted,
            now=now,
            permissions={"admin": frozenset({"users:read", "users:write", "audit:read", "keys:write"})},
        )
        office = cls(accounts)
        office._tending = asyncio.create_task(tend(accounts), name="backstay-accounts")
        return office

    def believing(
        self, credentials: Callable[[Mapping[bytes, bytes]], Principal]
    ) -> Callable[[Mapping[bytes, bytes]], Principal]:
        """*credentials*, of callers who are still to be believed; await `Trust.refresh` before, when it is stale."""
        admit = self.trust.admit
        return lambda headers: admit(credentials(headers))

    def plane(
        self,
        authenticate: Callable[[Mapping[bytes, bytes]], Principal],
        address: Callable[[str, Mapping[bytes, bytes]], tuple[str, str]],
    ) -> AuthPlane:
        """The accounts API; see `AuthPlane`."""
        return AuthPlane(self.accounts, ROUTES, authenticate, address)

    async def close(self) -> None:
        tending, self._tending = self._tending, None
        if tending is not None:
            tending.cancel()
            await asyncio.gather(tending, return_exceptions=True)
        self.accounts.passwords.close()
