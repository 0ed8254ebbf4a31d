"""The tool of the timing tests sees what is there, and nothing else; the pool passes it."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable

import pytest

from backstay.auth.hashers import HashPool
from tests.auth.timing import assert_alike, compare, difference


class Clock:
    """Time that passes only where a call says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def takes(self, low: float, high: float, seed: int) -> Callable[[], Awaitable[None]]:
        dice = random.Random(seed)

        async def call() -> None:
            self.now += dice.uniform(low, high)

        return call


async def test_a_difference_is_seen_through_noise() -> None:
    """TH5: 3 ms between calls that vary by 20, and none between equal ones."""
    clock = Clock()
    apart = await compare(clock.takes(0.030, 0.050, 1), clock.takes(0.036, 0.056, 2), clock=clock)
    assert apart.seconds == pytest.approx(0.006, abs=0.002)
    assert 0.0001 < apart.noise < 0.002
    alike = await compare(clock.takes(0.030, 0.034, 3), clock.takes(0.030, 0.034, 4), clock=clock)
    assert alike.seconds < 0.0005
    assert "ms apart" in str(alike)


def test_pauses_do_not_move_a_median() -> None:
    """One call in ten that takes a second is the machine's."""
    times = [0.03] * 270 + [1.0] * 30
    assert 0.0 == difference(times, [0.03] * 300).seconds


async def test_a_real_difference_fails() -> None:
    """TH5: the assertion is one, and noise alone does not fail it."""
    clock = Clock()
    first = clock.takes(0.030, 0.034, 1)
    await assert_alike(first, clock.takes(0.030, 0.034, 2), samples=50, clock=clock)
    with pytest.raises(AssertionError, match="told apart: medians"):
        await assert_alike(first, clock.takes(0.034, 0.038, 2), samples=50, clock=clock)


async def test_an_account_takes_as_long_as_none() -> None:
    """TH5: a wrong password of an account, and any password of none."""
    pool = HashPool()
    await pool.prepare()
    encoded = await pool.hash("right")
    # Few samples: without the dummy a hash, some 30 ms, would be missing.
    await assert_alike(
        lambda: pool.verify(encoded, "wrong"), lambda: pool.verify(None, "wrong"), samples=20, clock=time.process_time
    )
    pool.close()
