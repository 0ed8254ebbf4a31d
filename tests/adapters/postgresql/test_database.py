"""What is PostgreSQL's own about its `Database`; skipped when there is no server (see ``tests/contracts``)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from sqlalchemy import Column, Date, DateTime, Integer, MetaData, Table, bindparam, insert, text

from backstay.db.caller import CALLER, Caller
from backstay.db.statement import Rows, Statement
from backstay.errors import DatabaseError

asyncpg = pytest.importorskip("asyncpg", reason="asyncpg is not installed")

from backstay.adapters.postgresql.database import PostgresDatabase  # noqa: E402 - after the check

SERVER = os.environ.get("BACKSTAY_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
DATABASE = f"backstay_postgresql_{os.getpid()}"
URL = urlunsplit(urlsplit(SERVER)._replace(path=f"/{DATABASE}"))

metadata = MetaData()
things = Table("things", metadata, Column("id", Integer, primary_key=True))


@pytest.fixture(scope="module", autouse=True)
def own_database() -> Iterator[None]:
    """The database is this process's own, since others may test on the same server, and goes with it."""
    yield

    async def drop() -> None:
        try:
            admin = await asyncpg.connect(SERVER, timeout=60)
        except (OSError, TimeoutError):
            return
        await admin.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        await admin.close()

    asyncio.run(drop())


@pytest.fixture
async def server() -> AsyncIterator[Any]:
    try:
        admin = await asyncpg.connect(SERVER, timeout=60)
    except (OSError, TimeoutError) as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"PostgreSQL does not answer at {SERVER}: {error}")
    if not await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
        await admin.execute(f"CREATE DATABASE {DATABASE}")
    empty = await asyncpg.connect(URL)
    await empty.execute('DROP SCHEMA IF EXISTS "my api", race CASCADE')
    await empty.close()
    yield admin
    await admin.close()


@pytest.fixture
async def database(server: Any) -> AsyncIterator[PostgresDatabase]:
    database = PostgresDatabase(URL, schema="my api", budget_seconds=2, max_size=2, wait_seconds=0.3)
    await database.open()
    await database.create_tables(metadata)
    yield database
    await database.close()


async def one(database: PostgresDatabase, sql: str, *args: Any) -> Any:
    return (await database.fetch(Statement(sql, args)))[0]


def steps(*statements: tuple[Any, ...]) -> Callable[[], Generator[Statement, Rows, Any]]:
    def run() -> Generator[Statement, Rows, Any]:
        rows: Rows = ()
        for sql, *args in statements:
            rows = yield Statement(sql, tuple(args))
        return rows[0][0] if rows else None

    return run


async def _kill_backends(server: Any) -> None:
    await server.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{DATABASE}'")


async def test_session_settings(database: PostgresDatabase) -> None:
    """UTC, the budget and the schema hold on both ways in."""
    names = ("timezone", "statement_timeout", "search_path", "application_name")
    sql = "SELECT " + ", ".join(f"current_setting('{name}')" for name in names)
    expected = ("UTC", "2s", '"my api"', "backstay")
    async with database.session() as session:
        row = (await session.execute(text(sql))).one()
    assert (tuple(await database.fetch(Statement(sql))), tuple(row)) == (expected, expected)


async def test_json_is_text(database: PostgresDatabase) -> None:
    """Its bytes go to the socket without becoming Python objects."""
    assert await one(database, """SELECT json_build_object('a', 1)""") == '{"a" : 1}'


async def test_the_last_day_is_no_infinity(database: PostgresDatabase) -> None:
    """P1: what a rule and a session bind is the day and the moment that it says; what has no end is read as the last."""
    ends: tuple[Any, ...] = (date.max, date.min, datetime.max, datetime.min, datetime.max.replace(tzinfo=UTC))
    kinds = ("date", "date", "timestamp", "timestamp", "timestamptz")
    told = "SELECT " + ", ".join(f"${at}::{kind}::text" for at, kind in enumerate(kinds, 1))
    expected = (
        *("9999-12-31", "0001-01-01", "9999-12-31 23:59:59.999999", "0001-01-01 00:00:00"),
        "9999-12-31 23:59:59.999999+00",
    )
    assert expected == tuple(await database.fetch(Statement(told, ends)))
    sql = "SELECT " + ", ".join(f":v{at}" for at in range(len(ends))) + ", 'infinity'::date, '-infinity'::timestamptz"
    types = (Date(), Date(), DateTime(), DateTime(), DateTime(timezone=True))
    bound = [bindparam(f"v{at}", end, type_=kind) for at, (end, kind) in enumerate(zip(ends, types, strict=True))]
    async with database.session() as session:
        row = (await session.execute(text(sql).bindparams(*bound))).one()
    assert (*ends, date.max, datetime.min.replace(tzinfo=UTC)) == tuple(row)
    assert [date.max] == await one(database, "SELECT $1::date[]", [date.max])


@pytest.mark.parametrize("kind", ["date", "timestamp", "timestamptz"])
async def test_a_text_is_no_moment(database: PostgresDatabase, kind: str) -> None:
    """What is no day and no moment is refused as every value of another type is."""
    with pytest.raises(DatabaseError) as caught:
        await one(database, f"SELECT $1::{kind}", "2024-01-01")
    assert "22P02" == caught.value.code


async def test_the_schema_is_made(database: PostgresDatabase) -> None:
    """`create_tables` makes the schema it was told of, and its tables there."""
    assert await one(database, "SELECT schemaname FROM pg_tables WHERE tablename = 'things'") == "my api"


async def test_processes_that_create_at_once(server: Any) -> None:
    """Four that start together do not race each other."""
    databases = [PostgresDatabase(URL, schema="race") for _ in range(4)]
    await asyncio.gather(*(one.open() for one in databases))
    await asyncio.gather(*(one.create_tables(metadata) for one in databases))
    await asyncio.gather(*(one.close() for one in databases))


async def test_no_state_leaks_from_one_user_to_the_next(database: PostgresDatabase) -> None:
    """SQ5: what one transaction sets locally, the next user of the connection does not see."""
    who = "SELECT coalesce(current_setting('app.user', true), '')"

    async def visit(name: str) -> tuple[str, str]:
        inside = await database.transact(steps(("SELECT set_config('app.user', $1, true)", name), (who,)))
        return inside, await one(database, who)

    visits = await asyncio.gather(*(visit(name) for name in ["ann", "bob"] * 20))
    assert visits == [("ann", ""), ("bob", "")] * 20


async def test_no_state_leaks_from_sessions(database: PostgresDatabase) -> None:
    """SQ5: also not when a session's block fails half-way."""
    for name in ("ann", "bob"):
        with pytest.raises(ZeroDivisionError):
            async with database.session() as session:
                await session.execute(text("SELECT set_config('app.user', :name, true)"), {"name": name})
                raise ZeroDivisionError
        async with database.session() as session:
            found = (await session.execute(text("SELECT current_setting('app.user', true)"))).scalar()
        assert found in (None, "")


async def _until(server: Any, sql: str, expected: Any) -> None:
    """Wait until the server says so, which it does sooner or later."""
    async with asyncio.timeout(60):
        while await server.fetchval(sql) != expected:
            await asyncio.sleep(0)


async def _in_the_end(database: PostgresDatabase) -> Any:
    """What a client has that tries again after each 503, as it is told."""
    for _ in range(10):
        try:
            return await one(database, "SELECT 1")
        except DatabaseError as error:
            if error.status != 503:
                raise
    raise AssertionError("the database does not recover")


_RUNNING = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{DATABASE}' AND query LIKE '%pg_sleep%'"
_SLEEPING = f"{_RUNNING} AND state = 'active'"


async def test_all_connections_busy(server: Any, database: PostgresDatabase) -> None:
    """PGRST003, 504, with Retry-After; then a place is free again."""
    holding = [asyncio.create_task(one(database, "SELECT pg_sleep(60)::text")) for _ in range(2)]
    await _until(server, _SLEEPING, 2)
    with pytest.raises(DatabaseError) as caught:
        await one(database, "SELECT 1")
    assert (caught.value.code, caught.value.status, caught.value.headers) == ("PGRST003", 504, (("Retry-After", "1"),))
    for task in holding:
        task.cancel()
    await asyncio.gather(*holding, return_exceptions=True)
    await _until(server, _SLEEPING, 0)
    assert await one(database, "SELECT 1") == 1


async def test_many_wait_for_few_connections(server: Any) -> None:
    """Two connections serve two hundred, and no more than two are opened."""
    database = PostgresDatabase(URL, max_size=2, wait_seconds=60)
    await database.open()
    rows = await asyncio.gather(*(one(database, "SELECT $1::int", number) for number in range(200)))
    assert database.pool is not None
    size = database.pool.size
    await database.close()
    assert (rows, size) == (list(range(200)), 2)


async def test_one_caller_has_a_share_of_the_connections(server: Any) -> None:
    """S6: however many slow reads one caller asks for, another reads at once, and so does a sign-in."""
    database = PostgresDatabase(URL, max_size=4, wait_seconds=60, budget_seconds=60, share=50)
    await database.open()

    async def ask(caller: Caller, sql: str) -> Any:
        CALLER.set(caller)
        return await one(database, sql)

    tasks = [asyncio.create_task(ask(Caller("ann"), "SELECT pg_sleep(60)::text")) for _ in range(20)]
    await _until(server, _SLEEPING, 2)
    answers = [
        await asyncio.create_task(ask(caller, "SELECT 1")) for caller in (Caller("bob"), Caller("accounts", first=True))
    ]
    still = await server.fetchval(_SLEEPING)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    # S6: the server stops what nobody waits for, and no connection is left in the middle of it.
    await _until(server, _SLEEPING, 0)
    assert 1 == await one(database, "SELECT 1")
    await database.close()
    assert ([1, 1], 2) == (answers, still)


async def test_a_snapshot_is_one_state_and_does_not_write(database: PostgresDatabase) -> None:
    """S6: reads of a batch see one state, and none of them can write."""
    row = await database.snapshot(
        steps(("SELECT current_setting('transaction_isolation') || current_setting('transaction_read_only')",))
    )
    assert "repeatable readon" == row
    with pytest.raises(DatabaseError) as caught:
        await database.snapshot(steps(("INSERT INTO things VALUES (1)",)))
    assert "25006" == caught.value.code
    assert 0 == await one(database, "SELECT count(*) FROM things")


async def test_a_transaction_has_one_budget(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """S6: a hundred statements, each just within the budget, have it together and not each."""
    monkeypatch.setattr("backstay.adapters.postgresql.database._GRACE", 0.0)
    database = PostgresDatabase(URL, max_size=2, budget_seconds=0.4)
    await database.open()
    for run in (database.transact, database.snapshot):
        with pytest.raises(DatabaseError) as caught:
            await run(steps(*[("SELECT pg_sleep(0.05)::text",)] * 100))
        assert "57014" == caught.value.code
    assert 1 == await one(database, "SELECT 1")
    await database.close()


async def test_a_connection_that_was_ended_is_503(server: Any, database: PostgresDatabase) -> None:
    """S12: in a read, a transaction, a snapshot and a session, while they run: PGRST001 with Retry-After."""

    async def in_session() -> None:
        async with database.session() as session:
            await session.execute(text("SELECT pg_sleep(60)"))

    sleep = "SELECT pg_sleep(60)::text"
    for ask in (
        in_session,
        lambda: one(database, sleep),
        lambda: database.transact(steps((sleep,))),
        lambda: database.snapshot(steps((sleep,))),
    ):
        task = asyncio.ensure_future(ask())  # type: ignore[operator]
        await _until(server, _SLEEPING, 1)
        await _kill_backends(server)
        with pytest.raises(DatabaseError) as caught:
            await task
        assert (503, (("Retry-After", "1"),)) == (caught.value.status, caught.value.headers)
        assert 1 == await _in_the_end(database)


async def test_an_idle_connection_that_is_of_no_use_is_not_met(server: Any, database: PostgresDatabase) -> None:
    """S12: asyncpg says so before anything is sent, so a read asks once more, and not over another of the kind."""
    assert [1, 1] == await asyncio.gather(one(database, "SELECT 1"), one(database, "SELECT 1"))
    assert database.pool is not None
    # As one is of which the server's last words have been read, and not yet its end.
    broken = [asyncio.create_task(held.connection.execute("SELECT pg_sleep(60)")) for held in database.pool._idle]
    await _until(server, _SLEEPING, 2)
    assert 1 == await one(database, "SELECT 1")
    assert [2, 1] == [len(broken), database.pool.size]
    await asyncio.gather(*broken, return_exceptions=True)


async def test_a_server_that_is_not_there() -> None:
    """PGRST000, 503."""
    database = PostgresDatabase("postgresql://postgres@127.0.0.1:1/x", connect_seconds=1)
    with pytest.raises(DatabaseError) as caught:
        await database.open()
    assert (caught.value.code, caught.value.status) == ("PGRST000", 503)


async def test_a_database_that_is_not_there(server: Any) -> None:
    """The operator's mistake is a 503 for the client, not a server's sentence."""
    database = PostgresDatabase(urlunsplit(urlsplit(SERVER)._replace(path="/backstay_no_such")))
    with pytest.raises(DatabaseError) as caught:
        await database.open()
    assert (caught.value.code, "no_such" in str(caught.value)) == ("PGRST000", False)


async def test_broken_connections_are_replaced(server: Any, database: PostgresDatabase) -> None:
    """S12: after the server has thrown everybody out, reads, writes and sessions find their way back."""
    await asyncio.gather(*(one(database, "SELECT 1") for _ in range(4)))
    await _kill_backends(server)
    assert await _in_the_end(database) == 1
    await database.transact(steps(("INSERT INTO things VALUES (1)",)))
    assert await one(database, "SELECT count(*) FROM things") == 1


async def test_thrown_out_in_the_middle(server: Any, database: PostgresDatabase) -> None:
    """A 503 or 500 of ours, and nothing of the transaction stays."""

    def run() -> Generator[Statement, Rows, None]:
        yield Statement("INSERT INTO things VALUES (1)")
        yield Statement("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(DatabaseError):
        await database.transact(run)
    assert await one(database, "SELECT count(*) FROM things") == 0


async def test_a_cancelled_statement_is_not_answered_to_the_next(server: Any, database: PostgresDatabase) -> None:
    """The connection of a caller who went away is thrown away."""
    task = asyncio.create_task(one(database, "SELECT pg_sleep(60)::text"))
    await _until(server, _SLEEPING, 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.gather(*(one(database, "SELECT $1::int", number) for number in range(10))) == list(range(10))


async def test_a_cancelled_transaction_is_undone(server: Any, database: PostgresDatabase) -> None:
    """It holds no lock and leaves no row."""
    task = asyncio.create_task(
        database.transact(steps(("INSERT INTO things VALUES (1)",), ("SELECT pg_sleep(60)::text",)))
    )
    await _until(server, _SLEEPING, 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await _until(server, _SLEEPING, 0)
    await database.transact(steps(("INSERT INTO things VALUES (1)",)))
    assert await one(database, "SELECT count(*) FROM things") == 1


async def test_tables_that_change_under_prepared_statements(database: PostgresDatabase) -> None:
    """A migration beside a running server fails no request."""
    await database.transact(steps(("INSERT INTO things VALUES (1)",)))
    read, write = Statement("SELECT * FROM things"), ("UPDATE things SET id = id RETURNING *",)
    before = len(await database.fetch(read))
    await database.transact(steps(write))
    async with database.session() as session:
        await session.execute(text("ALTER TABLE things ADD COLUMN more int"))
    after = len(await database.fetch(read))
    await database.transact(steps(write))
    assert (before, after) == (1, 2)


@pytest.mark.parametrize(
    ("sql", "value", "code"),
    [
        ("SELECT $1::int", "x", "22P02"),
        ("SELECT $1::int", 1 << 40, "22003"),
        ("SELECT $1::bigint", 1 << 70, "22003"),
        ("SELECT $1::uuid", "x", "22P02"),
        ("SELECT $1::timestamptz", "x", "22P02"),
        ("SELECT $1::text", "a\0b", "22021"),
        ("SELECT $1::text", "\ud800", "22P02"),
        ("SELECT $1::text::int", "x", "22P02"),
        ("SELECT 1 / $1::int", 0, "22012"),
    ],
)
async def test_bad_arguments(database: PostgresDatabase, sql: str, value: Any, code: str) -> None:
    """A 4xx whoever notices, the driver or the server; and the connection goes on."""
    for use in (database.fetch(Statement(sql, (value,))), database.transact(steps((sql, value)))):
        with pytest.raises(DatabaseError) as caught:
            await use
        assert (caught.value.code, caught.value.status) == (code, 400)
    assert await one(database, "SELECT 1") == 1


async def test_serialization_failures_keep_their_code(database: PostgresDatabase) -> None:
    """40001: the caller may try again."""

    def run() -> Generator[Statement, Rows, None]:
        yield Statement("SELECT 1")
        yield Statement("DO $$ BEGIN RAISE serialization_failure; END $$")

    with pytest.raises(DatabaseError) as caught:
        await database.transact(run)
    assert caught.value.code == "40001"


async def test_sessions_use_connections_of_their_own(database: PostgresDatabase) -> None:
    """User code that holds all its sessions leaves the data plane alone."""
    async with database.session() as first, database.session() as second:
        await first.execute(insert(things).values(id=1))
        await second.execute(insert(things).values(id=2))
        assert await one(database, "SELECT count(*) FROM things") == 0
        with pytest.raises(DatabaseError) as caught:
            async with database.session() as third:
                await third.execute(text("SELECT 1"))
    assert caught.value.code == "PGRST003"
    assert await one(database, "SELECT count(*) FROM things") == 2
