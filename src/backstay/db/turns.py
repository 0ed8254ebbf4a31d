"""Places of which there are few (threads, connections, exports), given fairly.

Rules of this file:

1. One caller holds no more than its share of the places, and no more than its share of the queue.
2. A place that becomes free goes to whom nothing is kept from: accounts first, then caller after caller in turn.
3. Some places are kept for accounts, so that nobody is locked out by readers.
4. Waiting has an end.  Who waited too long, or left, is never started.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from backstay.db.caller import CALLER, Caller


def share_of(places: int, percent: int) -> int:
    """How many of *places* one caller may hold: at least one, and all where *percent* is 0.

    >>> share_of(10, 50), share_of(1, 50), share_of(10, 0)
    (5, 1, 10)
    """
    return max(1, places * percent // 100) if percent else places


class Turns:
    """*places*, and who waits for them; all on one event loop.

    Args:
        waiting: most callers in the queue.
        seconds: longest wait in it.
        refusal: the error of who finds the queue full, or waited too long.
        percent: the share of one caller, of places and of the queue; 0: no limit.
        kept: places that only accounts, and the app itself, may take.
    """

    def __init__(
        self,
        places: int,
        *,
        waiting: int,
        seconds: float,
        refusal: Callable[[], Exception],
        percent: int = 0,
        kept: int = 0,
    ) -> None:
        self._places = places
        self._seconds = seconds
        self._refusal = refusal
        self._kept = kept
        self._most = share_of(places, percent)
        self._most_waiting = share_of(waiting, percent)
        self._all_waiting = waiting
        self.running = 0
        self.waiting = 0
        self._held: Counter[str] = Counter()
        self._queues: OrderedDict[Caller, deque[asyncio.Future[None]]] = OrderedDict()

    def try_take(self, caller: Caller) -> bool:
        """Take a place at once, if one is free for *caller*; then it must `give` it back."""
        if not self._may(caller) or caller in self._queues:
            return False
        self._count(caller)
        return True

    async def take(self, caller: Caller) -> None:
        """Take a place, now or in turn.

        Raises:
            Exception: the refusal, when too many wait or it took too long.
        """
        if self.try_take(caller):
            return
        queue = self._queues.get(caller)
        mine = len(queue) if queue is not None else 0
        if self.waiting >= self._all_waiting or (caller.key and mine >= self._most_waiting):
            raise self._refusal()
        loop = asyncio.get_running_loop()
        place: asyncio.Future[None] = loop.create_future()
        if queue is None:
            queue = self._queues[caller] = deque()
        queue.append(place)
        self.waiting += 1
        timer = loop.call_later(self._seconds, self._give_up, place)
        try:
            await place
        except BaseException:
            if place.done() and not place.cancelled() and place.exception() is None:
                self.give(caller)  # it came together with the cancellation
            else:
                self._leave(caller, place)
            raise
        finally:
            timer.cancel()

    def give(self, caller: Caller) -> None:
        """Give a place of *caller* back."""
        self.running -= 1
        self._held[caller.key] -= 1
        if self._held[caller.key] <= 0:
            del self._held[caller.key]
        if self._queues:
            self._hand_on()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """A place, for a block of code, for whoever is being answered."""
        caller = CALLER.get()
        await self.take(caller)
        try:
            yield
        finally:
            self.give(caller)

    def _may(self, caller: Caller) -> bool:
        if self.running >= self._places - (0 if caller.first else self._kept):
            return False
        return not caller.key or self._held[caller.key] < self._most

    def _count(self, caller: Caller) -> None:
        self.running += 1
        self._held[caller.key] += 1

    def _hand_on(self) -> None:
        """Give the free places to those in the queue: each caller one, then again."""
        while self.running < self._places:
            able = [caller for caller in self._queues if self._may(caller)]
            if not able:
                return
            caller = next((one for one in able if one.first), able[0])
            queue = self._queues[caller]
            place = queue.popleft()
            self.waiting -= 1
            if queue:
                self._queues.move_to_end(caller)
            else:
                del self._queues[caller]
            if not place.done():
                self._count(caller)
                place.set_result(None)

    def _give_up(self, place: asyncio.Future[None]) -> None:
        if not place.done():
            place.set_exception(self._refusal())

    def _leave(self, caller: Caller, place: asyncio.Future[None]) -> None:
        queue = self._queues.get(caller)
        if queue is not None and place in queue:
            queue.remove(place)
            self.waiting -= 1
            if not queue:
                del self._queues[caller]
