"""`HashPool`: passwords hashed beside the event loop, never more at once than the machine can bear (PW7).

1. argon2 releases the interpreter, so threads are enough; each worker holds the memory of one hash and no more do.
2. What waits is bounded, and so is its time.  One more is refused with 503: a queue of sign-ins that nobody waits for
   any more would keep the machine busy for nothing.  One address has a share of the workers and of the queue, and who
   waits is served address after address (``db/turns.py``).
3. Who stops waiting leaves the queue.  A hash that began cannot be stopped, so its worker is free when it ends, not
   when its caller went away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar

from backstay.auth.hashing import HashCost, dummy_hash, hash_password, needs_rehash, password_bytes, verify_password
from backstay.auth.imported import readable
from backstay.db.caller import CALLER, Caller
from backstay.db.turns import Turns
from backstay.errors import BackstayError

T = TypeVar("T")

#: What a refused caller is told to wait: a full queue takes about that long at the default cost.
RETRY_SECONDS: Final = 1
#: Longest wait for a worker.
_WAIT_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Verified:
    """Whether a password fits its hash, and the hash to store instead of it, if any."""

    ok: bool
    #: Store it with a condition on the old one, so that an older hash cannot come back: ``WHERE password_hash = :old``.
    upgraded_hash: str | None = None


class HashPool:
    """Hashes and verifies passwords in threads.  Made, used and closed on one event loop.

    Args:
        cost: of new hashes.
        workers: hashes at the same time.
        waiting: most callers that wait for a worker.
        share: the percentage of both that one caller may have; 0: no limit.
    """

    def __init__(self, cost: HashCost | None = None, *, workers: int = 2, waiting: int = 32, share: int = 0) -> None:
        self._cost = cost or HashCost()
        self._turns = Turns(workers, waiting=waiting, seconds=_WAIT_SECONDS, refusal=_busy, percent=share)
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="backstay-hash")
        #: Hashes at work, for metrics and tests.
        self.busy = 0

    @property
    def waiting(self) -> int:
        """Callers that wait for a worker."""
        return self._turns.waiting

    async def hash(self, password: str) -> str:
        """A new hash of *password*.

        Raises:
            BackstayError: BST422, see `password_bytes`; BST503 with ``Retry-After`` when too many wait.
        """
        raw = password_bytes(password)
        return await self.run(lambda: hash_password(raw, self._cost))

    async def verify(self, encoded: str | None, password: str) -> Verified:
        """Check *password* against the stored hash; ``None``, an account without one, takes as long and never fits.

        Raises:
            BackstayError: as `hash`; for the same passwords whether or not there is an account.
        """
        raw = password_bytes(password)
        return await self.run(lambda: self._verify(encoded, raw))

    async def prepare(self) -> None:
        """Make the dummy hash now, so that the first unknown account does not take longer than the next."""
        await self.run(lambda: dummy_hash(self._cost))

    def close(self) -> None:
        """Let running hashes end; callers that still wait for a worker are refused."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _verify(self, encoded: str | None, raw: bytes) -> Verified:
        if encoded is None or not readable(encoded):
            verify_password(dummy_hash(self._cost), raw)
            return Verified(False)
        if not verify_password(encoded, raw):
            return Verified(False)
        return Verified(True, hash_password(raw, self._cost) if needs_rehash(encoded, self._cost) else None)

    async def run(self, work: Callable[[], T]) -> T:
        """What *work* gives, in the place of a hash: a passkey's signature is checked as seldom, and by as few at once.

        Raises:
            BackstayError: BST503, when too many wait.
        """
        caller = CALLER.get()
        await self._turns.take(caller)
        try:
            future = self._executor.submit(work)
        except RuntimeError:
            # Closed while this caller waited.
            self._turns.give(caller)
            raise _busy() from None
        self.busy += 1
        loop = asyncio.get_running_loop()

        def ended(_: Future[T]) -> None:
            # From the worker's thread.  The loop may be gone when an app is torn down under a running hash.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._ended, caller)

        future.add_done_callback(ended)
        # The shield keeps a caller that goes away from cancelling a future whose worker is counted as taken.
        return await asyncio.shield(asyncio.wrap_future(future))

    def _ended(self, caller: Caller) -> None:
        self.busy -= 1
        self._turns.give(caller)


def _busy() -> BackstayError:
    return BackstayError(
        "BST503",
        "Too many passwords or passkeys are being checked",
        hint="Try again in a second.",
        headers=(("Retry-After", str(RETRY_SECONDS)),),
    )
