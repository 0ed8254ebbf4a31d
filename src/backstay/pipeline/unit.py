"""Several steps of the pipeline in one transaction.

`Writes` and `Reads` ask their database for rows and wait.  Inside a transaction that somebody else runs, `Joined` is
that database: what is asked of it goes up to the one who runs the transaction, as a statement of its `Steps`.  So a
whole request, answered by a data plane over `Joined`, is a part of a larger transaction, and nothing else changes.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from types import coroutine
from typing import Any, Final, Literal, TypeVar

from sqlalchemy import MetaData
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from backstay.db.statement import Database, Row, Rows, Statement, Steps
from backstay.db.transaction import Aside, drive_async, run_inside
from backstay.errors import DatabaseError, PlanError

T = TypeVar("T")


@coroutine
def run_mixed(waiting: Coroutine[Any, Any, T], run: Callable[[Statement], Awaitable[Rows]]) -> Generator[Any, Any, T]:
    """Run *waiting* to its end: what it asks of `Joined` by *run*; what else it waits for is the event loop's."""
    value: Any = None
    error: BaseException | None = None
    try:
        while True:
            asked = waiting.send(value) if error is None else waiting.throw(error)
            value = error = None
            try:
                value = (yield from run(asked).__await__()) if isinstance(asked, Statement) else (yield asked)
            except GeneratorExit:
                raise
            except BaseException as caught:  # a cancelled request too: *waiting* is to know
                error = caught
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    finally:
        waiting.close()


class Joined:
    """`Database` inside a transaction that somebody else runs (see `steps_of`).  Holds nothing."""

    def __init__(self, name: Literal["sqlite", "postgresql"]) -> None:
        self.name: Literal["sqlite", "postgresql"] = name

    async def fetch(self, statement: Statement) -> Row:
        """The first row, or ``()``."""
        rows = await run_inside(statement)
        return rows[0] if rows else ()

    async def fetch_all(self, statement: Statement) -> Rows:
        return await run_inside(statement)

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
        """*steps* as a part of the transaction around: they stand or fall with all of it."""
        around = _AROUND.get()
        return await drive_async(steps(), run_inside, None if around is None else around.aside, long=long)

    async def snapshot(self, steps: Callable[[], Steps[T]], *, long: bool = False) -> T:
        return await self.transact(steps, long=long)

    def stream(self, statement: Statement) -> AsyncGenerator[Rows, None]:
        """There is none: the transaction around waits for no client.

        Raises:
            PlanError: PGRST127.
        """
        raise PlanError("PGRST127", "Feature not implemented", details="An export cannot be a part of a batch.")

    def session(
        self, *, read_only: bool = False, rollback: bool = False, isolated: bool = False
    ) -> AbstractAsyncContextManager[AsyncSession]:
        """The session whose transaction is the one around (`InSession`), if it is one.

        Raises:
            PlanError: PGRST127, when it is none: a function waits for more than the database.
        """
        around = _AROUND.get()
        if around is None:
            raise PlanError("PGRST127", "Feature not implemented", details="A function cannot be called here.")
        return around.session(read_only=read_only)

    def no_writes(self, session: AsyncSession) -> AbstractAsyncContextManager[None]:
        """Nobody asks: there is no session."""
        raise AssertionError("a session that `Joined` did not give")

    def failure(self, error: Exception) -> Exception:
        """What arrives here has been translated."""
        return error

    async def create_tables(self, metadata: MetaData) -> None: ...

    async def open(self) -> None: ...

    async def close(self) -> None: ...


class InSession:
    """The transaction of a session, for what is asked of `Joined`: statements, and sessions for functions.

    What takes the processor long is done *aside*: it is the event loop that goes on from one to the next.
    """

    def __init__(self, database: Database, session: AsyncSession, aside: Aside) -> None:
        self.aside = aside
        self._database = database
        self._session = session
        self._failed = False

    async def answer(self, waiting: Coroutine[Any, Any, T]) -> T:
        """*waiting* to its end, in this transaction."""
        token = _AROUND.set(self)
        try:
            return await run_mixed(waiting, self.run)
        finally:
            _AROUND.reset(token)

    async def run(self, statement: Statement) -> Rows:
        """Run *statement* in the session's transaction; after one has failed, no other succeeds: 25P02."""
        if self._failed:
            raise DatabaseError("25P02", "current transaction is aborted")
        connection = await self._session.connection()
        try:
            result = await connection.exec_driver_sql(statement.sql, statement.args)
            return result.all() if result.returns_rows else []
        except Exception as error:
            self._failed = True
            raise self._database.failure(error) from error

    @asynccontextmanager
    async def session(self, *, read_only: bool) -> AsyncIterator[AsyncSession]:
        """The session itself; it is not closed here.  The next function finds it empty, and what this one wrote done.

        Raises:
            StaleDataError: a versioned row was changed meanwhile.
        """
        try:
            if read_only:
                async with self._database.no_writes(self._session):
                    yield self._session
            else:
                yield self._session
            await self._session.flush()
            # What other statements write would be hidden by objects that were read before.
            self._session.expunge_all()
        except DBAPIError as error:
            raise self._database.failure(error) from error


async def apart(work: Callable[[], T], *, long: bool) -> T:
    """What *work* gives, within a transaction: aside where it is *long* and the transaction is that of a session.

    Any other runs in a thread, or goes on in one where it is long.
    """
    around = _AROUND.get()
    return work() if around is None or not long else await around.aside(work)


_AROUND: Final[ContextVar[InSession | None]] = ContextVar("backstay_session_around", default=None)
