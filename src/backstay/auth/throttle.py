"""How often somebody may try: counters in the database, so that they hold for all workers and after a restart.

Rules of this file:

1. What is tried is counted before the work, in a transaction that commits although the request is refused after it.
   Counting failures afterwards would let through as many as come at the same time (TH1).
2. One counter is one row, changed by one conditional upsert.  Where the condition does not hold nothing is written.
3. A counter's key is a keyed hash of what is counted: the table tells neither addresses nor names.
4. Names are counted whether or not there is such an account, so a refusal says nothing about it (TH4).
5. A sign-in that succeeds takes back its own count, never those of the failures before it from the same address (TH3).

Buckets (`Limit`) keep the moment when the bucket is full again; a name's lock (`Attempt`) counts failures in a row:

* The first 5 are free.  The 5th locks the name for 5 minutes, each further one for twice as long, up to an hour (TH2).
* After 100 the password is not looked at any more: its owner resets it by mail, and calls `recovered`.
* Where somebody has signed in before, from there the name is counted by itself: an attacker elsewhere locks nobody out
  of a place that is known, and a sign-in there does not hide what the attacker does.
"""

from __future__ import annotations

import hmac
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from backstay.auth.limits import MAILS, REQUESTS, Limit, RateLimits
from backstay.auth.refusal import AuthError
from backstay.db.own import Own
from backstay.db.store import Store, Transaction
from backstay.proxies import UNKNOWN
from backstay.sql.query import query

#: Failures that are free, and those after which only a mail helps.
FREE_FAILURES: Final = 5
MAX_FAILURES: Final = 100
#: Locks after the 5th failure in a row, the 6th and so on; the last is for all that follow.
LOCKS: Final = tuple(timedelta(minutes=minutes) for minutes in (5, 10, 20, 40, 60))
#: How long a place is known after the last sign-in from there.
KNOWN_FOR: Final = timedelta(days=90)
#: How long failures are remembered: a few, and enough for a lock.
FEW_KEPT_FOR: Final = timedelta(days=7)
MANY_KEPT_FOR: Final = timedelta(days=365)
#: Rows that the sweep leaves; beyond it those go first that would expire first.
MAX_ROWS: Final = 1_000_000


class Counter(Own):
    """One counter.  Times are microseconds since 1970, so that both databases can add to them."""

    __tablename__ = "backstay_throttle"

    key: Mapped[bytes] = mapped_column(primary_key=True)
    #: A bucket: when it is full again.  A lock: when it ends.
    until: Mapped[int]
    #: A lock: failures in a row.
    failures: Mapped[int]
    expires: Mapped[int] = mapped_column(index=True)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Too often: what to tell the caller, and when to come back."""

    code: str
    seconds: int

    def error(self) -> AuthError:
        """The 429 of this refusal, the same for everybody."""
        if self.code == MAILS:
            return AuthError(self.code, "Email rate limit exceeded", retry_seconds=self.seconds)
        return AuthError(
            self.code,
            "Request rate limit reached",
            hint="Wait as long as Retry-After says, or reset the password by mail.",
            retry_seconds=self.seconds,
        )


@dataclass(frozen=True, slots=True)
class Attempt:
    """A try that was let through and counts as failed until `Throttle.succeeded` says otherwise."""

    ip: str
    identifier: str
    purpose: str
    limit: str
    #: When it was counted.
    at: datetime
    #: Whether its name is counted for this place alone.
    known: bool


class Throttle:
    """Counts tries, and refuses those that are too many.

    Args:
        key: of the hashes, at least 32 bytes.  With another key all counters begin anew.
        rates: the limits in force.
    """

    def __init__(self, key: bytes, rates: RateLimits | None = None) -> None:
        self._key = key
        self._rates = rates or RateLimits()

    # -- with a store: count, commit, then refuse ---------------------------------------------------------------------

    async def guard(self, store: Store, *names: str, now: datetime, ip: str = UNKNOWN, identifier: str = "") -> None:
        """Count one for each of the limits *names*; nothing is left to do afterwards.

        Args:
            ip: the caller's bucket, see ``http/client.py``.
            identifier: the address or name that is acted upon, as the client wrote it.

        Raises:
            AuthError: 429 ``over_request_rate_limit`` or ``over_email_send_rate_limit`` with ``Retry-After``.
        """
        refusal = await store.transact(
            lambda transaction: self.spend(transaction, *names, now=now, ip=ip, identifier=identifier)
        )
        if refusal is not None:
            raise refusal.error()

    async def attempt(
        self, store: Store, *, now: datetime, ip: str, identifier: str, purpose: str = "password", limit: str = "signin"
    ) -> Attempt:
        """Count a try of a secret before it is looked at: as failed, until `succeeded` is called with the outcome.

        Args:
            identifier: what the secret belongs to: an address, a user id, a factor.
            purpose: counts tries of different secrets apart.
            limit: the limit of the address that it counts for.

        Raises:
            AuthError: 429 ``over_request_rate_limit`` with ``Retry-After``.
        """
        outcome = await store.transact(
            lambda transaction: self.begin(
                transaction, now=now, ip=ip, identifier=identifier, purpose=purpose, limit=limit
            )
        )
        if isinstance(outcome, Refusal):
            raise outcome.error()
        return outcome

    # -- inside of a transaction, which must commit -------------------------------------------------------------------

    async def spend(
        self, transaction: Transaction, *names: str, now: datetime, ip: str = UNKNOWN, identifier: str = ""
    ) -> Refusal | None:
        """As `guard`, with the refusal as an outcome.

        In the order of *names*, so the narrowest comes first: limits before the one that refuses have been counted.
        """
        for name in names:
            limit = self._rates.limits.get(name)
            if limit is None:
                continue
            key = self._bucket(name, limit, ip, identifier)
            at, step = _micros(now), limit.step_micros
            # The bucket may be this far from full and still have room for one.
            latest = at + step * (limit.count - 1)
            if await transaction.one(_fill(key=key, full=at + step, now=at, latest=latest, step=step)) is None:
                row = await transaction.one(_counter(key=key))
                wait = row.until - latest if row is not None else step
                return Refusal(limit.code, _seconds(wait))
        return None

    async def begin(
        self, transaction: Transaction, *, now: datetime, ip: str, identifier: str, purpose: str, limit: str
    ) -> Attempt | Refusal:
        """As `attempt`, with the refusal as an outcome."""
        refusal = await self.spend(transaction, limit, now=now, ip=ip)
        if refusal is not None:
            return refusal
        if not self._rates.locks:
            return Attempt(ip, identifier, purpose, limit, now, known=False)
        at, place = _micros(now), self._place(purpose, identifier, ip)
        kept = {"few": at + _span(FEW_KEPT_FOR), "many": at + _span(MANY_KEPT_FOR)}
        if await transaction.one(_strike_known(key=place, now=at, kept=at + _span(KNOWN_FOR))) is not None:
            return Attempt(ip, identifier, purpose, limit, now, known=True)
        row = await transaction.one(_counter(key=place))
        if row is None or row.expires <= at:
            name = self._name(purpose, identifier)
            if await transaction.one(_strike(key=name, now=at, **kept)) is not None:
                return Attempt(ip, identifier, purpose, limit, now, known=False)
            row = await transaction.one(_counter(key=name))
        if row is None or row.failures >= MAX_FAILURES:
            return Refusal(REQUESTS, _seconds(_span(LOCKS[-1])))
        return Refusal(REQUESTS, _seconds(row.until - at))

    async def succeeded(self, transaction: Transaction, attempt: Attempt, *, now: datetime) -> None:
        """Take back what *attempt* counted, end the lock of its name here, and know this place from now on (TH3)."""
        limit = self._rates.limits.get(attempt.limit)
        if limit is not None:
            # What has run out of the bucket since is not taken back: it would be the count of somebody else.
            rest = limit.step_micros - (_micros(now) - _micros(attempt.at))
            if rest > 0:
                await transaction.run(_drain(key=self._bucket(attempt.limit, limit, attempt.ip, ""), rest=rest))
        if not self._rates.locks:
            return
        if not attempt.known:
            await transaction.run(_forget(key=self._name(attempt.purpose, attempt.identifier)))
        if attempt.ip == UNKNOWN:
            # It would be everybody's.
            return
        at, place = _micros(now), self._place(attempt.purpose, attempt.identifier, attempt.ip)
        await transaction.run(_know(key=place, now=at, kept=at + _span(KNOWN_FOR)))

    async def recovered(self, transaction: Transaction, identifier: str, *, purpose: str = "password") -> None:
        """Begin anew for *identifier*: its owner has read a mail of ours, or an operator unlocks it."""
        await transaction.run(_forget(key=self._name(purpose, identifier)))

    async def sweep(self, transaction: Transaction, *, now: datetime, max_rows: int = MAX_ROWS) -> None:
        """Delete counters that say nothing any more, and what is beyond *max_rows*.  Call it every few minutes."""
        await transaction.run(_sweep(now=_micros(now), max_rows=max_rows))

    # -- keys ---------------------------------------------------------------------------------------------------------

    def _bucket(self, name: str, limit: Limit, ip: str, identifier: str) -> bytes:
        # With its numbers: how full a bucket was means nothing after the operator has changed its size.
        about = f"{name} {limit.count}/{limit.seconds}"
        subject = {"ip": ip, "identifier": normal(identifier), "project": ""}[limit.scope]
        return self._mac("bucket", about, subject)

    def _name(self, purpose: str, identifier: str) -> bytes:
        return self._mac("name", purpose, exact(identifier))

    def _place(self, purpose: str, identifier: str, ip: str) -> bytes:
        return self._mac("place", purpose, exact(identifier), ip)

    def _mac(self, *parts: str) -> bytes:
        raw = [part.encode("utf-8", "surrogatepass") for part in parts]
        return hmac.digest(self._key, b"".join(len(part).to_bytes(8, "big") + part for part in raw), "sha256")


#: Characters of an identifier that count.
_MAX_CHARS: Final = 1000


def exact(identifier: str) -> str:
    """*identifier* as locks know it: one account's and no other's.

    Failures end with a sign-in, so a name that looks alike must not end them: its account may be the attacker's.

    >>> exact(" Ann@Example.ORG ") == exact("ann@example.org") != exact("ａnn@example.org")
    True
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", _bounded(identifier).strip()).lower())


def normal(identifier: str) -> str:
    """*identifier* as it is counted in buckets: all that might reach one mailbox has one form.

    >>> normal(" Ann@Example.ORG ") == normal("ann@example.org") == normal("ａnn@example.org")
    True
    """
    return unicodedata.normalize("NFKC", _bounded(identifier).strip()).casefold()


def _bounded(identifier: str) -> str:
    # No account is called so; to normalise a long text takes time that grows with the square of its length.
    return identifier[:_MAX_CHARS]


def _micros(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000 + at.microsecond


def _span(time: timedelta) -> int:
    return time // timedelta(microseconds=1)


def _seconds(micros: int) -> int:
    """Whole seconds to wait, at least one."""
    return max(1, -(-micros // 1_000_000))


def _int(value: Any) -> Any:
    return sa.type_coerce(value, sa.BigInteger())


def _lock(failures: Any, now: Any) -> Any:
    """When the lock ends that the failure after *failures* others sets; now, while they are free."""
    ends = [(failures >= FREE_FAILURES - 1 + n, _int(now) + _span(lock)) for n, lock in enumerate(LOCKS)]
    return sa.case(*reversed(ends), else_=_int(now))


@query
def _fill(key: bytes, full: int, now: int, latest: int, step: int) -> Any:
    new = insert(Counter).values(key=key, until=full, failures=0, expires=full)
    filled = sa.case((Counter.until > now, Counter.until), else_=_int(now)) + _int(step)
    return new.on_conflict_do_update(
        index_elements=["key"], set_={"until": filled, "expires": filled}, where=Counter.until <= latest
    ).returning(Counter.until)


@query
def _drain(key: bytes, rest: int) -> Any:
    less = Counter.until - _int(rest)
    return sa.update(Counter).where(Counter.key == key).values(until=less, expires=less)


@query
def _strike(key: bytes, now: int, few: int, many: int) -> Any:
    new = insert(Counter).values(key=key, until=now, failures=1, expires=few)
    old = Counter.expires <= now
    before = sa.case((old, _int(0)), else_=Counter.failures)
    return new.on_conflict_do_update(
        index_elements=["key"],
        set_={
            "failures": before + 1,
            "until": _lock(before, now),
            "expires": sa.case((before >= FREE_FAILURES - 1, _int(many)), else_=_int(few)),
        },
        where=old | ((Counter.until <= now) & (Counter.failures < MAX_FAILURES)),
    ).returning(Counter.failures)


@query
def _strike_known(key: bytes, now: int, kept: int) -> Any:
    # The place stays known while somebody tries from there, so that a lock does not turn into a new beginning.
    return (
        sa.update(Counter)
        .where(
            Counter.key == key,
            Counter.expires > now,
            Counter.until <= now,
            Counter.failures < MAX_FAILURES,
        )
        .values(
            failures=Counter.failures + 1,
            until=_lock(Counter.failures, now),
            expires=sa.case((Counter.failures >= FREE_FAILURES - 1, _int(kept)), else_=Counter.expires),
        )
        .returning(Counter.failures)
    )


@query
def _know(key: bytes, now: int, kept: int) -> Any:
    new = insert(Counter).values(key=key, until=now, failures=0, expires=kept)
    return new.on_conflict_do_update(index_elements=["key"], set_={"until": now, "failures": 0, "expires": kept})


@query
def _counter(key: bytes) -> Any:
    return sa.select(Counter.until, Counter.failures, Counter.expires).where(Counter.key == key)


@query
def _forget(key: bytes) -> Any:
    return sa.delete(Counter).where(Counter.key == key)


@query
def _sweep(now: int, max_rows: int) -> Any:
    # The earliest expiry that is beyond the rows that stay; none when there are not as many.
    beyond = sa.select(Counter.expires).order_by(Counter.expires.desc()).offset(_int(max_rows)).limit(1)
    return sa.delete(Counter).where((Counter.expires <= now) | (Counter.expires <= beyond.scalar_subquery()))
