"""How large one whole answer may be; streams are bounded by their chunks."""

from __future__ import annotations

from typing import Final

from backstay.errors import RequestError

_LESS: Final = "Ask for fewer rows or columns (limit, select), also of what is embedded, or for an export."


def bytes_of(text: str) -> int:
    """How many bytes *text* is sent as."""
    return len(text) if text.isascii() else len(text.encode())


def check_size(size: int, most: int) -> None:
    """Refuse an answer of more than *most* bytes.

    Raises:
        RequestError: BST413.
    """
    if size > most:
        raise RequestError("BST413", f"The answer is larger than {most} bytes", hint=_LESS)
