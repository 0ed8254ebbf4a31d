"""`Database` on SQLite."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from contextvars import copy_context
from functools import partial
from threading import Event
from typing import Any, Final, Literal, TypeVar

import apsw
from sqlalchemy import MetaData, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool

import backstay.adapters.sqlite  # noqa: F401 - names the dialect
from backstay.adapters.sqlite.connection import Location, check_version
from backstay.adapters.sqlite.diagnosis import refuse_deferred
from backstay.adapters.sqlite.export import Export
from backstay.adapters.sqlite.files import keep_private
from backstay.adapters.sqlite.reader import Reader, Readers
from backstay.adapters.sqlite.search import create_searches
from backstay.adapters.sqlite.waiting import busy
from backstay.adapters.sqlite.writer import Writer
from backstay.budget import RequestBudget
from backstay.db.columns import add_columns
from backstay.db.export import MAX_STREAMS, Exports, read_ahead
from backstay.db.failures import RETRY, from_sqlite
from backstay.db.session import bounded
from backstay.db.statement import Row, Rows, Statement, Steps
from backstay.db.threads import to_its_end
from backstay.db.transaction import drive
from backstay.db.turns import Turns
from backstay.errors import DatabaseError

T = TypeVar("T")

#: Statements that were stopped on the event loop, and go to a thread at once: when so many are known, all are forgotten
#: and tried there once more.
_MAX_HEAVY: Final = 1000

#: What says that a read is more than the event loop may wait for: its time, its memory, or the size of what it makes.
_TOO_MUCH_HERE: Final = frozenset(("53200", "57014", "BST413"))

#: Threads for reads that are not known to be short, and how many of them are kept for accounts.
_THREADS: Final = 4
_KEPT: Final = 1
#: Most such reads at one time, running or waiting for a thread.
_SLOW: Final = 200


class SqliteDatabase:
    """One SQLite file, or a database in memory for *path* ``""``.

    Args:
        path: the file; it is created when missing, its folder is not.
        metadata: the tables, from which broken constraints get their names.
        budget: what one request may cost; its time in the database is *budget_seconds* unless it is given.
        budget_seconds: longest run of one statement, and of one transaction's statements together.
        wait_seconds: longest wait for the right to write, then BST503.
        busy_seconds: longest wait for a lock that another process holds, then 55P03.
        max_waiting: most writes in the queue, then BST503.
        narrows: whether a file that everybody may read becomes its owner's (``files.py``).
        share: the percentage of threads, exports and queues that one caller may hold; 0: no limit.

    A database in memory is one process's, is lost at `close`, and has no log: a session of any kind shuts everyone else
    out while it is open.
    """

    name: Literal["sqlite", "postgresql"] = "sqlite"

    def __init__(
        self,
        path: str,
        *,
        metadata: MetaData | None = None,
        budget: RequestBudget | None = None,
        budget_seconds: float = 5.0,
        wait_seconds: float = 10.0,
        busy_seconds: float = 5.0,
        max_waiting: int = 1000,
        narrows: bool = True,
        share: int = 0,
    ) -> None:
        self._location = Location.at(path)
        self._narrows = narrows
        self._metadata = metadata
        self._budget = budget or RequestBudget(database_seconds=budget_seconds)
        budget_seconds = self._budget_seconds = self._budget.database_seconds
        self._wait_seconds = wait_seconds
        self._busy_seconds = busy_seconds
        self.writer = Writer(
            self._location,
            metadata=metadata,
            budget_seconds=budget_seconds,
            wait_seconds=wait_seconds,
            busy_seconds=busy_seconds,
            max_waiting=max_waiting,
            share=share,
            answer_bytes=self._budget.answer_bytes,
            read_bytes=self._budget.sqlite_bytes,
        )
        #: Statements that have once taken too long for the event loop.
        self._heavy: set[str] = set()
        self._opened: list[Reader] = []
        self._exporting: set[Export] = set()
        self._exports = Exports(wait_seconds, share)
        self._readers: Readers | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._export_threads: ThreadPoolExecutor | None = None
        #: Connections of snapshots that are not at work.
        self._idle: list[Reader] = []
        self._turns = Turns(
            _THREADS,
            waiting=_SLOW - _THREADS,
            seconds=wait_seconds,
            refusal=lambda: busy("the database is busy: too many slow reads"),
            percent=share,
            kept=_KEPT,
        )
        self._sessions = Turns(
            _THREADS,
            waiting=_SLOW - _THREADS,
            seconds=wait_seconds,
            refusal=lambda: busy("the database is busy: too many sessions"),
            percent=share,
            kept=_KEPT,
        )
        self._engines: dict[bool, AsyncEngine] = {}

    async def open(self) -> None:
        """Open the file and start the writer.

        Raises:
            ConfigError: BST-E102, SQLite itself is too old.
            DatabaseError: PGRST000, the file cannot be opened; XX001, it is not a database.
        """
        if self._threads is not None:
            return
        check_version()
        await asyncio.to_thread(self.writer.open)
        if not self._location.memory:
            keep_private(self._location.name, narrows=self._narrows)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="backstay-sqlite-reader")
        # Of their own: an export that is read at leisure must not keep a read from its thread.
        self._export_threads = ThreadPoolExecutor(MAX_STREAMS, thread_name_prefix="backstay-sqlite-export")
        self._readers = Readers(self._location, self._budget, self._metadata, self._opened)

    async def close(self) -> None:
        threads, self._threads, self._readers = self._threads, None, None
        exporting, self._export_threads = self._export_threads, None
        if threads is None or exporting is None:
            return
        for engine in self._engines.values():
            await engine.dispose()
        self._engines.clear()
        await asyncio.to_thread(threads.shutdown)
        await asyncio.to_thread(exporting.shutdown)
        self._idle.clear()
        while self._exporting:
            self._exporting.pop().close()
        while self._opened:
            self._opened.pop().close()
        # Last, so that its closing moves the log into the file.
        await asyncio.to_thread(self.writer.close)

    async def fetch(self, statement: Statement) -> Row:
        """The first row, or ``()`` when there is none; see `Database.fetch`."""
        rows = await self._read(statement)
        return rows[0] if rows else ()

    async def fetch_all(self, statement: Statement) -> Rows:
        """See `Database.fetch_all`."""
        return await self._read(statement)

    async def _read(self, statement: Statement) -> Rows:
        readers = self._readers
        if readers is None:
            raise DatabaseError("BST503", "the database is closed", headers=RETRY)
        if self._location.memory and self.writer.loans:
            # Without a log a session's lock shuts readers out, and the session may need this very loop to go on.
            return await self.writer.write(lambda: _rows(statement))
        budget = self._budget
        # One step of a search goes through all places of a word in a text, and nothing can stop it.
        if statement.sql not in self._heavy and " MATCH " not in statement.sql:
            try:
                return readers.reader.all_here(statement, budget.loop_seconds, budget.loop_bytes)
            except DatabaseError as error:
                if error.code not in _TOO_MUCH_HERE:
                    raise
                self._remember_heavy(statement.sql)
        async with self._turns.turn():
            left = Event()
            return await self._in_thread(lambda: readers.reader.all(statement, gone=left), left)

    async def _in_thread(self, work: Callable[[], T], left: Event) -> T:
        """*work* in a thread of the readers.  When the caller leaves, *left* stops it before its place is free."""
        if self._threads is None:
            raise DatabaseError("BST503", "the database is closed", headers=RETRY)
        return await to_its_end(asyncio.get_running_loop().run_in_executor(self._threads, work), left.set)

    async def snapshot(self, steps: Callable[[], Steps[T]], *, long: bool = False) -> T:
        """See `Database.snapshot`: a reading connection in a transaction, all of which runs in one thread."""
        if self._location.memory:
            # Without a log an open read shuts writers out anyway.
            return await self.writer.write(steps)
        async with self._turns.turn():
            left, spent = Event(), 0.0
            while not self._idle:
                await self._in_thread(self._open_reader, left)
            reader = self._idle.pop()

            def run(statement: Statement) -> Rows:
                nonlocal spent
                began = time.monotonic()
                try:
                    return reader.all(statement, max(self._budget_seconds - spent, 0.0), left)
                finally:
                    spent += time.monotonic() - began

            def work() -> T:
                reader.begin()
                try:
                    return drive(steps(), run)
                finally:
                    reader.end()

            try:
                return await self._in_thread(partial(copy_context().run, work), left)
            finally:
                self._idle.append(reader)

    def _open_reader(self) -> None:
        """Have one more in `_idle`: also where nobody waits for it any more."""
        reader = Reader(self._location, self._budget, self._metadata)
        self._opened.append(reader)
        self._idle.append(reader)

    def _remember_heavy(self, sql: str) -> None:
        if len(self._heavy) >= _MAX_HEAVY:
            self._heavy.clear()
        self._heavy.add(sql)

    async def stream(self, statement: Statement) -> AsyncGenerator[Rows, None]:
        """See `Database.stream`: a connection of its own, read in threads.

        A database in memory is read whole before the first chunk: there an open read would shut writers out.
        """
        threads = self._export_threads
        if threads is None:
            raise DatabaseError("BST503", "the database is closed", headers=RETRY)
        async with self._exports.begun() as turn:
            chunks = self._chunks(statement, threads)
            if self._location.memory:
                for rows in [chunk async for chunk in chunks]:
                    yield rows
                return
            async with aclosing(read_ahead(chunks)) as ahead:
                async for rows in ahead:
                    turn.check()
                    yield rows

    async def _chunks(self, statement: Statement, threads: ThreadPoolExecutor) -> AsyncGenerator[Rows, None]:
        loop = asyncio.get_running_loop()
        reader = Export(self._location, self._budget_seconds, self._metadata, statement, self._budget.answer_bytes)
        self._exporting.add(reader)
        try:
            async for rows in reader.chunks(loop, threads):
                yield rows
        finally:
            # A chunk that is still being read ends before the connection does: they take turns in `Export`.
            self._exporting.discard(reader)
            await asyncio.to_thread(reader.close)
            if not self._exporting:
                await self.writer.tidy()

    async def transact(
        self,
        steps: Callable[[], Steps[T]],
        *,
        rollback: bool = False,
        alone: bool = False,
        isolated: bool = False,
        foreign: bool = False,
        long: bool = False,
    ) -> T:
        """See `Database.transact`.  *steps* may be called more than once: when a neighbour spoils the transaction."""
        return await self.writer.write(steps, rollback=rollback)

    @asynccontextmanager
    async def session(
        self, *, read_only: bool = False, rollback: bool = False, isolated: bool = False
    ) -> AsyncIterator[AsyncSession]:
        """See `Database.session`.  A writing session holds the right to write from beginning to end: keep it short."""
        try:
            if read_only and not self._location.memory:
                async with self._sessions.turn(), bounded(), self._session(read_only=True) as session:
                    yield session
            else:
                async with self.writer.lend(), bounded(), self._session(read_only=read_only) as session:
                    yield session
                    if rollback:
                        await _undo(session)
        except DBAPIError as error:
            raise self.failure(error) from error
        except PoolTimeout as error:
            raise DatabaseError("BST503", "the database is busy: too many sessions", headers=RETRY) from error

    @asynccontextmanager
    async def _session(self, *, read_only: bool) -> AsyncIterator[AsyncSession]:
        async with (
            AsyncSession(self._engine(read_only), expire_on_commit=False, close_resets_only=False) as session,
            session.begin(),
        ):
            yield session

    def _engine(self, read_only: bool) -> AsyncEngine:
        engine = self._engines.get(read_only)
        if engine is None:
            engine = self._engines[read_only] = create_async_engine(
                "sqlite+apsw:///backstay",
                connect_args={
                    "location": self._location,
                    "role": "reader" if read_only else "session",
                    "begin": "BEGIN" if read_only else "BEGIN IMMEDIATE",
                    "budget_seconds": self._budget_seconds,
                    "timeout": self._busy_seconds,
                    "bounds": None if read_only else self._metadata,
                },
                pool_size=4,
                max_overflow=0,
                pool_timeout=self._wait_seconds,
            )
        return engine

    @asynccontextmanager
    async def no_writes(self, session: AsyncSession) -> AsyncIterator[None]:
        """See `Database.no_writes`: SQLite cannot forbid it for a while, so rows are counted that were changed."""
        await session.flush()
        connection = await _driver(session)
        before = connection.total_changes()
        yield
        await session.flush()
        if connection.total_changes() != before:
            raise DatabaseError("25006", "cannot write in a read-only transaction")

    def failure(self, error: Exception) -> Exception:
        """See `Database.failure`."""
        return from_sqlite(error.orig or error, self._metadata) if isinstance(error, DBAPIError) else error

    async def create_tables(self, metadata: MetaData) -> None:
        async with self.writer.lend():
            await asyncio.to_thread(self._create, metadata)

    def _create(self, metadata: MetaData) -> None:
        engine = create_engine("sqlite+apsw:///backstay", connect_args={"location": self._location}, poolclass=NullPool)
        try:
            metadata.create_all(engine)
            with engine.begin() as connection:
                add_columns(connection, metadata)
                create_searches(connection, metadata)
        except DBAPIError as error:
            raise self.failure(error) from error


async def _undo(session: AsyncSession) -> None:
    """Roll *session* back, after what its commit would have refused is refused."""
    await session.flush()
    refuse_deferred(await _driver(session))
    await session.rollback()


async def _driver(session: AsyncSession) -> apsw.Connection:
    """The connection under *session*; between two statements it may be asked from here."""
    driver: Any = (await (await session.connection()).get_raw_connection()).driver_connection
    found: apsw.Connection = driver.sync.apsw
    return found


def _rows(statement: Statement) -> Generator[Statement, Rows, Rows]:
    return (yield statement)
