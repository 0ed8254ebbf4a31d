"""A read whose rows are taken in chunks, on a connection of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor

import apsw
from sqlalchemy import MetaData

from backstay.adapters.sqlite.connection import Budget, Location, connect
from backstay.adapters.sqlite.heap import Room
from backstay.budget import DEFAULT_BUDGET
from backstay.db.export import CHUNK_BYTES, CHUNK_ROWS
from backstay.db.failures import from_sqlite
from backstay.db.statement import Row, Rows, Statement


class Export:
    """The rows of *statement*, from the state of the data at its first.

    Each chunk has the whole statement budget, and no row more than *row_bytes*; the first opens the connection.  A lock
    keeps `close` from overtaking a chunk that a cancelled caller no longer waits for.
    """

    def __init__(
        self,
        location: Location,
        budget_seconds: float,
        metadata: MetaData | None,
        statement: Statement,
        row_bytes: int = DEFAULT_BUDGET.answer_bytes,
    ) -> None:
        self._location = location
        self._budget = Budget(budget_seconds)
        self._metadata = metadata
        self._statement = statement
        self._row_bytes = row_bytes
        self._turn = threading.Lock()
        self._closed = False
        self._connection: apsw.Connection | None = None
        self._rows: Iterator[Row] = iter(())

    def chunk(self) -> Rows:
        """The next rows; none after the last."""
        found: list[Row] = []
        size = 0
        with self._turn:
            if self._closed:
                return found
            self._budget.start()
            try:
                with Room(DEFAULT_BUDGET.sqlite_bytes):
                    if self._connection is None:
                        self._open()
                    for row in self._rows:
                        found.append(row)
                        size += len(row[0])
                        if len(found) >= CHUNK_ROWS or size >= CHUNK_BYTES:
                            break
            except Exception as error:
                raise from_sqlite(error, self._metadata) from error
        return found

    def _open(self) -> None:
        connection = self._connection = connect(self._location, "reader", budget=self._budget, statements=0)
        connection.limit(apsw.SQLITE_LIMIT_LENGTH, self._row_bytes)
        self._rows = connection.cursor().execute(self._statement.sql, self._statement.args)

    async def chunks(self, loop: asyncio.AbstractEventLoop, threads: ThreadPoolExecutor) -> AsyncGenerator[Rows, None]:
        while rows := await loop.run_in_executor(threads, self.chunk):
            yield rows

    def close(self) -> None:
        with self._turn:
            self._closed = True
            if self._connection is not None:
                self._connection.close()
