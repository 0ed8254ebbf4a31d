"""Names, quoted and not."""

from __future__ import annotations

import pytest
from hypothesis import given

from backstay.errors import RequestError
from backstay.request.name import parse_names, quote, render_name, scan_name, unescape
from tests.request import strategies


@pytest.mark.parametrize(
    ("text", "name", "end"),
    [
        ("identifier", "identifier", 10),
        ("identifier with spaces", "identifier with spaces", 22),
        ("identifier-with-dashes", "identifier-with-dashes", 22),
        ("123", "123", 3),
        ("_", "_", 1),
        ("$", "$", 1),
        ('":"', ":", 3),
        (" no leading or trailing spaces ", "no leading or trailing spaces", 31),
        ('" leading and trailing spaces "', " leading and trailing spaces ", 31),
        ("a - b", "a-b", 5),
        ("a--b", "a", 1),
        ("a->b", "a", 1),
        ("a-b->c", "a-b", 3),
        ("a.b", "a", 1),
        ("a,b", "a", 1),
        ("\ta\t,b", "a", 3),
        ("été", "été", 3),
        ("موارد", "موارد", 5),
        ('"a\\"b\\\\c"', 'a"b\\c', 9),
        ('"a\nb"', "a\nb", 5),
        ('"a" .b', "a", 4),
    ],
)
def test_names(text: str, name: str, end: int) -> None:
    """A name ends where its letters end; spaces around it do not count."""
    assert (name, end) == scan_name(text, 0, "test")


@pytest.mark.parametrize("text", ["", " ", ":", "-a", ".", '"', '"a', '"a\\"', '""', '"a\\', "*", "(", "\u0301"])
def test_no_name(text: str) -> None:
    """Where no name begins, the error says what a name is."""
    with pytest.raises(RequestError) as caught:
        scan_name(text, 0, "test")
    assert "field name (* or [a..z0..9_$])" in str(caught.value.details)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a", ("a",)), ("a,b", ("a", "b")), (' "a b" , c d', ("a b", "c d")), ("a,b,a", ("a", "b"))],
)
def test_lists(text: str, expected: tuple[str, ...]) -> None:
    """A list keeps its order, and each name once."""
    assert expected == parse_names(text, "test")


@pytest.mark.parametrize("text", ["", ",", "a,", ",a", "a,,b", "a.b", '"a"b', "a(b)"])
def test_malformed_lists(text: str) -> None:
    """An empty place in a list, or anything but a comma between names, is refused."""
    with pytest.raises(RequestError):
        parse_names(text, "test")


@given(strategies.names)
def test_render_and_scan_are_inverse(name: str) -> None:
    """Every name can be written."""
    text = render_name(name)
    assert (name, len(text)) == scan_name(text, 0, "test")


@given(strategies.texts)
def test_quote_and_unescape_are_inverse(text: str) -> None:
    """Quotes and backslashes come back as they were."""
    assert text == unescape(quote(text)[1:-1])
