"""LIKE, ILIKE and regular expressions as PostgreSQL has them."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.adapters.sqlite.matching import ilike, like, regex
from backstay.errors import BackstayError, DatabaseError, PlanError


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
    with pytest.raises(DatabaseError) as caught:
        like("a", "a\\")
    assert (caught.value.code, caught.value.status) == ("22025", 400)


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
    assert like(value, pattern) == int(_plainly(value, pattern))


def test_like_takes_linear_time() -> None:
    """LM6: the pattern that makes a backtracking matcher stand still costs nothing."""
    started = time.perf_counter()
    assert like("a" * 100_000, "%a" * 90 + "%b") == 0
    assert like("a" * 100_000, "%a_" * 60 + "b") == 0
    assert time.perf_counter() - started < 1


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
