"""Bounds of streamed reads: each holds a connection, and on SQLite the log, for as long as its client reads."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from backstay.db.failures import RETRY
from backstay.db.turns import Turns
from backstay.errors import DatabaseError

#: Rows, and bytes of text, after which a chunk ends.
CHUNK_ROWS: Final = 200
CHUNK_BYTES: Final = 256 << 10
#: Most streams of one database at a time, and how long one may last.
MAX_STREAMS: Final = 4
STREAM_SECONDS: Final = 300.0


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
