"""The port that every database adapter implements."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncSession

from backstay.sql.statement import Row, Rows, Statement, Steps, T

__all__ = ["Database", "Row", "Rows", "Statement", "Steps", "T"]


class Database(Protocol):
    """One database, open.  Two implementations: ``adapters/sqlite`` and ``adapters/postgresql``.

    Driver errors leave as `DatabaseError` (``db/failures.py``), never raw.
    """

    #: Which SQL it speaks.
    name: Literal["sqlite", "postgresql"]

    async def fetch(self, statement: Statement) -> Row:
        """Run one reading statement outside any transaction and return its first row, ``()`` when there is none.

        Raises `DatabaseError` 57014 when the statement budget is over.
        """
        ...

    async def fetch_all(self, statement: Statement) -> Rows:
        """As `fetch`, with every row: for statements whose rows are known to be few."""
        ...

    def stream(self, statement: Statement) -> AsyncGenerator[Rows, None]:
        """Run one reading statement and give its rows in chunks, all from one state of the data.

        Memory holds one chunk at a time.  Close it (``aclose``) when no more are wanted; it also ends by itself, with
        57014, when the chunks are not taken in time.  Raises `DatabaseError` BST503 when too many are open.
        """
        ...

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
        """Run *steps* in one transaction and return their outcome after the commit is durable.

        *steps* must have no effect but its statements: it is called again when the transaction has to be run again.
        A statement's failure is thrown into the generator, which may raise a better error but cannot go on.

        *alone* promises that the first statement is the whole write: nothing after it can refuse it, and what else is
        asked only reads.  A database may then commit that statement by itself, and save a transaction's round trips.

        *isolated* asks for one state of the data from the first statement to the last.  Where another transaction has
        changed a row meanwhile that this one writes, it is run again on the state after that, a few times.

        *foreign* says that code of the database's own is called, which may leave anything on its connection: that is
        taken away before another caller gets it.

        *long* says that *steps* may take the processor long between their statements, which the event loop must not
        wait for.

        With *rollback* the transaction is rolled back at its end, and the outcome is returned all the same.  What its
        commit would have refused (a deferred constraint) is refused.
        """
        ...

    async def snapshot(self, steps: Callable[[], Steps[T]], *, long: bool = False) -> T:
        """Run *steps*, which only read, on one state of the data, and never where others wait to write.

        All of their statements share one statement budget.  *long* is as for `transact`.
        """
        ...

    def session(
        self, *, read_only: bool = False, rollback: bool = False, isolated: bool = False
    ) -> AbstractAsyncContextManager[AsyncSession]:
        """An ``AsyncSession`` in a transaction: committed when the block ends, rolled back when it raises.

        With *rollback* it is rolled back in any case, after everything that a commit would have refused is refused.
        *isolated* is as for `transact`; but nobody runs the block again: it is refused with 40001.
        """
        ...

    def no_writes(self, session: AsyncSession) -> AbstractAsyncContextManager[None]:
        """A part of a transaction, that of *session*, in which nothing may be written.

        Raises:
            DatabaseError: 25006, at the latest when the block ends; the transaction cannot be committed then.
        """
        ...

    def failure(self, error: Exception) -> Exception:
        """What an *error* of a session stands for, while the session is open: when it ends it says so by itself."""
        ...

    async def create_tables(self, metadata: MetaData) -> None:
        """Create what does not exist yet."""
        ...

    async def open(self) -> None: ...

    async def close(self) -> None:
        """Finish what runs, then close every connection.  Idempotent."""
        ...
