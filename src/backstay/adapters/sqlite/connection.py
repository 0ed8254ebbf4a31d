"""One apsw connection, opened the way Backstay opens every one.

Rules of this file:

1. Durable (DU1–DU3): WAL, ``synchronous=FULL``, foreign keys checked, a busy time-out, no mmap.
2. Suspicious (SQ4): untrusted schema, defensive mode, no double-quoted strings, limits, and an authorizer on every
   connection that serves requests.
3. One connection belongs to one thread at a time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Final, Literal
from uuid import uuid4

import apsw

from backstay.adapters.sqlite.authorizer import authorize
from backstay.adapters.sqlite.files import make_private
from backstay.adapters.sqlite.functions import register
from backstay.db.failures import TIMEOUT_MESSAGE
from backstay.errors import ConfigError, DatabaseError
from backstay.sql.sqlite.condition import MAX_GLOB

#: 3.51.3 fixed a bug that corrupts a WAL database when a checkpoint meets a restart of the log.
OLDEST: Final = (3, 51, 3)

#: ``reader`` cannot write; ``writer`` and ``session`` write rows; ``owner`` also changes the schema, for no request.
Role = Literal["reader", "writer", "session", "owner"]

#: Bytes of log after which it is moved into the file, and emptied, as soon as nobody reads from it.
LOG_BYTES: Final = 4 << 20

_LIMITS: Final = {
    apsw.SQLITE_LIMIT_LENGTH: 64 << 20,
    apsw.SQLITE_LIMIT_SQL_LENGTH: 4 << 20,
    apsw.SQLITE_LIMIT_ATTACHED: 0,
    apsw.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: MAX_GLOB,
    apsw.SQLITE_LIMIT_TRIGGER_DEPTH: 32,
    apsw.SQLITE_LIMIT_WORKER_THREADS: 0,
}

#: Virtual machine steps between two looks at the clock: under a millisecond, and too rare to be seen in a profile.
STEPS: Final = 5_000

#: Bytes that our own functions look at between two looks at the clock: some tenths of a millisecond.
_LOOK: Final = 64 << 10
#: Seconds of a connection without a budget, which serves no request.
_FOR_EVER: Final = 1e9
#: More than any statement looks at.
_UNBOUNDED: Final = 1 << 62
#: Most that one call of a function of ours may look at: it holds Python's lock all the while, in whatever thread.
_LARGEST: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class Location:
    """Where the database is.  *memory* lives as long as one connection to it and is seen by this process only."""

    name: str
    memory: bool = False

    @classmethod
    def at(cls, path: str) -> Location:
        """The file at *path*; a new database in memory for ``""`` and ``":memory:"``."""
        if path in ("", ":memory:"):
            # The name starts with "/": only then do several connections share one memdb (sqlite memdb.c).
            return cls(f"file:/backstay-{uuid4().hex}?vfs=memdb", memory=True)
        return cls(str(Path(path).expanduser()))


class Budget:
    """The time one statement may take, watched by SQLite's progress handler and by our own SQL functions.

    The handler is called between two steps of SQLite, and a function of ours is one step, however large the value that
    it looks at: so each says what it is about to look at, and is stopped there (`spend`).

    The clock starts at the first look, not at `start`: a short statement never reads the clock.
    """

    __slots__ = ("_allowed", "_ends", "_gone", "_left", "_room", "_since", "full", "most_bytes", "seconds")

    def __init__(self, seconds: float, most_bytes: int | None = None) -> None:
        self.seconds = seconds
        #: Bytes by which SQLite's memory may grow meanwhile; ``None`` for any number.
        self.most_bytes = most_bytes
        #: Whether the statement was stopped for its memory.
        self.full = False
        self._room = 0
        self._allowed = seconds
        self._ends = 0.0
        self._left = _UNBOUNDED
        self._since = 0
        self._gone: Event | None = None

    def start(self, seconds: float | None = None, work: int = _UNBOUNDED, gone: Event | None = None) -> None:
        """A statement begins, and may take *seconds* (by default the whole budget); *gone* is set when nobody waits.

        Our functions may look at *work* bytes.  Where nobody else can go on meanwhile, as on the event loop, that is
        few: unlike a time it cannot be overdrawn by a single value.
        """
        self._gone = gone
        self._ends = 0.0
        self.full = False
        # What others take meanwhile counts too: SQLite does not tell whose memory is whose.
        self._room = _UNBOUNDED if self.most_bytes is None else apsw.memory_used() + self.most_bytes
        self._allowed = self.seconds if seconds is None else seconds
        self._left = work
        self._since = 0

    def spend(self, amount: int) -> None:
        """A function of ours is about to look at *amount* bytes; one that looks closely counts them several times.

        Raises:
            DatabaseError: 57014, when the statement must stop.
        """
        self._left -= amount
        self._since += amount
        if self._left < 0 or amount > _LARGEST:
            raise DatabaseError("57014", TIMEOUT_MESSAGE)
        if self._since >= _LOOK:
            self._since = 0
            if self.over():
                raise DatabaseError("57014", TIMEOUT_MESSAGE)

    def over(self) -> bool:
        """Whether the statement must stop; called by SQLite."""
        if self._gone is not None and self._gone.is_set():
            return True
        now = time.monotonic()
        if self._ends == 0.0:
            self._ends = now + self._allowed
            return False
        self.full = apsw.memory_used() > self._room
        return self.full or now > self._ends


def check_version() -> None:
    """Refuse a SQLite library with a known way to lose data.

    Raises:
        ConfigError: BST-E102.
    """
    found = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if found < OLDEST:
        raise ConfigError(
            "BST-E102",
            f"SQLite {apsw.sqlite_lib_version()} can corrupt a WAL database; 3.51.3 or later is needed",
            hint="pip install --upgrade apsw",
        )


def connect(
    location: Location,
    role: Role,
    *,
    budget: Budget | None = None,
    busy_seconds: float = 5.0,
    statements: int = 1000,
) -> apsw.Connection:
    """Open *location*.  *statements* is how many prepared statements are kept; *budget* stops those that take too long.

    Raises:
        apsw.Error: the file cannot be opened or is not a database.
    """
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    if location.memory:
        flags |= apsw.SQLITE_OPEN_URI
    else:
        make_private(location.name)
    connection = apsw.Connection(location.name, flags=flags, statementcachesize=statements)
    try:
        _configure(connection, location, role, busy_seconds, budget)
        if budget is not None:
            connection.set_progress_handler(budget.over, STEPS)
    except BaseException:
        connection.close()
        raise
    return connection


def check_after_crash(location: Location, *, seconds: float = 2.0) -> None:
    """Look through a file whose log was left behind (DU3), as far as *seconds* allow.

    A log is left by a crash, and is there while another process has the file open.

    Raises:
        DatabaseError: XX001, the file is damaged.
    """
    if location.memory or not Path(f"{location.name}-wal").exists():
        return
    budget = Budget(seconds)
    connection = connect(location, "owner", budget=budget)
    try:
        budget.start()
        found = connection.execute("PRAGMA quick_check(1)").fetchall()
    except apsw.InterruptError:
        return
    finally:
        connection.close()
    if found != [("ok",)]:
        raise DatabaseError("XX001", "the database file is damaged", hint="restore the last backup")


def _configure(
    connection: apsw.Connection, location: Location, role: Role, busy_seconds: float, budget: Budget | None
) -> None:
    connection.set_busy_timeout(int(busy_seconds * 1000))
    for option, value in (
        (apsw.SQLITE_DBCONFIG_ENABLE_FKEY, 1),  # not the pragma, which does nothing inside a transaction
        (apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0),
        (apsw.SQLITE_DBCONFIG_DEFENSIVE, 1),
        # An unknown name in double quotes is an error, not a string.
        (apsw.SQLITE_DBCONFIG_DQS_DML, 0),
        (apsw.SQLITE_DBCONFIG_DQS_DDL, 0),
        # apsw's SQLite has STAT4 and would plan a statement anew when bound values change: 27 µs instead of 6.5.
        (apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1),
    ):
        connection.config(option, value)
    if not location.memory:
        if role in ("writer", "owner"):
            _keep_log(connection, busy_seconds)
            # What the log has grown to while somebody read for long, it does not keep.
            connection.pragma("journal_size_limit", LOG_BYTES)
        else:
            connection.wal_autocheckpoint(0)  # DU2: only the writer moves the log into the file
    connection.pragma("synchronous", "full")
    connection.pragma("mmap_size", 0)
    connection.pragma("temp_store", "memory")
    register(connection, (budget or Budget(_FOR_EVER)).spend)
    if role == "owner":
        return
    for limit, most in _LIMITS.items():
        connection.limit(limit, most)
    if role == "reader":
        connection.pragma("query_only", True)
    connection.authorizer = authorize


def _keep_log(connection: apsw.Connection, busy_seconds: float) -> None:
    """Turn write-ahead logging on, which the file then remembers.

    When two connections do so at once SQLite answers busy to one without asking its busy handler: so it tries again.
    """
    ends = time.monotonic() + busy_seconds
    while True:
        try:
            if connection.pragma("journal_mode") != "wal":
                connection.pragma("journal_mode", "wal")
            return
        except apsw.BusyError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.005)
