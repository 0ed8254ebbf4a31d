"""Running a transaction that is written as a generator without I/O (`Steps`).

A statement that fails has failed the transaction: its error is thrown into the generator, which may raise a better one
instead, but cannot go on.  PostgreSQL would refuse the next statement anyway, and SQLite must not differ.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass
from functools import partial
from types import coroutine
from typing import Any, Final, Generic, Protocol, TypeVar

from backstay.db.statement import Rows, Statement, Steps
from backstay.errors import DatabaseError

T = TypeVar("T")

#: Rows, and letters of one value, up to which what is done with them between two statements takes no time.
_FEW_ROWS: Final = 200
_SHORT_VALUE: Final = 16 << 10


class Aside(Protocol):
    """Does in a thread what takes the processor long; who is cancelled meanwhile waits for its end."""

    async def __call__(self, work: Callable[[], T], /) -> T: ...


@dataclass(frozen=True, slots=True)
class _End(Generic[T]):
    """The outcome of steps that have ended: a ``StopIteration`` cannot leave a thread."""

    value: T


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


async def drive_async(
    steps: Steps[T], run: Callable[[Statement], Awaitable[Rows]], aside: Aside | None = None, *, long: bool = False
) -> T:
    """As `drive`, with a *run* that is awaited.

    Where it is *long*, and after large rows, what *steps* do between their statements is done *aside*.
    """
    try:
        rows: Rows | None = None
        while True:
            advance = partial(_advance, steps, rows)
            reached = await aside(advance) if long and aside is not None else advance()
            if isinstance(reached, _End):
                return reached.value
            try:
                rows = await run(reached)
            except Exception as error:
                raise _refused(steps, error) from None
            long = long or _are_large(rows)
    finally:
        steps.close()


def _advance(steps: Steps[T], rows: Rows | None) -> Statement | _End[T]:
    """The next statement of *steps*, whose last one gave *rows*; ``None`` before the first."""
    try:
        return next(steps) if rows is None else steps.send(rows)
    except StopIteration as end:
        return _End(end.value)


def _are_large(rows: Rows) -> bool:
    if len(rows) > _FEW_ROWS:
        return True
    return any(isinstance(value, str | bytes) and len(value) > _SHORT_VALUE for row in rows for value in row)


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
