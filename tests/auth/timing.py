"""Whether two kinds of request can be told apart by how long they take (TH5).

Samples are interleaved, so that whatever slows the machine slows both kinds, and compared by their medians, which a
pause of the collector or of a neighbour does not move.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

#: Samples of each kind, and the largest difference of medians, in seconds (security requirement TH5).
SAMPLES: Final = 300
ALLOWED: Final = 0.002


@dataclass(frozen=True, slots=True)
class Difference:
    """What was measured, in seconds."""

    first: float
    second: float
    #: By how much the difference of medians would vary if it were measured again: one standard deviation.
    noise: float

    @property
    def seconds(self) -> float:
        return abs(self.first - self.second)

    @property
    def certain(self) -> float:
        """What of the difference is not noise: on a quiet machine nearly all of it."""
        return max(0.0, self.seconds - 2 * self.noise)

    def __str__(self) -> str:
        return (
            f"medians {self.first * 1000:.2f} and {self.second * 1000:.2f} ms, "
            f"{self.seconds * 1000:.2f} ± {self.noise * 1000:.2f} ms apart"
        )


async def compare(
    first: Callable[[], Awaitable[Any]],
    second: Callable[[], Awaitable[Any]],
    *,
    samples: int = SAMPLES,
    warm: int = 10,
    clock: Callable[[], float] = time.perf_counter,
) -> Difference:
    """Take *samples* of each, in pairs whose order is drawn, after *warm* of each that do not count."""
    dice = random.Random(0)
    pairs = (first, []), (second, [])
    for number in range(warm + samples):
        for call, times in dice.sample(pairs, 2):
            begin = clock()
            await call()
            if number >= warm:
                times.append(clock() - begin)
    return difference(pairs[0][1], pairs[1][1])


def difference(first: list[float], second: list[float]) -> Difference:
    """The difference of the medians, and its noise by resampling."""
    dice = random.Random(0)
    again = [
        statistics.median(dice.choices(first, k=len(first))) - statistics.median(dice.choices(second, k=len(second)))
        for _ in range(200)
    ]
    return Difference(statistics.median(first), statistics.median(second), statistics.stdev(again))


async def assert_alike(
    first: Callable[[], Awaitable[Any]],
    second: Callable[[], Awaitable[Any]],
    *,
    samples: int = SAMPLES,
    allowed: float = ALLOWED,
    rounds: int = 3,
    clock: Callable[[], float] = time.perf_counter,
) -> Difference:
    """Fail when the medians are certainly more than *allowed* seconds apart in each of *rounds*.

    A real difference is there in every round, and a busy machine's is not.

    Args:
        clock: ``time.process_time`` is hardly moved by a busy machine, where all the work is in this process.
    """
    seen = []
    for _ in range(rounds):
        seen.append(await compare(first, second, samples=samples, clock=clock))
        if seen[-1].certain < allowed:
            return seen[-1]
    raise AssertionError("can be told apart: " + "; ".join(map(str, seen)))
