"""Threads for functions that are not async: few, and given to callers in turn.

1. A place is taken before anything of the database is: who waits for a thread keeps no transaction open.
2. A place is free when its thread has ended.  A thread cannot be stopped, so one that goes on after its time, or for a
   client who has left, goes on at the cost of its own caller's share.
3. No thread keeps the process from ending.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar, copy_context
from typing import Any, Final, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from backstay.db.bridge import Bridge
from backstay.db.caller import CALLER
from backstay.db.failures import RETRY
from backstay.db.turns import Turns
from backstay.errors import DatabaseError

T = TypeVar("T")

#: Threads, calls that may wait for one, and seconds for which one may.
_THREADS: Final = 8
_WAITING: Final = 500
_SECONDS: Final = 10.0
#: Seconds for a thread to notice that it gets nothing of its session any more.
_NOTICE_SECONDS: Final = 1.0


class _Place:
    """A place that was taken; *ended* is done when the thread in it has ended."""

    def __init__(self) -> None:
        self.ended: asyncio.Future[Any] | None = None


_PLACE: Final[ContextVar[_Place | None]] = ContextVar("backstay_function_place", default=None)


class Workers:
    """Runs functions in threads, for all data planes of an app.

    *share* is the percentage of the threads, and of the queue before them, that one caller may have.
    """

    def __init__(self, share: int = 50) -> None:
        self._turns = Turns(_THREADS, waiting=_WAITING, seconds=_SECONDS, refusal=_too_many, percent=share)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A thread for a block of code, in its turn; inside of such a block it is that one.

        Raises:
            DatabaseError: BST503, when too many wait or it took too long.
        """
        if _PLACE.get() is not None:
            yield
            return
        caller, place = CALLER.get(), _Place()
        await self._turns.take(caller)
        token = _PLACE.set(place)
        try:
            yield
        finally:
            _PLACE.reset(token)
            if place.ended is None or place.ended.done():
                self._turns.give(caller)
            else:
                place.ended.add_done_callback(lambda _: self._turns.give(caller))

    async def run(self, work: Callable[[], T], session: AsyncSession | None = None) -> T:
        """What *work* gives, in a thread, within `place`; it may use *session*, and nobody else may meanwhile.

        When the caller leaves, the thread gets nothing of *session* any more.
        """
        place = _PLACE.get()
        assert place is not None  # noqa: S101 - the caller has taken it
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        bridge, context = Bridge(loop), copy_context()
        # Beside the future, which the place keeps: a cancelled timer holds the context that knows the place until it
        # is due, and would hold the value too.
        given: list[tuple[Any, BaseException | None]] = []

        def serve() -> None:
            try:
                given.append((context.run(bridge.run, work), None))
            except BaseException as error:
                given.append((None, error))
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(ended.set_result, None)

        threading.Thread(target=serve, name="backstay-function", daemon=True).start()
        place.ended = ended
        try:
            await asyncio.shield(ended)
        except asyncio.CancelledError:
            bridge.close()
            if session is not None:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait((ended,), timeout=_NOTICE_SECONDS)
                if not ended.done():
                    # The thread may still look at it: its connection serves nobody again.
                    await session.invalidate()
            raise
        value, error = given.pop()
        if error is not None:
            raise error
        result: T = value
        return result


def _too_many() -> DatabaseError:
    return DatabaseError("BST503", "Too many functions run at once", hint="Try again in a second.", headers=RETRY)
