"""A client of a whole app in this process, on either database, that puts its rows back when they have changed.

It is synchronous with a loop of its own: one pool serves all tests of a database, and Hypothesis needs plain functions.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import unquote, urlsplit, urlunsplit

import apsw
import pytest
import sqlalchemy as sa
from joserfc import jwt
from joserfc.jwk import OctKey

from backstay import Backstay
from tests.http.client import Answer, Client
from tests.http.shop_app import SECRET

SERVER: Final = os.environ.get("BACKSTAY_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")

#: Claims by name.  ``None`` is a caller without a token.
PEOPLE: Final[dict[str, Mapping[str, Any]]] = {
    "ann": {"sub": "1", "role": "authenticated"},
    "bob": {"sub": "2", "role": "authenticated"},
    "cy": {"sub": "3", "role": "authenticated"},
    "dee": {"sub": "4", "role": "staff"},
    "cleo": {"sub": "5", "role": "clerk"},
    "svc": {"role": "service_role"},
    "nobody": {"role": "authenticated"},
}


@cache
def token(who: str) -> bytes:
    claims = {"exp": int(time.time()) + 36_000, **PEOPLE[who]}
    return b"Bearer " + jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET)).encode()


class Reply(Answer):
    """An answer, with its JSON."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        """The error's code, or ``None`` for what is not an error."""
        if self.status < 300 or not self.body:
            return None
        value = self.json
        return str(value["code"]) if isinstance(value, dict) and "code" in value else None

    @property
    def range(self) -> str | None:
        return self.one("content-range")

    @property
    def ids(self) -> list[Any]:
        """The ids of the rows, or the error's code: what a table of filters compares."""
        value = self.json
        return [row["id"] for row in value] if isinstance(value, list) else [value["code"]]


@dataclass(eq=False)
class Api:
    """*app* open in *loop*.  ``get("products?id=eq.1", as_="ann")`` asks ``/rest/v1/products?id=eq.1``."""

    name: str
    app: Backstay
    loop: asyncio.AbstractEventLoop
    restore: Callable[[], None]
    dirty: bool = False
    client: Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = Client(self.app)

    def send(
        self,
        method: str,
        path: str,
        *,
        as_: str | None = None,
        body: bytes = b"",
        headers: Mapping[str, str | Sequence[str]] | None = None,
        **named: str | None,
    ) -> Reply:
        """Send one request; *named* headers are written with underscores (``content_type=``)."""
        return self.loop.run_until_complete(self.sending(method, path, as_=as_, body=body, headers=headers, **named))

    async def sending(
        self,
        method: str,
        path: str,
        *,
        as_: str | None = None,
        body: bytes = b"",
        headers: Mapping[str, str | Sequence[str]] | None = None,
        **named: str | None,
    ) -> Reply:
        given: list[tuple[bytes, bytes]] = [] if as_ is None else [(b"authorization", token(as_))]
        for key, value in {**(headers or {}), **named}.items():
            for one in () if value is None else (value,) if isinstance(value, str) else value:
                given.append((key.replace("_", "-").encode(), one.encode()))
        if method not in ("GET", "HEAD", "OPTIONS"):
            self.dirty = True
            given.append((b"content-length", str(len(body)).encode()))
        place = unquote("/rest/v1/" + path.partition("?")[0])
        found = await self.client.ask(method, "/rest/v1/" + path, *given, body=body, path=place)
        return Reply(found.status, found.headers, found.body)

    def get(self, path: str, **named: Any) -> Reply:
        return self.send("GET", path, **named)

    def head(self, path: str, **named: Any) -> Reply:
        return self.send("HEAD", path, **named)

    def options(self, path: str, **named: Any) -> Reply:
        return self.send("OPTIONS", path, **named)

    def delete(self, path: str, **named: Any) -> Reply:
        return self.send("DELETE", path, **named)

    def post(self, path: str, json: Any = None, **named: Any) -> Reply:
        return self._write("POST", path, json, named)

    def patch(self, path: str, json: Any = None, **named: Any) -> Reply:
        return self._write("PATCH", path, json, named)

    def put(self, path: str, json: Any = None, **named: Any) -> Reply:
        return self._write("PUT", path, json, named)

    def _write(self, method: str, path: str, value: Any, named: dict[str, Any]) -> Reply:
        if "body" not in named:
            body = b"" if value is None else json.dumps(value).encode()
            named = {"content_type": "application/json", **named, "body": body}
        return self.send(method, path, **named)

    def rows(self, path: str, as_: str = "svc") -> Any:
        """What is there, past all policies unless *as_* says otherwise."""
        reply = self.get(path, as_=as_)
        assert reply.status == 200, reply.body
        return reply.json

    def clean(self) -> Api:
        """The same api with its first rows again."""
        if self.dirty:
            self.restore()
            self.dirty = False
        return self


@contextmanager
def opened(
    kind: str, folder: Path, make: Callable[[str], Backstay], rows: Mapping[str, list[dict[str, Any]]], name: str
) -> Iterator[Api]:
    """The app that *make* makes, on a new database of this *kind* that holds *rows*."""
    loop = asyncio.new_event_loop()
    try:
        with database(kind, folder, loop, name) as url:
            app = make(url)
            started = app.started()
            loop.run_until_complete(started.__aenter__())
            try:
                loop.run_until_complete(plant(app, rows))
                copies = SqliteCopies(folder / f"{name}.db") if kind == "sqlite" else PostgresCopies(url, loop)
                copies.take(app.metadata)
                yield Api(kind, app, loop, copies.restore)
                copies.close()
            finally:
                loop.run_until_complete(started.__aexit__(None, None, None))
    finally:
        loop.close()


async def plant(app: Backstay, rows: Mapping[str, list[dict[str, Any]]]) -> None:
    async with app.session() as session:
        for table, values in rows.items():
            if values:
                await session.execute(sa.insert(app.metadata.tables[table]), values)


@contextmanager
def quick_folder() -> Iterator[Path]:
    """A folder in memory where there is one: every write of SQLite waits for the disk."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


@contextmanager
def database(kind: str, folder: Path, loop: asyncio.AbstractEventLoop, name: str) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder / name}.db"
        return
    asyncpg = pytest.importorskip("asyncpg", reason="asyncpg is not installed")

    async def run(*statements: str) -> None:
        connection = await asyncpg.connect(SERVER, timeout=60)
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    own = f"backstay_{name}_{os.getpid()}"
    # Texts sort by code point, as on SQLite, so that one table of answers holds for both.
    create = f"CREATE DATABASE {own} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'"
    try:
        # What is lost with the machine's power is no loss to a test.
        hasty = f"ALTER DATABASE {own} SET synchronous_commit = off"
        loop.run_until_complete(run(f"DROP DATABASE IF EXISTS {own} WITH (FORCE)", create, hasty))
    except (OSError, TimeoutError) as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"PostgreSQL does not answer at {SERVER}: {error}")
    try:
        yield urlunsplit(urlsplit(SERVER)._replace(path="/" + own))
    finally:
        loop.run_until_complete(run(f"DROP DATABASE IF EXISTS {own} WITH (FORCE)"))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class SqliteCopies:
    """Copies of all tables in the same file, taken by a connection of its own."""

    def __init__(self, path: Path) -> None:
        self.connection = apsw.Connection(str(path))
        self.connection.set_busy_timeout(5000)
        self.connection.create_collation("BACKSTAY_DECIMAL", lambda one, other: (one > other) - (one < other))
        self.tables: dict[str, str] = {}

    def take(self, metadata: sa.MetaData) -> None:
        # What the database generates cannot be put back.
        self.tables = {
            _quoted(table.name): ", ".join(_quoted(c.name) for c in table.columns if c.computed is None)
            for table in metadata.sorted_tables
        }
        for name, columns in self.tables.items():
            self.connection.execute(f"CREATE TABLE {_copy(name)} AS SELECT {columns} FROM {name}")

    def restore(self) -> None:
        with self.connection:
            for name, columns in self.tables.items():
                self.connection.execute(f"DELETE FROM {name}")
                self.connection.execute(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM {_copy(name)}")

    def close(self) -> None:
        self.connection.close()


class PostgresCopies:
    """Copies of all tables in the same database, taken by a connection of its own."""

    def __init__(self, url: str, loop: asyncio.AbstractEventLoop) -> None:
        import asyncpg

        self.loop = loop
        self.connection = loop.run_until_complete(asyncpg.connect(url))
        self.script = ""

    def take(self, metadata: sa.MetaData) -> None:
        tables = [_quoted(table.name) for table in metadata.sorted_tables]
        copies = "".join(f"CREATE TABLE {_copy(name)} AS TABLE {name};" for name in tables)
        self.loop.run_until_complete(self.connection.execute(copies))
        self.script = (
            "SET session_replication_role = replica;"  # no foreign key checks while rows go and come
            + "".join(self._refill(table) for table in metadata.sorted_tables)
            + "".join(self._counter(table) for table in metadata.sorted_tables)
        )
        self.restore()

    def _refill(self, table: sa.Table) -> str:
        name = _quoted(table.name)
        # What the database generates cannot be put back.
        columns = ", ".join(_quoted(column.name) for column in table.columns if column.computed is None)
        return f"DELETE FROM {name}; INSERT INTO {name} ({columns}) SELECT {columns} FROM {_copy(name)};"

    def _counter(self, table: sa.Table) -> str:
        column = table.autoincrement_column
        if column is None:
            return ""
        name = _quoted(table.name)
        return (
            f"SELECT setval(pg_get_serial_sequence('{name}', '{column.name}'),"
            f" coalesce((SELECT max({_quoted(column.name)}) FROM {name}), 0) + 1, false);"
        )

    def restore(self) -> None:
        self.loop.run_until_complete(self.connection.execute(self.script))

    def close(self) -> None:
        self.loop.run_until_complete(self.connection.close())


def _copy(quoted: str) -> str:
    return f'"copy of {quoted[1:]}'
