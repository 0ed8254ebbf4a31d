"""Threads of somebody's own, for what takes the processor long and waits for nothing.

1. They are few and start when they are first used; nobody else waits for them, as all would for those of `asyncio`.
2. What has begun ends: a caller who is cancelled leaves when it has, so that nothing is used by two at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


async def to_its_end(running: asyncio.Future[T], stop: Callable[[], None] | None = None) -> T:
    """What *running* gives; a caller who is cancelled asks it to *stop*, and leaves when it has ended."""
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        if stop is not None:
            stop()
        while not running.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait((running,))
        if not running.cancelled():
            running.exception()  # nobody asks for it any more
        raise


class Threads:
    """At most *number* threads, called *name*."""

    def __init__(self, number: int, name: str) -> None:
        self._number = number
        self._name = name
        self._executor: ThreadPoolExecutor | None = None

    async def run(self, work: Callable[[], T]) -> T:
        """What *work* gives, in a thread; it knows what the caller's context knows."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._number, thread_name_prefix=self._name)
        running = asyncio.get_running_loop().run_in_executor(self._executor, copy_context().run, work)
        return await to_its_end(running)

    async def close(self) -> None:
        """Let what runs end, and the threads.  Whoever asks again gets new ones."""
        executor, self._executor = self._executor, None
        if executor is not None:
            await asyncio.to_thread(executor.shutdown)
