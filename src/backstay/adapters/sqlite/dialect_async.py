"""``sqlite+apsw`` for ``create_async_engine``: each connection has a thread of its own, and a statement is one hop."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from sqlalchemy import pool
from sqlalchemy.connectors.asyncio import (
    AsyncAdapt_dbapi_connection,
    AsyncAdapt_dbapi_cursor,
    AsyncAdapt_dbapi_module,
    AsyncAdapt_terminate,
)
from sqlalchemy.dialects.sqlite.base import SQLiteExecutionContext
from sqlalchemy.engine import URL
from sqlalchemy.util.concurrency import await_

from backstay.adapters.sqlite import dbapi
from backstay.adapters.sqlite.dialect import ApswDialect, _is_file

_Call = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Callable[..., Any], tuple[Any, ...]]


class Worker:
    """A thread that runs calls in order, and a connection that lives in it."""

    def __init__(self) -> None:
        self.connection: dbapi.Connection | None = None
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        threading.Thread(target=self._serve, name="backstay-sqlite-session", daemon=True).start()

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run *function* in the thread.  When the caller is cancelled, what runs is interrupted."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._calls.put((loop, future, function, args))
        try:
            return await future
        except asyncio.CancelledError:
            if self.connection is not None:
                with contextlib.suppress(Exception):
                    self.connection.interrupt()
            raise

    def stop(self) -> None:
        """Close the connection after what is queued, and end the thread; waits for nothing."""
        self._calls.put(None)

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            loop, future, function, args = call
            try:
                value, error = function(*args), None
            except BaseException as caught:
                value, error = None, caught
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(_settle, future, value, error)
            del call, future, value, error
        if self.connection is not None:
            with contextlib.suppress(Exception):
                self.connection.close()


def _settle(future: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)


class AsyncConnection:
    """What SQLAlchemy calls the driver's connection."""

    def __init__(self, worker: Worker, connection: dbapi.Connection) -> None:
        self.worker = worker
        self.sync = connection

    def cursor(self) -> dbapi.Cursor:
        return self.sync.cursor()

    async def commit(self) -> None:
        if self.sync.in_transaction:
            await self.worker.call(self.sync.commit)

    async def rollback(self) -> None:
        # The hop also waits for a statement that was cancelled and may still be running.
        await self.worker.call(self.sync.rollback)

    async def close(self) -> None:
        try:
            await self.worker.call(self.sync.close)
        finally:
            self.worker.stop()


class AsyncAdaptCursor(AsyncAdapt_dbapi_cursor):
    __slots__ = ()
    _awaitable_cursor_close = False

    def _aenter_cursor(self, cursor: Any) -> Any:
        return cursor

    async def _execute_async(self, operation: Any, parameters: Any) -> Any:
        connection: Any = self._connection
        cursor: Any = self._cursor
        async with self._adapt_connection._execute_mutex:
            await connection.worker.call(cursor.execute, operation, () if parameters is None else parameters)
            if cursor.description:
                self._rows = collections.deque(cursor.fetchall())

    async def _executemany_async(self, operation: Any, seq_of_parameters: Any) -> Any:
        connection: Any = self._connection
        cursor: Any = self._cursor
        async with self._adapt_connection._execute_mutex:
            await connection.worker.call(cursor.executemany, operation, seq_of_parameters)

    def setinputsizes(self, *inputsizes: Any) -> None:
        """Nothing to do."""


class AsyncAdaptConnection(AsyncAdapt_terminate, AsyncAdapt_dbapi_connection):
    __slots__ = ()
    _cursor_cls = AsyncAdaptCursor
    _ss_cursor_cls = AsyncAdaptCursor  # type: ignore[assignment]

    @property
    def autocommit(self) -> bool:
        return bool(self._connection.sync.autocommit)

    @autocommit.setter
    def autocommit(self, value: bool) -> None:
        self._connection.sync.autocommit = value

    async def _terminate_graceful_close(self) -> None:
        await self._connection.close()

    def _terminate_force_close(self) -> None:
        self._connection.sync.interrupt()
        self._connection.worker.stop()


class AsyncDbapi(AsyncAdapt_dbapi_module):
    """The module that SQLAlchemy's async engine talks to."""

    def __init__(self) -> None:
        super().__init__(dbapi)
        self.paramstyle = dbapi.paramstyle
        for name in (
            "Binary",
            "DataError",
            "DatabaseError",
            "Error",
            "IntegrityError",
            "InterfaceError",
            "InternalError",
            "NotSupportedError",
            "OperationalError",
            "ProgrammingError",
            "sqlite_version",
            "sqlite_version_info",
        ):
            setattr(self, name, getattr(dbapi, name))

    def connect(self, *args: Any, **kw: Any) -> AsyncAdaptConnection:
        return AsyncAdaptConnection(self, await_(_open(*args, **kw)))


async def _open(*args: Any, **kw: Any) -> Any:
    worker = Worker()
    try:
        worker.connection = await worker.call(lambda: dbapi.connect(*args, **kw))
    except BaseException:
        worker.stop()
        raise
    return AsyncConnection(worker, worker.connection)


class ApswAsyncContext(SQLiteExecutionContext):
    """``stream`` works, on rows that are in memory already: a cursor left open would hold its snapshot."""

    def create_server_side_cursor(self) -> Any:
        return self._dbapi_connection.cursor(server_side=True)


class ApswAsyncDialect(ApswDialect):
    """The async half of `ApswDialect`."""

    execution_ctx_cls = ApswAsyncContext
    supports_server_side_cursors = True

    is_async = True
    has_terminate = True
    supports_statement_cache = True

    @classmethod
    def import_dbapi(cls) -> Any:
        return AsyncDbapi()

    @classmethod
    def get_pool_class(cls, url: URL) -> Any:
        return pool.AsyncAdaptedQueuePool if _is_file(url) else pool.StaticPool

    def get_driver_connection(self, connection: Any) -> Any:
        return connection._connection

    def do_terminate(self, dbapi_connection: Any) -> None:
        dbapi_connection.terminate()


dialect = ApswAsyncDialect
