"""`Office`: the accounts of one running app, opened and closed with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Container, Mapping
from datetime import datetime
from typing import Final, Self

from backstay.audit import Event, audit_keys, record
from backstay.auth.accounts import Accounts
from backstay.auth.apikey import note_uses
from backstay.auth.credentials import Credentials
from backstay.auth.hashers import HashPool
from backstay.auth.hashing import HashCost
from backstay.auth.hold import NOBODY
from backstay.auth.limits import RateLimits
from backstay.auth.moment import utc_now
from backstay.auth.oauth.parties import Parties
from backstay.auth.options import AuthOptions
from backstay.auth.plane import AuthPlane
from backstay.auth.pwned import PwnedFile
from backstay.auth.rolebook import Rolebook
from backstay.auth.routes import ROUTES
from backstay.auth.signing import ensure_keys
from backstay.auth.tending import tend
from backstay.auth.throttle import Throttle
from backstay.auth.token import TokenVerifier
from backstay.auth.trust import Trust
from backstay.crypt import Keyring
from backstay.db.store import Store, Transaction
from backstay.errors import BackstayError
from backstay.mail import Letter, enqueue
from backstay.mail.outbox import forget
from backstay.policy.principal import Principal

_LOG: Final = logging.getLogger("backstay.auth")

#: A key's last use is this old at most, and that is how often it is written.
_NOTED_EVERY_SECONDS: Final = 60.0


class Office:
    """Made by `open`; what it lends is good until `close`."""

    def __init__(self, accounts: Accounts, credentials: Credentials) -> None:
        self.accounts = accounts
        self._credentials = credentials
        self._tasks: tuple[asyncio.Task[None], ...] = ()

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
        credentials: Credentials | None = None,
        book: Rolebook | None = None,
        rates: RateLimits | None = None,
        cost: HashCost | None = None,
        share: int = 0,
        pwned: Container[bytes] = (),
        parties: Parties | None = None,
        posted: Callable[[], None] = lambda: None,
        now: Callable[[], datetime] = utc_now,
    ) -> Self:
        """Make the signing keys where there are none, and load what is needed to believe a token.

        *credentials* get the API keys of the database; *book* has the roles that the app names; *posted* is called
        after letters were put into the outbox.
        """
        book = book or Rolebook()
        table = dict(book.permissions)
        credentials = credentials or Credentials(verifier.verify)
        trust = Trust(
            store,
            keyring,
            lambda jwks: verifier.adopt(jwks, options.issuer),
            adopt_api_keys=credentials.adopt,
            permissions=table,
            now=now,
        )
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

        passwords = HashPool(cost, share=share)
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
            permissions=table,
            roles=book.tokens,
            asked=book.asked,
            parties=parties or Parties(),
        )
        office = cls(accounts, credentials)
        office._tasks = (
            asyncio.create_task(tend(accounts), name="backstay-accounts"),
            asyncio.create_task(office._noting(), name="backstay-api-keys"),
        )
        return office

    async def note_uses(self) -> None:
        """Write down which API keys were used."""
        await note_uses(self.accounts.store, self._credentials.take_uses())

    async def _noting(self) -> None:
        """Note uses once a minute, until cancelled.  A fault is logged and ends nothing (DU6)."""
        while True:
            await asyncio.sleep(_NOTED_EVERY_SECONDS)
            try:
                await self.note_uses()
            except Exception as fault:
                _LOG.warning("uses of API keys could not be noted: %s", type(fault).__name__)

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
        tasks, self._tasks = self._tasks, ()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.accounts.passwords.close()
        if isinstance(self.accounts.pwned, PwnedFile):
            self.accounts.pwned.close()
        try:
            await self.note_uses()
        except BackstayError as fault:
            _LOG.warning("uses of API keys could not be noted: %s", type(fault).__name__)
