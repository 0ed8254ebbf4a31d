"""Running a transaction that is written as a generator without I/O (`Steps`).

A statement that fails has failed the transaction: its error is thrown into the generator, which may raise a better one
instead, but cannot go on.  PostgreSQL would refuse the next statement anyway, and SQLite must not differ.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator
from types import coroutine
from typing import Any, TypeVar

from backstay.db.statement import Rows, Statement, Steps
from backstay.errors import DatabaseError

T = TypeVar("T")


def drive(steps: Steps[T], run: Callable[[Statement], Rows]) -> T:
    """Run *steps* to their end with *run*, which raises `BackstayError` only, and return their outcome."""
    try:
        statement = next(steps)
        while True:
            try:
                rows = run(statement)
            except Exception as error:
                raise _refused(steps, error) from None
            statement = steps.send(rows)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    finally:
        steps.close()


async def drive_async(steps: Steps[T], run: Callable[[Statement], Awaitable[Rows]]) -> T:
    """As `drive`, with a *run* that is awaited."""
    try:
        statement = next(steps)
        while True:
            try:
                rows = await run(statement)
            except Exception as error:
                raise _refused(steps, error) from None
            statement = steps.send(rows)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    finally:
        steps.close()


@coroutine
def run_inside(statement: Statement) -> Generator[Statement, Rows, Rows]:
    """Have the transaction around this coroutine run *statement*; only inside of `steps_of`."""
    return (yield statement)


def steps_of(make: Callable[[], Coroutine[Any, Any, T]]) -> Steps[T]:
    """The coroutine that *make* makes, as the steps of a transaction.  It may wait for nothing but `Joined`.

    After a statement has failed it may find a better error, but no statement of its own succeeds any more: 25P02.
    """
    waiting = make()
    try:
        statement = waiting.send(None)
        while True:
            try:
                rows = yield statement
            except Exception as error:
                waiting.throw(error)
                while True:
                    waiting.throw(DatabaseError("25P02", "current transaction is aborted"))
            statement = waiting.send(rows)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    finally:
        waiting.close()


def _refused(steps: Steps[T], error: Exception) -> Exception:
    """What to raise: what *steps* makes of *error*, or *error* itself when they would rather go on."""
    try:
        steps.throw(error)
    except StopIteration:
        return error
    except Exception as better:
        return better
    return error
