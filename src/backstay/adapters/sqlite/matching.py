"""PostgreSQL's LIKE, ILIKE and regular expressions for SQLite, in time linear in the text.

Rules of this file:

1. No backtracking (LM6): a LIKE pattern is cut at its ``%`` and each piece is searched once, left to right.
2. ``\\`` escapes the next character, as PostgreSQL does without an ESCAPE clause.
3. Compiled patterns are remembered by text; the memory is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from backstay.errors import DatabaseError, PlanError

#: A piece between two ``%``: literal text, or a regular expression without repetition when it holds ``_``.
_Piece = str | re.Pattern[str]


def lower(value: Any) -> str:
    """*value* in lower case, character by character as PostgreSQL does, of all of Unicode.

    >>> lower("ÄΣ")
    'äσ'
    """
    # Python makes a capital sigma at a word's end a final one, which would make ILIKE miss.
    return _string(value).replace("Σ", "σ").lower()


def like(value: Any, pattern: Any) -> int | None:
    """``value LIKE pattern``, case-sensitive.  NULL when either is NULL.

    >>> like("Ärger", "Ä%"), like("a%b", r"a\\%b"), like("abc", "a_"), like(None, "%")
    (1, 1, 0, None)
    """
    if value is None or pattern is None:
        return None
    return int(_matcher(_string(pattern))(_string(value)))


def ilike(value: Any, pattern: Any) -> int | None:
    """``value ILIKE pattern``: both in lower case, of all of Unicode.

    >>> ilike("ÄRGER", "ärg%")
    1
    """
    if value is None or pattern is None:
        return None
    return int(_matcher(lower(pattern))(lower(value)))


def regex(value: Any, pattern: Any, ignore_case: Any) -> int | None:
    """``value ~ pattern``, or ``~*`` when *ignore_case*, by RE2, which is linear in the text.

    Raises:
        PlanError: PGRST127, when google-re2 is not installed.
        DatabaseError: 2201B, when the pattern is not a regular expression, or too large a one.
    """
    if value is None or pattern is None:
        return None
    return int(_expression(_string(pattern), bool(ignore_case))(_string(value)) is not None)


def _string(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


@lru_cache(maxsize=1024)
def _matcher(pattern: str) -> Callable[[str], bool]:
    pieces = _pieces(pattern)
    first, *middle = pieces
    if not middle:
        return lambda value: _at(first, value, 0) == len(value)
    last = middle.pop()
    tail = _length(last)

    def matches(value: str) -> bool:
        start = _at(first, value, 0)
        end = len(value) - tail
        if start < 0 or end < start or _at(last, value, end) < 0:
            return False
        # The leftmost place for each piece leaves the most room for the next: no other place needs a try.
        for piece in middle:
            start = _find(piece, value, start, end)
            if start < 0:
                return False
        return True

    return matches


def _pieces(pattern: str) -> list[_Piece]:
    """*pattern* cut at its unescaped ``%``.

    Raises:
        DatabaseError: 22025, when the pattern ends in its escape character.
    """
    found: list[_Piece] = []
    part: list[str | None] = []  # None is ``_``
    characters = iter(pattern)
    for character in characters:
        if character == "\\":
            escaped = next(characters, None)
            if escaped is None:
                raise DatabaseError("22025", "LIKE pattern must not end with escape character")
            part.append(escaped)
        elif character == "_":
            part.append(None)
        elif character != "%":
            part.append(character)
        else:
            found.append(_piece(part))
            part = []
    found.append(_piece(part))
    return found


def _piece(part: list[str | None]) -> _Piece:
    if None not in part:
        return "".join(one for one in part if one is not None)
    return re.compile("".join("." if one is None else re.escape(one) for one in part), re.DOTALL)


@lru_cache(maxsize=4096)
def _length(piece: _Piece) -> int:
    if isinstance(piece, str):
        return len(piece)
    return len(re.sub(r"\\(.)", r"\1", piece.pattern, flags=re.DOTALL))


def _at(piece: _Piece, value: str, start: int) -> int:
    """Where *piece* ends if it stands in *value* at *start*, else -1."""
    if isinstance(piece, str):
        return start + len(piece) if value.startswith(piece, start) else -1
    found = piece.match(value, start)
    return found.end() if found is not None else -1


def _find(piece: _Piece, value: str, start: int, end: int) -> int:
    """Where the first *piece* in ``value[start:end]`` ends, else -1."""
    if isinstance(piece, str):
        at = value.find(piece, start, end)
        return at + len(piece) if at >= 0 else -1
    found = piece.search(value, start, end)
    return found.end() if found is not None else -1


@lru_cache(maxsize=256)
def _expression(pattern: str, ignore_case: bool) -> Callable[[str], Any]:
    try:
        import re2  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise PlanError(
            "PGRST127",
            "Feature not implemented",
            details="Regular expressions on SQLite need a linear-time engine.",
            hint="pip install 'backstay[regex]'",
        ) from None
    options = re2.Options()
    options.case_sensitive = not ignore_case
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        return re2.compile(pattern, options).search  # type: ignore[no-any-return, unused-ignore]
    except re2.error as error:
        raise DatabaseError("2201B", f"invalid regular expression: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    first = error.args[0] if error.args else ""
    return first.decode(errors="replace") if isinstance(first, bytes) else str(first)
