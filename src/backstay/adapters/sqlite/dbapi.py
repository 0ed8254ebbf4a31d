"""PEP 249 over apsw, as much of it as SQLAlchemy and Alembic use.

Rules of this file:

1. ``execute`` runs the statement to its end and keeps its rows, so that nothing holds a snapshot or a lock by accident.
2. A transaction begins with the first statement that needs one, ``SAVEPOINT`` included; settings (PRAGMA, VACUUM,
   ATTACH) stay outside, since SQLite ignores or refuses some of them inside.
3. Errors are the PEP's classes and carry apsw's ``extendedresult``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Final

import apsw
from sqlalchemy import MetaData

from backstay.adapters.sqlite.bounds import bound
from backstay.adapters.sqlite.connection import Budget, Location, Role
from backstay.adapters.sqlite.connection import connect as open_connection
from backstay.adapters.sqlite.heap import CHANGES, Room

apilevel: Final = "2.0"
threadsafety: Final = 1
paramstyle: Final = "qmark"
sqlite_version: Final = apsw.sqlite_lib_version()
sqlite_version_info: Final = tuple(int(part) for part in sqlite_version.split("."))

Binary = bytes


class Error(Exception):
    """Base of all; *extendedresult* is SQLite's extended result code, 0 when SQLite did not speak."""

    def __init__(self, message: str, extendedresult: int = 0) -> None:
        super().__init__(message)
        self.extendedresult = extendedresult


class Warning(Exception):
    """Never raised."""


class InterfaceError(Error): ...


class DatabaseError(Error): ...


class DataError(DatabaseError): ...


class OperationalError(DatabaseError): ...


class IntegrityError(DatabaseError): ...


class InternalError(DatabaseError): ...


class ProgrammingError(DatabaseError): ...


class NotSupportedError(DatabaseError): ...


_CLASSES: Final[tuple[tuple[type[Exception], type[Error]], ...]] = (
    (apsw.ConstraintError, IntegrityError),
    (apsw.MismatchError, IntegrityError),
    (apsw.TooBigError, DataError),
    (apsw.MisuseError, ProgrammingError),
    (apsw.BindingsError, ProgrammingError),
    (apsw.CursorClosedError, ProgrammingError),
    (apsw.ConnectionClosedError, ProgrammingError),
    (apsw.InternalError, InternalError),
    (apsw.Error, OperationalError),
    (OverflowError, DataError),
    (UnicodeError, DataError),
    (TypeError, ProgrammingError),
)


def translate(error: Exception) -> Exception:
    """*error* as the PEP's class; what is not of the driver (a `BackstayError` from a function) stays as it is."""
    for theirs, ours in _CLASSES:
        if isinstance(error, theirs):
            extended = getattr(error, "extendedresult", 0)
            return ours(str(error), extended if isinstance(extended, int) else 0)
    return error


_WORD: Final = re.compile(r"(?:\s++|--[^\n]*+\n|/\*(?:[^*]++|\*(?!/))*\*/)*([A-Za-z]+)")
_OUTSIDE: Final = frozenset(
    {"PRAGMA", "VACUUM", "ATTACH", "DETACH", "BEGIN", "COMMIT", "END", "ROLLBACK", "RELEASE", "EXPLAIN"}
)
_CHANGING: Final = frozenset({"INSERT", "UPDATE", "DELETE", "REPLACE", "WITH"})


def connect(
    database: str,
    *,
    role: Role = "owner",
    begin: str = "BEGIN",
    location: Location | None = None,
    budget_seconds: float | None = None,
    timeout: float = 5.0,
    bounds: MetaData | None = None,
) -> Connection:
    """Open *database* (a path), or *location*.

    *begin* is the statement that opens a transaction; *timeout* is the wait for a lock in seconds.  It keeps
    the *bounds* of these tables' columns (``bounds.py``).

    Raises:
        Error: as the PEP says.
    """
    budget = Budget(budget_seconds) if budget_seconds is not None else None
    try:
        opened = open_connection(location or Location.at(database), role, budget=budget, busy_seconds=timeout)
        if bounds is not None:
            bound(opened, bounds)
    except Exception as error:
        raise translate(error) from error
    return Connection(opened, begin, budget)


class Connection:
    """One connection; *autocommit* means that no statement opens a transaction."""

    def __init__(self, connection: apsw.Connection, begin: str, budget: Budget | None) -> None:
        self.apsw = connection
        self.autocommit = False
        self._begin = begin
        self._budget = budget

    @property
    def in_transaction(self) -> bool:
        return self.apsw.in_transaction

    def cursor(self) -> Cursor:
        return Cursor(self)

    def prepare(self, sql: str) -> str:
        """Open a transaction if *sql* needs one, start the statement's budget, and say *sql*'s first word."""
        if self._budget is not None:
            self._budget.start()
        found = _WORD.match(sql)
        word = found[1].upper() if found is not None else ""
        if not self.autocommit and word not in _OUTSIDE and not self.apsw.in_transaction:
            self.apsw.execute(self._begin)
        return word

    def commit(self) -> None:
        self._end("COMMIT")

    def rollback(self) -> None:
        self._end("ROLLBACK")

    def _end(self, sql: str) -> None:
        try:
            if self.apsw.in_transaction:
                if self._budget is not None:
                    self._budget.start()
                self.apsw.execute(sql)
        except Exception as error:
            raise translate(error) from error

    def interrupt(self) -> None:
        """Stop what runs, from any thread."""
        self.apsw.interrupt()

    def close(self) -> None:
        self.apsw.close(force=True)


class Cursor:
    """The rows of one statement."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.arraysize = 1
        self.description: tuple[tuple[Any, ...], ...] | None = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self._rows: list[Any] = []
        self._at = 0

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Cursor:
        self._reset()
        try:
            word = self.connection.prepare(sql)
            cursor = self.connection.apsw.cursor()
            # apsw forgets the columns of a statement that ends without rows; it tells them before the first step.
            cursor.exec_trace = self._describe
            changed = self.connection.apsw.total_changes()
            with Room(CHANGES):
                self._rows = cursor.execute(sql, tuple(parameters)).fetchall()
        except Exception as error:
            raise translate(error) from error
        if word in _CHANGING:
            connection = self.connection.apsw
            # ``changes`` is of the last statement that changed rows, which need not be this one.
            self.rowcount = connection.changes() if connection.total_changes() != changed else 0
            self.lastrowid = connection.last_insert_rowid()
            if self.description and word == "WITH" and not self.rowcount:
                self.rowcount = -1
        return self

    def executemany(self, sql: str, seq_of_parameters: Sequence[Sequence[Any]]) -> Cursor:
        total = 0
        for parameters in seq_of_parameters:
            self.execute(sql, parameters)
            total += max(self.rowcount, 0)
        self.rowcount = total
        return self

    def _describe(self, cursor: apsw.Cursor, sql: str, bindings: Any) -> bool:
        columns = cursor.get_description()
        self.description = tuple((name, kind, None, None, None, None, None) for name, kind in columns) or None
        return True

    def _reset(self) -> None:
        self.description = None
        self.rowcount = -1
        self._rows = []
        self._at = 0

    def fetchone(self) -> Any:
        if self._at >= len(self._rows):
            return None
        self._at += 1
        return self._rows[self._at - 1]

    def fetchmany(self, size: int | None = None) -> list[Any]:
        start = self._at
        self._at = min(start + (self.arraysize if size is None else size), len(self._rows))
        return self._rows[start : self._at]

    def fetchall(self) -> list[Any]:
        start, self._at = self._at, len(self._rows)
        return self._rows[start:]

    def __iter__(self) -> Iterator[Any]:
        while (row := self.fetchone()) is not None:
            yield row

    def setinputsizes(self, sizes: Any) -> None:
        """Nothing to do."""

    def setoutputsize(self, size: Any, column: Any = None) -> None:
        """Nothing to do."""

    def close(self) -> None:
        self._rows = []

    def __enter__(self) -> Cursor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
