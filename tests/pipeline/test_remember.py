"""What is remembered is bounded, and a flood of what nobody asks for again forgets nothing that people use."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.pipeline.plans import Plans
from backstay.pipeline.remember import Remembered, held, letters
from backstay.pipeline.request import DataRequest
from backstay.policy import ANONYMOUS
from backstay.request import parse_query


def test_what_is_used_outlives_a_flood() -> None:
    """S11: ten thousand shapes that come once leave those that come again where they are."""
    found: Remembered[str, str] = Remembered(100)
    for name in ("a", "b", "c"):
        found.put(name, name.upper())
        assert name.upper() == found.get(name)
    for number in range(10_000):
        found.put(f"once {number}", "x")
    assert ["A", "B", "C"] == [found.get(name) for name in ("a", "b", "c")]


def test_what_is_used_outlives_a_flood_that_comes_twice() -> None:
    """S11: shapes that come twice each push out what is used only until it is asked for next."""
    found: Remembered[str, str] = Remembered(100)
    lost = 0
    for number in range(10_000):
        if number % 10 == 0 and found.get("used") is None:
            lost += 1
            found.put("used", "x")
        found.put(f"{number}", "x")
        found.get(f"{number}")
    assert lost == 1


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 400), st.booleans()), max_size=200))
def test_bounds(steps: list[tuple[int, int, bool]]) -> None:
    """S11: whatever is put and asked for, neither the entries nor the bytes are more than was said."""
    found: Remembered[int, bytes] = Remembered(12, most_bytes=1000, weigh=lambda _, value: len(value))
    for key, size, again in steps:
        if found.get(key) is None:
            found.put(key, bytes(size))
        if again:
            found.get(key)
        assert found.size_bytes <= 1000
        known = [known for known in range(31) if known in found._kept or known in found._new]
        assert len(known) <= 12
        sizes = sum(len(value) for part in (found._kept, found._new) for value, _ in part.values())
        assert sizes == found.size_bytes


@dataclass(frozen=True)
class Pair:
    one: Any
    other: Any


VALUES: list[Callable[[int], Any]] = [
    lambda n: f"{n}" * 500,
    lambda n: f"{n}".encode() * 500,
    lambda n: tuple(f"{n} {at}" for at in range(100)),
    lambda n: frozenset(f"{n} {at}" for at in range(100)),
    lambda n: {f"{n} {at}": [at + 1000] for at in range(100)},
    lambda n: Pair(f"{n}" * 100, (Pair(None, 10_000 + n), f"{n}" * 300)),
    lambda n: parse_query(f"select=a{n},b{n}:c->x{n},d{n}(e{n})&or=(a{n}.eq.1,b{n}.not.in.(2,3{n}))&order=a{n}").query,
]


@pytest.mark.parametrize("make", VALUES)
def test_what_a_value_holds(make: Callable[[int], Any]) -> None:
    """S11: no less is counted than Python takes for it, and not much more."""
    tracemalloc.start(1)
    before = tracemalloc.get_traced_memory()[0]
    values = [make(n) for n in range(300)]
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert 0.9 * taken <= sum(map(held, values)) <= 4 * taken


def test_what_others_hold_is_not_counted() -> None:
    """A table of the catalog stands in many keys, and in memory once."""
    assert 0 == held(object()) == held(test_bounds)
    assert 2000 == letters(["a" * 500, b"b" * 1500, None, 5, ANONYMOUS.kind])


def test_keys_of_plans_are_weighed() -> None:
    """S11: whoever asks for many long shapes fills no more than the bytes that there are."""
    plans: Plans[str] = Plans(10_000, len)
    request = DataRequest("GET", "", b"", {}, b"", ANONYMOUS)
    for number in range(1000):
        plans.of(request, ("table", f"{number}" * 20_000), lambda: "plan")
    kept = [len(key[0][1]) for part in (plans._remembered._kept, plans._remembered._new) for key in part]  # type: ignore[index]
    assert 1_000_000 < sum(kept) <= plans._remembered.size_bytes <= 16 << 20
