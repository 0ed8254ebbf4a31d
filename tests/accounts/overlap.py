"""Two transactions of PostgreSQL made to overlap at a chosen point: a gate in the database, and no sleep that decides.

A trigger waits at an advisory lock that the test holds.  Whoever comes to the gate stays in the middle of its
transaction until the test has seen the other one wait for it, and lets go.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

GATE = 20261129

_FUNCTION = f"""
CREATE OR REPLACE FUNCTION overlap_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared({GATE});
  RETURN NULL;
END $$
"""
#: Of this database: the server may have others, whose transactions wait too.
_WAITING = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event {}= 'advisory'"
)


async def _until(connection: Any, question: str) -> None:
    for _ in range(2_000):
        if await connection.fetchval(question):
            return
        await asyncio.sleep(0.005)
    raise AssertionError("nobody came to wait")


@asynccontextmanager
async def gate(url: str, event: str, table: str) -> AsyncIterator[Any]:
    """A gate after each row that *event* (``INSERT``, ``UPDATE OF banned_until``, …) has written to *table*."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_FUNCTION)
        # Deferred to nothing: it is right behind the row, and the transaction goes on behind it.
        await connection.execute(
            f"CREATE TRIGGER overlap_gate AFTER {event} ON {table} FOR EACH ROW EXECUTE FUNCTION overlap_gate()"
        )
        yield connection
    finally:
        await connection.execute("SELECT pg_advisory_unlock_all()")
        await connection.execute(f"DROP TRIGGER IF EXISTS overlap_gate ON {table}")
        await connection.execute("DROP FUNCTION overlap_gate()")
        await connection.close()


async def overlapped(
    url: str, event: str, table: str, first: Coroutine[Any, Any, Any], second: Coroutine[Any, Any, Any]
) -> tuple[Any, Any]:
    """Run *first* up to the gate, *second* until it waits for it or is through, and both to their ends."""
    async with gate(url, event, table) as connection:
        await connection.execute(f"SELECT pg_advisory_lock({GATE})")
        one = asyncio.ensure_future(first)
        await _until(connection, _WAITING.format(""))
        two = asyncio.ensure_future(second)
        for _ in range(2_000):
            if two.done() or await connection.fetchval(_WAITING.format("!")):
                break
            await asyncio.sleep(0.005)
        else:
            raise AssertionError("the second neither waits nor ends")
        await connection.execute(f"SELECT pg_advisory_unlock({GATE})")
        return await one, await two
