"""Pages as GoTrue's clients ask for them: by number, with the total and the numbers of other pages in headers.

A page is weighed in the database before any of it is read (S11): a thousand accounts may say 16 KiB of themselves each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from backstay.auth.accounts import Accounts
from backstay.auth.refusal import AuthError, invalid
from backstay.auth.route import json_reply
from backstay.response.reply import Headers, Reply
from backstay.sql.query import Asked

MOST: Final = 1000
USUAL: Final = 50
_LAST_PAGE: Final = 1_000_000
#: What a list that has pages takes in its query string.
PARAMETERS: Final = ("page", "per_page")


@dataclass(frozen=True, slots=True)
class Page:
    """Page *number*, counted from 1, of *size* rows each."""

    number: int
    size: int

    @property
    def skipped(self) -> int:
        """How many rows lie before it."""
        return (self.number - 1) * self.size

    def headers(self, path: str, total: int) -> Headers:
        """``X-Total-Count`` and ``Link``.  The client reads the number after the first ``=``: *page* stands there."""
        last = max(1, -(-total // self.size))
        links = {"next": self.number + 1} if self.number < last else {}
        links["last"] = last
        text = ", ".join(f'<{path}?page={page}&per_page={self.size}>; rel="{rel}"' for rel, page in links.items())
        return ((b"x-total-count", str(total).encode()), (b"link", text.encode()))


def read_page(query: Mapping[str, str]) -> Page:
    """The page that ``page`` and ``per_page`` name.

    >>> read_page({"page": "3", "per_page": "20"}).skipped
    40

    Raises:
        AuthError: validation_failed.
    """
    return Page(
        read_count(query, "page", otherwise=1, most=_LAST_PAGE),
        read_count(query, "per_page", otherwise=USUAL, most=MOST),
    )


def read_count(query: Mapping[str, str], name: str, *, otherwise: int, most: int) -> int:
    """A whole number from 1 on; *most* where it is more.

    Raises:
        AuthError: validation_failed.
    """
    text = query.get(name, "")
    if not text:
        return otherwise
    if not text.isascii() or not text.isdecimal() or len(text) > 18 or int(text) < 1:
        raise invalid(f"{name} must be a whole number from 1 on")
    return min(int(text), most)


async def check_weight(accounts: Accounts, asked: Asked) -> None:
    """Refuse a page before it is read, where what *asked* weighs could not be sent.

    Raises:
        AuthError: answer_too_large.
    """
    _check(accounts, (await accounts.store.one(asked)).bytes)


def listed(accounts: Accounts, value: Any, headers: Headers = ()) -> Reply:
    """A list as JSON, within the bound of one answer: its rows were light enough, their keys and quotes may not be.

    Raises:
        AuthError: answer_too_large.
    """
    reply = json_reply(value, headers=headers)
    _check(accounts, len(reply.body))
    return reply


def _check(accounts: Accounts, size: int) -> None:
    most = accounts.options.answer_bytes
    if size > most:
        hint = "Ask for a smaller page (per_page, or limit where there is a cursor)."
        raise AuthError("answer_too_large", f"The answer is larger than {most} bytes", hint=hint)
