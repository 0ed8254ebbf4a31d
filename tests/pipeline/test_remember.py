"""What is remembered is bounded, and a flood of what nobody asks for again forgets nothing that people use."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backstay.pipeline.remember import Remembered


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
    found: Remembered[int, bytes] = Remembered(12, most_bytes=1000, weigh=len)
    for key, size, again in steps:
        if found.get(key) is None:
            found.put(key, bytes(size))
        if again:
            found.get(key)
        assert found.size_bytes <= 1000
        known = [known for known in range(31) if known in found._kept or known in found._new]
        assert len(known) <= 12
        sizes = sum(len(value) for part in (found._kept, found._new) for value in part.values())
        assert sizes == found.size_bytes
