"""One writer thread with group commit.

Rules of this file:

1. Everything that waits at one moment shares one transaction and one fsync; each job has a savepoint of its own.
2. An answer is given only after COMMIT (DU5).
3. One job's failure is that job's alone.  When SQLite rolls back the whole transaction (disk full, I/O error, statement
   budget), the others run again; when COMMIT is refused (a deferred foreign key), each runs again by itself.
4. Every caller gets an answer: the queue is bounded, waiting is bounded, and a crash answers everyone.
5. Nobody holds the writer for long: a job has one budget for all its statements, a group ends when it has taken
   `_GROUP_SECONDS`, and whoever has not been started then stands in line again, behind who has come for an account.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import apsw
from sqlalchemy import MetaData

from backstay.adapters.sqlite.connection import LOG_BYTES, Budget, Location, check_after_crash, connect
from backstay.adapters.sqlite.diagnosis import broken_foreign_key, has_deferred, refuse_deferred
from backstay.adapters.sqlite.heap import CHANGES, Room
from backstay.adapters.sqlite.waiting import Failed, Job, Line, Loan, Tidy, Waiting, answer, busy
from backstay.budget import DEFAULT_BUDGET
from backstay.db.failures import from_sqlite
from backstay.db.statement import Rows, Statement, Steps
from backstay.db.transaction import drive
from backstay.db.turns import share_of
from backstay.errors import BackstayError

T = TypeVar("T")

#: After these a connection's state is not to be trusted: it is opened anew.
_BROKEN: Final = frozenset({apsw.SQLITE_IOERR, apsw.SQLITE_CORRUPT, apsw.SQLITE_NOTADB, apsw.SQLITE_CANTOPEN})

#: After this a group commits what it has done, and starts nobody else.
_GROUP_SECONDS: Final = 0.25


class Writer:
    """The only thread that writes through `write`; sessions borrow its turn with `lend`.

    Args:
        max_group: most jobs in one transaction.
        max_waiting: most jobs in the queue; more are refused with BST503.
        share: the percentage of the queue that one caller may fill; 0: no limit.
        answer_bytes: most bytes of one value, and so of what a write sends back.
        read_bytes: most bytes that SQLite may take while it makes that.
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
        share: int = 0,
        answer_bytes: int = DEFAULT_BUDGET.answer_bytes,
        read_bytes: int = DEFAULT_BUDGET.sqlite_bytes,
        metadata: MetaData | None = None,
    ) -> None:
        self._location = location
        self._budget = Budget(budget_seconds)
        self._wait_seconds = wait_seconds
        self._busy_seconds = busy_seconds
        self._max_group = max_group
        self._answer_bytes = answer_bytes
        self._read_bytes = read_bytes
        self._metadata = metadata
        self._max_waiting, self._share = max_waiting, share_of(max_waiting, share)
        self._line = Line(self._max_waiting, self._share)
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
        self._line = Line(self._max_waiting, self._share)
        self._thread = threading.Thread(target=self._serve, name="backstay-sqlite-writer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish what waits, then stop.  Blocks; idempotent."""
        self._closing = True
        if self._thread is not None:
            self._line.close()
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

    async def tidy(self) -> None:
        """Long reads have ended, which may have kept the log from being emptied."""
        with contextlib.suppress(BackstayError):
            await self._wait(Tidy())

    async def _wait(self, waiting: Waiting) -> Any:
        if self._thread is None:
            raise busy("the database is closed")
        self._line.put(waiting)
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
            self._connection.limit(apsw.SQLITE_LIMIT_LENGTH, self._answer_bytes)
        except Exception as error:
            raise from_sqlite(error, self._metadata) from error

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close(force=True)

    def _serve(self) -> None:
        while (waiting := self._line.take()) is not None:
            if isinstance(waiting, Loan):
                self._lend(waiting)
            elif isinstance(waiting, Job):
                self._serve_group([waiting, *self._line.take_jobs(self._max_group - 1)])
                if not self._line:
                    self._shorten_log()
            elif waiting.start():
                self._shorten_log()
                answer([(waiting, None)])
        self._disconnect()

    def _serve_group(self, group: Sequence[Job]) -> None:
        try:
            self._write(group)
        except BaseException:
            # A bug, or the interpreter is going down.  Nothing of this group is committed or was answered as such.
            self._disconnect()
            answer([(job, Failed(busy("the database writer failed"))) for job in group if job.start()])

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
        """Move a log that has grown into the file, and empty it where nobody reads from it now."""
        connection = self._connection
        if self._location.memory or connection is None:
            return
        with contextlib.suppress(OSError, apsw.Error):
            if os.stat(f"{self._location.name}-wal").st_size <= LOG_BYTES:
                return
            # Not worth a wait: whoever reads now says so when it has ended.
            connection.set_busy_timeout(0)
            try:
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            except apsw.BusyError:
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            finally:
                connection.set_busy_timeout(int(self._busy_seconds * 1000))

    def _write(self, jobs: Sequence[Job]) -> None:
        """Settle *jobs*, or let those that were not started stand in line again."""
        again: list[Sequence[Job]] = [jobs]
        while again:
            group = again.pop()
            if group and not group[0].started and group is not jobs:
                self._line.put_back(group)
            elif group:
                again += self._together(group)

    def _together(self, jobs: Sequence[Job]) -> list[Sequence[Job]]:
        """Run *jobs* in one transaction.  What could not be settled comes back, in the groups in which to run again."""
        while jobs and not jobs[0].start():
            jobs = jobs[1:]  # who has given up
        if not jobs:
            return []
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
            answer([(job, Failed(failure)) for job in jobs if job.start()])
            return []
        outcomes: list[tuple[Job, Any]] = []
        ends = time.monotonic() + _GROUP_SECONDS
        rest: Sequence[Job] = ()
        by_themselves: list[Sequence[Job]] = []
        for at, job in enumerate(jobs):
            if outcomes and time.monotonic() > ends:
                rest = jobs[at:]
                break
            if not job.start():
                continue
            if job.rollback and has_deferred(connection):
                # A neighbour has left a constraint open, and SQLite does not say whose it is.
                by_themselves.append([job])
                continue
            outcome = self._one(connection, job)
            if not connection.in_transaction:
                # SQLite gave up the whole transaction because of this job.  The others lose nothing but time.
                self._reopen_if_broken()
                answer([(job, outcome if isinstance(outcome, Failed) else Failed(busy("the write was undone")))])
                return [jobs[at + 1 :], *by_themselves, [done for done, _ in outcomes]]
            outcomes.append((job, outcome))
        try:
            self._budget.start()
            connection.execute("COMMIT")
        except Exception as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            failure = self._failure(error)
            self._reopen_if_broken()
            if len(outcomes) > 1:
                return [rest, *by_themselves, *([job] for job, _ in reversed(outcomes))]
            answer([(job, Failed(failure)) for job, _ in outcomes])
            return [rest, *by_themselves]
        self.commits += 1
        self.jobs += len(outcomes)
        answer(outcomes)
        return [rest, *by_themselves]

    def _one(self, connection: apsw.Connection, job: Job) -> Any:
        """The outcome of *job*: its value, or the exception it ended with, its savepoint rolled back."""
        self._budget.start()

        def run(statement: Statement) -> Rows:
            # What is only read is bounded like any read; what is changed must be kept until it cannot be undone.
            reads = statement.sql.startswith(("SELECT", "WITH")) and "RETURNING" not in statement.sql
            try:
                with Room(self._read_bytes if reads else CHANGES):
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
        try:
            outcome: Any = drive(job.steps(), run)
            undo = job.rollback
            if undo:
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
