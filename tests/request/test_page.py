"""limit, offset and Range."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import RequestError
from backstay.request.filters import Slot
from backstay.request.page import Page, narrow, parse_limit, parse_offset, parse_range


@pytest.mark.parametrize(
    ("text", "limit", "offset"),
    [("0", 0, 0), ("10", 10, 10), ("-1", -1, 0), (" 7 ", 7, 7), ("007", 7, 7), ("-0", 0, 0)],
)
def test_integers(text: str, limit: int, offset: int) -> None:
    """A negative limit stays for plan/ to refuse; a negative offset is no offset."""
    assert (limit, offset) == (parse_limit(text), parse_offset(text))


@pytest.mark.parametrize(
    "text", ["", "a", "1.0", "1e3", "--1", "+1", "0x10", "1 2", "٣", "9" * 19, "-" + "9" * 19, "9" * 5000]
)
def test_not_integers(text: str) -> None:
    """What is not an integer of bearable length is PGRST100."""
    for parse in (parse_limit, parse_offset):
        with pytest.raises(RequestError) as caught:
            parse(text)
        assert "PGRST100" == caught.value.code


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, Page()),
        ("", Page()),
        ("0-0", Page(1, 0)),
        ("0-19", Page(20, 0)),
        ("20-39", Page(20, 20)),
        ("5-", Page(None, 5)),
        (" 0-1 ", Page(2, 0)),
        ("-5", Page()),
        ("items=0-5", Page()),
        ("bytes=0-5", Page()),
        ("0-5,7-9", Page()),
        ("a-b", Page()),
        ("0 - 5", Page()),
        ("0-" + "9" * 5000, Page()),
    ],
)
def test_range(header: str | None, expected: Page) -> None:
    """The header names the first and the last row; another form of it is ignored."""
    assert expected == parse_range(header)


@pytest.mark.parametrize("header", ["1-0", "5-4", "100-99"])
def test_range_backwards(header: str) -> None:
    """A range that ends before it begins is 416."""
    with pytest.raises(RequestError) as caught:
        parse_range(header)
    assert (
        "PGRST103",
        416,
        "Requested range not satisfiable",
        "The lower boundary must be lower than or equal to the upper boundary in the Range header.",
        None,
    ) == (caught.value.code, caught.value.status, caught.value.message, caught.value.details, caught.value.hint)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (Page(), Page(), Page()),
        (Page(), Page(5, 2), Page(5, 2)),
        (Page(20), Page(10, 15), Page(5, 15)),
        (Page(2), Page(10), Page(2)),
        (Page(None, 5), Page(None, 8), Page(None, 8)),
        (Page(None, 5), Page(10), Page(5, 5)),
        (Page(10, 5), Page(3, 7), Page(3, 7)),
        (Page(20), Page(0), Page(0)),
        (Page(20), Page(-1), Page(-1)),
        (Page(20), Page(0, 30), Page(0, 30)),
    ],
)
def test_narrow(a: Page, b: Page, expected: Page) -> None:
    """The rows in both pages, whichever comes first; a limit of 0 or less goes through."""
    assert expected == narrow(a, b)
    assert expected == narrow(b, a)


def test_pages_without_a_common_row() -> None:
    """A Range that misses the limit and offset is 416."""
    for a, b in ((Page(5), Page(5, 5)), (Page(5), Page(None, 5)), (Page(1, 9), Page(2, 3))):
        with pytest.raises(RequestError) as caught:
            narrow(a, b)
        assert 416 == caught.value.status


pages = st.builds(Page, st.none() | st.integers(1, 9), st.integers(0, 9))


def _rows(page: Page) -> set[int]:
    assert isinstance(page.offset, int)
    assert not isinstance(page.limit, Slot)
    return set(range(page.offset, 40 if page.limit is None else page.offset + page.limit))


@given(pages, pages)
def test_narrow_is_the_intersection(a: Page, b: Page) -> None:
    """The rows of the result are those that both pages have; an error means there are none."""
    expected = _rows(a) & _rows(b)
    try:
        actual = _rows(narrow(a, b))
    except RequestError:
        actual = set()
    assert expected == actual


def test_a_shape_has_no_rows() -> None:
    """Slots cannot be counted; asking for it is a bug of the caller."""
    with pytest.raises(ValueError, match="shape"):
        narrow(Page(5), Page(Slot(0), Slot(1)))
