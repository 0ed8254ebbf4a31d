"""Rows that are read ahead of their client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from backstay.db.export import read_ahead
from backstay.db.statement import Rows
from backstay.errors import DatabaseError


class Source:
    """So many chunks of a kilobyte; *closed* when nobody wants more."""

    def __init__(self, chunks: int, fails: bool = False) -> None:
        self.given = 0
        self.closed = asyncio.Event()
        self._chunks = chunks
        self._fails = fails

    async def rows(self) -> AsyncGenerator[Rows, None]:
        try:
            while self.given < self._chunks:
                self.given += 1
                yield [(f"{self.given:04}" + "ä" * 500,)]
            if self._fails:
                raise DatabaseError("57014", "canceling statement due to statement timeout")
        finally:
            self.closed.set()


async def test_a_client_that_is_slow_holds_no_read() -> None:
    """S11: the read has ended, and let its snapshot go, when the client has taken the first of a hundred chunks."""
    source = Source(100)
    ahead = read_ahead(source.rows())
    first = await anext(ahead)
    await asyncio.wait_for(source.closed.wait(), 60)
    rest = [row[0][:4] async for rows in ahead for row in rows]
    assert ("0001", [f"{number:04}" for number in range(2, 101)]) == (first[0][0][:4], rest)


async def test_what_is_read_ahead_is_bounded() -> None:
    """S11: a read waits for its client, for so long in all, and is broken off then: before the last of its rows."""
    source = Source(100)
    taken = []
    with pytest.raises(DatabaseError) as caught:
        async for rows in read_ahead(source.rows(), most=5000, seconds=0.01):
            taken.append(rows)
            await asyncio.wait_for(source.closed.wait(), 60)  # a client that takes nothing until it is too late
    assert ("57014", True) == (caught.value.code, source.given < 10)
    assert source.given - 1 == len(taken)


async def test_a_client_in_time_has_everything() -> None:
    """S11: room that becomes free is used again, however small it is."""
    source = Source(1000)
    taken = [row async for rows in read_ahead(source.rows(), most=3000, seconds=60) for row in rows]
    assert (1000, True) == (len(taken), source.closed.is_set())


async def test_a_client_that_leaves_ends_the_read() -> None:
    """S11: also where the read waits for room."""
    source = Source(100)
    ahead = read_ahead(source.rows(), most=3000, seconds=600)
    await anext(ahead)
    await ahead.aclose()
    assert (True, True) == (source.closed.is_set(), source.given < 100)


@pytest.mark.parametrize("chunks", [0, 3])
async def test_a_read_that_fails_is_told(chunks: int) -> None:
    """After the rows that came before, or at once where there are none."""
    taken = []
    with pytest.raises(DatabaseError):
        async for rows in read_ahead(Source(chunks, fails=True).rows()):
            taken.append(rows)
    assert chunks == len(taken)
