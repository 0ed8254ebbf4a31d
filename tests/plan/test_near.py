"""Which name was perhaps meant."""

from __future__ import annotations

import time

import pytest

from backstay.plan.near import distance, near_column, nearest


@pytest.mark.parametrize(
    ("name", "names", "found"),
    [
        ("projectz", ["projects", "clients"], "projects"),
        ("PROJECT", ["projects", "clients"], "projects"),
        ("prjcts", ["projects", "clients"], "projects"),
        ("wholly_other", ["projects", "clients"], None),
        ("x", [], None),
    ],
)
def test_nearest(name: str, names: list[str], found: str | None) -> None:
    """A name three quarters of which stand is near; one that merely shares letters is not."""
    near = nearest(name, names, score=0.75)
    assert found == (None if near is None else near[0])


@pytest.mark.parametrize(
    ("name", "other", "found"),
    [("abc", "xbz", None), ("xyc", "abc", "abc"), ("axy", "abc", "abc"), ("a", "b", None)],
    ids=["a letter", "the end", "the beginning", "nothing"],
)
def test_near_names_share_a_run(name: str, other: str, found: str | None) -> None:
    """As in PostgREST: two letters of each that follow one another, its beginning and its end among them."""
    near = nearest(name, [other], score=0.33)
    assert found == (None if near is None else near[0])


def test_the_same_name_is_nearest() -> None:
    """A name that is there is itself, whatever its case."""
    assert ("Ab", 1.0) == nearest("ab", ["ac", "Ab"], score=0.75)


@pytest.mark.parametrize(("one", "other", "steps"), [("", "abc", 3), ("abc", "abc", 0), ("kitten", "sitting", 3)])
def test_distance(one: str, other: str, steps: int) -> None:
    """Letters in, out or changed."""
    assert (steps, steps) == (distance(one, other), distance(other, one))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("kk", 'Perhaps you meant to reference the column "t.k1" or the column "t.k2".'),
        ("extr", 'Perhaps you meant to reference the column "t.extra".'),
        ("k", None),
        ("entirely", None),
    ],
)
def test_near_column(name: str, hint: str | None) -> None:
    """PostgreSQL's rule: at most three letters away and half of the name, and two columns at most."""
    assert hint == near_column("t", name, ["k1", "k2", "extra"])


def test_a_long_name_is_not_compared() -> None:
    """S7: a name of 8,000 letters is near none, and finding that out takes no look at its letters."""
    names = [f"column_{n}" for n in range(500)]
    started = time.thread_time()
    assert (None, None) == (nearest("column" * 1300, names, score=0.33), near_column("t", "column" * 1300, names))
    assert time.thread_time() - started < 0.1
