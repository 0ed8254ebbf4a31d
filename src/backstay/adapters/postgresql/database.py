"""`Database` on PostgreSQL."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Literal, TypeVar

import asyncpg
from sqlalchemy import MetaData, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.schema import CreateSchema

from backstay.adapters.postgresql.moments import read_moments
from backstay.adapters.postgresql.pool import Held, Pool, no_connection, turns
from backstay.adapters.postgresql.residue import CLEAN, LOOK, Code
from backstay.adapters.postgresql.search import create_searches
from backstay.db.columns import add_columns
from backstay.db.export import CHUNK_BYTES, CHUNK_ROWS, Exports, read_ahead
from backstay.db.failures import RETRY, from_postgresql, is_unusable
from backstay.db.session import bounded
from backstay.db.statement import Row, Rows, Statement, Steps
from backstay.db.threads import Threads
from backstay.db.transaction import drive_async
from backstay.errors import DatabaseError
from backstay.sql.quoted import quoted

T = TypeVar("T")

#: Key of the advisory lock under which tables are created: processes that start together must not race.
_CREATE_LOCK = 0x6261636B

#: Has what COMMIT would refuse refused now.
_ALL_CHECKED = "SET CONSTRAINTS ALL IMMEDIATE"

#: One state of the data for all statements of the transaction, and 40001 where it would write a row that another has
#: changed since.  A READ COMMITTED one would wait for the other, and then judge the row as it is, but by other rows as
#: they were: who has lost a right meanwhile would still have it.
_ISOLATED = "BEGIN ISOLATION LEVEL REPEATABLE READ"
#: Of as many that write one row at the same time all get through: in each round one of them does.
_TRIES = 10

#: One state of the data for all statements of the transaction.
_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

#: Seconds beyond the budget that a transaction may take: the server is to stop a single statement, for then the
#: connection can be used again.
_GRACE = 1.0

#: Seconds after which the catalogs are asked again whether the database has code of its own.
_LOOK_SECONDS = 5.0
_AT_ONCE = 0.0

#: Rows of an export that are taken before anything is known of their size.
_FIRST_ROWS = 8

_SCHEMA = re.compile(r"\s*(create|alter|drop|do|import)\b", re.IGNORECASE)


class PostgresDatabase:
    """One PostgreSQL database.

    Args:
        dsn: ``postgresql://user:password@host:port/database``, as libpq reads it.
        schema: the only schema on the search path; the server's default path when ``None``.
        search_path: schemas on the search path, followed by ``public``, for a database that is not ours to create.
        budget_seconds: the server's ``statement_timeout``, and how long the statements of one transaction may take
            together.
        max_size: most connections of the data plane; sessions have as many again.
        wait_seconds: longest wait for a connection, then PGRST003.
        connect_seconds: longest wait for the server, then PGRST000.
        share: the percentage of connections and exports that one caller may have; 0: no limit.
    """

    name: Literal["sqlite", "postgresql"] = "postgresql"

    def __init__(
        self,
        dsn: str,
        *,
        schema: str | None = None,
        search_path: Sequence[str] = (),
        budget_seconds: float = 5.0,
        max_size: int = 10,
        wait_seconds: float = 10.0,
        connect_seconds: float = 5.0,
        share: int = 0,
    ) -> None:
        self._dsn = dsn
        self._share = share
        self._budget_seconds = budget_seconds
        self._schema = schema
        self._max_size = max_size
        self._wait_seconds = wait_seconds
        self._connect_seconds = connect_seconds
        self._settings = {
            "application_name": "backstay",
            "timezone": "UTC",
            "statement_timeout": str(int(budget_seconds * 1000)),
            "idle_in_transaction_session_timeout": "60000",
            "jit": "off",  # compiling costs more than any statement that fits the budget gains
        }
        if schema is not None:
            self._settings["search_path"] = quoted(schema)
        elif search_path:
            self._settings["search_path"] = ", ".join(map(quoted, dict.fromkeys((*search_path, "public"))))
        self._exports = Exports(wait_seconds, share)
        self._sessions = turns(max_size, wait_seconds, share)
        #: For what transactions do between their statements, of which each connection has one.
        self._threads = Threads(max_size, "backstay-postgresql")
        #: Taken for the worst until somebody has looked.
        self._code = Code()
        self._look_at = _AT_ONCE
        self.pool: Pool | None = None
        self._engine: AsyncEngine | None = None

    async def open(self) -> None:
        """Connect once, to know that it works.

        Raises:
            DatabaseError: PGRST000.
        """
        if self.pool is not None:
            return
        pool = Pool(self._connect, max_size=self._max_size, wait_seconds=self._wait_seconds, share=self._share)
        try:
            held = await pool.acquire()
            try:
                await self._look(held)
            finally:
                pool.release(held)
        except BaseException:
            await pool.close()
            raise
        self.pool = pool
        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self._connect,
            pool_size=self._max_size,
            max_overflow=0,
            pool_timeout=self._wait_seconds,
        )
        event.listen(self._engine.sync_engine, "reset", _clean_session)
        event.listen(self._engine.sync_engine, "before_cursor_execute", self._notice)

    async def _look(self, held: Held) -> None:
        """Ask the catalogs for code of the database's own."""
        self._look_at = time.monotonic() + _LOOK_SECONDS
        leaves, reads = await held.connection.fetchrow(LOOK)
        self._code = Code(leaves, reads)

    def _notice(self, connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        """A session that changes the schema may bring code."""
        if _SCHEMA.match(statement):
            self._code = Code()
            self._look_at = _AT_ONCE

    def _give_back(self, pool: Pool, held: Held, *, ran_code: bool) -> None:
        """Give *held* back, cleaned where it *ran_code*; now and then it looks first what code there is."""
        if time.monotonic() > self._look_at:
            self._look_at = time.monotonic() + _LOOK_SECONDS
            pool.clean(held, self._look)
        elif ran_code:
            pool.clean(held)
        else:
            pool.release(held)

    async def _connect(self) -> asyncpg.Connection[Any]:
        connection: asyncpg.Connection[Any] = await asyncpg.connect(
            self._dsn,
            timeout=self._connect_seconds,
            # The server keeps the budget; this is for a network that has gone silent.
            command_timeout=self._budget_seconds + 5,
            server_settings=self._settings,
        )
        await read_moments(connection)
        return connection

    async def close(self) -> None:
        pool, self.pool = self.pool, None
        engine, self._engine = self._engine, None
        if pool is not None:
            await pool.close()
        if engine is not None:
            await engine.dispose()
        await self._threads.close()

    def _open_pool(self) -> Pool:
        if self.pool is None:
            raise DatabaseError("PGRST001", "the database is closed", headers=RETRY)
        return self.pool

    async def fetch(self, statement: Statement) -> Row:
        """The first row, or ``()`` when there is none; see `Database.fetch`."""
        row = await self._read(statement, _first)
        return () if row is None else row

    async def fetch_all(self, statement: Statement) -> Rows:
        """See `Database.fetch_all`."""
        rows: Rows = await self._read(statement, _all)
        return rows

    async def _read(
        self, statement: Statement, ask: Callable[[Any, tuple[Any, ...]], Awaitable[Any]], *, again: bool = True
    ) -> Any:
        pool = self.pool or self._open_pool()
        if self._code.reads:
            return await self._read_guarded(pool, statement, ask, again=again)
        held = pool.pop() or await pool.acquire()
        try:
            prepared = held.find(statement.sql) or await held.prepare(statement.sql)
            rows = await ask(prepared, statement.args)
        except asyncpg.InvalidCachedStatementError:
            rows = await self._read_anew(held, statement, ask)
        except TimeoutError as error:
            pool.abandon(held)
            raise from_postgresql(error) from error
        except Exception as error:
            if not is_unusable(error):
                pool.release(held)
                raise from_postgresql(error) from error
            pool.discard(held)
            if not again:
                raise from_postgresql(error) from error
            # It died while it was idle, and nothing was sent: a new one is as good.
            pool.drop_idle()
            return await self._read(statement, ask, again=False)
        except BaseException:  # cancelled: the statement may still run
            pool.abandon(held)
            raise
        self._give_back(pool, held, ran_code=False)
        return rows

    async def _read_guarded(
        self, pool: Pool, statement: Statement, ask: Callable[[Any, tuple[Any, ...]], Awaitable[Any]], *, again: bool
    ) -> Any:
        """As `_read`, where views or policies call functions: nothing is written, and nothing left behind."""
        held = pool.pop() or await pool.acquire()
        try:
            try:
                rows = await self._read_only(held, statement, ask)
            except asyncpg.InvalidCachedStatementError:
                held.prepared.clear()
                await held.connection.reload_schema_state()
                rows = await self._read_only(held, statement, ask)
        except TimeoutError as error:
            pool.abandon(held)
            raise from_postgresql(error) from error
        except Exception as error:
            if not is_unusable(error):
                self._give_back(pool, held, ran_code=True)
                raise from_postgresql(error) from error
            pool.discard(held)
            if not again:
                raise from_postgresql(error) from error
            pool.drop_idle()
            return await self._read(statement, ask, again=False)
        except BaseException:
            pool.abandon(held)
            raise
        self._give_back(pool, held, ran_code=True)
        return rows

    async def _read_only(
        self, held: Held, statement: Statement, ask: Callable[[Any, tuple[Any, ...]], Awaitable[Any]]
    ) -> Any:
        connection = held.connection
        await connection.execute("BEGIN READ ONLY")
        try:
            prepared = held.find(statement.sql) or await held.prepare(statement.sql)
            rows = await ask(prepared, statement.args)
            await connection.execute("COMMIT")
        except Exception:
            await _roll_back(connection)
            raise
        return rows

    async def _read_anew(
        self, held: Held, statement: Statement, ask: Callable[[Any, tuple[Any, ...]], Awaitable[Any]]
    ) -> Any:
        """The tables changed since *statement* was prepared: prepare and run it once more."""
        pool = self._open_pool()
        held.prepared.clear()
        try:
            await held.connection.reload_schema_state()
            return await ask(await held.prepare(statement.sql), statement.args)
        except Exception as error:
            pool.release(held)
            raise from_postgresql(error) from error
        except BaseException:
            pool.abandon(held)
            raise

    async def stream(self, statement: Statement) -> AsyncGenerator[Rows, None]:
        """See `Database.stream`: a cursor of the server in a read-only transaction of its own."""
        pool = self._open_pool()
        async with self._exports.begun() as turn, aclosing(read_ahead(self._chunks(pool, statement))) as ahead:
            async for rows in ahead:
                turn.check()
                yield rows

    async def _chunks(self, pool: Pool, statement: Statement) -> AsyncGenerator[Rows, None]:
        held = pool.pop() or await pool.acquire()
        try:
            await held.connection.execute("BEGIN READ ONLY")
            cursor = await held.connection.cursor(statement.sql, *statement.args)
            number = _FIRST_ROWS
            while rows := await cursor.fetch(number):
                yield rows
                # As many as were within a chunk, were they all like the largest of these.
                largest = max(len(row[0]) for row in rows)
                number = max(1, min(CHUNK_ROWS, 4 * number, CHUNK_BYTES // max(largest, 1)))
            await held.connection.execute("COMMIT")
        except Exception as error:
            pool.abandon(held)
            raise _translated(error) from error
        except BaseException:  # closed, or cancelled
            pool.abandon(held)
            raise
        pool.release(held)

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
        """See `Database.transact`.  *steps* is also called again when a statement had to be prepared anew."""
        # Each of BEGIN and COMMIT is a round trip: a one-row insert spends two thirds of its time on them.
        end = None if alone and not rollback and not isolated else "ROLLBACK" if rollback else "COMMIT"
        begin = _ISOLATED if isolated else "BEGIN"
        return await self._in_transaction(steps, begin, end, foreign=foreign, long=long)

    async def snapshot(self, steps: Callable[[], Steps[T]], *, long: bool = False) -> T:
        """See `Database.snapshot`."""
        return await self._in_transaction(steps, _SNAPSHOT, "COMMIT", foreign=False, long=long)

    async def _in_transaction(
        self, steps: Callable[[], Steps[T]], begin: str, end: str | None, *, foreign: bool, long: bool
    ) -> T:
        pool = self._open_pool()
        held = pool.pop() or await pool.acquire()
        try:
            async with asyncio.timeout(self._budget_seconds + _GRACE):
                outcome = await self._transact_anew(held, steps, begin, end, long=long)
        except TimeoutError as error:
            pool.abandon(held)
            raise from_postgresql(error) from error
        except Exception as error:
            if is_unusable(error.__cause__ or error):
                pool.discard(held)
            else:
                self._give_back(pool, held, ran_code=foreign or self._code.leaves)
            raise _translated(error) from error
        except BaseException:
            pool.abandon(held)
            raise
        self._give_back(pool, held, ran_code=foreign or self._code.leaves)
        return outcome

    async def _transact_anew(
        self, held: Held, steps: Callable[[], Steps[T]], begin: str, end: str | None, *, long: bool
    ) -> T:
        """`_transact`, as often as it takes: statements may be stale, and others may write the same rows."""
        tries, stale = 1 if begin != _ISOLATED else _TRIES, False
        while True:
            try:
                return await self._transact(held, steps, begin, end, long=long)
            except asyncpg.InvalidCachedStatementError:
                if stale:
                    raise
                stale = True
                held.prepared.clear()
                await held.connection.reload_schema_state()
            except asyncpg.SerializationError:
                tries -= 1
                if not tries:
                    raise

    async def _transact(
        self, held: Held, steps: Callable[[], Steps[T]], begin: str, end: str | None, *, long: bool
    ) -> T:
        """Run *steps* in a transaction that *end* ends; without one, each statement by itself."""
        again: tuple[type[Exception], ...] = (asyncpg.InvalidCachedStatementError,)
        again += (asyncpg.SerializationError,) if begin == _ISOLATED else ()
        undone: list[Exception] = []

        async def run(statement: Statement) -> Rows:
            try:
                prepared = held.find(statement.sql) or await held.prepare(statement.sql)
                rows: Rows = await prepared.fetch(*statement.args)
            except Exception as error:
                if isinstance(error, again):
                    undone.append(error)
                raise from_postgresql(error) from error
            return rows

        connection = held.connection
        if end is not None:
            await connection.execute(begin)
        try:
            outcome = await drive_async(steps(), run, self._threads.run, long=long)
            if end == "ROLLBACK":
                await connection.execute(_ALL_CHECKED)
            if end is not None:
                await connection.execute(end)
        except Exception as error:
            if end is not None:
                await _roll_back(connection)
            raise (undone[0] if undone else error) from None
        return outcome

    @asynccontextmanager
    async def session(
        self, *, read_only: bool = False, rollback: bool = False, isolated: bool = False
    ) -> AsyncIterator[AsyncSession]:
        """See `Database.session`."""
        if self._engine is None:
            raise DatabaseError("PGRST001", "the database is closed", headers=RETRY)
        try:
            async with (
                self._sessions.turn(),
                bounded(),
                AsyncSession(self._engine, expire_on_commit=False, close_resets_only=False) as session,
                session.begin(),
            ):
                if isolated:
                    await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
                if read_only:
                    await self._only_read(session)
                yield session
                if read_only and (await session.execute(text("SHOW transaction_read_only"))).scalar() != "on":
                    raise DatabaseError("25006", "cannot write in a read-only transaction")
                if rollback:
                    await session.flush()
                    await session.execute(text(_ALL_CHECKED))
                    await session.rollback()
        except DBAPIError as error:
            raise self.failure(error) from error
        except PoolTimeout as error:
            raise no_connection() from error
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            raise from_postgresql(error) from error

    async def _only_read(self, session: AsyncSession) -> None:
        connection = await session.connection(execution_options={"postgresql_readonly": True})
        driver: Any = (await connection.get_raw_connection()).driver_connection
        # Before the transaction has begun: should it be ended by hand, what comes after it only reads as well.
        await driver.execute("SET default_transaction_read_only = on")
        # After its first query a transaction cannot be made one that writes.
        await session.execute(text("SELECT 1"))

    @asynccontextmanager
    async def no_writes(self, session: AsyncSession) -> AsyncIterator[None]:
        """See `Database.no_writes`: what a savepoint sets ends with it."""
        await session.flush()
        async with session.begin_nested():
            await session.execute(text("SET TRANSACTION READ ONLY"))
            yield

    def failure(self, error: Exception) -> Exception:
        """See `Database.failure`."""
        if not isinstance(error, DBAPIError):
            return error
        orig = error.orig
        return from_postgresql((orig.__cause__ if orig is not None else None) or orig or error)

    async def create_tables(self, metadata: MetaData) -> None:
        if self._engine is None:
            raise DatabaseError("PGRST001", "the database is closed", headers=RETRY)
        try:
            async with self._engine.begin() as connection:
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CREATE_LOCK})
                if self._schema is not None:
                    await connection.execute(CreateSchema(self._schema, if_not_exists=True))
                await connection.run_sync(metadata.create_all)
                await connection.run_sync(add_columns, metadata)
                await connection.run_sync(create_searches, metadata)
            pool = self._open_pool()
            held = await pool.acquire()
            try:
                await self._look(held)
            finally:
                pool.release(held)
        except DBAPIError as error:
            raise self.failure(error) from error


async def _roll_back(connection: asyncpg.Connection[Any]) -> None:
    if not connection.is_closed():
        try:
            await connection.execute("ROLLBACK")
        except Exception:
            connection.terminate()


def _clean_session(connection: Any, record: Any, state: Any) -> None:
    """A session ran whatever its owner wrote: nothing of it reaches the next one (AC16)."""
    if not state.terminate_only:
        connection.rollback()
        connection.run_async(lambda driver: driver.execute(CLEAN))


def _translated(error: Exception) -> Exception:
    """Driver errors as ours; what the caller's own steps raised stays as it is."""
    if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError | asyncpg.InternalClientError | OSError):
        return from_postgresql(error)
    return error


def _first(prepared: Any, args: tuple[Any, ...]) -> Awaitable[Any]:
    row: Awaitable[Any] = prepared.fetchrow(*args)
    return row


def _all(prepared: Any, args: tuple[Any, ...]) -> Awaitable[Any]:
    rows: Awaitable[Any] = prepared.fetch(*args)
    return rows
