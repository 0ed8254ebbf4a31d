"""Every connection is durable and suspicious (DU2, DU3, SQ4)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw
import pytest

from backstay.adapters.sqlite import connection as subject
from backstay.adapters.sqlite.connection import Budget, Location, Role, check_version, connect
from backstay.errors import ConfigError

ROLES: list[Role] = ["reader", "writer", "session"]


@pytest.fixture
def location(tmp_path: Path) -> Location:
    location = Location.at(str(tmp_path / "app.db"))
    owner = connect(location, "owner")
    owner.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT)")
    owner.execute("CREATE INDEX notes_body ON notes (body)")
    owner.close()
    return location


@pytest.fixture(params=ROLES)
def opened(request: pytest.FixtureRequest, location: Location) -> Iterator[apsw.Connection]:
    connection = connect(location, request.param)
    yield connection
    connection.close()


@pytest.mark.parametrize("role", [*ROLES, "owner"])
def test_settings(location: Location, role: Role) -> None:
    """DU2, DU3: the settings that durability rests on, on every connection."""
    connection = connect(location, role)
    connection.authorizer = None
    found = {name: connection.pragma(name) for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")}
    options = (
        connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, -1),
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, -1),
        connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, -1),
        connection.pragma("mmap_size"),
        connection.pragma("wal_autocheckpoint"),
    )
    connection.close()
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}
    assert options == (0, 1, 1, 0, 1000 if role in ("writer", "owner") else 0)


@pytest.mark.parametrize(
    "sql",
    [
        "ATTACH ':memory:' AS other",
        "DETACH main",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA query_only = OFF",
        "PRAGMA foreign_keys = OFF",
        "PRAGMA writable_schema = ON",
        "PRAGMA temp_store_directory = '/tmp'",
        "PRAGMA wal_checkpoint",
        "CREATE TABLE more (x)",
        "CREATE TEMP TABLE more (x)",
        "CREATE INDEX more ON notes (body)",
        "CREATE VIEW more AS SELECT 1",
        "CREATE TRIGGER more AFTER INSERT ON notes BEGIN SELECT 1; END",
        "CREATE VIRTUAL TABLE more USING fts5(x)",
        "ALTER TABLE notes ADD COLUMN more",
        "DROP TABLE notes",
        "REINDEX",
        "ANALYZE",
        "VACUUM INTO '/tmp/stolen.db'",
        "SELECT load_extension('evil')",
        "SELECT readfile('/etc/passwd')",
        "UPDATE sqlite_schema SET sql = ''",
        'SELECT "nothing" FROM notes',
    ],
)
def test_denied(opened: apsw.Connection, sql: str) -> None:
    """SQ4: no file, no setting, no schema, no extension; an unknown quoted name is an error, not a string."""
    with pytest.raises((apsw.AuthError, apsw.SQLError, apsw.ReadOnlyError)):
        opened.execute(sql).fetchall()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM notes",
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 3) SELECT sum(x) FROM c",
        "SELECT json_group_array(json_object('id', id)) FROM notes",
        "SELECT * FROM pragma_table_info('notes')",
        "PRAGMA foreign_keys",
        "SAVEPOINT s",
    ],
)
def test_allowed(opened: apsw.Connection, sql: str) -> None:
    """What requests need."""
    opened.execute(sql).fetchall()


def test_a_reader_cannot_write(location: Location) -> None:
    """Whatever the statement says."""
    connection = connect(location, "reader")
    with pytest.raises(apsw.ReadOnlyError):
        connection.execute("INSERT INTO notes VALUES (1, '')")
    connection.close()


def test_limits(opened: apsw.Connection) -> None:
    """SQ4, LM6: values, statements and patterns are bounded."""
    with pytest.raises(apsw.TooBigError):
        opened.execute("SELECT zeroblob(65 << 20)").fetchall()
    with pytest.raises(apsw.SQLError):
        opened.execute("SELECT 'a' LIKE ?", ("a" * 801,)).fetchall()


def test_old_library_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """DU2: a SQLite that can corrupt a file is not used."""
    monkeypatch.setattr(subject, "OLDEST", (99, 0, 0))
    with pytest.raises(ConfigError) as caught:
        check_version()
    assert caught.value.code == "BST-E102"


def test_memory_is_shared_by_its_connections_only() -> None:
    """Two connections see one database, and another location another."""
    location = Location.at("")
    first, second, other = connect(location, "owner"), connect(location, "reader"), connect(Location.at(""), "owner")
    first.execute("CREATE TABLE here (x)")
    found = [c.execute("SELECT name FROM sqlite_schema").fetchall() for c in (first, second, other)]
    assert found == [[("here",)], [("here",)], []]
    for connection in (first, second, other):
        connection.close()


def test_budget_restarts(location: Location) -> None:
    """LM5: each statement has its own time, and the connection goes on after one that took too long."""
    budget = Budget(0.05)
    connection = connect(location, "reader", budget=budget)
    endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
    for _ in range(3):
        budget.start()
        with pytest.raises(apsw.InterruptError):
            connection.execute(endless).fetchall()
        budget.start()
        assert connection.execute("SELECT 1").fetchall() == [(1,)]
    connection.close()


def test_many_open_a_new_file_at_once(tmp_path: Path) -> None:
    """Workers that start together all get their connection."""
    location = Location.at(str(tmp_path / "new.db"))
    with ThreadPoolExecutor(8) as threads:
        opened = list(threads.map(lambda _: connect(location, "writer"), range(8)))
    assert {connection.pragma("journal_mode") for connection in opened} == {"wal"}
    for connection in opened:
        connection.close()
