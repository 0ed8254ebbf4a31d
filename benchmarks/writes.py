"""What does a judged write cost above a hand-written one: one row, and a thousand in one request?

Chirp's posts under its policies against a floor that decodes the same body into a struct and runs one hand-written
statement over the same driver.  Both are in this process, without sockets, one request at a time, in interleaved
rounds.  *wall* is the whole request, *cpu* this process's part of it: on PostgreSQL that leaves the server out, on
SQLite it holds the database's own work.

    python -m benchmarks.writes [--database sqlite|postgresql://user@host:port/db] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec
from joserfc import jwt
from joserfc.jwk import OctKey

from benchmarks.data import postgresql_data, sqlite_data
from benchmarks.machine import describe

SECRET: Final = "a secret that only signs benchmark tokens"
#: Rows of a request → which part of a round's requests have so many.
SIZES: Final = {1: 1, 1000: 50}

Write = Callable[[bytes], Awaitable[None]]


class NewPost(msgspec.Struct, forbid_unknown_fields=True):
    """What the floor takes of a post."""

    author_id: UUID
    body: str


_decode: Final = msgspec.json.Decoder(NewPost | list[NewPost]).decode


def _posts(body: bytes) -> list[NewPost]:
    found = _decode(body)
    return found if isinstance(found, list) else [found]


async def sqlite_floor(url: str) -> Write:
    """One transaction with the rows as they come, synced to the disk."""
    import apsw

    connection = apsw.Connection(url.removeprefix("sqlite:///"))
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    statement = "INSERT INTO posts (id, author_id, body, public, created_at) VALUES (?, ?, ?, 1, ?)"

    async def write(body: bytes) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
        with connection:
            connection.executemany(
                statement, [(str(uuid4()), str(post.author_id), post.body, now) for post in _posts(body)]
            )

    return write


async def postgresql_floor(url: str) -> Write:
    """One prepared statement over arrays."""
    import asyncpg

    connection = await asyncpg.connect(url)
    statement = await connection.prepare(
        "INSERT INTO posts (id, author_id, body, public, created_at) "
        "SELECT id, author_id, body, true, now() "
        "FROM unnest($1::uuid[], $2::uuid[], $3::text[]) t (id, author_id, body)"
    )

    async def write(body: bytes) -> None:
        posts = _posts(body)
        await statement.fetch(
            [uuid4() for _ in posts], [post.author_id for post in posts], [post.body for post in posts]
        )

    return write


def ours(app: Any, token: str) -> Write:
    """The whole app as a server calls it."""
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/rest/v1/posts",
        "raw_path": b"/rest/v1/posts",
        "query_string": b"",
        "root_path": "",
    }
    known = [
        (b"host", b"127.0.0.1"),
        (b"authorization", b"Bearer " + token.encode()),
        (b"content-type", b"application/json"),
    ]

    async def write(body: bytes) -> None:
        said: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            said.append(message)

        headers = [*known, (b"content-length", str(len(body)).encode())]
        await app({**scope, "headers": headers}, receive, send)
        if said[0]["status"] != 201:
            raise SystemExit(f"refused: {said}")

    return write


async def measure(writes: dict[str, Write], body: bytes, count: int, rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds of one request by contender: the best of interleaved rounds, because noise only adds."""
    found = {name: {"wall_ms": float("inf"), "cpu_ms": float("inf")} for name in writes}
    for number in range(rounds + 1):
        for name, write in writes.items():
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(count):
                await write(body)
            spent = {"wall_ms": time.perf_counter() - wall, "cpu_ms": time.process_time() - cpu}
            if number:  # the first round prepares statements
                found[name] = {key: min(found[name][key], value * 1000 / count) for key, value in spent.items()}
    return found


async def run(urls: dict[str, str], rounds: int, requests: int) -> dict[str, Any]:
    """Every size, both contenders."""
    os.environ |= {"BACKSTAY_DATABASE": urls["backstay"], "BACKSTAY_JWT_SECRET": SECRET}
    from examples.chirp.app import app
    from examples.chirp.seed import grow

    me = str(grow().profiles[0]["id"])
    claims = {"sub": me, "role": "authenticated", "aud": "authenticated", "exp": int(time.time()) + 3600}
    token = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET))
    floor = sqlite_floor if urls["floor"].startswith("sqlite") else postgresql_floor
    results: dict[str, Any] = {}
    async with app.started():
        writes = {"backstay": ours(app, token), "floor": await floor(urls["floor"])}
        for rows, part in SIZES.items():
            post = {"author_id": me, "body": "Written by the benchmark, to be counted and forgotten."}
            body = json.dumps(post if rows == 1 else [post] * rows).encode()
            results[str(rows)] = await measure(writes, body, -(-requests // part), rounds)
    return results


def _table(results: dict[str, Any]) -> str:
    lines = [f"{'rows':>6}  {'':<10}{'wall ms':>10}{'cpu ms':>10}"]
    for rows, found in results.items():
        for name, one in found.items():
            lines.append(f"{rows:>6}  {name:<10}{one['wall_ms']:>10.3f}{one['cpu_ms']:>10.3f}")
        ratios = [found["backstay"][key] / found["floor"][key] for key in ("wall_ms", "cpu_ms")]
        lines.append(f"{'':>6}  {'× floor':<10}{ratios[0]:>10.2f}{ratios[1]:>10.2f}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", default="sqlite", help="sqlite, or the URL of a PostgreSQL server's database")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=300, help="of one row, in each round")
    parser.add_argument("--json", type=Path, help="also write everything here")
    ask = parser.parse_args()
    names = ("backstay", "floor")
    with ExitStack() as stack:
        if ask.database == "sqlite":
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chirp-bench-")))
            data = stack.enter_context(sqlite_data(folder, names))
        else:
            data = stack.enter_context(postgresql_data(ask.database, names))
        machine = describe(data.server)
        results = asyncio.run(run(data.urls, ask.rounds, ask.requests))
    print(f"{machine['database']}, Python {machine['python']}, {machine['cpu']}, commit {machine['commit']}")
    print(_table(results))
    if ask.json:
        ask.json.write_text(json.dumps({"machine": machine, "results": results}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
