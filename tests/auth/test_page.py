"""Pages by number: what is asked for, and what headers say of the others."""

from __future__ import annotations

import pytest

from backstay.auth.page import MOST, USUAL, Page, read_page
from backstay.auth.refusal import AuthError


@pytest.mark.parametrize(
    ("query", "page", "skipped"),
    [
        ({}, Page(1, USUAL), 0),
        ({"page": "", "per_page": ""}, Page(1, USUAL), 0),
        ({"page": "1", "per_page": "1"}, Page(1, 1), 0),
        ({"page": "3", "per_page": "20"}, Page(3, 20), 40),
        ({"page": "007"}, Page(7, USUAL), 6 * USUAL),
        ({"per_page": "1001"}, Page(1, MOST), 0),
        ({"page": "9" * 18}, Page(1_000_000, USUAL), 999_999 * USUAL),
    ],
)
def test_a_page_is_read(query: dict[str, str], page: Page, skipped: int) -> None:
    """From 1 on, and no more than there may be."""
    found = read_page(query)
    assert (page, skipped) == (found, found.skipped)


@pytest.mark.parametrize("name", ["page", "per_page"])
@pytest.mark.parametrize("text", ["0", "00", "-1", "+1", "1.0", "x", " 1", "1e3", "٣", "²", "9" * 19])
def test_what_is_no_number(name: str, text: str) -> None:
    """Refused by name."""
    with pytest.raises(AuthError, match=f"{name} must be a whole number"):
        read_page({name: text})


@pytest.mark.parametrize(
    ("page", "total", "links"),
    [
        (Page(1, 2), 0, '</x?page=1&per_page=2>; rel="last"'),
        (Page(1, 2), 2, '</x?page=1&per_page=2>; rel="last"'),
        (Page(1, 2), 3, '</x?page=2&per_page=2>; rel="next", </x?page=2&per_page=2>; rel="last"'),
        (Page(2, 2), 5, '</x?page=3&per_page=2>; rel="next", </x?page=3&per_page=2>; rel="last"'),
        (Page(1, 2), 5, '</x?page=2&per_page=2>; rel="next", </x?page=3&per_page=2>; rel="last"'),
        (Page(3, 2), 5, '</x?page=3&per_page=2>; rel="last"'),
        (Page(9, 2), 5, '</x?page=3&per_page=2>; rel="last"'),
    ],
)
def test_headers_name_the_other_pages(page: Page, total: int, links: str) -> None:
    """The next one where there is one, and always the last."""
    assert ((b"x-total-count", str(total).encode()), (b"link", links.encode())) == page.headers("/x", total)
