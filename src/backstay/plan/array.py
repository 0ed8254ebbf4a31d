"""PostgreSQL's array literals, ``{a,"b c",NULL,{…}}`` (documentation §8.15.2), to and from lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

_MAX_DEPTH: Final = 6  # PostgreSQL's MAXDIM
_SPECIAL: Final = frozenset('{},"\\ \t\n\r\v\f')


def parse_array(text: str) -> list[Any]:
    """Read an array literal; elements are text, ``None`` for an unquoted NULL, or lists.

    >>> parse_array('{a,"b, \\\\"c",NULL,{1}}')
    ['a', 'b, "c', None, ['1']]

    Raises:
        ValueError: with PostgreSQL's detail, when the literal is malformed.
    """
    stripped = text.strip()
    if not stripped.startswith("{"):
        raise ValueError('Array value must start with "{" or dimension information.')
    root: list[Any] = []
    stack = [root]
    at, expect_item = 1, True
    while stack:
        at = _skip_space(stripped, at)
        if at >= len(stripped):
            raise ValueError("Unexpected end of input.")
        character = stripped[at]
        if character == "{" and expect_item:
            if len(stack) >= _MAX_DEPTH:
                raise ValueError("Number of array dimensions exceeds the maximum allowed (6).")
            inner: list[Any] = []
            stack[-1].append(inner)
            stack.append(inner)
            at += 1
        elif character == "}" and (not expect_item or not stack[-1]):
            stack.pop()
            expect_item = False
            at += 1
        elif character == "," and not expect_item:
            expect_item = True
            at += 1
            continue
        elif expect_item:
            element, at = _element(stripped, at)
            stack[-1].append(element)
            expect_item = False
        else:
            raise ValueError(f'Unexpected "{character}" character.')
        if character == "{":
            expect_item = True
    if _skip_space(stripped, at) != len(stripped):
        raise ValueError("Junk after closing right brace.")
    return root


def _skip_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\n\r\v\f":
        at += 1
    return at


def _element(text: str, at: int) -> tuple[str | None, int]:
    quoted = text[at] == '"'
    at += quoted
    out: list[str] = []
    while True:
        if at >= len(text):
            raise ValueError("Unexpected end of input.")
        character = text[at]
        if character == "\\" and at + 1 < len(text):
            out.append(text[at + 1])
            at += 2
            continue
        if quoted and character == '"':
            return "".join(out), at + 1
        if not quoted and character in ",{}":
            if character == "{":
                raise ValueError('Unexpected "{" character.')
            break
        if not quoted and character == '"':
            raise ValueError("Incorrectly quoted array element.")
        out.append(character)
        at += 1
    word = "".join(out).rstrip()
    if not word:
        raise ValueError(f'Unexpected "{text[at]}" character.')
    return (None if word.upper() == "NULL" else word), at


def render_array(items: Sequence[Any]) -> str:
    """Write an array literal; ``None`` is NULL, sequences nest, everything else is text already.

    >>> render_array(["a", "b c", None, "NULL", ""])
    '{a,"b c",NULL,"NULL",""}'
    """
    return "{" + ",".join(_rendered(item) for item in items) + "}"


def _rendered(item: Any) -> str:
    if item is None:
        return "NULL"
    if isinstance(item, list | tuple):
        return render_array(item)
    text = str(item)
    if not text or text.upper() == "NULL" or not _SPECIAL.isdisjoint(text):
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return text
