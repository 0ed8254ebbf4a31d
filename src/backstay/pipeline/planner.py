"""Where plans are made: a request of a known shape is planned nowhere, and one of a new shape in a thread.

Making a plan costs from 2 to 200 ms of Python, by what is asked for.  On the event loop that would be everybody's time;
in a thread of its own, Python divides the time between them, and those who bring many new shapes wait for each other.
So it is with making a large answer into another form.

1. What is short is tried on the loop first, for most of it is known.  `may_plan` ends that try where it is not.
2. Callers are served in turn, and one of them has only a share of the queue (``db/turns.py``).
3. All plans of one request together have an end.
4. Inside a transaction that somebody else runs nothing can be waited for: there plans are made on the spot.  So whoever
   runs it has them made before (``plans.py``).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, TypeVar

from backstay.db.failures import RETRY
from backstay.db.threads import Threads
from backstay.db.turns import Turns
from backstay.errors import DatabaseError, RequestError
from backstay.pipeline.request import DataRequest
from backstay.pipeline.unit import apart

T = TypeVar("T")

#: Query strings and bodies up to here are read on the event loop: some tenths of a millisecond.
_SHORT_QUERY: Final = 1024
_SHORT_BODY: Final = 32 << 10
#: Commas of a body up to which its values are made ready there: each may be that of a row of two hundred columns.
_FEW_VALUES: Final = 500
#: Letters of an answer that is made into another form on the event loop: some milliseconds.
_SHORT_ANSWER: Final = 16 << 10
#: Threads, of which one caller has one, plans that may wait to be made, and seconds for which one may.
_THREADS: Final = 2
_WAITING: Final = 500
_SECONDS: Final = 10.0
#: Threads for those who hold a session open.
_BESIDE: Final = 4
#: Letters of the answers that wait for a thread, or are in one: each is there some three times.
_LETTERS: Final = 16 << 20

#: Processor time for the plans of one request: a hundred ordinary ones take half a second.
_PLANNING_SECONDS: Final = 2.0

#: So many plans are made in any case: a pause of the machine, or Python's collector, counts as time of this thread.
_FEW: Final = 16


@dataclass(slots=True)
class _Spending:
    """Processor time of this thread at which one request has had its share, and the plans that it made so far."""

    ends: float
    plans: int = 0

    def go_on(self) -> bool:
        self.plans += 1
        return self.plans <= _FEW or time.thread_time() <= self.ends


_MAY_PLAN: Final = ContextVar("backstay_may_plan", default=True)
#: What this thread has for the plans of one request.
_SPENDING: Final = ContextVar[_Spending | None]("backstay_planning", default=None)


class Unplanned(Exception):
    """There is no plan yet, and it may not be made here, or not any more."""


def may_plan() -> None:
    """Called before a plan is made.

    Raises:
        Unplanned: the event loop would wait for it, or the plans of this request have taken too long.
    """
    spending = _SPENDING.get()
    if not _MAY_PLAN.get() or not (spending is None or spending.go_on()):
        raise Unplanned


def is_long(request: DataRequest) -> bool:
    """Whether reading *request* takes more than some tenths of a millisecond."""
    return len(request.query) > _SHORT_QUERY or len(request.body) > _SHORT_BODY


def _is_much(request: DataRequest) -> bool:
    """Whether what *request* sends takes long to be made ready: a short body may have many values, and many rows."""
    return is_long(request) or request.body.count(b",") > _FEW_VALUES


class Planner:
    """Makes what needs a plan, for all data planes of an app.

    Its threads start with the first new shape, and end with `close`.
    *share* is the percentage of the queue that one caller may fill.
    """

    def __init__(self, share: int = 50) -> None:
        self._threads: ThreadPoolExecutor | None = None
        self._letters = 0
        self._beside = Threads(_BESIDE, "backstay-beside")
        self._turns = Turns(_THREADS, waiting=_WAITING, seconds=_SECONDS, refusal=_too_many, percent=share)

    async def make(self, request: DataRequest, make: Callable[[], T], *, inside: bool = False) -> T:
        """What *make* gives, for *request*; it may be called twice, and has no effect but what it remembers.

        *inside* says that it is a part of a transaction that somebody else runs.

        Raises:
            DatabaseError: BST503, when too many plans wait.
            RequestError: BST413, when its plans have too little in common to be made in time.
        """
        if inside:
            return await apart(make, long=_is_much(request))
        if not _is_much(request):
            token = _MAY_PLAN.set(False)
            try:
                return make()
            except Unplanned:
                pass
            finally:
                _MAY_PLAN.reset(token)
        return await self._in_thread(make)

    async def render(self, size: int, make: Callable[[], T], *, inside: bool = False) -> T:
        """What *make* gives, which goes through *size* letters of an answer in Python: a large one in a thread, too.

        One of any size may always wait alone.

        Raises:
            DatabaseError: BST503, when too many wait, or they are too large together.
        """
        if inside:
            return await apart(make, long=size > _SHORT_ANSWER)
        if size <= _SHORT_ANSWER:
            return make()
        if self._letters and self._letters + size > _LETTERS:
            raise _too_many()
        self._letters += size
        try:
            return await self._in_thread(make)
        finally:
            self._letters -= size

    async def close(self) -> None:
        """Let what is being made end, and its threads.  Whoever asks again gets new ones."""
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown)
        await self._beside.close()

    async def beside(self, work: Callable[[], T]) -> T:
        """What *work* gives, in a thread, for who holds a session open, of whom there are few: in nobody's turn."""
        return await self._beside.run(work)

    async def render_beside(self, size: int, make: Callable[[], T]) -> T:
        """As `render`, for who holds a session open."""
        return make() if size <= _SHORT_ANSWER else await self.beside(make)

    async def _in_thread(self, make: Callable[[], T]) -> T:
        async with self._turns.turn():
            if self._threads is None:
                self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="backstay-planner")
            # Not ``to_thread``, which would take along that nothing may be planned.
            return await asyncio.get_running_loop().run_in_executor(self._threads, _in_time, make)


def _in_time(make: Callable[[], T]) -> T:
    token = _SPENDING.set(_Spending(time.thread_time() + _PLANNING_SECONDS))
    try:
        return make()
    except Unplanned:
        raise too_different() from None
    finally:
        _SPENDING.reset(token)


def too_different() -> RequestError:
    """BST413: what a request asks for has too little in common."""
    return RequestError(
        "BST413",
        "Too many different things in one request",
        hint="Send fewer, or ask alike: what only differs in its values is planned once.",
    )


def _too_many() -> DatabaseError:
    return DatabaseError(
        "BST503",
        "Too many requests at once that are new, or whose answers are large",
        hint="Try again in a second; what changes from request to request belongs in the values.",
        headers=RETRY,
    )
