"""Group commit: one transaction for many, one answer for each."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager
from pathlib import Path

import apsw
import pytest
from sqlalchemy import text

from backstay.adapters.sqlite.connection import Location
from backstay.adapters.sqlite.database import SqliteDatabase
from backstay.adapters.sqlite.writer import Writer
from backstay.db.caller import CALLER, Caller
from backstay.db.statement import Rows, Statement
from backstay.errors import BackstayError, DatabaseError

Steps = Callable[[], Generator[Statement, Rows, int]]


def write(number: int) -> Steps:
    def steps() -> Generator[Statement, Rows, int]:
        yield Statement("INSERT INTO notes VALUES (?, zeroblob(0))", (number,))
        return number

    return steps


@asynccontextmanager
async def opened(folder: Path, seconds: float) -> AsyncIterator[SqliteDatabase]:
    """A database where everything may take *seconds*."""
    path = folder / "app.db"
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, body BLOB)")
    connection.close()
    database = SqliteDatabase(
        str(path), budget_seconds=seconds, wait_seconds=seconds, busy_seconds=seconds, max_waiting=300
    )
    await database.open()
    yield database
    await database.close()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    """Nothing here depends on how busy the machine is."""
    async with opened(tmp_path, 60) as database:
        yield database


@pytest.fixture
async def hasty(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    """One that gives up soon, for tests of giving up."""
    async with opened(tmp_path, 0.3) as database:
        yield database


async def count(database: SqliteDatabase) -> int:
    return int((await database.fetch(Statement("SELECT count(*) FROM notes")))[0])


async def test_writes_that_wait_together_share_a_commit(database: SqliteDatabase) -> None:
    """Two hundred writes cost far fewer commits, and all are durable."""
    outcomes = await asyncio.gather(*(database.transact(write(number)) for number in range(200)))
    assert (outcomes, await count(database), database.writer.jobs) == (list(range(200)), 200, 200)
    assert database.writer.commits <= 20


async def test_group_is_bounded(tmp_path: Path) -> None:
    """No transaction holds more jobs than *max_group*."""
    writer = Writer(Location.at(str(tmp_path / "app.db")), max_group=4)
    writer.open()

    def steps() -> Generator[Statement, Rows, None]:
        yield Statement("SELECT 1")

    await asyncio.gather(*(writer.write(steps) for _ in range(40)))
    await asyncio.to_thread(writer.close)
    assert writer.commits >= 10


async def test_an_answer_comes_after_the_commit(database: SqliteDatabase) -> None:
    """DU5: whoever has an answer can read the row through another connection."""

    async def check(number: int) -> bool:
        await database.transact(write(number))
        return bool(await database.fetch(Statement("SELECT id FROM notes WHERE id = ?", (number,))))

    assert all(await asyncio.gather(*(check(number) for number in range(100))))


async def test_a_full_disk_is_507_and_heals(database: SqliteDatabase) -> None:
    """DU4: the write that does not fit fails, the others stand, and room lets writing go on."""
    connection = database.writer._connection
    assert connection is not None
    await asyncio.gather(*(database.transact(write(number)) for number in range(10)))
    # Only the writer's thread is idle here, so its connection can be told how large the file may grow.
    connection.authorizer = None
    connection.pragma("max_page_count", connection.pragma("page_count") + 2)

    def large() -> Generator[Statement, Rows, int]:
        yield Statement("INSERT INTO notes VALUES (1000, randomblob(100000))")
        return 0

    outcomes = await asyncio.gather(
        *(database.transact(steps) for steps in (write(10), large, write(11))), return_exceptions=True
    )
    codes = [outcome.code if isinstance(outcome, BackstayError) else outcome for outcome in outcomes]
    assert (codes, await count(database)) == ([10, "BST507", 11], 12)
    connection.pragma("max_page_count", 1 << 30)
    assert await database.transact(large) == 0
    assert (await database.fetch(Statement("PRAGMA foreign_key_check"))) == ()


async def test_a_full_disk_status() -> None:
    """DU4: 507."""
    assert DatabaseError("BST507", "").status == 507


async def test_a_crashed_group_answers_everyone(database: SqliteDatabase) -> None:
    """A fault in the writer itself is a 503 for those whom it met, and the next write works."""

    def crash() -> Generator[Statement, Rows, int]:
        raise SystemExit
        yield

    outcomes = await asyncio.gather(
        *(database.transact(steps) for steps in (write(1), crash, write(2))), return_exceptions=True
    )
    codes = {outcome.code for outcome in outcomes if isinstance(outcome, BackstayError)}
    assert ({"BST503"}, 3) == (codes, len(outcomes))
    assert await database.transact(write(3)) == 3
    assert all(thread.is_alive() for thread in threading.enumerate() if thread.name == "backstay-sqlite-writer")


async def test_a_queue_that_is_full_refuses(database: SqliteDatabase) -> None:
    """LM10: what does not fit in the queue is told so at once, with Retry-After."""
    assert 0 == database.writer.loans
    async with database.writer.lend():
        assert 1 == database.writer.loans
        waiting = [asyncio.create_task(database.transact(write(number))) for number in range(300)]
        await asyncio.sleep(0)
        with pytest.raises(DatabaseError) as caught:
            await database.transact(write(1000))
    assert 0 == database.writer.loans
    assert (caught.value.code, caught.value.headers) == ("BST503", (("Retry-After", "1"),))
    assert len(await asyncio.gather(*waiting)) == 300


async def test_waiting_is_bounded(hasty: SqliteDatabase) -> None:
    """A write that waits longer than *wait_seconds* is refused, and is not written later."""
    async with hasty.writer.lend():
        with pytest.raises(DatabaseError) as caught:
            await hasty.transact(write(1))
    assert caught.value.code == "BST503"
    await hasty.transact(write(2))
    assert await count(hasty) == 1


async def test_a_session_waits_no_longer_either(hasty: SqliteDatabase) -> None:
    """Two sessions cannot write at once: the second gives up in time and loses nothing."""
    async with hasty.session():
        with pytest.raises(DatabaseError, match="busy"):
            async with hasty.session():
                pass
    async with hasty.session() as session:
        await session.execute(text("INSERT INTO notes VALUES (1, NULL)"))
    assert await count(hasty) == 1


async def test_turns_are_fair(database: SqliteDatabase) -> None:
    """A session gets its turn between the jobs before and the jobs after it."""
    order: list[str] = []

    async def job(name: str, number: int) -> None:
        await database.transact(write(number))
        order.append(name)

    async def session() -> None:
        async with database.session() as opened:
            await opened.execute(text("INSERT INTO notes VALUES (50, NULL)"))
        order.append("session")

    await asyncio.gather(job("before", 1), session(), job("after", 2))
    assert order == ["before", "session", "after"]


async def test_a_cancelled_write_that_waits_is_not_written(database: SqliteDatabase) -> None:
    """Nobody waits for it any more."""
    async with database.writer.lend():
        task = asyncio.create_task(database.transact(write(1)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await database.transact(write(2))
    assert await count(database) == 1


async def test_another_process_that_holds_the_lock(hasty: SqliteDatabase) -> None:
    """55P03 after *busy_seconds*, which is 503 with Retry-After; then writing goes on."""
    other = apsw.Connection(hasty._location.name)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseError) as caught:
        await hasty.transact(write(1))
    other.execute("ROLLBACK")
    other.close()
    assert (caught.value.code, caught.value.status, caught.value.headers) == ("55P03", 503, (("Retry-After", "1"),))
    assert await hasty.transact(write(1)) == 1


async def test_reads_do_not_see_a_group_before_it_commits(database: SqliteDatabase) -> None:
    """A reader's snapshot is the last commit, also in the middle of a job."""
    reached, go_on = threading.Event(), threading.Event()

    def steps() -> Generator[Statement, Rows, int]:
        yield Statement("INSERT INTO notes VALUES (1, NULL)")
        reached.set()
        go_on.wait(5)
        return 1

    task = asyncio.create_task(database.transact(steps))
    await asyncio.to_thread(reached.wait, 5)
    during = await count(database)
    go_on.set()
    await task
    assert (during, await count(database)) == (0, 1)


async def test_requests_cannot_change_the_schema_through_it(database: SqliteDatabase) -> None:
    """SQ4: the writer's connection has the authorizer too."""
    codes = []
    for sql in ("DROP TABLE notes", "PRAGMA journal_mode = DELETE", "ATTACH ':memory:' AS x"):

        def steps(sql: str = sql) -> Generator[Statement, Rows, int]:
            yield Statement(sql)
            return 0

        with pytest.raises(DatabaseError) as caught:
            await database.transact(steps)
        codes.append(caught.value.code)
    assert codes == ["42501"] * 3


async def _as(caller: Caller, database: SqliteDatabase, steps: Steps) -> int:
    CALLER.set(caller)
    return await database.transact(steps)


async def test_accounts_come_first_and_callers_in_turn(database: SqliteDatabase) -> None:
    """S6: a hundred writes of one caller keep a sign-in, or another caller's one write, from nothing."""
    order: list[int] = []

    def noted(number: int) -> Steps:
        def steps() -> Generator[Statement, Rows, int]:
            order.append(number)
            yield Statement("INSERT INTO notes VALUES (?, NULL)", (number,))
            return number

        return steps

    async with database.writer.lend():
        flood = [asyncio.create_task(_as(Caller("ann"), database, noted(number))) for number in range(100)]
        other = asyncio.create_task(_as(Caller("bob"), database, noted(200)))
        sign_in = asyncio.create_task(_as(Caller("accounts", first=True), database, noted(300)))
        await asyncio.sleep(0)
    await asyncio.gather(*flood, other, sign_in)
    assert [300, 0, 200, 1, 2] == order[:5]


async def test_one_caller_fills_its_share_of_the_queue(tmp_path: Path) -> None:
    """S6: past it that caller is refused, at once, and nobody else."""
    database = SqliteDatabase(str(tmp_path / "app.db"), max_waiting=20, share=50)
    await database.open()

    def steps() -> Generator[Statement, Rows, int]:
        yield Statement("SELECT 1")
        return 1

    async with database.writer.lend():
        tasks = [asyncio.create_task(_as(Caller(key), database, steps)) for key in ["ann"] * 12 + ["bob"]]
        await asyncio.sleep(0)
        refused = [task.done() for task in tasks]
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    await database.close()
    assert [False] * 10 + [True] * 2 + [False] == refused
    assert [1] * 10 + ["BST503"] * 2 + [1] == [getattr(one, "code", one) for one in outcomes]


async def test_a_group_ends_when_it_has_taken_long(database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """S6: what it has done is committed, and who has come meanwhile for an account is next, not after sixty others."""
    monkeypatch.setattr("backstay.adapters.sqlite.writer._GROUP_SECONDS", -1.0)
    order: list[int] = []
    begun, go_on = threading.Event(), threading.Event()

    def noted(number: int) -> Steps:
        def steps() -> Generator[Statement, Rows, int]:
            order.append(number)
            if number == 0:
                begun.set()
                go_on.wait(30)
            yield Statement("INSERT INTO notes VALUES (?, NULL)", (number,))
            return number

        return steps

    async with database.writer.lend():
        flood = [asyncio.create_task(_as(Caller("ann"), database, noted(number))) for number in range(8)]
        await asyncio.sleep(0)
    await asyncio.to_thread(begun.wait, 30)
    sign_in = asyncio.create_task(_as(Caller("accounts", first=True), database, noted(300)))
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(*flood, sign_in)
    assert [0, 300, 1, 2, 3, 4, 5, 6, 7] == order
    assert 9 == await count(database)


async def test_a_loan_behind_a_group_has_its_turn(database: SqliteDatabase) -> None:
    """Whoever borrows the writer is served after the jobs before it, and is not lost with them."""
    lent = asyncio.Event()

    async def borrow() -> None:
        async with database.writer.lend():
            lent.set()

    async with database.writer.lend():
        tasks = [asyncio.create_task(database.transact(write(1))), asyncio.create_task(borrow())]
        await asyncio.sleep(0)
        tasks.append(asyncio.create_task(database.transact(write(2))))
        await asyncio.sleep(0)
    async with asyncio.timeout(60):
        await asyncio.gather(*tasks)
    assert (True, 2) == (lent.is_set(), await count(database))


async def test_what_comes_while_it_closes_is_answered(database: SqliteDatabase) -> None:
    """Whoever stands in line is served before the end, and who comes after it is told so: nobody waits for ever."""
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> Generator[Statement, Rows, int]:
        begun.set()
        go_on.wait(30)
        yield Statement("INSERT INTO notes VALUES (1, NULL)")
        return 1

    running = asyncio.create_task(database.transact(slow))
    await asyncio.to_thread(begun.wait, 30)
    waiting = asyncio.create_task(database.transact(write(2)))
    await asyncio.sleep(0)
    closing = asyncio.create_task(asyncio.to_thread(database.writer.close))
    while not database.writer._line._closed:
        await asyncio.sleep(0)
    with pytest.raises(DatabaseError) as caught:
        await database.transact(write(3))
    go_on.set()
    async with asyncio.timeout(60):
        assert [1, 2] == await asyncio.gather(running, waiting)
        await closing
    assert ("BST503", 2) == (caught.value.code, await count(database))


@pytest.mark.parametrize("mended", [False, True])
async def test_a_rehearsal_beside_a_broken_neighbour(tmp_path: Path, mended: bool) -> None:
    """A write that is to be undone is told of what it would break itself, and not of a neighbour's open constraint,
    whether a third one closes that before the commit or nobody does.
    """
    path = tmp_path / "app.db"
    connection = apsw.Connection(str(path))
    connection.execute(
        "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (a REFERENCES a DEFERRABLE INITIALLY DEFERRED)"
    )
    connection.close()
    database = SqliteDatabase(str(path))
    await database.open()

    def insert(sql: str) -> Steps:
        def steps() -> Generator[Statement, Rows, int]:
            yield Statement(sql)
            return 1

        return steps

    async with database.writer.lend():
        broken = asyncio.create_task(database.transact(insert("INSERT INTO b VALUES (1)")))
        sound = asyncio.create_task(database.transact(insert("INSERT INTO a VALUES (2)"), rollback=True))
        wrong = asyncio.create_task(database.transact(insert("INSERT INTO b VALUES (3)"), rollback=True))
        mender = asyncio.create_task(database.transact(insert(f"INSERT INTO a VALUES ({1 if mended else 4})")))
        await asyncio.sleep(0)
    outcomes = await asyncio.gather(broken, sound, wrong, mender, return_exceptions=True)
    rows = [await database.fetch(Statement(f"SELECT count(*) FROM {name}")) for name in "ab"]
    await database.close()
    expected = [1, 1, "23503", 1] if mended else ["23503", 1, "23503", 1]
    assert expected == [getattr(outcome, "code", outcome) for outcome in outcomes]
    assert [(1,), (1 if mended else 0,)] == rows
