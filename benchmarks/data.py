"""Chirp's rows in a database made for one run."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.servers import ROOT


@dataclass(frozen=True, slots=True)
class Data:
    """Where each contender finds the rows, as a URL without a driver, and what the database says of itself."""

    urls: dict[str, str]
    server: str


def _seed(url: str) -> None:
    """In a process of its own: an app is bound to one database."""
    environment = {**os.environ, "BACKSTAY_DATABASE": url}
    subprocess.run([sys.executable, "-m", "examples.chirp.seed"], cwd=ROOT, env=environment, check=True)


@contextmanager
def sqlite_data(folder: Path, contenders: tuple[str, ...]) -> Iterator[Data]:
    """One file, and a byte-for-byte copy of it for each contender, so that nobody reads what another wrote."""
    import apsw

    original = folder / "chirp.db"
    _seed(f"sqlite:///{original}")
    with apsw.Connection(str(original)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("ANALYZE")
    connection.close()
    urls = {}
    for name in contenders:
        copy = folder / f"{name}.db"
        shutil.copyfile(original, copy)
        urls[name] = f"sqlite:///{copy}"
    yield Data(urls, f"SQLite {apsw.sqlite_lib_version()}")


async def _postgresql(admin: str, *statements: str) -> str:
    import asyncpg

    connection = await asyncpg.connect(admin)
    try:
        for statement in statements:
            await connection.execute(statement)
        return str(await connection.fetchval("SELECT version()"))
    finally:
        await connection.close()


@contextmanager
def postgresql_data(admin: str, contenders: tuple[str, ...]) -> Iterator[Data]:
    """A database of its own on the server at *admin*, dropped at the end; all contenders share it."""
    name = f"chirp_bench_{os.getpid()}"
    asyncio.run(_postgresql(admin, f"CREATE DATABASE {name}"))
    url = f"{admin.rpartition('/')[0]}/{name}"
    try:
        _seed(url)
        server = asyncio.run(_postgresql(url, "VACUUM ANALYZE"))
        yield Data(dict.fromkeys(contenders, url), server.partition(" on ")[0])
    finally:
        asyncio.run(_postgresql(admin, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
