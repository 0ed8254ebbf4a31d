"""Clients that leave before they are answered: what is done for them ends.

Rules of this file:

1. Nobody looks while an answer is quick: a timer costs a microsecond, a task twenty.
2. All that is done is to cancel.  What waits is dropped, a statement that runs is interrupted, and a transaction is
   undone, with whatever it has written.  What nobody can stop any more stays: a commit on its way, and on SQLite the
   steps of a write that its thread has begun.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final

from starlette.types import Receive

#: Seconds after which somebody looks whether the client is still there.
_PATIENCE: Final = 0.05
#: Messages that a server may have before it tells that the client has left: what it gives of a body that nobody reads.
_MESSAGES: Final = 8


class ClientGone(Exception):
    """The client closed the connection before it was answered: nobody is left to answer."""


class Departure:
    """Around the answering of a request whose body has been read: leaves with `ClientGone` when the client does."""

    __slots__ = ("_gone", "_receive", "_task", "_timer", "_watch")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._gone = False
        self._watch: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(_PATIENCE, self._begin)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._watch is not None:
            self._watch.cancel()
        if self._gone and self._task is not None and self._task.uncancel() == 0:
            raise ClientGone from error

    def _begin(self) -> None:
        self._watch = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        try:
            for _ in range(_MESSAGES):
                if (await self._receive())["type"] == "http.disconnect":
                    break
            else:
                return  # nor does one that has something to say without end, and never waits
        except Exception:
            return  # a server that cannot say does not matter
        if self._task is not None:
            self._gone = True
            self._task.cancel()
