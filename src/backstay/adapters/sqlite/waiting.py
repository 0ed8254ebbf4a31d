"""Who waits for the writer, and how they are answered.

A `Waiting` is claimed once: by the writer that starts it, or by the caller that gives up.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from backstay.db.failures import RETRY
from backstay.db.statement import Steps
from backstay.errors import DatabaseError


def busy(message: str) -> DatabaseError:
    """BST503, with Retry-After."""
    return DatabaseError("BST503", message, hint="try again in a second", headers=RETRY)


class Waiting:
    """Something in the queue, and the future of who waits for it."""

    __slots__ = ("_claim", "future", "loop")

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self._claim = threading.Lock()

    def claim(self) -> bool:
        """True for the first caller only: the writer that starts it, or the caller that gives up."""
        return self._claim.acquire(blocking=False)

    def give_up(self) -> None:
        """Its time in the queue is over (runs on the loop)."""
        if self.claim() and not self.future.done():
            self.future.set_exception(busy("the database is busy: the write waited too long"))


class Job(Waiting):
    """A transaction."""

    __slots__ = ("rollback", "steps")

    def __init__(self, steps: Callable[[], Steps[Any]], rollback: bool) -> None:
        super().__init__()
        self.steps = steps
        self.rollback = rollback


class Loan(Waiting):
    """The right to write, lent to a session."""

    __slots__ = ("returned",)

    def __init__(self) -> None:
        super().__init__()
        self.returned = threading.Event()


@dataclass(frozen=True, slots=True)
class Failed:
    """An outcome that is an error."""

    error: Exception


def answer(outcomes: Sequence[tuple[Waiting, Any]]) -> None:
    """Hand each outcome to its caller's loop: one wake-up per loop, not per caller."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Waiting, Any]]] = {}
    for one in outcomes:
        by_loop.setdefault(one[0].loop, []).append(one)
    for loop, those in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits there any more
            loop.call_soon_threadsafe(_deliver, those)


def _deliver(outcomes: Sequence[tuple[Waiting, Any]]) -> None:
    for waiting, outcome in outcomes:
        if waiting.future.done():
            continue
        if isinstance(outcome, Failed):
            waiting.future.set_exception(outcome.error)
        else:
            waiting.future.set_result(outcome)
