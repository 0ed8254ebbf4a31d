"""Reading: one connection per thread."""

from __future__ import annotations

import threading
from typing import Final

import apsw
from sqlalchemy import MetaData

from backstay.adapters.sqlite.connection import Budget, Location, connect
from backstay.adapters.sqlite.heap import Room
from backstay.budget import RequestBudget
from backstay.db.failures import from_sqlite, no_room
from backstay.db.statement import Rows, Statement

#: Virtual machine steps between two looks at the clock and the memory: large rows are some thirty steps each.
_STEPS: Final = 1000
#: The same on the event loop.
_STEPS_HERE: Final = 100
#: Bytes of the largest text that may be read or made on the event loop.
_LARGEST_HERE: Final = 1 << 20
#: Bytes that a read may hold there.
_ROOM_HERE: Final = 16 << 20


class Reader:
    """A reading connection of one thread, with its statement budget."""

    __slots__ = ("_budget", "_connection", "_cursor", "_here", "_metadata", "_room")

    def __init__(self, location: Location, budget: RequestBudget, metadata: MetaData | None) -> None:
        self._budget = Budget(budget.database_seconds, budget.memory_bytes)
        self._room = budget.sqlite_bytes
        self._metadata = metadata
        self._here = False
        try:
            self._connection = connect(location, "reader", budget=self._budget)
            self._connection.limit(apsw.SQLITE_LIMIT_LENGTH, budget.answer_bytes)
            self._connection.set_progress_handler(self._budget.over, _STEPS)
        except Exception as error:
            raise from_sqlite(error, metadata) from error
        self._cursor = self._connection.cursor()

    def all(self, statement: Statement, seconds: float | None = None, gone: threading.Event | None = None) -> Rows:
        """Every row, in a thread of its own; it stops when *gone* is set: nobody waits for them any more."""
        self._budget.start(seconds, gone=gone)
        return self._run(statement, self._room)

    def all_here(self, statement: Statement, seconds: float, work: int) -> Rows:
        """Every row, while the event loop waits: for a short time, over few bytes, and no large answer.

        Raises:
            DatabaseError: 57014 or BST413, also where a thread could go on.
        """
        if not self._here:
            self._here = True
            # A step may go through a large value: here the clock is looked at more often than in a thread, where each
            # look waits for Python's lock.
            self._connection.set_progress_handler(self._budget.over, _STEPS_HERE)
            self._connection.limit(apsw.SQLITE_LIMIT_LENGTH, _LARGEST_HERE)
        self._budget.start(seconds, work)
        return self._run(statement, _ROOM_HERE)

    def _run(self, statement: Statement, room: int) -> Rows:
        try:
            with Room(room):
                return self._cursor.execute(statement.sql, statement.args).fetchall()
        except apsw.InterruptError as error:
            raise no_room() if self._budget.full else from_sqlite(error, self._metadata) from error
        except Exception as error:
            raise from_sqlite(error, self._metadata) from error

    def begin(self) -> None:
        """From now on every statement sees the same state of the data, that of the first."""
        self._connection.execute("BEGIN")

    def end(self) -> None:
        """The next statement sees the data as they are then."""
        self._budget.start()
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def close(self) -> None:
        self._connection.close()


class Readers(threading.local):
    """``.reader``: the calling thread's own `Reader`, opened when it first asks."""

    def __init__(
        self, location: Location, budget: RequestBudget, metadata: MetaData | None, opened: list[Reader]
    ) -> None:
        self.reader = Reader(location, budget, metadata)
        opened.append(self.reader)
