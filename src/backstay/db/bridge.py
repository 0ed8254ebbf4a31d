"""A function in a thread, whose session does its work on the event loop.

SQLAlchemy runs plain code over an asynchronous driver in a greenlet on the event loop: what that code waits for by
itself, everybody waits for.  Here the greenlet is in a thread, and only what it asks of the database goes to the loop.

1. The loop and the thread never use the session at the same time: one waits while the other goes on.
2. A thread cannot be stopped.  After `Bridge.close` it gets nothing of the database any more.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

from greenlet import getcurrent, greenlet  # type: ignore[import-untyped]

T = TypeVar("T")


class _Greenlet(greenlet):  # type: ignore[misc]
    """Where `sqlalchemy.util.await_` may be called."""

    __sqlalchemy_greenlet_provider__: Final = True

    def __init__(self, work: Callable[[], Any]) -> None:
        driver = getcurrent()
        super().__init__(work, driver)
        self.gr_context = driver.gr_context


class Bridge:
    """From one thread to *loop*."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._closed = False
        self._asked: concurrent.futures.Future[Any] | None = None

    def run(self, work: Callable[[], T]) -> T:
        """Run *work*, in the thread that calls this."""
        context = _Greenlet(work)
        given: Any = context.switch()
        while not context.dead:
            try:
                value = self._ask(given)
            except BaseException:
                given = context.throw(*sys.exc_info())
            else:
                given = context.switch(value)
        result: T = given
        return result

    def close(self) -> None:
        """End what is asked of the loop now, and refuse what is asked later."""
        with self._lock:
            self._closed = True
            if self._asked is not None:
                self._asked.cancel()

    def _ask(self, awaitable: Awaitable[Any]) -> Any:
        with self._lock:
            if self._closed:
                if isinstance(awaitable, Coroutine):
                    awaitable.close()
                raise asyncio.CancelledError
            asked = self._asked = asyncio.run_coroutine_threadsafe(_waited(awaitable), self._loop)
        try:
            return asked.result()
        except concurrent.futures.CancelledError:
            # As SQLAlchemy knows it: the connection is not used again.
            raise asyncio.CancelledError from None


async def _waited(awaitable: Awaitable[T]) -> T:
    return await awaitable
