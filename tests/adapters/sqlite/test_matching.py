"""LIKE, ILIKE and regular expressions as PostgreSQL has them."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.adapters.sqlite.connection import Budget, Location, connect
from backstay.adapters.sqlite.matching import glob, lower_glob, regex
from backstay.errors import BackstayError, DatabaseError, PlanError
from backstay.sql.sqlite.condition import glob_pattern, lower_glob_pattern


def like(value: Any, pattern: str | None) -> int | None:
    """``value LIKE pattern``, as a condition has it done."""
    return glob(value, None if pattern is None else glob_pattern(pattern))


def ilike(value: Any, pattern: str) -> int | None:
    return lower_glob(value, lower_glob_pattern(pattern))


@pytest.mark.parametrize(
    ("value", "pattern", "expected"),
    [
        ("abc", "abc", 1),
        ("abc", "ABC", 0),
        ("abc", "a%", 1),
        ("abc", "%c", 1),
        ("abc", "%b%", 1),
        ("abc", "_b_", 1),
        ("abc", "_b", 0),
        ("abc", "%a%b%c%", 1),
        ("abc", "", 0),
        ("", "", 1),
        ("", "%", 1),
        ("", "_", 0),
        ("aba", "ab%ba", 0),
        ("a%b", r"a\%b", 1),
        ("axb", r"a\%b", 0),
        ("a_b", r"a\_b", 1),
        ("a\\b", r"a\\b", 1),
        ("ab", r"\a\b", 1),
        ("a\nb", "a_b", 1),
        ("a\nb", "a%b", 1),
        ("Äb", "Ä_", 1),
        ("x.y", "x._", 1),
        ("xzy", "x._", 0),
        ("a.c-_", r"a.%-\_", 1),
        ("ab" * 3, "%ab_b%", 1),
        (12, "1%", 1),
        (None, "%", None),
        ("a", None, None),
    ],
)
def test_like(value: Any, pattern: Any, expected: int | None) -> None:
    """PostgreSQL's table of LIKE, backslash included."""
    assert like(value, pattern) == expected


def test_like_cannot_end_with_its_escape() -> None:
    """22025, as PostgreSQL says."""
    with pytest.raises(PlanError) as caught:
        like("a", "a\\")
    assert ("22025", 400) == (caught.value.code, caught.value.status)


@pytest.mark.parametrize(
    ("value", "pattern", "expected"),
    [("ÄRGER", "ärg%", 1), ("straße", "STRASSE", 0), ("ΣΑΣ", "σα_", 1), ("ΟΔΟΣΑ", "%ΟΔΟΣ%", 1), ("a", "B", 0)],
)
def test_ilike(value: str, pattern: str, expected: int) -> None:
    """Lower case of all of Unicode, not of ASCII only."""
    assert ilike(value, pattern) == expected


def _plainly(value: str, pattern: str) -> bool:
    """The definition, by trying everything."""
    if not pattern:
        return not value
    if pattern[0] == "%":
        return any(_plainly(value[at:], pattern[1:]) for at in range(len(value) + 1))
    if pattern[0] == "\\":
        return value[:1] == pattern[1] and _plainly(value[1:], pattern[2:])
    return bool(value) and pattern[0] in ("_", value[0]) and _plainly(value[1:], pattern[1:])


@given(
    st.text("ab%_.\\", max_size=8),
    st.lists(st.sampled_from(["a", "b", ".", "%", "_", "\\%", "\\_", "\\\\", "\\a"]), max_size=8),
)
def test_like_is_its_definition(value: str, parts: list[str]) -> None:
    """The quick way and the plain way agree."""
    pattern = "".join(parts)
    assert int(_plainly(value, pattern)) == like(value, pattern)


@given(st.text("ab*?[]", max_size=8), st.lists(st.sampled_from([*"ab%_]", "[", "\\?", "\\%"]), max_size=8))
def test_like_is_glob(value: str, parts: list[str]) -> None:
    """S5: what is taken for long texts gives the answers of SQLite's own GLOB, which is taken for short ones."""
    pattern = glob_pattern("".join(parts))
    native = CONNECTION.execute("SELECT ? GLOB ?", (value, pattern)).fetchall()[0][0]
    assert native == glob(value, pattern)


CONNECTION = connect(Location.at(""), "owner")


@pytest.mark.parametrize("slices", [1, 3, 40])
def test_a_piece_is_found_across_slices(slices: int) -> None:
    """S5: a piece with ``_`` is searched slice by slice, and is found wherever it stands."""
    for at in range(65_530, 65_545):
        assert 1 == like("a" * at * slices + "bxc" + "a" * 9, "%b_c%")


def work(value: str, pattern: str) -> int:
    """What matching costs, as it is counted."""
    spent: list[int] = []
    glob(value, glob_pattern(pattern), spent.append)
    return sum(spent)


@pytest.mark.parametrize(
    "pattern",
    ["%" + "a" * 190 + "b%", "%a" * 90 + "%b", "%a_" * 60 + "b", "%" + "_a" * 90 + "b%", "%" + "a_" * 90 + "%b%"],
)
def test_like_takes_linear_time(pattern: str) -> None:
    """S5, LM6: the pattern that makes a backtracking matcher stand still costs twice as much for twice the text."""
    once, twice = (work("a" * n, pattern) for n in (400_000, 800_000))
    assert twice <= 2.1 * once


def test_time_runs_out_inside_a_function() -> None:
    """S5: a function of ours that looks at a large value stops when the statement's time is over."""
    budget = Budget(0.0)
    budget.start()
    budget.over()
    with pytest.raises(DatabaseError) as caught:
        glob("a" * 900_000, glob_pattern("%" + "_a" * 90 + "b%"), budget.spend)
    assert "57014" == caught.value.code


@pytest.mark.parametrize(
    ("value", "pattern", "ignore_case", "expected"),
    [
        ("abc", "b", 0, 1),
        ("abc", "^b", 0, 0),
        ("ABC", "b", 0, 0),
        ("ABC", "b", 1, 1),
        ("Ä", "^.$", 0, 1),
        (None, "a", 0, None),
    ],
)
def test_regex(value: Any, pattern: str, ignore_case: int, expected: int | None) -> None:
    """The operators ``~`` and ``~*``."""
    pytest.importorskip("re2", reason="google-re2 is not installed")
    assert regex(value, pattern, ignore_case) == expected


def test_regex_takes_linear_time() -> None:
    """LM6: no pattern makes it stand still, and a huge one is refused."""
    pytest.importorskip("re2", reason="google-re2 is not installed")
    started = time.perf_counter()
    assert regex("a" * 50_000 + "!", "^(a+)+$", 0) == 0
    with pytest.raises(BackstayError):
        regex("a", "((a{100}){100}){100}", 0)
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize("pattern", ["(", "a**", "(?=a)", r"\1"])
def test_regex_that_is_none(pattern: str) -> None:
    """2201B, as PostgreSQL says; look-around and back references are not of a linear engine."""
    pytest.importorskip("re2", reason="google-re2 is not installed")
    with pytest.raises(DatabaseError) as caught:
        regex("a", pattern, 0)
    assert caught.value.code == "2201B"


def test_regex_without_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """PGRST127 with the line that installs it."""
    monkeypatch.setitem(sys.modules, "re2", None)
    with pytest.raises(PlanError) as caught:
        regex("a", "never compiled before", 0)
    assert (caught.value.code, caught.value.hint) == ("PGRST127", "pip install 'backstay[regex]'")
