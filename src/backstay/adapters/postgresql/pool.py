"""A stack of asyncpg connections, each with its prepared statements.

Rules of this file:

1. No reset query after statements of ours: they leave no session state behind, and saving that round trip nearly
   doubles one-row reads (SQ5; 9,512 reads/s against 6,372 and asyncpg's own pool as it comes 4,397).  What ran other
   code comes back by `clean` (``residue.py``).
2. A connection that may be in an unknown state (cancelled, broken) is thrown away, never returned.
3. Last in, first out: the warmest connection serves next.
4. A connection is had in turn, and nobody has more than a share of them (`Turns`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import asyncpg

from backstay.adapters.postgresql.residue import CLEAN
from backstay.db.caller import CALLER, Caller
from backstay.db.failures import RETRY
from backstay.db.turns import Turns
from backstay.errors import DatabaseError

#: Prepared statements kept per connection; the one not used longest goes first.
_STATEMENTS: Final = 500

#: Most callers that wait for a connection.
_WAITING: Final = 1000


def no_connection() -> DatabaseError:
    """PGRST003, with Retry-After."""
    return DatabaseError("PGRST003", "Timed out acquiring connection from connection pool.", headers=RETRY)


def turns(places: int, wait_seconds: float, share: int) -> Turns:
    """Who may have one of *places* connections; a fifth of them is kept for accounts."""
    kept = max(1, places // 5) if places > 2 else 0
    return Turns(
        places, waiting=_WAITING, seconds=wait_seconds, refusal=no_connection, percent=share, kept=kept if share else 0
    )


class Held:
    """One connection, what it has prepared, and who has it."""

    __slots__ = ("caller", "connection", "prepared")

    def __init__(self, connection: asyncpg.Connection[Any], caller: Caller) -> None:
        self.caller = caller
        self.connection = connection
        self.prepared: OrderedDict[str, Any] = OrderedDict()

    def find(self, sql: str) -> Any:
        """The prepared statement of *sql*, or ``None``: then `prepare` it."""
        found = self.prepared.get(sql)
        if found is not None:
            self.prepared.move_to_end(sql)
        return found

    async def prepare(self, sql: str) -> Any:
        """Prepare *sql*, and keep it."""
        statement = await self.connection.prepare(sql)
        if len(self.prepared) >= _STATEMENTS:
            self.prepared.popitem(last=False)
        self.prepared[sql] = statement
        return statement


class Pool:
    """At most *max_size* connections, made by *connect* when needed.

    Args:
        wait_seconds: longest wait for a free connection, then PGRST003.
        share: the percentage of the connections, and of the queue for them, that one caller may have; 0: no limit.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[asyncpg.Connection[Any]]],
        *,
        max_size: int = 10,
        wait_seconds: float = 10.0,
        share: int = 0,
    ) -> None:
        self._connect = connect
        self._turns = turns(max_size, wait_seconds, share)
        self._idle: list[Held] = []
        self._size = 0
        self._drained: asyncio.Event | None = None
        self._closed = False
        self._abandoning: set[asyncio.Task[None]] = set()

    @property
    def size(self) -> int:
        """Open connections, idle or busy."""
        return self._size

    def pop(self) -> Held | None:
        """An idle connection at once, or ``None``: then `acquire`."""
        caller = CALLER.get()
        if not self._idle or not self._turns.try_take(caller):
            return None
        held = self._warmest(caller)
        if held is None:
            self._turns.give(caller)
        return held

    def _warmest(self, caller: Caller) -> Held | None:
        while self._idle:
            held = self._idle.pop()
            if not held.connection.is_closed():
                held.caller = caller
                return held
            self._size -= 1
        return None

    async def acquire(self) -> Held:
        """A connection, idle or new, when it is the caller's turn.

        Raises:
            DatabaseError: PGRST000, the server cannot be reached; PGRST001, the pool is closed; PGRST003, all were
                busy for too long.
        """
        caller = CALLER.get()
        if self._closed:
            raise DatabaseError("PGRST001", "the database is closed", headers=RETRY)
        await self._turns.take(caller)
        try:
            if self._closed:
                raise DatabaseError("PGRST001", "the database is closed", headers=RETRY)
            return self._warmest(caller) or await self._grow(caller)
        except BaseException:
            self._turns.give(caller)
            raise

    async def _grow(self, caller: Caller) -> Held:
        self._size += 1
        try:
            return Held(await self._connect(), caller)
        except BaseException as error:
            self._size -= 1
            if not isinstance(error, Exception):
                raise
            raise DatabaseError("PGRST000", "the database cannot be reached", headers=RETRY) from error

    def release(self, held: Held) -> None:
        """Give *held* back, in a clean state; a closed one is forgotten."""
        if held.connection.is_closed() or self._closed:
            self.discard(held)
        else:
            self._idle.append(held)
            self._turns.give(held.caller)

    def clean(self, held: Held, then: Callable[[Held], Awaitable[None]] | None = None) -> None:
        """Give *held* back after code that may have left anything: once that is taken away, and *then* is done."""
        self._keep(self._clean(held, then))

    async def _clean(self, held: Held, then: Callable[[Held], Awaitable[None]] | None) -> None:
        try:
            await held.connection.execute(CLEAN)
            if then is not None:
                await then(held)
        except Exception:
            self.discard(held)
        except BaseException:
            self.discard(held)
            raise
        else:
            self.release(held)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._abandoning.add(task)
        task.add_done_callback(self._abandoning.discard)

    def abandon(self, held: Held) -> None:
        """Throw *held* away after its caller was cancelled: the server is told to stop, so that its locks are freed."""
        self._keep(self._abandon(held))

    async def _abandon(self, held: Held) -> None:
        # asyncpg has a cancel request on its way; closing waits for it, terminating would overtake it.
        with contextlib.suppress(Exception):
            await held.connection.close(timeout=2)
        self.discard(held)

    def discard(self, held: Held) -> None:
        """Throw *held* away: it broke, or nobody knows what it is doing."""
        if not held.connection.is_closed():
            held.connection.terminate()
        self._size -= 1
        if self._size == 0 and self._drained is not None:
            self._drained.set()
        self._turns.give(held.caller)

    def drop_idle(self) -> None:
        """Throw idle connections away: what has ended one of them has ended others, which nobody has noticed yet."""
        while self._idle:
            self._size -= 1
            self._idle.pop().connection.terminate()

    async def close(self, seconds: float = 10.0) -> None:
        """Close idle connections, and busy ones as they come back, but no later than after *seconds*."""
        self._closed = True
        while self._idle:
            held = self._idle.pop()
            self._size -= 1
            try:
                await held.connection.close(timeout=5)
            except Exception:
                held.connection.terminate()
        if self._size:
            self._drained = asyncio.Event()
            try:
                await asyncio.wait_for(self._drained.wait(), seconds)
            except TimeoutError:
                return
