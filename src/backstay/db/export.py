"""Streamed reads, and their bounds.

1. What a read holds (a connection, and on SQLite the log) it holds for as long as the database takes, not the client:
   rows are read ahead into a file.
2. The file is bounded, and so is the time that a read waits for room in it: then the export is broken off.
"""

from __future__ import annotations

import asyncio
import contextlib
import marshal
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from tempfile import TemporaryFile
from typing import Final

from backstay.db.failures import RETRY
from backstay.db.statement import Rows
from backstay.db.turns import Turns
from backstay.errors import DatabaseError

#: Rows, and bytes of text, after which a chunk ends.
CHUNK_ROWS: Final = 200
CHUNK_BYTES: Final = 256 << 10
#: Most streams of one database at a time, and how long one may last.
MAX_STREAMS: Final = 4
STREAM_SECONDS: Final = 300.0
#: Bytes that are read ahead of a client, and the longest that a read waits, in all, for its client to take some.
AHEAD_BYTES: Final = 64 << 20
HOLD_SECONDS: Final = 30.0


class Turn:
    """One stream's time."""

    __slots__ = ("_ends",)

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    def check(self) -> None:
        """Raises `DatabaseError` 57014 when the time is over."""
        if time.monotonic() > self._ends:
            raise DatabaseError("57014", "canceling statement due to statement timeout: the export took too long")


class Exports:
    """Counts the streams of one database.

    Args:
        wait_seconds: longest wait for another to end, then BST503.
        share: see `Turns`.
    """

    def __init__(self, wait_seconds: float, share: int = 0, most: int = MAX_STREAMS) -> None:
        self._turns = Turns(
            most,
            waiting=2 * most,
            seconds=wait_seconds,
            refusal=lambda: DatabaseError("BST503", "the database is busy: too many exports at once", headers=RETRY),
            percent=share,
        )

    @property
    def running(self) -> int:
        return self._turns.running

    @asynccontextmanager
    async def begun(self) -> AsyncIterator[Turn]:
        """One more stream for a block of code.

        Raises:
            DatabaseError: BST503, when too many run.
        """
        async with self._turns.turn():
            yield Turn(STREAM_SECONDS)


def _too_slow() -> DatabaseError:
    return DatabaseError("57014", "canceling statement due to statement timeout: the export was not taken in time")


class Ahead:
    """Chunks between a read and its client, in a file without a name."""

    def __init__(self, most: int, seconds: float) -> None:
        self._file = TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._most = most
        self._left = seconds
        self._sizes: deque[int] = deque()
        self._read = self._written = 0
        self._more, self._less = asyncio.Event(), asyncio.Event()
        self.ended = False

    async def put(self, rows: Rows) -> None:
        """Keep *rows*, when there is room for them.

        Raises:
            DatabaseError: 57014, the client took nothing for too long.
        """
        while self._written >= self._most:
            self._less.clear()
            began = time.monotonic()
            try:
                async with asyncio.timeout(self._left):
                    await self._less.wait()
            except TimeoutError:
                raise _too_slow() from None
            self._left = max(0.0, self._left - (time.monotonic() - began))
        data = marshal.dumps([tuple(row) for row in rows])
        self._file.seek(self._written)
        self._file.write(data)
        self._written += len(data)
        self._sizes.append(len(data))
        self._more.set()

    def end(self) -> None:
        """No more will come."""
        self.ended = True
        self._more.set()

    async def take(self) -> Rows:
        """The next rows; none after the last."""
        while not self._sizes:
            if self.ended:
                return []
            self._more.clear()
            await self._more.wait()
        size = self._sizes.popleft()
        self._file.seek(self._read)
        rows: Rows = marshal.loads(self._file.read(size))  # noqa: S302 - nobody else can write to the file
        self._read += size
        if self._read == self._written:
            self._file.seek(0)
            self._file.truncate()
            self._read = self._written = 0
            self._less.set()
        return rows

    def close(self) -> None:
        self._file.close()


async def read_ahead(
    chunks: AsyncGenerator[Rows, None], *, most: int = AHEAD_BYTES, seconds: float = HOLD_SECONDS
) -> AsyncGenerator[Rows, None]:
    """The same *chunks*, which are taken as fast as they come; closing this closes them."""
    ahead = Ahead(most, seconds)

    async def fill() -> None:
        try:
            async for rows in chunks:
                await ahead.put(rows)
        finally:
            await chunks.aclose()
            ahead.end()

    filling = asyncio.create_task(fill())
    try:
        while rows := await ahead.take():
            yield rows
        await filling
    finally:
        filling.cancel()
        with contextlib.suppress(BaseException):
            await filling
        ahead.close()
