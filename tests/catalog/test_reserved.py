"""S11: tables of ours, and notes of tools, are never served."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backstay import Backstay, ConfigError, Settings
from backstay.auth.tables import User
from backstay.catalog.reserved import is_ours, is_reserved
from backstay.db.own import Own
from backstay.pipeline import idempotency, keysinuse
from tests.accounts.house import KEYRING
from tests.http.api import database
from tests.http.client import Client
from tests.http.shop_app import SECRET

HASH = "$argon2id$planted"


class Base(DeclarativeBase):
    pass


class Shop(Base):
    __tablename__ = "shops"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


MORE = [
    "CREATE TABLE alembic_version (version_num varchar(32))",
    "INSERT INTO alembic_version VALUES ('0001')",
    "CREATE TABLE members (id integer PRIMARY KEY, user_id uuid REFERENCES backstay_users (id))",
    "CREATE VIEW people AS SELECT id, email FROM backstay_users",
]
COPY = ["CREATE SCHEMA api", "CREATE TABLE api.backstay_users (id integer PRIMARY KEY, h text)"]


def test_every_table_of_ours_is_known() -> None:
    """S11: whatever Backstay makes is told by the one rule; what only looks like it is somebody's own."""
    names = [
        table.name for known in (Own.metadata, idempotency.TABLES, keysinuse.TABLES) for table in known.sorted_tables
    ]
    assert len(names) > 15
    assert [] == [name for name in names if not is_ours(name)]
    own = ["backstay", "users", "my_backstay_users", "backstays", "alembic_versions", "alembic", "pg_things"]
    assert [] == [name for name in own if is_reserved(name)]
    assert [True] * 3 == [is_reserved(name) for name in ("BACKSTAY_USERS", "Alembic_Version", "backstay_anything")]


async def ask(app: Any, path: str, **headers: str) -> Any:
    given = [(name.encode(), value.encode()) for name, value in headers.items()]
    return await Client(app).ask("GET", f"/rest/v1/{path}", *given)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_everything_open_is_not_everything_of_ours(kind: str, tmp_path: Path) -> None:
    """S11: a database that an app with accounts has made, reflected and opened to everybody."""
    loop = asyncio.new_event_loop()

    async def prepare(url: str) -> None:
        settings = Settings(database=url, jwt_secret=SECRET, encryption_keys=KEYRING)
        async with Backstay(models=Base, settings=settings).started() as app, app.session() as session:
            for statement in MORE + (COPY if kind == "postgresql" else []):
                await session.execute(sa.text(statement)) if kind == "postgresql" else None
            session.add(Shop(id=1, name="x"))
        if kind == "sqlite":
            import apsw

            connection = apsw.Connection(url.removeprefix("sqlite:///"))
            for statement in MORE:
                connection.execute(statement)
            connection.close()

    async def look(url: str) -> None:
        schemas = ["public", "api"] if kind == "postgresql" else "public"
        settings = Settings(database=url, jwt_secret=SECRET)
        async with Backstay.reflect(schema=schemas, open_to="anon", settings=settings).started() as app:
            # The app's own, and the view that somebody chose to make, are there.
            assert [200, 200, 200] == [(await ask(app, name)).status for name in ("shops", "members", "people")]
            ours = [table.name for known in (Own.metadata, idempotency.TABLES) for table in known.sorted_tables]
            for name in [
                *ours,
                "alembic_version",
                "BACKSTAY_USERS",
                "sqlite_schema",
                "pg_authid",
                "api.backstay_users",
            ]:
                reply = await ask(app, name)
                assert (404, "PGRST205") == (reply.status, reply.error["code"]), name
            if kind == "postgresql":
                reply = await ask(app, "backstay_users", **{"accept-profile": "api"})
                assert (404, "PGRST205") == (reply.status, reply.error["code"])
            # Nothing relates to what is not there.
            for path in ("members?select=id,backstay_users(*)", "members?select=id,user_id(*)"):
                reply = await ask(app, path)
                assert (400, "PGRST200") == (reply.status, reply.error["code"]), reply.body
            document = (await ask(app, "")).body.decode()
            assert [False] * 2 == [name in document for name in ("backstay_users", "alembic_version")]
            assert {"/shops", "/members", "/people"} <= json.loads(document)["paths"].keys()

    try:
        with database(kind, tmp_path, loop, "reserved") as url:
            loop.run_until_complete(prepare(url))
            loop.run_until_complete(look(url))
    finally:
        loop.close()


@pytest.mark.parametrize("schema", ["pg_catalog", "information_schema", "pg_toast", ["public", "pg_catalog"]])
async def test_schemas_of_the_server_are_refused(schema: Any) -> None:
    """S11: the hashes of PostgreSQL's own roles stand there; no connection is needed to say no."""
    settings = Settings(database="postgresql://nobody@127.0.0.1:1/none", jwt_secret=SECRET)
    with pytest.raises(ConfigError, match="BST-E108"):
        async with Backstay.reflect(schema=schema, open_to="anon", settings=settings).started():
            pass


def test_a_function_that_gives_rows_of_ours_is_refused(tmp_path: Path) -> None:
    """S11: listed or not, rows of accounts do not get out by a function; columns of its own do."""
    loop = asyncio.new_event_loop()
    made = [
        "CREATE TABLE backstay_users (id integer PRIMARY KEY, password_hash text)",
        f"INSERT INTO backstay_users VALUES (1, '{HASH}')",
        "CREATE FUNCTION all_of_them() RETURNS SETOF backstay_users LANGUAGE sql AS 'SELECT * FROM backstay_users'",
        "CREATE FUNCTION one_of_them() RETURNS backstay_users LANGUAGE sql AS 'SELECT * FROM backstay_users'",
        "CREATE FUNCTION ids() RETURNS TABLE (id integer) LANGUAGE sql AS 'SELECT id FROM backstay_users'",
    ]

    async def run(url: str) -> None:
        import asyncpg

        connection = await asyncpg.connect(url)
        for statement in made:
            await connection.execute(statement)
        await connection.close()
        settings = Settings(database=url, jwt_secret=SECRET)
        for name in ("all_of_them", "one_of_them"):
            with pytest.raises(ConfigError, match="BST-E109"):
                async with Backstay.reflect(open_to="anon", functions=[name], settings=settings).started():
                    pass
        async with Backstay.reflect(open_to="anon", functions=["ids"], settings=settings).started() as app:
            assert [{"id": 1}] == json.loads((await ask(app, "rpc/ids")).body)

    try:
        with database("postgresql", tmp_path, loop, "ours") as url:
            loop.run_until_complete(run(url))
    finally:
        loop.close()


@pytest.mark.parametrize("name", ["backstay_users", "backstay_things", "BackStay_Users"])
def test_a_model_does_not_take_our_names(name: str) -> None:
    """S11: or its policies would be about the accounts themselves."""
    metadata = sa.MetaData()
    sa.Table(name, metadata, sa.Column("id", sa.Integer, primary_key=True))
    with pytest.raises(ConfigError, match="BST-E107"):
        Backstay(models=metadata)
    assert "backstay_users" == User.__tablename__
