"""Driver errors as ours."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    func,
)

from backstay.db.failures import RETRY, foreign_key_name, from_postgresql, from_sqlite
from backstay.db.violation import ConstraintError, Violation, details_of
from backstay.errors import BackstayError, DatabaseError, PlanError

metadata = MetaData()
Table("a.b", metadata, Column("c", Integer, unique=True))
posts = Table(
    "posts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("slug", String, unique=True),
    Column("day", Integer),
    Column("blog", Integer, ForeignKey("a.b.c")),
    UniqueConstraint("slug", "day", name="once_a_day"),
    CheckConstraint("day > 0", name="positive"),
)
Index("one_per_day", posts.c.day, unique=True)
Index("lowered", func.lower(posts.c.slug), unique=True)
Table("keyed", metadata, Column("id", Integer, primary_key=True)).primary_key.name = "keyed_pk"
for twin in ("one", "two"):
    Table(twin, metadata, Column("id", Integer, CheckConstraint("id > 0", name="twice")))


class Sqlite(Exception):
    """An apsw error, as far as it is read."""

    def __init__(self, extendedresult: int, text: str = "") -> None:
        super().__init__(text)
        self.extendedresult = extendedresult


class Server(Exception):
    """An asyncpg error of the server, as far as it is read."""

    def __init__(self, sqlstate: str, message: str = "", **fields: Any) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.message = message
        self.__dict__.update(fields)


@pytest.mark.parametrize(
    ("extended", "text", "code", "status"),
    [
        (3, "", "42501", 403),
        (5, "database is locked", "55P03", 503),
        (261, "database is locked", "55P03", 503),
        (517, "database is locked", "55P03", 503),
        (6, "database table is locked", "55P03", 503),
        (7, "out of memory", "53200", 503),
        (8, "attempt to write a readonly database", "25006", 405),
        (9, "interrupted", "57014", 504),
        (10, "disk I/O error", "BST503", 503),
        (778, "disk I/O error", "BST503", 503),
        (11, "database disk image is malformed", "XX001", 500),
        (13, "database or disk is full", "BST507", 507),
        (14, "unable to open database file", "PGRST000", 503),
        (15, "locking protocol", "55P03", 503),
        (17, "database schema has changed", "40001", 503),
        (18, "string or blob too big", "BST413", 413),
        (20, "datatype mismatch", "22P02", 400),
        (23, "not authorized", "42501", 403),
        (26, "file is not a database", "XX001", 500),
        (1811, "stop", "P0001", 400),
        (3091, "cannot store TEXT value in INTEGER column t.a", "22P02", 400),
        (2323, "constraint failed", "23000", 400),
        (1, "no such table: nowhere", "42P01", 404),
        (1, "no such column: x", "42703", 400),
        (1, "table t has no column named x", "42703", 400),
        (1, "ambiguous column name: id", "42702", 400),
        (1, "no such function: f", "42883", 404),
        (1, "integer overflow", "22003", 400),
        (1, "malformed JSON", "22P02", 400),
        (1, 'near "x": syntax error', "42601", 400),
        (1, "ON CONFLICT clause does not match any PRIMARY KEY or UNIQUE constraint", "42P10", 400),
        (1, "something new", "XX000", 500),
        (25, "bind or column index out of range", "XX000", 500),
    ],
)
def test_sqlite_codes(extended: int, text: str, code: str, status: int) -> None:
    """Every result code has an SQLSTATE, also one that is not known yet."""
    error = from_sqlite(Sqlite(extended, text))
    assert (type(error) in (DatabaseError, ConstraintError), error.code, error.status) == (True, code, status)


def test_a_value_that_cannot_be_bound_keeps_its_reason() -> None:
    """The class of PEP 249 in between does not hide that it was a number out of range."""
    wrapped = Sqlite(0, "too big")
    wrapped.__cause__ = OverflowError("too big")
    assert ("22003", 400) == (from_sqlite(wrapped).code, from_sqlite(wrapped).status)
    assert "XX000" == from_sqlite(Sqlite(0, "something else")).code


@pytest.mark.parametrize("extended", [5, 6, 10, 14])
def test_busy_says_when_to_come_back(extended: int) -> None:
    """LM10: Retry-After on every 503."""
    assert from_sqlite(Sqlite(extended)).headers == (("Retry-After", "1"),)


@pytest.mark.parametrize("extended", [8, 10, 11, 14, 26])
def test_paths_and_internals_stay_inside(extended: int) -> None:
    """ER2: the driver's own text is not repeated where it may name a file."""
    assert "/srv" not in str(from_sqlite(Sqlite(extended, "unable to open /srv/app.db")))


@pytest.mark.parametrize(
    ("extended", "text", "violation"),
    [
        (1555, "posts.id", Violation("23505", "posts", ("id",), "posts_pkey")),
        (1555, "keyed.id", Violation("23505", "keyed", ("id",), "keyed_pk")),
        (2067, "posts.slug", Violation("23505", "posts", ("slug",), "posts_slug_key")),
        (2067, "posts.slug, posts.day", Violation("23505", "posts", ("slug", "day"), "once_a_day")),
        (2067, "posts.day", Violation("23505", "posts", ("day",), "one_per_day")),
        (2067, "index 'lowered'", Violation("23505", "posts", ("slug",), "lowered")),
        (2067, "index 'other'", Violation("23505", None, (), "other")),
        (2067, "a.b.c", Violation("23505", "a.b", ("c",), "a.b_c_key")),
        (2067, "unknown.x, unknown.y", Violation("23505", "unknown", ("x", "y"), "unknown_x_y_key")),
    ],
)
def test_unique_names(extended: int, text: str, violation: Violation) -> None:
    """The metadata's name, else the one that PostgreSQL would have given."""
    error = from_sqlite(Sqlite(extended, f"UNIQUE constraint failed: {text}"), metadata)
    assert isinstance(error, ConstraintError)
    assert error.violation == violation
    assert error.message == f'duplicate key value violates unique constraint "{violation.constraint}"'


@pytest.mark.parametrize(
    ("extended", "text", "message"),
    [
        (
            1299,
            "NOT NULL constraint failed: posts.slug",
            'null value in column "slug" of relation "posts" violates not-null constraint',
        ),
        (
            275,
            "CHECK constraint failed: positive",
            'new row for relation "posts" violates check constraint "positive"',
        ),
        (275, "CHECK constraint failed: other", 'new row violates check constraint "other"'),
        # SQLite does not tell the table, and here are two.
        (275, "CHECK constraint failed: twice", 'new row violates check constraint "twice"'),
        (275, "CHECK constraint failed: day > 'secret'", "new row violates check constraint"),
        (787, "FOREIGN KEY constraint failed", "a row violates foreign key constraint"),
    ],
)
def test_other_constraints(extended: int, text: str, message: str) -> None:
    """PostgreSQL's sentences; a check without a name does not show its text."""
    error = from_sqlite(Sqlite(extended, text), metadata)
    assert (error.message, error.details) == (message, None)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OverflowError("int too big"), "22003"),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"), "22021"),
        (TypeError("Bad binding argument type supplied"), "XX000"),
    ],
)
def test_values_that_cannot_be_bound(error: Exception, code: str) -> None:
    """Python's own errors never pass."""
    assert (from_sqlite(error).code, from_sqlite(error).details) == (code, None)


def test_ours_pass_unchanged() -> None:
    """What a function inside SQLite raises on purpose arrives."""
    error = PlanError("PGRST127", "Feature not implemented")
    assert (from_sqlite(error), from_postgresql(error)) == (error, error)


def test_foreign_key_names() -> None:
    """PostgreSQL's default."""
    (key,) = posts.foreign_key_constraints
    assert foreign_key_name(key) == "posts_blog_fkey"


@pytest.mark.parametrize(
    ("error", "code", "message", "status"),
    [
        (Server("22P02", 'invalid input syntax for type integer: "x"'), "22P02", None, 400),
        (Server("22000", "invalid input for query argument $1: 'x' ('str' object …)"), "22P02", "invalid input", 400),
        (Server("22000", "invalid input for query argument $1: 9 (value out of int32 range)"), "22003", "value", 400),
        (Server("XX000", "parse error", server_source_filename="lwgeom_pg.c"), "22P02", "parse error", 400),
        (Server("XX000", "tuple concurrently updated", server_source_filename="heapam.c"), "XX000", None, 500),
        (Server("40001", "could not serialize access"), "40001", None, 503),
        (Server("40P01", "deadlock detected"), "40P01", None, 503),
        (Server("42501", "permission denied for table t"), "42501", None, 403),
        (Server("53100", "could not extend file"), "53100", None, 507),
        (Server("53300", "too many connections"), "53300", None, 503),
        (Server("57014", "canceling statement due to statement timeout"), "57014", None, 504),
        (Server("08006", "connection failure"), "08006", None, 503),
        (Server("P0001", "no"), "P0001", None, 400),
        (Server("PT402", "pay"), "PT402", None, 402),
        (Server("PT4XX", "no status"), "PT4XX", None, 500),
        (Server("PT101", "ends no request"), "PT101", None, 500),
        (Server("57P01", "terminating connection due to administrator command"), "57P01", None, 503),
        (Server("21000", "more than one row returned by a subquery used as an expression"), "21000", None, 500),
        (Server("21000", "DELETE requires a WHERE clause"), "21000", None, 400),
        (ConnectionResetError(), "PGRST001", "the connection to the database was lost", 503),
        (ConnectionRefusedError(), "PGRST001", "the connection to the database was lost", 503),
        (OSError(), "PGRST000", "the database cannot be reached", 503),
        (TimeoutError(), "57014", "canceling statement due to statement timeout", 504),
        (RuntimeError("the server expects 1 argument, 2 were passed"), "XX000", None, 500),
    ],
)
def test_postgresql_codes(error: Exception, code: str, message: str | None, status: int) -> None:
    """The server's SQLSTATE stays; what asyncpg says by itself gets one."""
    found = from_postgresql(error)
    assert (found.code, found.status) == (code, status)
    if message is not None:
        assert found.message.startswith(message)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        # What a function, a trigger or the arguments of a caller can raise.
        ("09000", 400), ("0A000", 400), ("0Z002", 400), ("20000", 400), ("22012", 400), ("2F005", 400),
        ("25000", 400), ("25001", 400), ("25003", 400), ("25005", 400), ("25006", 405), ("25007", 400), ("25008", 400),
        ("2BP01", 400), ("2D000", 400), ("34000", 400),
        ("38000", 400), ("38001", 400), ("38002", 400), ("38003", 400), ("38004", 400),
        ("39000", 400), ("39001", 400), ("39004", 400), ("39P01", 400), ("39P02", 400), ("39P03", 400),
        ("3B000", 400), ("3B001", 400), ("3D000", 400), ("3F000", 400),
        ("42601", 400), ("42703", 400), ("42846", 400), ("42804", 400), ("42P08", 400), ("42P18", 400), ("42P19", 400),
        ("42501", 403), ("42883", 404), ("42P01", 404),
        ("54000", 413), ("54001", 413), ("54011", 413), ("54023", 413),
        ("55000", 400), ("55006", 400), ("55P02", 400), ("55P04", 400),
        ("P0000", 400), ("P0001", 400), ("P0002", 400), ("P0003", 400), ("P0004", 400),
        ("ABCDE", 400), ("00000", 400),
        # Worth trying again.
        ("40000", 503), ("40001", 503), ("40002", 503), ("40003", 503), ("40P01", 503),
        ("53000", 503), ("53200", 503), ("53300", 503), ("53400", 503), ("55P03", 503),
        ("57000", 503), ("57014", 504), ("57P01", 503), ("57P02", 503), ("57P03", 503), ("57P04", 503), ("57P05", 503),
        ("25P03", 503), ("25P04", 504), ("53100", 507),
        # Nobody outside can make these.
        ("25P01", 500), ("25P02", 500), ("42P17", 500), ("58000", 500), ("58030", 500), ("58P01", 500), ("58P02", 500),
        ("F0000", 500), ("HV000", 500), ("XX000", 500), ("XX001", 500), ("XX002", 500),
    ],
)  # fmt: skip
def test_what_a_caller_can_cause_is_no_fault_of_the_server(state: str, status: int) -> None:
    """A12: each class of SQLSTATE is the caller's, passes by itself, or is a fault that nobody outside can make."""
    assert status == from_postgresql(Server(state, "words")).status


@pytest.mark.parametrize(
    ("name", "said", "status"),
    [
        ("InternalClientError", "cannot switch to state 12; another operation (2) is in progress", 503),
        ("ProtocolError", "unexpected message", 503),
        ("OutdatedSchemaCacheError", "the schema has changed", 503),
        ("InterfaceError", "cannot perform operation: another operation is in progress", 503),
        ("InterfaceError", "connection is closed", 503),
        # A wrong use of the driver is a bug of ours, and must not look as if it would go away.
        ("InterfaceError", "the server expects 1 argument for this query, 2 were passed", 500),
        ("AdminShutdownError", "terminating connection due to administrator command", 503),
        ("CrashShutdownError", "crash", 503),
        ("CannotConnectNowError", "the database system is starting up", 503),
        ("DatabaseDroppedError", "dropped", 503),
        ("IdleSessionTimeoutError", "idle", 503),
        ("IdleInTransactionSessionTimeoutError", "idle", 503),
        ("ConnectionDoesNotExistError", "connection was closed in the middle of operation", 503),
        ("TooManyConnectionsError", "too many clients already", 503),
    ],
)
def test_a_lost_connection_is_worth_another_try(name: str, said: str, status: int) -> None:
    """S12: each way in which a connection ends is 503 with Retry-After, by the driver's own classes."""
    exceptions = pytest.importorskip("asyncpg.exceptions")
    found = from_postgresql(getattr(exceptions, name)(said))
    assert (status, RETRY if status == 503 else ()) == (found.status, found.headers)


def test_every_class_of_the_driver_is_told() -> None:
    """S12: no exception of asyncpg's is anything but one of ours, and none says what it said by itself."""
    exceptions = pytest.importorskip("asyncpg.exceptions")
    kinds = [kind for kind in vars(exceptions).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(kinds) > 200
    for kind in kinds:
        found = from_postgresql(kind("a secret"))
        assert isinstance(found, BackstayError)
        assert 300 <= found.status < 600
        if not getattr(kind, "sqlstate", None):
            assert "secret" not in str(found)


def test_a_refused_argument_is_not_quoted() -> None:
    """asyncpg's text holds the value and a Python reason."""
    assert "secret" not in str(from_postgresql(Server("22000", "invalid input for query argument $1: 'secret' (…)")))


def test_postgresql_hints() -> None:
    """AC12: no "perhaps you meant"; hints of the app's own functions stay."""
    guessed = from_postgresql(Server("42703", "no", hint='Perhaps you meant "secret".', detail="d"))
    raised = from_postgresql(Server("P0001", "no", hint="try later", detail="d"))
    assert (guessed.hint, guessed.details, raised.hint, raised.details) == (None, None, "try later", "d")


@pytest.mark.parametrize(
    ("fields", "violation"),
    [
        (
            {
                "sqlstate": "23505",
                "table_name": "t",
                "constraint_name": "t_pkey",
                "detail": "Key (a, b)=(1, 2) already…",
            },
            Violation("23505", "t", ("a", "b"), "t_pkey"),
        ),
        (
            {
                "sqlstate": "23503",
                "message": 'insert or update on table "t" violates foreign key constraint "f"',
                "table_name": "t",
                "constraint_name": "f",
                "detail": 'Key (a)=(1) is not present in table "u".',
            },
            Violation("23503", "t", ("a",), "f", "u"),
        ),
        (
            {
                "sqlstate": "23503",
                "message": 'update or delete on table "u" violates foreign key constraint "f" on table "t"',
                "table_name": "t",
                "constraint_name": "f",
                "detail": 'Key (id)=(1) is still referenced from table "t".',
            },
            Violation("23503", "u", ("id",), "f", "t", True),
        ),
        (
            {"sqlstate": "23502", "table_name": "t", "column_name": "a", "detail": "Failing row contains (secret)."},
            Violation("23502", "t", ("a",)),
        ),
        (
            {
                "sqlstate": "23514",
                "table_name": "t",
                "constraint_name": "c",
                "detail": "Failing row contains (secret).",
            },
            Violation("23514", "t", (), "c"),
        ),
        (
            {"sqlstate": "23P01", "table_name": "t", "constraint_name": "x", "detail": "Key (a)=(1) conflicts…"},
            Violation("23P01", "t", ("a",), "x"),
        ),
    ],
)
def test_postgresql_constraints(fields: dict[str, Any], violation: Violation) -> None:
    """AC5, AC6, ER2: the values of the failing row are nowhere but behind `details_of`."""
    fields = {"message": "m", **fields}
    error = from_postgresql(Server(fields.pop("sqlstate"), fields.pop("message"), **fields))
    assert isinstance(error, ConstraintError)
    assert (error.violation, error.details, details_of(error)) == (violation, None, fields["detail"])


def test_a_row_of_the_table_below_a_view() -> None:
    """AC6: a view's check shows the row of its table, with what the view leaves out: nobody sees it."""
    message = 'new row violates check option for view "v"'
    error = from_postgresql(Server("44000", message, detail="Failing row contains (secret)."))
    assert isinstance(error, ConstraintError)
    assert (Violation("44000", "v"), message, None) == (error.violation, error.message, details_of(error))


@pytest.mark.parametrize("error", [Exception(), ValueError("x"), KeyError(1), AssertionError()])
def test_never_anything_else(error: Exception) -> None:
    """Whatever comes in, a BackstayError goes out."""
    assert isinstance(from_sqlite(error), BackstayError)
    assert isinstance(from_postgresql(error), BackstayError)
