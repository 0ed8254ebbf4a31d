"""What a request costs: processor time of the event loop's thread, and memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Final

import apsw

from tests.http.api import Api, Reply
from tests.watchdog.hostile import Hostile

#: No request may take more of the loop, counted as processor time, however loaded the machine is.
LOOP_SECONDS: Final = 0.1
#: No request may hold more at its peak.
MEMORY_BYTES: Final = 64 << 20

_SEEDS: Final = count(1)


@dataclass(frozen=True)
class Cost:
    seconds: float
    reply: Reply


def cost(api: Api, hostile: Hostile, *, tries: int = 1) -> Cost:
    """The least that *hostile* cost in *tries*: what else the machine did is not its fault."""
    found: list[Cost] = []
    for _ in range(tries):
        # Names that nobody has used before: what is known already costs nothing.
        method, path, body, headers = hostile.request(next(_SEEDS))
        began = time.thread_time()
        reply = api.send(method, path, body=body, headers=headers)
        found.append(Cost(time.thread_time() - began, reply))
        if found[-1].seconds < LOOP_SECONDS / 2:
            break
    return min(found, key=lambda each: each.seconds)


@contextmanager
def watched() -> Iterator[Callable[[], int]]:
    """Gives what says, afterwards, how many bytes Python and SQLite held at most beyond what they held before."""
    before, python = apsw.memory_used(), 0
    apsw.memory_high_water(True)
    tracemalloc.start(1)
    try:
        yield lambda: python + max(0, apsw.memory_high_water() - before)
        python = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def peak(api: Api, hostile: Hostile) -> int:
    """Bytes that it takes to answer *hostile*."""
    method, path, body, headers = hostile.request(next(_SEEDS))
    with watched() as held:
        api.send(method, path, body=body, headers=headers)
    return held()
