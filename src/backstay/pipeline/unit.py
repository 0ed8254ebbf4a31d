"""Several steps of the pipeline in one transaction.

`Writes` and `Reads` ask their database for rows and wait.  Inside a transaction that somebody else runs, `Joined` is
that database: what is asked of it goes up to the one who runs the transaction, as a statement of its `Steps`.  So a
whole request, answered by a data plane over `Joined`, is a part of a larger transaction, and nothing else changes.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Literal, TypeVar

from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncSession

from backstay.db.statement import Row, Rows, Statement, Steps
from backstay.db.transaction import drive_async, run_inside
from backstay.errors import PlanError

T = TypeVar("T")


class Joined:
    """`Database` inside a transaction that somebody else runs (see `steps_of`).  Holds nothing."""

    def __init__(self, name: Literal["sqlite", "postgresql"]) -> None:
        self.name: Literal["sqlite", "postgresql"] = name

    async def fetch(self, statement: Statement, *, bounded: bool = True) -> Row:
        """The first row, or ``()``."""
        rows = await run_inside(statement)
        return rows[0] if rows else ()

    async def fetch_all(self, statement: Statement) -> Rows:
        return await run_inside(statement)

    async def transact(self, steps: Callable[[], Steps[T]], *, rollback: bool = False, alone: bool = False) -> T:
        """*steps* as a part of the transaction around: they stand or fall with all of it."""
        return await drive_async(steps(), run_inside)

    def stream(self, statement: Statement) -> AsyncGenerator[Rows, None]:
        """There is none: the transaction around waits for no client.

        Raises:
            PlanError: PGRST127.
        """
        raise PlanError("PGRST127", "Feature not implemented", details="An export cannot be a part of a batch.")

    def session(self, *, read_only: bool = False) -> AbstractAsyncContextManager[AsyncSession]:
        """There is none: a function waits for more than the database.

        Raises:
            PlanError: PGRST127.
        """
        raise PlanError("PGRST127", "Feature not implemented", details="A function cannot be called in a batch.")

    async def create_tables(self, metadata: MetaData) -> None: ...

    async def open(self) -> None: ...

    async def close(self) -> None: ...


class InSession(Joined):
    """`Database` for a function whose transaction has begun already: every session is that one."""

    def __init__(self, name: Literal["sqlite", "postgresql"], session: AsyncSession) -> None:
        super().__init__(name)
        self._session = session

    @asynccontextmanager
    async def session(self, *, read_only: bool = False) -> AsyncIterator[AsyncSession]:
        """The session around; it is not closed here."""
        yield self._session
