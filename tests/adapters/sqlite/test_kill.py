"""Durability against kill -9 (DU1, DU5)."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

#: For each path on its input it forks a writer, which saves the imports, says its id, and says when it is dead.  The
#: writer writes pairs of rows for ever, in groups, and says in the named pipe beside the file which are acknowledged.
NURSERY = """
import asyncio, itertools, os, sys
from sqlalchemy import Column, Integer, MetaData, Table, insert
from backstay.adapters.sqlite.database import SqliteDatabase
from backstay.db.statement import Statement

metadata = MetaData()
pairs = Table("pairs", metadata, Column("id", Integer, primary_key=True), Column("half", Integer, primary_key=True))

async def main(path):
    acknowledged = open(path + ".acks", "w")
    database = SqliteDatabase(path, metadata=metadata)
    await database.open()
    await database.create_tables(metadata)
    (last,) = await database.fetch(Statement("SELECT coalesce(max(id), 0) FROM pairs"))
    numbers = itertools.count(last + 1)

    async def jobs():
        for number in numbers:
            def steps():
                yield Statement("INSERT INTO pairs VALUES (?, 1)", (number,))
                yield Statement("INSERT INTO pairs VALUES (?, 2)", (number,))
            await database.transact(steps)
            print(number, file=acknowledged, flush=True)

    async def sessions():
        for number in numbers:
            async with database.session() as session:
                await session.execute(insert(pairs).values(id=number, half=1))
                await session.execute(insert(pairs).values(id=number, half=2))
            print(number, file=acknowledged, flush=True)

    await asyncio.gather(*(jobs() for _ in range(8)), sessions())

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        asyncio.run(main(line.strip()))
    print(child, flush=True)
    os.waitpid(child, 0)
    print("dead", flush=True)
"""


@pytest.fixture(scope="module")
def nursery() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", NURSERY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process


@pytest.mark.parametrize("seed", range(10))
def test_acknowledged_writes_survive_kill(tmp_path: Path, nursery: subprocess.Popen[str], seed: int) -> None:
    """DU5: every acknowledged pair is there, no pair is half there, and the file is sound."""
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    path = tmp_path / "app.db"
    os.mkfifo(f"{path}.acks")
    print(path, file=nursery.stdin, flush=True)
    child = int(nursery.stdout.readline())
    with open(f"{path}.acks") as pipe:
        acknowledged = [int(pipe.readline()) for _ in range(random.Random(seed).randrange(1, 400))]
        os.kill(child, signal.SIGKILL)
        acknowledged += [int(line) for line in pipe if line.endswith("\n")]
    assert nursery.stdout.readline() == "dead\n"

    connection = apsw.Connection(str(path))
    halves = dict(connection.execute("SELECT id, count(*) FROM pairs GROUP BY id").fetchall())
    assert [number for number in acknowledged if number not in halves] == []
    assert [number for number, count in halves.items() if count != 2] == []
    assert connection.pragma("integrity_check") == "ok"
    connection.close()
