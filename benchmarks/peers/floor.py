"""The floor: as fast as this server and these drivers go when one endpoint is written by hand.

A bare ASGI callable, one SQL statement with the policy written into it, JSON made by the database, the token verified
once and remembered.  It knows one table and one question: everything that it leaves out is what a framework costs.

``BENCH_DATABASE`` is ``sqlite:///…`` or ``postgresql://…``, ``BENCH_SECRET`` the HS256 secret.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import msgspec
from joserfc import jwt
from joserfc.jwk import OctKey

DATABASE = os.environ["BENCH_DATABASE"]
KEY = OctKey.import_key(os.environ["BENCH_SECRET"])

Send = Callable[[dict[str, Any]], Awaitable[None]]

SQLITE_READ = """
SELECT json_group_array(json(row)) FROM (
  SELECT json_object('id', p.id, 'body', p.body, 'created_at', p.created_at,
                     'author', json_object('handle', a.handle, 'name', a.name)) AS row
  FROM posts p JOIN profiles a ON a.id = p.author_id
  WHERE p.public OR p.author_id = ?1
     OR EXISTS (SELECT 1 FROM follows f WHERE f.follower_id = ?1 AND f.followee_id = p.author_id)
  ORDER BY p.created_at DESC, p.id DESC LIMIT 20)
"""
SQLITE_WRITE = "INSERT INTO posts (id, author_id, body, public, created_at) VALUES (?, ?, ?, 1, ?)"

POSTGRESQL_READ = """
SELECT coalesce(json_agg(row), '[]')::text FROM (
  SELECT p.id, p.body, p.created_at, json_build_object('handle', a.handle, 'name', a.name) AS author
  FROM posts p JOIN profiles a ON a.id = p.author_id
  WHERE p.public OR p.author_id = $1
     OR EXISTS (SELECT 1 FROM follows f WHERE f.follower_id = $1 AND f.followee_id = p.author_id)
  ORDER BY p.created_at DESC, p.id DESC LIMIT 20) row
"""
POSTGRESQL_WRITE = "INSERT INTO posts (id, author_id, body, public, created_at) VALUES ($1, $2, $3, true, now())"


class NewPost(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a write."""

    author_id: UUID
    body: str


class Sqlite:
    """Two connections on the event loop: a short read costs less than a hop to a thread."""

    async def open(self) -> None:
        import apsw

        path = DATABASE.removeprefix("sqlite:///")
        self.reader, self.writer = apsw.Connection(path), apsw.Connection(path)
        for connection in (self.reader, self.writer):
            # Without it SQLite plans the statement anew for each new value of the caller's id.
            connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
            connection.set_busy_timeout(5000)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")

    async def read(self, me: UUID) -> bytes:
        (text,) = next(self.reader.execute(SQLITE_READ, (str(me),)))
        return str(text).encode()

    async def write(self, post: NewPost) -> None:
        created_at = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
        # Outside a transaction each statement is one, synced to the disk before it returns.
        self.writer.execute(SQLITE_WRITE, (str(uuid4()), str(post.author_id), post.body, created_at))


class Postgresql:
    """A stack of connections, each with its prepared statements; no reset query, because no state is left behind."""

    async def open(self) -> None:
        import asyncpg

        self.free: asyncio.LifoQueue[Any] = asyncio.LifoQueue()
        for _ in range(8):
            connection = await asyncpg.connect(DATABASE)
            self.free.put_nowait(
                (connection, await connection.prepare(POSTGRESQL_READ), await connection.prepare(POSTGRESQL_WRITE))
            )

    async def read(self, me: UUID) -> bytes:
        entry = await self.free.get()
        try:
            return str(await entry[1].fetchval(me)).encode()
        finally:
            self.free.put_nowait(entry)

    async def write(self, post: NewPost) -> None:
        entry = await self.free.get()
        try:
            await entry[2].fetchval(uuid4(), post.author_id, post.body)
        finally:
            self.free.put_nowait(entry)


database = Sqlite() if DATABASE.startswith("sqlite") else Postgresql()
decode_post = msgspec.json.Decoder(NewPost).decode
registry = jwt.JWTClaimsRegistry(
    exp={"essential": True}, sub={"essential": True}, aud={"essential": True, "value": "authenticated"}
)
known: dict[bytes, tuple[float, UUID]] = {}


def caller(headers: list[tuple[bytes, bytes]]) -> UUID:
    """Whose token it is; verified once, then remembered until it expires."""
    for name, value in headers:
        if name == b"authorization":
            found = known.get(value)
            if found is None or found[0] < time.time():
                claims = jwt.decode(value.removeprefix(b"Bearer ").decode(), KEY, algorithms=["HS256"]).claims
                registry.validate(claims)
                found = known[value] = (claims["exp"], UUID(claims["sub"]))
            return found[1]
    raise PermissionError


async def answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json; charset=utf-8"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def app(scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Send) -> None:
    if scope["type"] == "lifespan":
        while (await receive())["type"] == "lifespan.startup":
            await database.open()
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["method"] == "GET":
        await answer(send, 200, await database.read(caller(scope["headers"])))
    else:
        me, body, more = caller(scope["headers"]), b"", True
        while more:
            event = await receive()
            body += event.get("body", b"")
            more = event.get("more_body", False)
        post = decode_post(body)
        if post.author_id != me:
            await answer(send, 403, b"{}")
        else:
            await database.write(post)
            await answer(send, 201, b"")
