"""Who waits for the writer, in which order, and how they are answered.

A `Waiting` is claimed once: by the writer that starts it, or by the caller that gives up.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from backstay.db.caller import CALLER, Caller
from backstay.db.failures import RETRY
from backstay.db.statement import Steps
from backstay.errors import DatabaseError


def busy(message: str) -> DatabaseError:
    """BST503, with Retry-After."""
    return DatabaseError("BST503", message, hint="try again in a second", headers=RETRY)


class Waiting:
    """Something in the queue, and the future of who waits for it."""

    __slots__ = ("_claim", "caller", "future", "loop", "started")

    def __init__(self) -> None:
        self.caller = CALLER.get()
        #: Whether the writer has claimed it: then it is answered, whatever happens.
        self.started = False
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self._claim = threading.Lock()

    def claim(self) -> bool:
        """True for the first caller only: the writer that starts it, or the caller that gives up."""
        return self._claim.acquire(blocking=False)

    def start(self) -> bool:
        """Whether the writer may, or must, run it (on the writer's thread)."""
        self.started = self.started or self.claim()
        return self.started

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


class Tidy(Waiting):
    """Long reads have ended: the log may be emptied."""

    __slots__ = ()


class Line:
    """The queue before the writer: accounts first, then caller after caller in turn, each in its own order.

    Args:
        most: in the line at one time.
        share: of them, those of one caller; the app itself is not counted.
    """

    def __init__(self, most: int, share: int) -> None:
        self._most = most
        self._share = share
        self._ready = threading.Condition()
        self._queues: OrderedDict[Caller, deque[Waiting]] = OrderedDict()
        self._size = 0
        self._closed = False

    def __len__(self) -> int:
        return self._size

    def put(self, waiting: Waiting) -> None:
        """Let *waiting* stand in line.

        Raises:
            DatabaseError: BST503, there is no place, or the line is closed.
        """
        with self._ready:
            if self._closed:
                raise busy("the database is closed")
            queue = self._queues.get(waiting.caller)
            if self._size >= self._most or (waiting.caller.key and queue and len(queue) >= self._share):
                raise busy("the database is busy: too many writes wait")
            if queue is None:
                queue = self._queues[waiting.caller] = deque()
            queue.append(waiting)
            self._size += 1
            self._ready.notify()

    def put_back(self, those: Sequence[Waiting]) -> None:
        """*those* were taken, and not started: they stand where they stood."""
        with self._ready:
            for waiting in reversed(those):
                queue = self._queues.get(waiting.caller)
                if queue is None:
                    queue = self._queues[waiting.caller] = deque()
                    self._queues.move_to_end(waiting.caller, last=False)
                queue.appendleft(waiting)
                self._size += 1

    def close(self) -> None:
        """Nobody more; who is in it is served."""
        with self._ready:
            self._closed = True
            self._ready.notify()

    def take(self) -> Waiting | None:
        """The next, when there is one; ``None`` when the line is closed and empty."""
        with self._ready:
            while not self._size:
                if self._closed:
                    return None
                self._ready.wait()
            return self._next()

    def take_jobs(self, most: int) -> list[Job]:
        """Up to *most* jobs that are next; none after a loan, whose turn comes first."""
        found: list[Job] = []
        with self._ready:
            while self._size and len(found) < most:
                waiting = self._next()
                if not isinstance(waiting, Job):
                    self._queues.setdefault(waiting.caller, deque()).appendleft(waiting)
                    self._queues.move_to_end(waiting.caller, last=False)
                    self._size += 1
                    break
                found.append(waiting)
        return found

    def _next(self) -> Waiting:
        caller = next((one for one in self._queues if one.first), next(iter(self._queues)))
        queue = self._queues[caller]
        waiting = queue.popleft()
        self._size -= 1
        if queue:
            self._queues.move_to_end(caller)
        else:
            del self._queues[caller]
        return waiting


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
