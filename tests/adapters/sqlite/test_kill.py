"""Durability against kill -9 (DU1, DU5)."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

#: Writes pairs of rows for ever, in groups, and says of each pair when it was acknowledged.
WRITER = """
import asyncio, itertools, sys
from sqlalchemy import Column, Integer, MetaData, Table, insert
from backstay.adapters.sqlite.database import SqliteDatabase
from backstay.db.statement import Statement

metadata = MetaData()
pairs = Table("pairs", metadata, Column("id", Integer, primary_key=True), Column("half", Integer, primary_key=True))

async def main():
    database = SqliteDatabase(sys.argv[1], metadata=metadata)
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
            print(number, flush=True)

    async def sessions():
        for number in numbers:
            async with database.session() as session:
                await session.execute(insert(pairs).values(id=number, half=1))
                await session.execute(insert(pairs).values(id=number, half=2))
            print(number, flush=True)

    await asyncio.gather(*(jobs() for _ in range(8)), sessions())

asyncio.run(main())
"""


@pytest.mark.parametrize("seed", range(10))
def test_acknowledged_writes_survive_kill(tmp_path: Path, seed: int) -> None:
    """DU5: every acknowledged pair is there, no pair is half there, and the file is sound."""
    path = tmp_path / "app.db"
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    acknowledged = []
    for _ in range(random.Random(seed).randrange(1, 400)):
        acknowledged.append(int(process.stdout.readline()))
    process.kill()
    acknowledged += [int(line) for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    process.stdout.close()
    process.wait()

    connection = apsw.Connection(str(path))
    halves = dict(connection.execute("SELECT id, count(*) FROM pairs GROUP BY id").fetchall())
    assert [number for number in acknowledged if number not in halves] == []
    assert [number for number, count in halves.items() if count != 2] == []
    assert connection.pragma("integrity_check") == "ok"
    connection.close()
