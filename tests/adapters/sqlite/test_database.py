"""What is SQLite's own about its `Database`."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Generator
from pathlib import Path
from threading import Event
from typing import Any, Final

import apsw
import pytest
from sqlalchemy import text

from backstay.adapters.sqlite.connection import LOG_BYTES, connect
from backstay.adapters.sqlite.database import SqliteDatabase
from backstay.adapters.sqlite.export import Export
from backstay.budget import RequestBudget
from backstay.db.statement import Rows, Statement
from backstay.errors import DatabaseError


async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """PGRST000, without the path."""
    database = SqliteDatabase(str(tmp_path / "missing" / "app.db"))
    with pytest.raises(DatabaseError) as caught:
        await database.open()
    assert (caught.value.code, str(tmp_path) in str(caught.value)) == ("PGRST000", False)


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """XX001, and the file is left as it is."""
    path = tmp_path / "app.db"
    path.write_bytes(b"not a database at all, but long enough to be looked at" * 20)
    database = SqliteDatabase(str(path))
    with pytest.raises(DatabaseError) as caught:
        await database.open()
    assert (caught.value.code, path.read_bytes()[:5]) == ("XX001", b"not a")


async def test_fetch_cannot_write(tmp_path: Path) -> None:
    """25006: the method does not fit."""
    database = SqliteDatabase(str(tmp_path / "app.db"))
    await database.open()
    apsw.Connection(str(tmp_path / "app.db")).execute("CREATE TABLE t (x)")
    for _ in ("on the event loop", "in a thread"):
        with pytest.raises(DatabaseError) as caught:
            await database.fetch(Statement("DELETE FROM t"))
        database._heavy.add("DELETE FROM t")
        assert "25006" == caught.value.code
    await database.close()


async def test_memory_serves_readers_beside_a_session() -> None:
    """A read waits for the session's end instead of meeting its lock."""
    database = SqliteDatabase("")
    await database.open()
    async with database.session() as session:
        reading = asyncio.create_task(database.fetch(Statement("SELECT 1")))
        for _ in range(5):
            await asyncio.sleep(0)
        await session.execute(text("SELECT 1"))
        assert not reading.done()
    assert tuple(await reading) == (1,)
    await database.close()


async def test_two_databases_in_memory_are_two() -> None:
    """Nothing is shared by accident."""
    databases = [SqliteDatabase(""), SqliteDatabase(":memory:")]
    for database in databases:
        await database.open()
    await asyncio.gather(*(database.transact(_nothing) for database in databases))
    names = {database._location.name for database in databases}
    for database in databases:
        await database.close()
    assert len(names) == 2


def _nothing() -> Generator[Statement, Rows, None]:
    yield Statement("SELECT 1")


async def test_too_many_slow_reads_are_refused(tmp_path: Path) -> None:
    """LM10: slow reads wait in a queue that is bounded, and every one is answered."""
    database = SqliteDatabase(str(tmp_path / "app.db"))
    await database.open()
    database._heavy.add("SELECT 1")
    outcomes = await asyncio.gather(
        *(database.fetch(Statement("SELECT 1")) for _ in range(300)), return_exceptions=True
    )
    refused = [outcome.code for outcome in outcomes if isinstance(outcome, DatabaseError)]
    await database.close()
    assert (set(refused), len(outcomes) - len(refused)) == ({"BST503"}, 200)


async def test_a_value_that_is_too_large_is_not_made(tmp_path: Path) -> None:
    """S11: the database stops before it is there, on every way in that answers a request."""
    database = SqliteDatabase(str(tmp_path / "app.db"), budget=RequestBudget(answer_bytes=100_000))
    await database.open()
    for size, expected in ((99_990, 99_990), (100_001, "BST413")):
        sql = f"SELECT length(printf('%.{size}c', 'x'))"
        database._heavy.add(sql)
        for ask in (
            lambda sql=sql: database.fetch(Statement(sql)),
            lambda sql=sql: database.snapshot(lambda: _steps(sql)),
            lambda sql=sql: database.transact(lambda: _steps(sql)),
        ):
            try:
                found = (await ask())[0]
            except DatabaseError as error:
                found = error.code
            assert expected == found
    await database.close()


_ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


async def test_a_read_that_nobody_waits_for_ends(tmp_path: Path) -> None:
    """S6: when its caller has gone, the thread is free as soon as the caller is, long before the budget is over."""
    database = SqliteDatabase(str(tmp_path / "app.db"), budget_seconds=600)
    await database.open()
    database._heavy.add(_ENDLESS)
    running = [asyncio.create_task(database.fetch(Statement(_ENDLESS))) for _ in range(12)]
    snapshot = asyncio.create_task(database.snapshot(lambda: _steps(_ENDLESS)))
    await asyncio.sleep(0)
    for task in (*running, snapshot):
        task.cancel()
    outcomes = await asyncio.gather(*running, snapshot, return_exceptions=True)
    assert [asyncio.CancelledError] * 13 == [type(outcome) for outcome in outcomes]
    assert (0, 0) == (database._turns.running, database._turns.waiting)
    assert (1,) == await database.snapshot(lambda: _steps("SELECT 1"))
    await database.close()


async def test_connections_outlive_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """S6: who leaves while its connection is opened leaves it to the next, and that of an export is closed."""
    database = SqliteDatabase(str(tmp_path / "app.db"))
    await database.open()
    begun, go_on, before = Event(), Event(), len(database._opened)
    opening: list[Any] = []

    def connect_slowly(*given: Any, **named: Any) -> Any:
        begun.set()
        go_on.wait(10)
        opening.append(connect(*given, **named))
        return opening[-1]

    async def export() -> None:
        async for _ in database.stream(Statement("SELECT 1")):
            pass

    for module, ask in (("reader", lambda: database.snapshot(lambda: _steps("SELECT 1"))), ("export", export)):
        monkeypatch.setattr(f"backstay.adapters.sqlite.{module}.connect", connect_slowly)
        begun.clear()
        go_on.clear()
        task = asyncio.create_task(ask())
        await asyncio.to_thread(begun.wait, 10)
        task.cancel()
        await asyncio.sleep(0)
        go_on.set()
        assert [asyncio.CancelledError] == [type(each) for each in await asyncio.gather(task, return_exceptions=True)]
        monkeypatch.undo()
    assert ([], set()) == (
        [each for each in database._opened[before:] if each not in database._idle],
        database._exporting,
    )
    assert (1,) == await database.snapshot(lambda: _steps("SELECT 1"))
    assert before + 1 == len(database._opened)
    with pytest.raises(apsw.ConnectionClosedError):
        opening[1].execute("SELECT 1")
    await database.close()


async def test_a_snapshot_is_one_state_and_does_not_write(tmp_path: Path) -> None:
    """S6: reads of a batch see one state, share one budget, and go on while another holds the right to write."""
    path = tmp_path / "app.db"
    database = SqliteDatabase(str(path), budget_seconds=0.2)
    await database.open()
    other = apsw.Connection(str(path))
    other.execute("CREATE TABLE t (a)")

    def steps() -> Generator[Statement, Rows, list[int]]:
        before = yield Statement("SELECT count(*) FROM t")
        other.execute("INSERT INTO t VALUES (1)")
        after = yield Statement("SELECT count(*) FROM t")
        return [before[0][0], after[0][0]]

    async with database.writer.lend():
        assert [0, 0] == await database.snapshot(steps)
    assert (1,) == await database.fetch(Statement("SELECT count(*) FROM t"))
    for sql, code in (("INSERT INTO t VALUES (2)", "25006"), (_ENDLESS, "57014")):
        with pytest.raises(DatabaseError) as caught:
            await database.snapshot(lambda sql=sql: _steps(sql))  # type: ignore[misc]
        assert code == caught.value.code
    assert [1, 1] == await database.snapshot(_counts)
    other.close()
    await database.close()


def _steps(sql: str) -> Generator[Statement, Rows, Any]:
    return (yield Statement(sql))[0]


def _counts() -> Generator[Statement, Rows, list[int]]:
    first = yield Statement("SELECT count(*) FROM t")
    second = yield Statement("SELECT count(*) FROM t")
    return [first[0][0], second[0][0]]


async def test_exports_leave_no_log_behind(tmp_path: Path) -> None:
    """S11: writes beside exports that overlap make the log grow; when the last has ended it is small again."""
    path = tmp_path / "app.db"
    other = apsw.Connection(str(path))
    other.execute("CREATE TABLE blobs (b BLOB)")
    other.execute("CREATE TABLE t (a)")
    other.execute(
        "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3000) SELECT i FROM n"
    )
    other.close()
    database = SqliteDatabase(str(path))
    await database.open()
    log = Path(f"{path}-wal")

    def grow() -> Generator[Statement, Rows, None]:
        yield Statement("INSERT INTO blobs VALUES (randomblob(1000000))")

    # Held open by hand, as a statement that takes long holds it.
    reading = [Export(database._location, 60, None, Statement("SELECT CAST(a AS TEXT) FROM t")) for _ in range(2)]
    highest = 0
    for number in range(12):
        reading[number % 2].chunk()
        await database.transact(grow)
        highest = max(highest, log.stat().st_size)
    for one in reading:
        one.close()
    async for _ in database.stream(Statement("SELECT CAST(a AS TEXT) FROM t")):
        pass
    size = log.stat().st_size
    await database.close()
    assert highest > 10_000_000
    assert size <= LOG_BYTES


async def test_writes_leave_no_log_behind(tmp_path: Path) -> None:
    """S11: nor does a read that no export was, when it has ended and somebody writes."""
    path = tmp_path / "app.db"
    database = SqliteDatabase(str(path))
    other = apsw.Connection(str(path))
    other.execute("CREATE TABLE blobs (b BLOB)")
    await database.open()

    def grow() -> Generator[Statement, Rows, None]:
        yield Statement("INSERT INTO blobs VALUES (randomblob(1000000))")

    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM blobs").fetchall()
    for _ in range(12):
        await database.transact(grow)
    highest = Path(f"{path}-wal").stat().st_size
    other.execute("ROLLBACK")
    await database.transact(grow)
    await database.writer.tidy()  # behind the write's own
    size = Path(f"{path}-wal").stat().st_size
    other.close()
    await database.close()
    assert (True, True) == (highest > 10_000_000, size <= LOG_BYTES)


async def test_the_log_is_moved_into_the_file(tmp_path: Path) -> None:
    """DU2: sessions do not move it; the writer does after them, so that it does not grow for ever."""
    path = tmp_path / "app.db"
    database = SqliteDatabase(str(path))
    await database.open()

    async with database.session() as session:
        await session.execute(text("SELECT 1"))
    engine = database._engine(False)
    assert engine.url.drivername == "sqlite+apsw"

    def create() -> None:
        from backstay.adapters.sqlite.connection import connect

        owner = connect(database._location, "owner")
        owner.execute("CREATE TABLE blobs (b BLOB)")
        owner.close()

    await asyncio.to_thread(create)
    for _ in range(12):
        async with database.session() as session:
            await session.execute(text("INSERT INTO blobs VALUES (randomblob(1000000))"))
    await database.transact(_nothing)
    size = path.stat().st_size
    await database.close()
    assert size > 5_000_000


async def test_a_damaged_file_after_a_crash_is_not_served(tmp_path: Path) -> None:
    """DU3: the log of an unclean stop makes the file be looked through."""
    sound, copy = tmp_path / "sound.db", tmp_path / "copy.db"
    running = apsw.Connection(str(sound))
    running.pragma("journal_mode", "wal")
    running.execute("CREATE TABLE t (a UNIQUE)")
    with running:
        running.executemany("INSERT INTO t VALUES (?)", [(f"value {n}",) for n in range(5000)])
    running.wal_checkpoint()
    running.execute("INSERT INTO t VALUES ('in the log')")
    for end in ("", "-wal"):
        shutil.copy(f"{sound}{end}", f"{copy}{end}")
    good = SqliteDatabase(str(copy))
    await good.open()
    assert tuple(await good.fetch(Statement("SELECT count(*) FROM t"))) == (5001,)
    await good.close()

    shutil.copy(f"{sound}-wal", f"{copy}-wal")
    with copy.open("r+b") as file:
        file.seek(4096 * 10)
        file.write(b"\xff" * 4096 * 3)
    bad = SqliteDatabase(str(copy))
    with pytest.raises(DatabaseError) as caught:
        await bad.open()
    running.close()
    assert caught.value.code == "XX001"


async def test_errors_of_functions_arrive(tmp_path: Path) -> None:
    """AC13: what a function refuses inside a statement keeps its code, and is what the database says."""
    database = SqliteDatabase(str(tmp_path / "app.db"))
    await database.open()
    for _ in ("on the event loop", "in a thread"):
        with pytest.raises(DatabaseError) as caught:
            await database.fetch(Statement("SELECT backstay_cast('a', 'text', 'int')", ()))
        database._heavy.add("SELECT backstay_cast('a', 'text', 'int')")
        assert caught.value.code == "22P02"
    await database.close()


#: What our own functions and collations do with one value of 900 kB, and what SQLite's do with it.
STEPS: Final = (
    "SELECT backstay_glob(v, '*c*') + backstay_glob(v, '*' || ? || 'b*') FROM t",
    "SELECT backstay_lower_glob(v, '*' || ? || 'b*') FROM t",
    "SELECT backstay_lower(v) FROM t WHERE ? <> ''",
    "SELECT backstay_regex(v, ? || 'b', 0) FROM t",
    "SELECT backstay_json_contains(j, ?) FROM t",
    "SELECT backstay_array_contains(j, '[2]') FROM t WHERE ? <> ''",
    "SELECT backstay_array_text(j, 'float') FROM t WHERE ? <> ''",
    "SELECT backstay_json_text(j) FROM t WHERE ? <> ''",
    "SELECT j < '[2' || ? || ']' COLLATE BACKSTAY_JSON FROM t",
    "SELECT j < '[2' || ? || ']' COLLATE BACKSTAY_ARRAY FROM t",
    "SELECT v || v FROM t WHERE ? <> ''",
)


@pytest.mark.parametrize("sql", STEPS)
async def test_a_large_value_is_for_a_thread(tmp_path: Path, sql: str) -> None:
    """S5: no step of SQLite goes through a large value on the event loop, and the answer is the same from a thread."""
    database = SqliteDatabase(str(tmp_path / "app.db"))
    await database.open()
    statements = [
        Statement("CREATE TABLE t (v, j)", ()),
        Statement("INSERT INTO t VALUES (?, ?)", ("a" * 900_000, "[" + "1," * 400_000 + "1]")),
    ]
    owner = connect(database._location, "owner")
    for statement in statements:
        owner.execute(statement.sql, statement.args)
    owner.close()
    asked = Statement(sql, ("1" if "JSON" in sql or "ARRAY" in sql else "a" * 100,))
    started = time.thread_time()
    (row,) = await database.fetch_all(asked)
    assert sql in database._heavy
    assert 1 == len(row)
    assert time.thread_time() - started < 0.1
    await database.close()
