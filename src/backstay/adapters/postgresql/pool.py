"""A stack of asyncpg connections, each with its prepared statements.

Rules of this file:

1. No reset query: nothing here leaves session state behind, and saving that round trip nearly doubles one-row reads
   (SQ5; 9,512 reads/s against 6,372 and asyncpg's own pool as it comes 4,397).
2. A connection that may be in an unknown state (cancelled, broken) is thrown away, never returned.
3. Last in, first out: the warmest connection serves next.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

import asyncpg

from backstay.db.failures import RETRY
from backstay.errors import DatabaseError

#: Prepared statements kept per connection; the one not used longest goes first.
_STATEMENTS: Final = 500


class Held:
    """One connection and what it has prepared."""

    __slots__ = ("connection", "prepared")

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
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
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[asyncpg.Connection[Any]]],
        *,
        max_size: int = 10,
        wait_seconds: float = 10.0,
    ) -> None:
        self._connect = connect
        self._max_size = max_size
        self._wait_seconds = wait_seconds
        self._idle: list[Held] = []
        self._size = 0
        self._waiters: deque[asyncio.Future[Held | None]] = deque()
        self._drained: asyncio.Event | None = None
        self._closed = False
        self._abandoning: set[asyncio.Task[None]] = set()

    @property
    def size(self) -> int:
        """Open connections, idle or busy."""
        return self._size

    def pop(self) -> Held | None:
        """An idle connection at once, or ``None``: then `acquire`."""
        while self._idle:
            held = self._idle.pop()
            if not held.connection.is_closed():
                return held
            self._size -= 1
        return None

    async def acquire(self) -> Held:
        """A connection: idle, new, or the next that is released.

        Raises:
            DatabaseError: PGRST000, the server cannot be reached; PGRST003, all were busy for too long.
        """
        if self._closed:
            raise DatabaseError("PGRST001", "the database is closed", headers=RETRY)
        held = self.pop()
        if held is not None:
            return held
        if self._size < self._max_size:
            return await self._grow()
        return await self._wait()

    async def _grow(self) -> Held:
        self._size += 1
        try:
            return Held(await self._connect())
        except BaseException as error:
            self._size -= 1
            self._hand_over(None)
            if not isinstance(error, Exception):
                raise
            raise DatabaseError("PGRST000", "the database cannot be reached", headers=RETRY) from error

    async def _wait(self) -> Held:
        waiter: asyncio.Future[Held | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            held = await asyncio.wait_for(waiter, self._wait_seconds)
        except TimeoutError:
            raise DatabaseError(
                "PGRST003", "Timed out acquiring connection from connection pool.", headers=RETRY
            ) from None
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and (given := waiter.result()) is not None:
                self.release(given)
            raise
        if held is not None:
            return held
        return await self.acquire()  # a place became free, not a connection

    def release(self, held: Held) -> None:
        """Give *held* back, in a clean state; a closed one is forgotten."""
        if held.connection.is_closed() or self._closed:
            self.discard(held)
        elif not self._hand_over(held):
            self._idle.append(held)

    def abandon(self, held: Held) -> None:
        """Throw *held* away after its caller was cancelled: the server is told to stop, so that its locks are freed."""
        task = asyncio.get_running_loop().create_task(self._abandon(held))
        self._abandoning.add(task)
        task.add_done_callback(self._abandoning.discard)

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
        self._hand_over(None)

    def _hand_over(self, held: Held | None) -> bool:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(held)
                return True
        return False

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
        while self._waiters:
            self._hand_over(None)
        if self._size:
            self._drained = asyncio.Event()
            try:
                await asyncio.wait_for(self._drained.wait(), seconds)
            except TimeoutError:
                return
