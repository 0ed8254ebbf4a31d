"""PostgreSQL's notation of rows (manual §8.16.2), whose fields are those of CSV."""

from __future__ import annotations

from typing import Final

_SPECIAL: Final = frozenset('"\\(), \t\n\r\v\f')


def field(text: str) -> str:
    """*text* as one field.

    >>> field("a"), field("a, b"), field("")
    ('a', '"a, b"', '""')
    """
    if text and _SPECIAL.isdisjoint(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '""') + '"'
