"""A9, A12: what code of the database's own, or of the app, does to a connection ends with its request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backstay import Backstay, Me, Settings, allow, function
from backstay.db.statement import Statement
from tests.http.api import database
from tests.http.client import Client
from tests.http.shop_app import SECRET

#: What a body may do to its session, and a question to the next caller's with its answer.
LEFT: dict[str, tuple[str, str, Any]] = {
    "setting": ("PERFORM set_config('app.tenant', '7', false)", "current_setting('app.tenant', true)", (None, "")),
    "set": ("SET app.tenant = '7'", "current_setting('app.tenant', true)", (None, "")),
    "search path": ("SET search_path = pg_temp", "current_setting('search_path')", ('"public"', '"$user", public')),
    "role": ("SET ROLE pg_read_all_data", "current_user", ("postgres",)),
    "authorization": ("SET SESSION AUTHORIZATION pg_monitor", "session_user", ("postgres",)),
    "time limit": ("SET statement_timeout = 0", "current_setting('statement_timeout')", ("5s",)),
    "read only": (
        "SET default_transaction_read_only = on",
        "current_setting('default_transaction_read_only')",
        ("off",),
    ),
    "isolation": (
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "current_setting('default_transaction_isolation')",
        ("read committed",),
    ),
    "time zone": ("SET TIME ZONE 'Asia/Tokyo'", "current_setting('TimeZone')", ("UTC",)),
    "lock": (
        "PERFORM pg_advisory_lock(4711)",
        "(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711)",
        (0,),
    ),
    "table": (
        "CREATE TEMP TABLE hoard AS SELECT 1 AS a",
        "(SELECT count(*) FROM pg_class WHERE relname = 'hoard')",
        (0,),
    ),
    "listener": ("LISTEN gossip", "(SELECT count(*) FROM pg_listening_channels())", (0,)),
    "prepared": (
        "EXECUTE 'PREPARE mine AS SELECT 1'",
        "(SELECT count(*) FROM pg_prepared_statements WHERE from_sql)",
        (0,),
    ),
    "cursor": (
        "EXECUTE 'DECLARE mine CURSOR WITH HOLD FOR SELECT 1'",
        "(SELECT count(*) FROM pg_cursors WHERE is_holdable)",
        (0,),
    ),
}


def body_of(left: str) -> str:
    # An advisory lock outlives a rollback: it is left by a function that fails, too.
    return f"BEGIN {LEFT[left][0]}; RETURN 1; END"


def run(tmp_path: Path, name: str, inside: Callable[[str], Awaitable[None]]) -> None:
    loop = asyncio.new_event_loop()
    try:
        with database("postgresql", tmp_path, loop, name) as url:
            loop.run_until_complete(inside(url))
    finally:
        loop.close()


async def execute(url: str, *statements: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def left_over(app: Backstay, left: str) -> set[Any]:
    """The answers of every connection of the data plane to what would tell that something was left."""
    _, question, _ = LEFT[left]
    database_: Any = app.database
    pool = database_.pool
    # Whoever is being cleaned is waited for: so are other callers.
    while pool._abandoning:
        await asyncio.sleep(0.001)
    assert pool.size
    return {await held.connection.fetchval(f"SELECT {question}") for held in pool._idle}


async def ask(app: Backstay, method: str, path: str, body: Any = None) -> Any:
    headers = [] if body is None else [(b"content-type", b"application/json")]
    return await Client(app).ask(
        method, f"/rest/v1/{path}", *headers, body=b"" if body is None else json.dumps(body).encode()
    )


def test_functions_leave_nothing(tmp_path: Path) -> None:
    """A9: a listed function, called by GET where it may be and by POST, that ends well or fails."""

    async def inside(url: str) -> None:
        names = {left: f"leave_{number}" for number, left in enumerate(LEFT)}
        made = [
            f"CREATE FUNCTION {name}() RETURNS int LANGUAGE plpgsql AS $x$ {body_of(left)} $x$"
            for left, name in names.items()
        ]
        failing = "CREATE FUNCTION fails() RETURNS int LANGUAGE plpgsql AS $x$ BEGIN PERFORM pg_advisory_lock(4711); RAISE 'no'; END $x$"
        innocent = "CREATE FUNCTION hidden() RETURNS int LANGUAGE sql AS 'SELECT set_config(''app.tenant'', ''7'', false)::int'"
        await execute(url, *made, failing, innocent)
        functions = [*names.values(), "fails", "hidden"]
        settings = Settings(database=url, jwt_secret=SECRET)
        async with Backstay.reflect(open_to="anon", functions=functions, settings=settings).started() as app:
            for left, name in names.items():
                reply = await ask(app, "POST", f"rpc/{name}", {})
                assert 200 == reply.status, (left, reply.body)
                assert await left_over(app, left) <= set(LEFT[left][2]), left
            assert 400 == (await ask(app, "POST", "rpc/fails", {})).status
            assert {0} == await left_over(app, "lock")
            assert 200 == (await ask(app, "POST", "rpc/hidden", {})).status
            assert await left_over(app, "setting") <= {None, ""}
            # The connection that was cleaned is the same one, and knows its statements still.
            assert 1 == app.database.pool.size  # type: ignore[attr-defined]

    run(tmp_path, "functions", inside)


class Base(DeclarativeBase):
    pass


class Row(Base):
    __tablename__ = "rows"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


@allow("read", "create", "update", "delete", Row)
def everything(me: Me) -> Any:
    """All is everybody's."""
    return True


@function
async def leave(db: AsyncSession, sql: str) -> int:
    """Whatever a developer might do."""
    await db.execute(sa.text(sql))
    return 1


@function
async def question(db: AsyncSession, sql: str) -> Any:
    """What the next one finds."""
    return (await db.execute(sa.text(f"SELECT {sql}"))).scalar()


@function(read_only=True)
async def sly(db: AsyncSession, first: str, then: str = "INSERT INTO rows VALUES (99, 'sly')") -> int:
    """Says that it only reads."""
    for statement in (first, then):
        if statement:
            await db.execute(sa.text(statement))
    return 1


def modelled(url: str) -> Backstay:
    return Backstay(
        models=Base,
        policies=[everything],
        functions=[leave, question, sly],
        settings=Settings(database=url, jwt_secret=SECRET, accounts=False),
    )


def test_sessions_leave_nothing(tmp_path: Path) -> None:
    """A9: a function of the app in Python, whose session is the next one's."""

    async def inside(url: str) -> None:
        async with modelled(url).started() as app:
            for left, (body, asks, right) in LEFT.items():
                does = body.replace("PERFORM", "SELECT")
                if does.startswith("EXECUTE"):
                    does = does[len("EXECUTE '") : -1]
                if left != "authorization":  # the bodies of sessions are prepared, which this is not
                    reply = await ask(app, "POST", "rpc/leave", {"sql": does})
                    assert 200 == reply.status, (left, reply.body)
                reply = await ask(app, "POST", "rpc/question", {"sql": asks})
                assert 200 == reply.status, reply.body
                assert json.loads(reply.body) in right, left

    run(tmp_path, "sessions", inside)


@pytest.mark.parametrize("late", [False, True], ids=["before the start", "by a session"])
def test_triggers_views_and_policies_leave_nothing(tmp_path: Path, late: bool) -> None:
    """A9: code that nobody listed, in every way to write and to read; also where it came after the start."""
    made = [
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $x$ BEGIN"
        " PERFORM set_config('app.tenant', NEW.text, false); RETURN NEW; END $x$",
        "CREATE TRIGGER noted BEFORE INSERT OR UPDATE ON rows FOR EACH ROW EXECUTE FUNCTION note()",
    ]

    async def inside(url: str) -> None:
        if not late:
            async with modelled(url).started():
                pass
            await execute(url, *made)
        async with modelled(url).started() as app:
            if late:
                async with app.session() as session:
                    for statement in made:
                        await session.execute(sa.text(statement))
            for method, path, body in [
                ("POST", "rows", {"id": 1, "text": "a"}),
                ("PATCH", "rows?id=eq.1", {"text": "b"}),
                ("PUT", "rows?id=eq.1", {"id": 1, "text": "c"}),
                ("PATCH", "rows/1", {"text": "d"}),
                ("POST", "batch", [{"method": "POST", "path": "rows", "body": {"id": 2, "text": "e"}}]),
            ]:
                reply = await ask(app, method, path, body)
                assert reply.status < 300, reply.body
                assert await left_over(app, "setting") <= {None, ""}, (method, path)

    run(tmp_path, "triggers", inside)


def test_reads_neither_write_nor_leave_anything(tmp_path: Path) -> None:
    """A9, A12: a view that calls a function, asked by GET, HEAD, an export and with a plan of rows: 405, nothing done."""
    made = [
        "CREATE TABLE rows (id int PRIMARY KEY, text text)",
        "INSERT INTO rows VALUES (1, 'one')",
        "CREATE FUNCTION writes() RETURNS int LANGUAGE plpgsql AS $x$ BEGIN"
        " UPDATE rows SET text = text || '!'; RETURN 1; END $x$",
        "CREATE FUNCTION undoes() RETURNS int LANGUAGE plpgsql AS $x$ BEGIN"
        " SET TRANSACTION READ WRITE; UPDATE rows SET text = text || '!'; RETURN 1; END $x$",
        "CREATE FUNCTION sets() RETURNS int LANGUAGE plpgsql STABLE AS $x$ BEGIN"
        " PERFORM set_config('app.tenant', '7', false); RETURN 1; END $x$",
        "CREATE FUNCTION around() RETURNS int LANGUAGE sql STABLE AS 'SELECT writes()'",
        "CREATE VIEW writing AS SELECT id, writes() AS n FROM rows",
        "CREATE VIEW undoing AS SELECT id, undoes() AS n FROM rows",
        "CREATE VIEW stable AS SELECT id, around() AS n FROM rows",
        "CREATE VIEW setting AS SELECT id, sets() AS n FROM rows",
        "CREATE VIEW builtin AS SELECT id, set_config('app.tenant', '7', false) AS n FROM rows",
    ]

    async def inside(url: str) -> None:
        await execute(url, *made)
        functions = ["writes", "undoes", "sets", "around"]
        settings = Settings(database=url, jwt_secret=SECRET)
        async with Backstay.reflect(open_to="anon", functions=functions, settings=settings).started() as app:

            async def texts() -> Any:
                return await app.database.fetch_all(Statement("SELECT text FROM rows"))

            for view, status in [
                ("writing", 405),
                ("undoing", 400),
                ("stable", 405),
                ("setting", 200),
                ("builtin", 200),
            ]:
                for method in ("GET", "HEAD"):
                    reply = await ask(app, method, view)
                    assert status == reply.status, (view, reply.body)
                    assert [("one",)] == [tuple(row) for row in await texts()], view
                    assert await left_over(app, "setting") <= {None, ""}, view
            for name, status in [("sets", 200), ("around", 405)]:
                assert status == (await ask(app, "GET", f"rpc/{name}")).status, name
                assert await left_over(app, "setting") <= {None, ""}
            for name, status in [("writes", 405), ("undoes", 400)]:
                reply = await ask(app, "GET", f"rpc/{name}")
                assert status == reply.status, (name, reply.body)
            assert [("one",)] == [tuple(row) for row in await texts()]
            # By POST it may.
            assert 200 == (await ask(app, "POST", "rpc/writes", {})).status
            assert [("one!",)] == [tuple(row) for row in await texts()]

    run(tmp_path, "reading", inside)


def test_a_function_that_only_reads_does(tmp_path: Path) -> None:
    """A12: however it tries, and whoever calls it, it writes nothing, and the next caller may."""
    tries = [
        "SET TRANSACTION READ WRITE",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        "SET transaction_read_only = off",
        "",
    ]

    async def inside(url: str) -> None:
        async with modelled(url).started() as app:

            async def nothing_was_done(first: str) -> None:
                assert b"[]" == (await ask(app, "GET", "rows")).body, first
                assert 201 == (await ask(app, "POST", "rows", {"id": 1, "text": "x"})).status
                assert 200 == (await ask(app, "POST", "rpc/leave", {"sql": "DELETE FROM rows"})).status

            # Of a transaction that is ended by hand, what comes after it only reads as well.
            for first in [*tries, "COMMIT", "ROLLBACK"]:
                reply = await ask(app, "GET", f"rpc/sly?first={first.replace(' ', '%20')}")
                assert reply.status >= 400, (first, reply.body)
                await nothing_was_done(first)
                assert (await ask(app, "POST", "rpc/sly", {"first": first})).status >= 400, first
                await nothing_was_done(first)
            for first in tries:
                call = {"method": "POST", "path": "rpc/sly", "body": {"first": first}}
                assert (await ask(app, "POST", "batch", [call])).status >= 400, first
                await nothing_was_done(first)

    run(tmp_path, "sly", inside)


@pytest.mark.parametrize(
    "sql",
    [
        "PRAGMA query_only = 0",
        "PRAGMA foreign_keys = 0",
        "PRAGMA trusted_schema = 1",
        "PRAGMA writable_schema = 1",
        "PRAGMA case_sensitive_like = 1",
        "CREATE TEMP TABLE hoard (a)",
        "CREATE TEMP VIEW hoard AS SELECT 1",
        "ATTACH DATABASE ':memory:' AS other",
        "DETACH DATABASE main",
        "PRAGMA defer_foreign_keys = 1",
    ],
)
@pytest.mark.parametrize("name", ["leave", "sly"])
def test_sessions_of_sqlite_leave_nothing(tmp_path: Path, sql: str, name: str) -> None:
    """A9, A12: SQLite refuses what would stay; what ends with the transaction does."""

    async def inside() -> None:
        async with modelled(f"sqlite:///{tmp_path}/app.db").started() as app:
            body = {"sql": sql} if name == "leave" else {"first": sql}
            reply = await ask(app, "POST", f"rpc/{name}", body)
            expected = 401 if "defer" not in sql else 200 if name == "leave" else 405
            assert expected == reply.status, reply.body
            for pragma, right in [("foreign_keys", 1), ("query_only", 0), ("defer_foreign_keys", 0)]:
                found = await ask(app, "POST", "rpc/question", {"sql": f"* FROM pragma_{pragma}"})
                assert str(right).encode() == found.body, (pragma, found.body)
            assert b"[]" == (await ask(app, "GET", "rows")).body

    asyncio.run(inside())


def test_what_functions_raise_is_no_fault_of_the_server(tmp_path: Path) -> None:
    """A12: transactions that are ended or changed, exceptions, limits: whoever may call a function makes no 500 by it."""
    raised: list[tuple[str, int, str]] = [
        ("SET TRANSACTION READ WRITE; RETURN 1", 400, "25001"),
        ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; RETURN 1", 400, "25001"),
        ("COMMIT; RETURN 1", 400, "2D000"),
        ("ROLLBACK; RETURN 1", 400, "2D000"),
        ("EXECUTE 'VACUUM rows'; RETURN 1", 400, "25001"),
        ("EXECUTE 'SAVEPOINT s'; RETURN 1", 400, "0A000"),
        ("SELECT r.id INTO STRICT given FROM rows r WHERE r.id = n; RETURN 1", 400, "P0002"),
        ("SELECT g INTO STRICT given FROM generate_series(1, 2) g; RETURN 1", 400, "P0003"),
        ("ASSERT n > 100, 'too small'; RETURN 1", 400, "P0004"),
        ("RETURN currval('numbers')", 400, "55000"),
        ("SET max_connections = 5; RETURN 1", 400, "55P02"),
        ("INSERT INTO rows SELECT 9, string_agg(md5(g::text), '') FROM generate_series(1, 900) g; RETURN 1", 413, "54000"),
        ("RETURN deep(n)", 413, "54001"),
        ("RAISE EXCEPTION 'no' USING ERRCODE = '38000'", 400, "38000"),
        ("RAISE EXCEPTION 'no' USING ERRCODE = '39004'", 400, "39004"),
        ("RAISE EXCEPTION 'no' USING ERRCODE = '3B001'", 400, "3B001"),
        ("RAISE EXCEPTION 'no' USING ERRCODE = '40001'", 503, "40001"),
        ("RAISE EXCEPTION 'no' USING ERRCODE = '57014'", 504, "57014"),
    ]  # fmt: skip
    made = [
        "CREATE TABLE rows (id int PRIMARY KEY, text text)",
        "CREATE INDEX by_text ON rows (text)",
        "CREATE SEQUENCE numbers",
        "CREATE FUNCTION deep(n int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN deep(n + 1); END'",
        *(
            f"CREATE FUNCTION f{at}(n int) RETURNS int LANGUAGE plpgsql AS $x$ DECLARE given int; BEGIN {body}; END $x$"
            for at, (body, _, _) in enumerate(raised)
        ),
    ]

    async def inside(url: str) -> None:
        await execute(url, *made)
        names = [f"f{at}" for at in range(len(raised))]
        settings = Settings(database=url, jwt_secret=SECRET)
        async with Backstay.reflect(open_to="anon", functions=names, settings=settings).started() as app:
            for name, (body, status, code) in zip(names, raised, strict=True):
                # By GET it is a transaction that reads, which is what the first one would change.
                how = ("GET", f"rpc/{name}?n=1") if "READ WRITE" in body else ("POST", f"rpc/{name}", {"n": 1})
                reply = await ask(app, *how)
                assert status == reply.status, (body, reply.body)
                assert code == json.loads(reply.body)["code"]
            # None of them is left behind.
            assert b"[]" == (await ask(app, "GET", "rows")).body

    run(tmp_path, "raising", inside)
