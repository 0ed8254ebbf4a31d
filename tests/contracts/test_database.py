"""What every `Database` does, on SQLite in a file, on SQLite in memory and on PostgreSQL.

PostgreSQL is found by ``BACKSTAY_TEST_POSTGRES`` (a URL of a server on which databases may be created), else at
127.0.0.1:5432 as ``postgres``.  It is skipped when it does not answer, and required when ``CI=true``.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    delete,
    insert,
    select,
)

from backstay.adapters.load import open_database
from backstay.adapters.sqlite.database import SqliteDatabase
from backstay.db.statement import Database, Rows, Statement
from backstay.db.violation import ConstraintError, Violation, details_of
from backstay.errors import BackstayError, DatabaseError

SERVER = os.environ.get("BACKSTAY_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
DATABASE = f"backstay_contract_{os.getpid()}"

metadata = MetaData()
authors = Table("authors", metadata, Column("id", Integer, primary_key=True, autoincrement=False))
posts = Table(
    "posts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("author_id", Integer, ForeignKey("authors.id")),
    Column("slug", String, nullable=False),
    Column("words", Integer),
    Column("late_id", Integer, ForeignKey("authors.id", deferrable=True, initially="DEFERRED")),
    UniqueConstraint("slug", "words", name="posts_slug_words"),
    UniqueConstraint("words"),
    CheckConstraint("words < 1000", name="short"),
)


@dataclass(frozen=True)
class Case:
    """An open database, and its own way to write parameters."""

    database: Database
    mark: Callable[[str], str]
    lasting: bool
    #: Where an error says its constraint is.
    schema: str | None = None

    def statement(self, sql: str, *args: Any) -> Statement:
        return Statement(self.mark(sql), args)

    def expect_slow(self, *sql: str, really: bool = True) -> None:
        """Have SQLite read these statements in a thread, as it does once one was slow."""
        if really and isinstance(self.database, SqliteDatabase):
            self.database._heavy.update(sql)

    def steps(self, *statements: tuple[Any, ...]) -> Callable[[], Generator[Statement, Rows, int]]:
        """A transaction of *statements* (SQL and arguments) that returns how many rows the last one gave."""

        def steps() -> Generator[Statement, Rows, int]:
            rows: Rows = ()
            for sql, *args in statements:
                rows = yield self.statement(sql, *args)
            return len(rows)

        return steps

    async def count(self, table: str = "authors") -> int:
        row = await self.database.fetch(Statement(f"SELECT count(*) FROM {table}"))
        return int(row[0])


@pytest.fixture(scope="module", autouse=True)
def own_database() -> Iterator[None]:
    """The database is this process's own, since others may test on the same server, and goes with it."""
    yield

    if "asyncpg" not in sys.modules:
        return
    import asyncpg

    async def drop() -> None:
        try:
            admin = await asyncpg.connect(SERVER, timeout=60)
        except (OSError, TimeoutError):
            return
        await admin.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        await admin.close()

    asyncio.run(drop())


async def admin_of(url: str) -> Any:
    asyncpg = pytest.importorskip("asyncpg", reason="asyncpg is not installed")
    try:
        return await asyncpg.connect(url, timeout=60)
    except (OSError, TimeoutError) as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"PostgreSQL does not answer at {url}: {error}")


@pytest.fixture(params=["file", "memory", "postgresql"])
async def case(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Case]:
    if request.param == "postgresql":
        admin = await admin_of(SERVER)
        if not await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
            await admin.execute(f"CREATE DATABASE {DATABASE}")
        await admin.close()
        url = urlunsplit(urlsplit(SERVER)._replace(path=f"/{DATABASE}"))
        empty = await admin_of(url)
        await empty.execute("DROP SCHEMA public CASCADE")
        await empty.execute("CREATE SCHEMA public")
        await empty.close()
        database = open_database(url, metadata=metadata, budget_seconds=0.5, max_size=4)
    else:
        path = tmp_path / "app.db" if request.param == "file" else ""
        database = open_database(f"sqlite:///{path}", metadata=metadata, budget_seconds=0.5)
    await database.open()
    await database.create_tables(metadata)

    def mark(sql: str) -> str:
        if database.name == "sqlite":
            return sql
        parts = sql.split("?")
        return "".join(f"{part}${at}" for at, part in enumerate(parts[:-1], 1)) + parts[-1]

    try:
        yield Case(
            database,
            mark,
            lasting=request.param != "memory",
            schema="public" if request.param == "postgresql" else None,
        )
    finally:
        await database.close()


@pytest.mark.parametrize("slow", [False, True])
async def test_fetch_gives_the_first_row(case: Case, slow: bool) -> None:
    """One row comes back whole, and no row is an empty one; also where a statement has once been slow."""
    case.expect_slow("SELECT CAST(? AS INTEGER), 'b'", "SELECT id FROM authors WHERE id = ?", really=slow)
    row = await case.database.fetch(case.statement("SELECT CAST(? AS INTEGER), 'b'", 7))
    none = await case.database.fetch(case.statement("SELECT id FROM authors WHERE id = ?", 1))
    assert (tuple(row), tuple(none)) == ((7, "b"), ())


async def test_create_tables_twice(case: Case) -> None:
    """What exists is left alone."""
    await case.database.transact(case.steps(("INSERT INTO authors VALUES (1)",)))
    await case.database.create_tables(metadata)
    assert await case.count() == 1


async def test_transact_sends_rows_and_returns_the_outcome(case: Case) -> None:
    """A later step can use what an earlier one returned."""

    def steps() -> Generator[Statement, Rows, tuple[int, int]]:
        first = yield case.statement("INSERT INTO authors VALUES (?) RETURNING id", 5)
        second = yield case.statement("INSERT INTO authors VALUES (?) RETURNING id", first[0][0] + 1)
        return int(first[0][0]), int(second[0][0])

    assert await case.database.transact(steps) == (5, 6)
    assert await case.count() == 2


async def test_a_transaction_without_statements(case: Case) -> None:
    """Nothing to do is done at once."""

    def steps() -> Generator[Statement, Rows, str]:
        return "done"
        yield

    assert await case.database.transact(steps) == "done"


async def test_rollback_returns_the_outcome_and_leaves_nothing(case: Case) -> None:
    """``Prefer: tx=rollback``: everything is computed, nothing is kept."""
    outcome = await case.database.transact(
        case.steps(("INSERT INTO authors VALUES (1)",), ("SELECT id FROM authors",)), rollback=True
    )
    assert (outcome, await case.count()) == (1, 0)


async def test_what_steps_raise_rolls_back_and_arrives_as_it_is(case: Case) -> None:
    """A refusal after a write leaves nothing behind."""

    class Refused(Exception):
        pass

    def steps() -> Generator[Statement, Rows, None]:
        yield case.statement("INSERT INTO authors VALUES (1)")
        raise Refused

    with pytest.raises(Refused):
        await case.database.transact(steps)
    assert await case.count() == 0


async def test_steps_see_the_failure_and_may_word_it(case: Case) -> None:
    """The error is thrown into the generator, which may raise a better one."""

    def steps() -> Generator[Statement, Rows, None]:
        yield case.statement("INSERT INTO authors VALUES (1)")
        try:
            yield case.statement("INSERT INTO authors VALUES (1)")
        except ConstraintError:
            raise BackstayError("BST422", "taken") from None

    with pytest.raises(BackstayError, match="taken"):
        await case.database.transact(steps)
    assert await case.count() == 0


async def test_steps_cannot_go_on_after_a_failure(case: Case) -> None:
    """A swallowed failure still fails the transaction, on both databases alike."""

    def steps() -> Generator[Statement, Rows, str]:
        yield case.statement("INSERT INTO authors VALUES (1)")
        try:
            yield case.statement("INSERT INTO authors VALUES (1)")
        except ConstraintError:
            return "ignored"
        return "never"

    with pytest.raises(ConstraintError):
        await case.database.transact(steps)
    assert await case.count() == 0


@pytest.mark.parametrize(
    ("sql", "message", "violation", "details"),
    [
        (
            "INSERT INTO posts VALUES (1, NULL, 'new', NULL, NULL)",
            'duplicate key value violates unique constraint "posts_pkey"',
            Violation("23505", "posts", ("id",), "posts_pkey"),
            "Key (id)=(1) already exists.",
        ),
        (
            "INSERT INTO posts VALUES (2, NULL, 'new', 10, NULL)",
            'duplicate key value violates unique constraint "posts_words_key"',
            Violation("23505", "posts", ("words",), "posts_words_key"),
            "Key (words)=(10) already exists.",
        ),
        (
            "INSERT INTO posts VALUES (2, 99, 'new', NULL, NULL)",
            'insert or update on table "posts" violates foreign key constraint "posts_author_id_fkey"',
            Violation("23503", "posts", ("author_id",), "posts_author_id_fkey", "authors"),
            'Key (author_id)=(99) is not present in table "authors".',
        ),
        (
            "DELETE FROM authors WHERE id = 1",
            'update or delete on table "authors" violates foreign key constraint "posts_author_id_fkey"'
            ' on table "posts"',
            Violation("23503", "authors", ("id",), "posts_author_id_fkey", "posts", True),
            'Key (id)=(1) is still referenced from table "posts".',
        ),
        (
            "INSERT INTO posts VALUES (2, NULL, NULL, NULL, NULL)",
            'null value in column "slug" of relation "posts" violates not-null constraint',
            Violation("23502", "posts", ("slug",)),
            None,
        ),
        (
            "INSERT INTO posts VALUES (2, NULL, 'long', 1000, NULL)",
            'new row for relation "posts" violates check constraint "short"',
            Violation("23514", "posts", (), "short"),
            None,
        ),
    ],
)
async def test_constraints(case: Case, sql: str, message: str, violation: Violation, details: str | None) -> None:
    """AC5, AC6, ER2: PostgreSQL's code and words everywhere; values only through `details_of`."""
    await case.database.transact(
        case.steps(("INSERT INTO authors VALUES (1)",), ("INSERT INTO posts VALUES (1, 1, 'a', 10, NULL)",))
    )
    with pytest.raises(ConstraintError) as caught:
        await case.database.transact(case.steps((sql,)))
    error = caught.value
    told = replace(violation, schema=case.schema)
    assert (error.message, error.violation, error.details, error.hint) == (message, told, None, None)
    if details is not None:
        assert details_of(error, {"id": 1, "words": 10}) == details
    assert await case.count("posts") == 1


async def test_a_deferred_constraint_fails_its_own_job_only(case: Case) -> None:
    """A transaction that COMMIT refuses takes no neighbour with it."""
    jobs = [case.steps(("INSERT INTO authors VALUES (?)", n)) for n in range(10)]
    bad = case.steps(("INSERT INTO posts VALUES (1, NULL, 'x', 1, 77)",))
    outcomes = await asyncio.gather(
        *(case.database.transact(steps) for steps in (*jobs[:5], bad, *jobs[5:])), return_exceptions=True
    )
    failed = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert [type(one) for one in failed] == [ConstraintError]
    assert outcomes[5] is failed[0]
    assert (await case.count("authors"), await case.count("posts")) == (10, 0)


async def test_rollback_refuses_what_a_commit_would(case: Case) -> None:
    """A deferred constraint is checked in transactions and sessions that are rolled back, and fails no neighbour."""
    bad = case.steps(("INSERT INTO posts VALUES (1, NULL, 'x', 1, 77)",))
    good = case.steps(("INSERT INTO authors VALUES (1)",))
    outcomes = await asyncio.gather(
        case.database.transact(bad, rollback=True), case.database.transact(good), return_exceptions=True
    )
    assert [ConstraintError, int] == [type(outcome) for outcome in outcomes]
    with pytest.raises(ConstraintError) as caught:
        async with case.database.session(rollback=True) as session:
            await session.execute(insert(posts).values(id=1, slug="x", late_id=77))
    assert "23503" == caught.value.code
    assert (1, 0) == (await case.count("authors"), await case.count("posts"))


async def test_a_session_can_be_rolled_back(case: Case) -> None:
    """What the block has done is undone, though it ends well."""
    async with case.database.session(rollback=True) as session:
        await session.execute(insert(authors).values(id=1))
        assert [1] == list(await session.scalars(select(authors.c.id)))
    assert 0 == await case.count()


async def test_one_failure_among_many(case: Case) -> None:
    """Two hundred at once: each gets its own answer, and everything acknowledged is there."""

    def steps(number: int) -> Callable[[], Generator[Statement, Rows, int]]:
        return case.steps(("INSERT INTO authors VALUES (?)", number // 2), ("SELECT 1",))

    outcomes = await asyncio.gather(
        *(case.database.transact(steps(number)) for number in range(200)), return_exceptions=True
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, ConstraintError)]
    assert (len(refused), await case.count()) == (100, 100)


@pytest.mark.parametrize("slow", [False, True])
async def test_statement_budget(case: Case, slow: bool) -> None:
    """LM5: an endless statement ends with 57014 in time, and the connection goes on."""
    endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
    if case.database.name == "postgresql":
        endless = "SELECT count(*) FROM generate_series(1, 1000000000) AS a"
    case.expect_slow(endless, "SELECT 1", really=slow)
    with pytest.raises(DatabaseError) as caught:
        async with asyncio.timeout(60):
            await case.database.fetch(Statement(endless))
    assert (caught.value.code, caught.value.message) == ("57014", "canceling statement due to statement timeout")
    assert tuple(await case.database.fetch(Statement("SELECT 1"))) == (1,)


async def test_statement_budget_in_a_transaction(case: Case) -> None:
    """LM5: a write that takes too long fails alone; its neighbours are written."""
    endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) INSERT INTO authors SELECT x FROM c"
    if case.database.name == "postgresql":
        endless = "INSERT INTO authors SELECT a FROM generate_series(100, 1000000000) AS a"
    jobs = [case.steps(("INSERT INTO authors VALUES (?)", -n)) for n in range(1, 6)]
    outcomes = await asyncio.gather(
        *(case.database.transact(steps) for steps in (*jobs[:3], case.steps((endless,)), *jobs[3:])),
        return_exceptions=True,
    )
    assert [outcome.code for outcome in outcomes if isinstance(outcome, BackstayError)] == ["57014"]
    assert await case.count() == 5


async def test_bad_sql_is_a_database_error(case: Case) -> None:
    """Driver errors never leave raw."""
    with pytest.raises(DatabaseError) as missing:
        await case.database.fetch(Statement("SELECT x FROM nowhere"))
    with pytest.raises(DatabaseError) as broken:
        await case.database.transact(case.steps(("SELECT FROM WHERE",)))
    assert (missing.value.code, broken.value.code) == ("42P01", "42601")


async def test_session_commits(case: Case) -> None:
    """Work in a session is there when the block has ended."""
    async with case.database.session() as session:
        await session.execute(insert(authors).values(id=1))
    assert await case.count() == 1


async def test_session_rolls_back_when_the_block_raises(case: Case) -> None:
    """Nothing of a failed block stays."""
    with pytest.raises(RuntimeError):
        async with case.database.session() as session:
            await session.execute(insert(authors).values(id=1))
            raise RuntimeError
    assert await case.count() == 0


async def test_session_rolls_back_when_cancelled(case: Case) -> None:
    """A caller who goes away leaves nothing, and nothing locked."""
    inside = asyncio.Event()

    async def work() -> None:
        async with case.database.session() as session:
            await session.execute(insert(authors).values(id=1))
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await case.database.transact(case.steps(("INSERT INTO authors VALUES (2)",)))
    assert tuple(await case.database.fetch(Statement("SELECT max(id), count(*) FROM authors"))) == (2, 1)


async def test_session_savepoints(case: Case) -> None:
    """A nested block that fails takes only itself back."""
    async with case.database.session() as session:
        await session.execute(insert(authors).values(id=1))
        with pytest.raises(ZeroDivisionError):
            async with session.begin_nested():
                await session.execute(insert(authors).values(id=2))
                raise ZeroDivisionError
        await session.execute(insert(authors).values(id=3))
    async with case.database.session(read_only=True) as session:
        assert list(await session.scalars(select(authors.c.id).order_by(authors.c.id))) == [1, 3]


async def test_session_failures_are_database_errors(case: Case) -> None:
    """What leaves the block is ours, with the constraint's name."""
    with pytest.raises(ConstraintError) as caught:
        async with case.database.session() as session:
            await session.execute(insert(authors).values(id=1))
            await session.execute(insert(authors).values(id=1))
    told = Violation("23505", "authors", ("id",), "authors_pkey", schema=case.schema)
    assert caught.value.violation == told
    assert await case.count() == 0


async def test_read_only_session_cannot_write(case: Case) -> None:
    """25006, which is 405: the method does not fit."""
    with pytest.raises(DatabaseError) as caught:
        async with case.database.session(read_only=True) as session:
            await session.execute(delete(authors))
    assert (caught.value.code, caught.value.status) == ("25006", 405)


async def test_reads_go_on_beside_a_writing_session(case: Case) -> None:
    """Readers see the last commit, never half a transaction, and never wait for ever."""
    async with case.database.session() as session:
        await session.execute(insert(authors).values(id=1))
        reading = asyncio.create_task(case.count())
        await asyncio.sleep(0)
    assert await reading in (0, 1)


async def test_sessions_and_transactions_take_turns(case: Case) -> None:
    """Forty writers of both kinds at once: all succeed."""

    async def session(number: int) -> None:
        async with case.database.session() as session:
            await session.execute(insert(authors).values(id=number))

    await asyncio.gather(
        *(session(number) for number in range(20)),
        *(case.database.transact(case.steps(("INSERT INTO authors VALUES (?)", 100 + n))) for n in range(20)),
    )
    assert await case.count() == 40


async def test_single_use_under_concurrency(case: Case) -> None:
    """Twenty claims of one thing: exactly one gets it."""
    await case.database.transact(case.steps(("INSERT INTO posts VALUES (1, NULL, 'free', 1, NULL)",)))
    claim = case.steps(("UPDATE posts SET slug = 'taken' WHERE slug = 'free' RETURNING id",))
    claimed = await asyncio.gather(*(case.database.transact(claim) for _ in range(20)))
    assert sum(claimed) == 1


async def test_cancelled_fetch_leaves_the_database_usable(case: Case) -> None:
    """The next caller gets its own answer, not the last one's."""
    case.expect_slow("SELECT 41", "SELECT CAST(? AS INTEGER)")
    task = asyncio.create_task(case.database.fetch(Statement("SELECT 41")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for number in range(10):
        row = await case.database.fetch(case.statement("SELECT CAST(? AS INTEGER)", number))
        assert tuple(row) == (number,)


async def test_closed_database(case: Case) -> None:
    """Closing twice is nothing; using it afterwards is a 503."""
    await case.database.close()
    await case.database.close()
    statuses = []
    for use in (
        lambda: case.database.fetch(Statement("SELECT 1")),
        lambda: case.database.transact(case.steps(("SELECT 1",))),
    ):
        with pytest.raises(DatabaseError) as caught:
            await use()
        statuses.append(caught.value.status)
    assert statuses == [503, 503]


async def test_close_waits_for_what_runs(case: Case) -> None:
    """A write that was accepted before closing is answered, one way or the other."""
    writes = [
        asyncio.create_task(case.database.transact(case.steps(("INSERT INTO authors VALUES (?)", n)))) for n in range(4)
    ]
    await asyncio.sleep(0)
    await case.database.close()
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(one) for one in outcomes if not isinstance(one, BackstayError)] == [int] * 4


async def test_it_can_be_opened_again(case: Case) -> None:
    """Open, close, open: what is not in memory keeps its rows."""
    await case.database.transact(case.steps(("INSERT INTO authors VALUES (1)",)))
    await case.database.close()
    await case.database.open()
    await case.database.create_tables(metadata)
    assert await case.count() == int(case.lasting)
