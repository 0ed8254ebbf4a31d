"""Reading: one connection per thread, first row only."""

from __future__ import annotations

import threading

from sqlalchemy import MetaData

from backstay.adapters.sqlite.connection import Budget, Location, connect
from backstay.db.failures import from_sqlite
from backstay.db.statement import Row, Rows, Statement


class Reader:
    """A reading connection of one thread, with its statement budget."""

    __slots__ = ("_budget", "_connection", "_cursor", "_metadata")

    def __init__(self, location: Location, budget_seconds: float, metadata: MetaData | None) -> None:
        self._budget = Budget(budget_seconds)
        self._metadata = metadata
        try:
            self._connection = connect(location, "reader", budget=self._budget)
        except Exception as error:
            raise from_sqlite(error, metadata) from error
        self._cursor = self._connection.cursor()

    def first(self, statement: Statement, seconds: float | None = None) -> Row:
        """The first row, or ``()`` when there is none; *seconds* may be less than the whole budget.

        All rows are fetched: a statement left half-way would hold its snapshot and keep the log from being reset.
        """
        rows = self.all(statement, seconds)
        return rows[0] if rows else ()

    def all(self, statement: Statement, seconds: float | None = None) -> Rows:
        """Every row."""
        self._budget.start(seconds)
        try:
            return self._cursor.execute(statement.sql, statement.args).fetchall()
        except Exception as error:
            raise from_sqlite(error, self._metadata) from error

    def close(self) -> None:
        self._connection.close()


class Readers(threading.local):
    """``.reader``: the calling thread's own `Reader`, opened when it first asks."""

    def __init__(
        self, location: Location, budget_seconds: float, metadata: MetaData | None, opened: list[Reader]
    ) -> None:
        self.reader = Reader(location, budget_seconds, metadata)
        opened.append(self.reader)
