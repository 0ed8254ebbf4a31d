"""``limit``, ``offset`` and the ``Range`` header."""

from __future__ import annotations

import re
from dataclasses import dataclass

from backstay.errors import RequestError
from backstay.request.filters import Slot
from backstay.request.syntax import malformed


@dataclass(frozen=True, slots=True)
class Page:
    """Rows *offset* to *offset* + *limit* - 1; *limit* is ``None`` where the client did not say.

    In a shape both are slots.
    """

    limit: int | Slot | None = None
    offset: int | Slot = 0


_RANGE = re.compile(r"([0-9]{1,18})-([0-9]{0,18})")
_INTEGER = re.compile(r"[ \t]*-?[0-9]{1,18}[ \t]*")


def parse_limit(text: str, what: str = "limit") -> int:
    """Read an integer of at most 18 digits.  A negative limit stays negative: ``plan/`` answers it with 416.

    Raises:
        RequestError: PGRST100, for anything else.
    """
    if _INTEGER.fullmatch(text) is None:
        raise malformed(what, text, 0, "an integer")
    return int(text)


def parse_offset(text: str) -> int:
    """Read an integer; a negative offset counts as 0.

    Raises:
        RequestError: PGRST100, for anything that is not an integer of at most 18 digits.
    """
    return max(0, parse_limit(text, "offset"))


def parse_range(header: str | None) -> Page:
    """The rows that a ``Range`` header asks for (unit: items; counted from 0, both ends included).

    A header of another form (``bytes=0-5``) is ignored, as RFC 9110 §14.2 has it.

    >>> parse_range("20-39"), parse_range("5-"), parse_range("bytes=0-5")
    (Page(limit=20, offset=20), Page(limit=None, offset=5), Page(limit=None, offset=0))

    Raises:
        RequestError: PGRST103, when the first row lies behind the last.
    """
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None:
        return Page()
    first = int(found[1])
    if not found[2]:
        return Page(None, first)
    last = int(found[2])
    if first > last:
        raise _unsatisfiable(
            "The lower boundary must be lower than or equal to the upper boundary in the Range header."
        )
    return Page(last - first + 1, first)


def narrow(a: Page, b: Page) -> Page:
    """The rows in both pages: a ``Range`` header and ``limit``/``offset``.

    A limit of 0 or below goes through as it is, because only ``limit`` may say so, and ``plan/`` answers it.

    >>> narrow(Page(20, 0), Page(10, 15))
    Page(limit=5, offset=15)

    Raises:
        RequestError: PGRST103, when they have no row in common.
        ValueError: a page belongs to a shape.
    """
    for page in (a, b):
        if isinstance(page.limit, int) and page.limit <= 0:
            return page
    if a == _EVERYTHING:
        return b
    if b == _EVERYTHING:
        return a
    first_a, end_a = _bounds(a)
    first_b, end_b = _bounds(b)
    first = max(first_a, first_b)
    ends = [end for end in (end_a, end_b) if end is not None]
    if not ends:
        return Page(None, first)
    if min(ends) <= first:
        raise _unsatisfiable("The Range header and limit/offset have no row in common.")
    return Page(min(ends) - first, first)


_EVERYTHING = Page()


def _bounds(page: Page) -> tuple[int, int | None]:
    if isinstance(page.offset, Slot) or isinstance(page.limit, Slot):
        raise ValueError("a shape has no rows to count")
    return page.offset, None if page.limit is None else page.offset + page.limit


def _unsatisfiable(details: str) -> RequestError:
    return RequestError("PGRST103", "Requested range not satisfiable", details=details)
