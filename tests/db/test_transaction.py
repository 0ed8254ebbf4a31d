"""Transactions as generators."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeVar

import pytest

from backstay.db.statement import Rows, Statement
from backstay.db.transaction import drive, drive_async
from backstay.errors import DatabaseError

T = TypeVar("T")


class Log:
    """Runs statements by writing them down; *fails* is the one that does not work."""

    def __init__(self, fails: str | None = None) -> None:
        self.ran: list[str] = []
        self.fails = fails

    def __call__(self, statement: Statement) -> Rows:
        self.ran.append(statement.sql)
        if statement.sql == self.fails:
            raise DatabaseError("23505", "broken")
        return [(len(self.ran),)]

    async def later(self, statement: Statement) -> Rows:
        return self(statement)


def steps(closed: list[str], catch: str = "nothing") -> Generator[Statement, Rows, list[Any]]:
    found: list[Any] = []
    try:
        found += yield Statement("one")
        try:
            found += yield Statement("two")
        except DatabaseError:
            if catch == "reword":
                raise ValueError("better") from None
            if catch == "go on":
                yield Statement("three")
            if catch != "return":
                raise
        return found
    finally:
        closed.append("closed")


async def _outcome(asynchronous: bool, log: Log, closed: list[str], catch: str = "nothing") -> Any:
    try:
        if asynchronous:
            return await drive_async(steps(closed, catch), log.later)
        return drive(steps(closed, catch), log)
    except Exception as error:
        return str(error)


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize(
    ("fails", "catch", "outcome"),
    [
        (None, "nothing", [(1,), (2,)]),
        ("one", "nothing", "23505: broken"),
        ("two", "nothing", "23505: broken"),
        ("two", "reword", "better"),
        ("two", "go on", "23505: broken"),
        ("two", "return", "23505: broken"),
    ],
)
async def test_drive(asynchronous: bool, fails: str | None, catch: str, outcome: Any) -> None:
    """A failure may be worded anew, not overcome; nothing runs after it, and the generator is always closed."""
    log, closed = Log(fails), []  # type: ignore[var-annotated]
    assert await _outcome(asynchronous, log, closed, catch) == outcome
    assert (log.ran[-1], closed) == (fails or "two", ["closed"])


async def test_what_takes_long_between_statements_is_done_aside() -> None:
    """S6, S7: all of it where it is said to be long, and else what comes after large rows."""

    def sized(*sizes: int) -> Generator[Statement, Rows, int]:
        for size in sizes:
            yield Statement("x" * size)
        return len(sizes)

    async def run(statement: Statement) -> Rows:
        return [(len(statement.sql), statement.sql)]

    for long, steps_aside in ((False, 2), (True, 5)):
        aside: list[Any] = []

        async def apart(work: Callable[[], T], aside: list[Any] = aside) -> T:
            aside.append(work)
            return work()

        assert 4 == await drive_async(sized(1, 2, 20_000, 3), run, apart, long=long)
        assert steps_aside == len(aside)
