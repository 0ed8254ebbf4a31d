"""The Cookie header."""

from __future__ import annotations

from pathlib import Path

import pytest

import backstay
from backstay.request.cookie import read_cookies
from tests.counting import lines


@pytest.mark.parametrize(
    ("line", "cookies"),
    [
        ("", {}),
        ("a=1", {"a": "1"}),
        ("a=1; b=2;c=3 ;  d=4", {"a": "1", "b": "2", "c": "3", "d": "4"}),
        ("a=1; a=2", {"a": "1"}),
        ("a=; b==; =c; d; ;", {"a": "", "b": "="}),
        ('a="x\\"y"; b=1', {"a": '"x\\"y"', "b": "1"}),
        ("a[0]=1; é={}", {"a[0]": "1", "é": "{}"}),
    ],
)
def test_cookies(line: str, cookies: dict[str, str]) -> None:
    """RFC 6265 §5.4: values as they were sent; what has no name is passed over, and nothing behind it."""
    assert cookies == read_cookies(line)


@pytest.mark.parametrize("atom", ["\\\\", '\\"', "a=b;", ";", "=", " ", '"', "\\1"])
@pytest.mark.parametrize("beginning", ['a="', "", "a="])
def test_no_cookie_takes_the_square_of_its_length(beginning: str, atom: str) -> None:
    """A2, S5: each of its parts is looked at once, and none of them again for what is within quotes."""
    line = beginning + atom * (20_000 // len(atom)) + '"'
    assert lines(lambda: read_cookies(line)) < 4 * (line.count(";") + 1) + 10


def test_nothing_else_reads_cookies() -> None:
    """A2: not the standard library, and not the web framework, which asks the standard library."""
    for file in Path(backstay.__path__[0]).rglob("*.py"):
        text = file.read_text()
        assert "import http.cookies" not in text, file
        assert "from http.cookies" not in text, file
        assert "request.cookies." not in text, file
