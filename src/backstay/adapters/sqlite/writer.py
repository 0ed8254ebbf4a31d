"""One writer thread with group commit.

Rules of this file:

1. Everything that waits at one moment shares one transaction and one fsync; each job has a savepoint of its own.
2. An answer is given only after COMMIT (DU5).
3. One job's failure is that job's alone.  When SQLite rolls back the whole transaction (disk full, I/O error, statement
   budget), the others run again; when COMMIT is refused (a deferred foreign key), each runs again by itself.
4. Every caller gets an answer: the queue is bounded, waiting is bounded, and a crash answers everyone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

import apsw
from sqlalchemy import MetaData

from backstay.adapters.sqlite.connection import Budget, Location, check_after_crash, connect
from backstay.adapters.sqlite.diagnosis import broken_foreign_key, has_deferred, refuse_deferred
from backstay.adapters.sqlite.waiting import Failed, Job, Loan, Waiting, answer, busy
from backstay.db.failures import from_sqlite
from backstay.db.statement import Rows, Statement, Steps
from backstay.db.transaction import drive
from backstay.errors import BackstayError

T = TypeVar("T")

#: After these a connection's state is not to be trusted: it is opened anew.
_BROKEN: Final = frozenset({apsw.SQLITE_IOERR, apsw.SQLITE_CORRUPT, apsw.SQLITE_NOTADB, apsw.SQLITE_CANTOPEN})

#: Bytes of log after which it is moved into the file when a session, which cannot do so itself, has written.
_LOG_BYTES: Final = 4 << 20


class Writer:
    """The only thread that writes through `write`; sessions borrow its turn with `lend`.

    Args:
        max_group: most jobs in one transaction.
        max_waiting: most jobs in the queue; more are refused with BST503.
        wait_seconds: longest wait in the queue, then BST503.
    """

    def __init__(
        self,
        location: Location,
        *,
        budget_seconds: float = 5.0,
        wait_seconds: float = 10.0,
        busy_seconds: float = 5.0,
        max_group: int = 64,
        max_waiting: int = 1000,
        metadata: MetaData | None = None,
    ) -> None:
        self._location = location
        self._budget = Budget(budget_seconds)
        self._wait_seconds = wait_seconds
        self._busy_seconds = busy_seconds
        self._max_group = max_group
        self._max_waiting = max_waiting
        self._metadata = metadata
        self._queue: SimpleQueue[Waiting | None] = SimpleQueue()
        self._connection: apsw.Connection | None = None
        self._thread: threading.Thread | None = None
        self._closing = False
        self._broken = False
        #: Sessions that have, or wait for, the right to write.
        self.loans = 0
        #: Transactions committed and jobs finished so far; their difference is what group commit saved.
        self.commits = 0
        self.jobs = 0

    def open(self) -> None:
        """Open the connection and start the thread.

        Raises:
            DatabaseError: PGRST000, the file cannot be opened; XX001, it is damaged or no database.
        """
        try:
            check_after_crash(self._location)
        except Exception as error:
            raise from_sqlite(error, self._metadata) from error
        self._connect()
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="backstay-sqlite-writer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish what waits, then stop.  Blocks; idempotent."""
        self._closing = True
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    # -- on the event loop --------------------------------------------------------------------------------------------

    async def write(self, steps: Callable[[], Steps[T]], *, rollback: bool = False) -> T:
        """Run *steps* in a transaction; see `Database.transact`.

        A caller that is cancelled before its turn writes nothing; after that, its write may stand.
        """
        job = Job(steps, rollback)
        result: T = await self._wait(job)
        return result

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[None]:
        """Hold the right to write: in its turn, and until the block ends."""
        loan = Loan()
        self.loans += 1
        try:
            await self._wait(loan)
            yield
        finally:
            self.loans -= 1
            loan.returned.set()

    async def _wait(self, waiting: Waiting) -> Any:
        if self._closing or self._thread is None:
            raise busy("the database is closed")
        if self._queue.qsize() >= self._max_waiting:
            raise busy("the database is busy: too many writes wait")
        self._queue.put(waiting)
        timer = waiting.loop.call_later(self._wait_seconds, waiting.give_up)
        try:
            return await waiting.future
        except asyncio.CancelledError:
            waiting.claim()
            raise
        finally:
            timer.cancel()

    # -- on the writer's thread ---------------------------------------------------------------------------------------

    def _connect(self) -> None:
        try:
            self._connection = connect(self._location, "writer", budget=self._budget, busy_seconds=self._busy_seconds)
        except Exception as error:
            raise from_sqlite(error, self._metadata) from error

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close(force=True)

    def _serve(self) -> None:
        waiting: Waiting | None = None
        while True:
            waiting = waiting or self._queue.get()
            if waiting is None:
                break
            if isinstance(waiting, Loan):
                self._lend(waiting)
                waiting = None
                continue
            group, waiting, stop = self._gather(waiting)
            claimed = [job for job in group if job.claim()]
            try:
                self._write(claimed)
            except BaseException:
                # A bug, or the interpreter is going down.  Nothing of this group is committed or was answered as such.
                self._disconnect()
                answer([(job, Failed(busy("the database writer failed"))) for job in claimed])
            if stop:
                break
        self._disconnect()
        self._refuse_rest()

    def _gather(self, first: Waiting) -> tuple[list[Job], Waiting | None, bool]:
        """*first* and what waits behind it, up to the first loan: (group, that loan, whether to stop after)."""
        group: list[Job] = [first]  # type: ignore[list-item]
        while len(group) < self._max_group:
            try:
                following = self._queue.get_nowait()
            except Empty:
                break
            if following is None:
                return group, None, True
            if not isinstance(following, Job):
                return group, following, False
            group.append(following)
        return group, None, False

    def _refuse_rest(self) -> None:
        with contextlib.suppress(Empty):
            while True:
                left = self._queue.get_nowait()
                if left is not None and left.claim():
                    answer([(left, Failed(busy("the database is closed")))])

    def _lend(self, loan: Loan) -> None:
        if not loan.claim():
            return
        answer([(loan, None)])
        # A loop that was closed with the loan in hand never returns it; nor does closing wait for a session for ever.
        while not loan.returned.wait(timeout=1.0):
            if loan.loop.is_closed() or self._closing:
                return
        self._shorten_log()

    def _shorten_log(self) -> None:
        with contextlib.suppress(OSError, apsw.Error):
            if (
                not self._location.memory
                and self._connection is not None
                and os.stat(f"{self._location.name}-wal").st_size > _LOG_BYTES
            ):
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    def _write(self, jobs: Sequence[Job]) -> None:
        """Settle every one of *jobs*."""
        again: list[Sequence[Job]] = [jobs]
        while again:
            group = again.pop()
            if group:
                again += self._together(group)

    def _together(self, jobs: Sequence[Job]) -> list[Sequence[Job]]:
        """Run *jobs* in one transaction.  What could not be settled comes back, in the groups in which to run again."""
        try:
            if self._connection is None:
                self._connect()
            connection = self._connection
            assert connection is not None  # noqa: S101 - for the type checker
            self._budget.start()
            connection.execute("BEGIN IMMEDIATE")
        except Exception as error:
            failure = self._failure(error)
            self._reopen_if_broken()
            answer([(job, Failed(failure)) for job in jobs])
            return []
        outcomes: list[tuple[Job, Any]] = []
        for at, job in enumerate(jobs):
            outcome = self._one(connection, job)
            if not connection.in_transaction:
                # SQLite gave up the whole transaction because of this job.  The others lose nothing but time.
                self._reopen_if_broken()
                answer([(job, outcome if isinstance(outcome, Failed) else Failed(busy("the write was undone")))])
                return [[*jobs[:at], *jobs[at + 1 :]]]
            outcomes.append((job, outcome))
        try:
            self._budget.start()
            connection.execute("COMMIT")
        except Exception as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            failure = self._failure(error)
            self._reopen_if_broken()
            if len(jobs) > 1:
                return [[job] for job in reversed(jobs)]
            answer([(jobs[0], Failed(failure))])
            return []
        self.commits += 1
        self.jobs += len(jobs)
        answer(outcomes)
        return []

    def _one(self, connection: apsw.Connection, job: Job) -> Any:
        """The outcome of *job*: its value, or the exception it ended with, its savepoint rolled back."""
        self._budget.start()

        def run(statement: Statement) -> Rows:
            try:
                return connection.execute(statement.sql, statement.args).fetchall()
            except apsw.ConstraintError as error:
                if (
                    getattr(error, "extendedresult", 0) == apsw.SQLITE_CONSTRAINT_FOREIGNKEY
                    and connection.in_transaction
                ):
                    raise broken_foreign_key(connection, statement, self._metadata, self._budget) from error
                raise self._failure(error) from error
            except Exception as error:
                raise self._failure(error) from error

        connection.execute("SAVEPOINT job")
        # Where a neighbour has left a constraint open, COMMIT will fail, and each runs again by itself.
        settled = job.rollback and not has_deferred(connection)
        try:
            outcome: Any = drive(job.steps(), run)
            undo = job.rollback
            if settled:
                refuse_deferred(connection)
        except Exception as error:
            outcome, undo = Failed(error), True
        if connection.in_transaction:
            if undo:
                connection.execute("ROLLBACK TO job")
            connection.execute("RELEASE job")
        return outcome

    def _failure(self, error: Exception) -> BackstayError:
        if isinstance(error, apsw.Error) and getattr(error, "result", None) in _BROKEN:
            self._broken = True
        return from_sqlite(error, self._metadata)

    def _reopen_if_broken(self) -> None:
        if self._broken:
            self._broken = False
            self._disconnect()
