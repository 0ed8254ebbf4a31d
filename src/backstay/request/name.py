"""Names as a client writes them: ``title``, ``unit price``, ``no-dashes-lost``, ``"any, \\"thing\\""``.

1. Unquoted: letters, digits, ``_``, ``$`` and spaces, in parts joined by ``-``; spaces around a part do not count.
2. A ``-`` before ``>`` is not part of a name: it begins a JSON path.
3. Quoted: anything; a backslash keeps the next character as it is.
4. The empty name is refused: nothing can be called so.
"""

from __future__ import annotations

import re

from backstay.request.syntax import malformed

#: The inside of double quotes.  Possessive, so that a missing quote costs one pass and no more.
QUOTED = r'"([^"\\]*+(?:\\.[^"\\]*+)*)"'

#: Names that need no quotes anywhere, unless they are words.
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_NAME = re.compile(rf"[ \t]*+(?:{QUOTED}|([\w $]++(?:-[\w $]++)*))[ \t]*+", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SPECIAL = re.compile(r'(["\\])')
_DASH = re.compile(r"(?<! ) *+- *+")

#: Words that mean something unquoted in at least one place.
_WORDS = frozenset(
    ("select", "columns", "on_conflict", "order", "limit", "offset", "and", "or", "not", "count", "inner", "left")
)

_EXPECTED = "field name (* or [a..z0..9_$])"


def unescape(quoted: str) -> str:
    r"""The text that stood between double quotes, without its backslashes.

    >>> unescape(r'a\"b\\c')
    'a"b\\c'
    """
    return _ESCAPED.sub(r"\1", quoted) if "\\" in quoted else quoted


def quote(text: str) -> str:
    r"""*text* between double quotes.

    >>> quote('a"b')
    '"a\\"b"'
    """
    return '"' + _SPECIAL.sub(r"\\\1", text) + '"'


def scan_name(text: str, at: int, what: str) -> tuple[str, int]:
    """Read one name of *text* from index *at*: the name, and the index behind it and the spaces that follow.

    >>> scan_name("unit price,id", 0, "columns")
    ('unit price', 10)

    Raises:
        RequestError: PGRST100, when no name begins there.
    """
    found = _NAME.match(text, at)
    if found is None:
        raise malformed(what, text, at, _EXPECTED)
    quoted, plain = found.groups()
    if plain is None:
        if not quoted:
            raise malformed(what, text, at, _EXPECTED, hint="A name has at least one character.")
        return unescape(quoted), found.end()
    name = plain.strip(" ")
    return (_DASH.sub("-", name) if "-" in name and " " in name else name), found.end()


def parse_names(text: str, what: str) -> tuple[str, ...]:
    """Read a list such as ``columns`` or ``on_conflict``; a name that stands twice counts once.

    >>> parse_names('id,"first, last"', "columns")
    ('id', 'first, last')

    Raises:
        RequestError: PGRST100; an empty list is one of the errors.
    """
    names: list[str] = []
    at = 0
    while True:
        name, at = scan_name(text, at, what)
        names.append(name)
        if at == len(text):
            return tuple(dict.fromkeys(names))
        if text[at] != ",":
            raise malformed(what, text, at, '"," or end of input')
        at += 1


def render_name(name: str) -> str:
    """*name* so that `scan_name` reads it back, in quotes only where it needs them.

    >>> render_name("id"), render_name("order"), render_name("a.b")
    ('id', '"order"', '"a.b"')
    """
    return name if _PLAIN.fullmatch(name) and name not in _WORDS else quote(name)
