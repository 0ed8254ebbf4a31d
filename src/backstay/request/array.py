"""PostgreSQL array literals of one dimension: ``{a,"b c"}`` (PostgreSQL manual §8.15.6).

Spaces around an element do not count; a backslash keeps the next character, inside quotes and outside.
"""

from __future__ import annotations

import re

from backstay.errors import RequestError
from backstay.request.name import QUOTED, quote, unescape

#: PostgreSQL's ``array_isspace``; Unicode's other spaces are letters to it.
_SPACES = " \t\n\r\v\f"
_ELEMENT = re.compile(rf"[{_SPACES}]*+(?:{QUOTED}[{_SPACES}]*+|((?:[^\"\\{{}},]|\\.)+))", re.DOTALL)
_BARE = re.compile(r"[A-Za-z0-9_*%.@:+/-]+")


def parse_array(text: str) -> tuple[str, ...]:
    r"""The elements of *text*.

    >>> parse_array('{a, "b,c" ,d\\,e}')
    ('a', 'b,c', 'd,e')

    Raises:
        RequestError: 22P02 as PostgreSQL says it; nested braces and an unquoted ``NULL`` are refused too.
    """
    literal = text.strip(_SPACES)
    if not (literal.startswith("{") and literal.endswith("}")):
        raise _malformed(text, 'Array value must start with "{" and end with "}".')
    inside = literal[1:-1]
    if not inside.strip(_SPACES):
        return ()
    elements: list[str] = []
    at = 0
    while True:
        found = _ELEMENT.match(inside, at)
        if found is None:
            raise _malformed(text, "An element is missing, nested, or has an open quote.")
        quoted, plain = found.groups()
        elements.append(unescape(quoted) if plain is None else _unquoted(plain, text))
        at = found.end()
        if at == len(inside):
            return tuple(elements)
        if inside[at] != ",":
            raise _malformed(text, f'Unexpected "{inside[at]}" behind an element.')
        at += 1


def render_array(elements: tuple[str, ...]) -> str:
    """The literal that `parse_array` reads back.

    >>> render_array(("a", "b c", ""))
    '{a,"b c",""}'
    """
    return "{" + ",".join(map(_render, elements)) + "}"


def _unquoted(plain: str, text: str) -> str:
    """The element without the spaces behind it; *plain* begins with none."""
    bare = plain.rstrip(_SPACES)
    escaped = "\\" in bare
    # A backslash keeps a space that would not count otherwise: ``{a\\ }`` is "a ".
    if escaped and len(bare) < len(plain) and (len(bare) - len(bare.rstrip("\\"))) % 2:
        bare = plain[: len(bare) + 1]
    if not bare:
        raise _malformed(text, "An element is missing.")
    if bare.upper() == "NULL":
        raise _malformed(text, "NULL is not a value to compare with; use is.null.")
    return unescape(bare)


def _render(element: str) -> str:
    return element if _BARE.fullmatch(element) and element.upper() != "NULL" else quote(element)


def _malformed(text: str, details: str) -> RequestError:
    return RequestError(
        "22P02",
        f'malformed array literal: "{text[:200]}"',
        details=details,
        hint="(any) and (all) take a list such as {a,b}.",
    )
