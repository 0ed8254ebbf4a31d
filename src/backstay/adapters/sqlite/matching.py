"""LIKE, ILIKE and regular expressions for SQLite, in time linear in the text.

Rules of this file:

1. No backtracking (LM6): a pattern is cut at its stars and each piece is searched once, left to right.
2. Patterns are SQLite's GLOB as ``sql/sqlite/condition.py`` writes it: ``*``, ``?``, and ``[x]`` for an *x* that is
   meant as it stands.  GLOB itself is taken for short texts; these functions give the same answers for the others.
3. Every function says what it is about to look at before it does (*spend*), in slices where that is much: the
   statement's time can only run out there.
4. Compiled patterns are remembered by text, if they are no longer than those of requests: a rule may take its patterns
   from rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Concatenate, Final, ParamSpec, TypeAlias, TypeVar

from backstay.errors import DatabaseError, PlanError

P = ParamSpec("P")
R = TypeVar("R")

#: Says how many bytes are looked at next; raises 57014 when the statement must stop.
Spend: TypeAlias = Callable[[int], None]

#: A piece between two stars: literal text, or a regular expression without repetition when it holds ``?``.
_Piece = str | re.Pattern[str]

#: Letters times letters of a piece that are searched between two looks at the clock.
_SLICE: Final = 64 << 10
#: Python searches texts up to here by trying the piece at each letter, and longer ones in linear time.
_TRIED: Final = 30_000
#: Letters of a pattern that is remembered: those of a request, each as a set of its own.
_LETTERS: Final = 4096


def _remembered(most: int) -> Callable[[Callable[Concatenate[str, P], R]], Callable[Concatenate[str, P], R]]:
    """As `lru_cache`, for functions of a pattern."""

    def decorate(read: Callable[Concatenate[str, P], R]) -> Callable[Concatenate[str, P], R]:
        known: Any = lru_cache(most)(read)

        def found(pattern: str, /, *more: P.args, **named: P.kwargs) -> R:
            made: R = (known if len(pattern) <= _LETTERS else read)(pattern, *more, **named)
            return made

        return found

    return decorate


def lower(value: Any) -> str:
    """*value* in lower case, character by character as PostgreSQL does, of all of Unicode.

    >>> lower("ÄΣ"), lower("İ")
    ('äσ', 'i')
    """
    # Python makes a capital sigma at a word's end a final one, and two letters of an I with a dot: ILIKE would miss.
    return _string(value).replace("Σ", "σ").replace("İ", "i").lower()


def upper(value: Any) -> str:
    """*value* in capitals, character by character: one that has two capitals stays.

    >>> upper("aß")
    'Aß'
    """
    return "".join(made if len(made := one.upper()) == 1 else one for one in _string(value))


def like_glob(pattern: Any, escape: str, before: str, after: str) -> str | None:
    r"""A pattern of LIKE, with *before* and *after* around it, as one of GLOB.

    >>> like_glob("50/%*_[x]", "/", "", "%"), like_glob(None, "/", "", "")
    ('50%[*]?[[]x]*', None)

    Raises:
        DatabaseError: 22025, when it ends within an escape.
    """
    return None if pattern is None else _globbed(before + _string(pattern) + after, escape)


@_remembered(1024)
def _globbed(pattern: str, escape: str) -> str:
    out: list[str] = []
    characters = iter(pattern)
    for character in characters:
        if character == escape:
            character = next(characters, "")
            if not character:
                raise DatabaseError("22025", "LIKE pattern must not end with escape character")
        elif character in "%_":
            out.append("*" if character == "%" else "?")
            continue
        out.append(f"[{character}]" if character in "*?[" else character)
    return "".join(out)


def free(amount: int) -> None:
    """Spends nothing: for values that come from no request."""


def glob(value: Any, pattern: Any, spend: Spend = free) -> int | None:
    """``value GLOB pattern``, case-sensitive.  NULL when either is NULL.

    >>> glob("Ärger", "Ä*"), glob("a*b", "a[*]b"), glob("abc", "a?"), glob(None, "*")
    (1, 1, 0, None)
    """
    if value is None or pattern is None:
        return None
    text = _string(value)
    spend(len(text) + 64)
    return int(_matcher(_string(pattern))(text, spend))


def lower_glob(value: Any, pattern: Any, spend: Spend = free) -> int | None:
    """``lower(value) GLOB pattern``, of all of Unicode; the pattern is in lower case.

    >>> lower_glob("ÄRGER", "ärg*")
    1
    """
    if value is None or pattern is None:
        return None
    text = _string(value)
    spend(8 * len(text) + 64)
    return int(_matcher(_string(pattern))(lower(text), spend))


def regex(value: Any, pattern: Any, ignore_case: Any, spend: Spend = free) -> int | None:
    """``value ~ pattern``, or ``~*`` when *ignore_case*, by RE2, which is linear in the text.

    Raises:
        PlanError: PGRST127, when google-re2 is not installed.
        DatabaseError: 2201B, when the pattern is not a regular expression, or too large a one; 57014.
    """
    if value is None or pattern is None:
        return None
    text, expression = _string(value), _expression(_string(pattern), bool(ignore_case))
    # Where RE2 runs out of memory for its automaton, each letter costs as many steps as the program has.
    spend((len(text) + 64) * (1 + expression.programsize // 16))
    return int(expression.search(text) is not None)


def _string(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


@_remembered(1024)
def _matcher(pattern: str) -> Callable[[str, Spend], bool]:
    first, *middle = _pieces(pattern)
    if not middle:
        return lambda value, spend: _at(first, value, 0) == len(value)
    last = middle.pop()
    tail = _length(last)

    def matches(value: str, spend: Spend) -> bool:
        start = _at(first, value, 0)
        end = len(value) - tail
        if start < 0 or end < start or _at(last, value, end) < 0:
            return False
        # The leftmost place for each piece leaves the most room for the next: no other place needs a try.
        for piece in middle:
            start = _find(piece, value, start, end, spend)
            if start < 0:
                return False
        return True

    return matches


def _pieces(pattern: str) -> list[_Piece]:
    """*pattern* cut at its stars."""
    found: list[_Piece] = []
    part: list[str | None] = []  # None is ``?``
    characters = iter(pattern)
    for character in characters:
        if character == "[":
            part.append(next(characters, ""))
            next(characters, "")
        elif character == "?":
            part.append(None)
        elif character != "*":
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


def _length(piece: _Piece) -> int:
    return len(piece) if isinstance(piece, str) else _width(piece.pattern)


@_remembered(4096)
def _width(pattern: str) -> int:
    return len(re.sub(r"\\(.)", r"\1", pattern, flags=re.DOTALL))


def _at(piece: _Piece, value: str, start: int) -> int:
    """Where *piece* ends if it stands in *value* at *start*, else -1."""
    if isinstance(piece, str):
        return start + len(piece) if value.startswith(piece, start) else -1
    found = piece.match(value, start)
    return found.end() if found is not None else -1


def _find(piece: _Piece, value: str, start: int, end: int, spend: Spend) -> int:
    """Where the first *piece* in ``value[start:end]`` ends, else -1."""
    size = _length(piece)
    if isinstance(piece, str):
        if end - start < _TRIED:
            spend((end - start) * size // 16)
        at = value.find(piece, start, end)
        return at + size if at >= 0 else -1
    step = max(1, _SLICE // size)
    for here in range(start, end - size + 1, step):
        spend(_SLICE)
        found = piece.search(value, here, min(end, here + step + size - 1))
        if found is not None:
            return found.end()
    return -1


@lru_cache(maxsize=64)
def _expression(pattern: str, ignore_case: bool) -> Any:
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
        return re2.compile(pattern, options)
    except re2.error as error:
        raise DatabaseError("2201B", f"invalid regular expression: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    first = error.args[0] if error.args else ""
    return first.decode(errors="replace") if isinstance(first, bytes) else str(first)
