"""PostgreSQL's array literals, ``{a,"b c",NULL,{…}}`` (manual §8.15), to and from lists.

Spaces around an element do not count; a backslash keeps the next character, inside quotes and outside.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from backstay.errors import RequestError
from backstay.request.name import QUOTED, quote, unescape

#: PostgreSQL's ``array_isspace``; Unicode's other spaces are letters to it.
_SPACES: Final = " \t\n\r\v\f"
_MAX_DEPTH: Final = 6  # PostgreSQL's MAXDIM
#: What PostgreSQL quotes when it writes an element.
_SPECIAL: Final = frozenset('{},"\\' + _SPACES)
_SPACE: Final = re.compile(rf"[{_SPACES}]*+")
_ELEMENT: Final = re.compile(rf"(?:{QUOTED}|((?:[^\"\\{{}},]|\\.)+))[{_SPACES}]*+", re.DOTALL)
_BARE: Final = re.compile(r"[A-Za-z0-9_*%.@:+/-]+")


def parse_array(text: str) -> list[Any]:
    r"""Read an array literal; elements are text, ``None`` for an unquoted NULL, or lists.

    >>> parse_array('{a, "b,c" ,d\\,e,NULL,{1}}')
    ['a', 'b,c', 'd,e', None, ['1']]

    Raises:
        ValueError: with PostgreSQL's detail, when the literal is malformed.
    """
    literal = text.strip(_SPACES)
    if not literal.startswith("{"):
        raise ValueError('Array value must start with "{" or dimension information.')
    root: list[Any] = []
    open_lists = [root]
    at = _skip(literal, 1)
    wants_element = True  # rather than a comma or a brace
    while open_lists:
        character = literal[at : at + 1]
        if character == "{" and wants_element:
            if len(open_lists) >= _MAX_DEPTH:
                raise ValueError("Number of array dimensions exceeds the maximum allowed (6).")
            inner: list[Any] = []
            open_lists[-1].append(inner)
            open_lists.append(inner)
            at += 1
        elif character == "}" and (not wants_element or not open_lists[-1]):
            open_lists.pop()
            wants_element = False
            at += 1
        elif character == "," and not wants_element:
            wants_element = True
            at += 1
        elif wants_element:
            element, at = _element(literal, at)
            open_lists[-1].append(element)
            wants_element = False
        else:
            raise _unexpected(character)
        at = _skip(literal, at)
    if at != len(literal):
        raise ValueError("Junk after closing right brace.")
    return root


def parse_list(text: str) -> tuple[str, ...]:
    r"""The elements of a literal of one dimension without nulls, as ``(any)`` and ``(all)`` take it.

    >>> parse_list('{a, "b,c" ,d\\,e}')
    ('a', 'b,c', 'd,e')

    Raises:
        RequestError: 22P02 as PostgreSQL says it.
    """
    try:
        elements = parse_array(text)
    except ValueError as fault:
        raise _malformed(text, str(fault)) from None
    if any(isinstance(element, list) for element in elements):
        raise _malformed(text, "A list of lists is no list of values.")
    if None in elements:
        raise _malformed(text, "NULL is not a value to compare with; use is.null.")
    return tuple(elements)


def render_array(items: Sequence[Any]) -> str:
    """Write an array literal as PostgreSQL does; ``None`` is NULL, sequences nest, everything else is text already.

    >>> render_array(["a", "b c", None, "NULL", ""])
    '{a,"b c",NULL,"NULL",""}'
    """
    return "{" + ",".join(_rendered(item) for item in items) + "}"


def render_list(elements: tuple[str, ...]) -> str:
    """The literal that `parse_list` reads back, wherever in a query it stands.

    >>> render_list(("a", "b c", ""))
    '{a,"b c",""}'
    """
    bare = (_BARE.fullmatch(element) and element.upper() != "NULL" for element in elements)
    return "{" + ",".join(e if plain else quote(e) for e, plain in zip(elements, bare, strict=True)) + "}"


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def _element(text: str, at: int) -> tuple[str | None, int]:
    found = _ELEMENT.match(text, at)
    if found is None:
        raise ValueError("Unexpected end of input.") if at >= len(text) else _unexpected(text[at])
    quoted, plain = found.groups()
    if plain is None:
        return unescape(quoted), found.end()
    bare = plain.rstrip(_SPACES)
    # A backslash keeps a space that would not count otherwise: ``{a\ }`` is "a ".
    if len(bare) < len(plain) and (len(bare) - len(bare.rstrip("\\"))) % 2:
        bare = plain[: len(bare) + 1]
    return (None if bare.upper() == "NULL" else unescape(bare)), found.end()


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


def _unexpected(character: str) -> ValueError:
    return ValueError(f'Unexpected "{character}" character.' if character else "Unexpected end of input.")


def _malformed(text: str, details: str) -> RequestError:
    return RequestError(
        "22P02",
        f'malformed array literal: "{text[:200]}"',
        details=details,
        hint="(any) and (all) take a list such as {a,b}.",
    )
