"""How tangled a text of HTML is, found out before a parser follows it.

A parser of HTML takes a time that grows with the number of elements times their depth; and an element for emphasis that
was not closed is opened again in each block that follows, so a short text can become a long one.  Both are the author's
to choose: 1 MiB of ``<div>`` took 50 seconds, and 120 kB became 18 MB (A2).

1. The cost of looking is that of the size: no expression here goes back further than one tag.
2. A text whose tags are all written plainly is counted exactly: what is open, and end tags that close something else.
3. Where anything is not plain (``<`` or ``>`` within a tag, a comment with tags in it, elements whose content is no
   markup), no end tag is believed: all elements count as open at once.
"""

from __future__ import annotations

import re
from typing import Final

#: Elements within each other.
MAX_DEPTH: Final = 256
#: Elements of a text that is not written plainly.
MAX_TAGS: Final = 2_000
#: Elements times depth, where end tags close something else.
MAX_TANGLE: Final = 250_000

#: A plain comment, end tag or start tag; or the beginning of something else.
_TAG: Final = re.compile(
    r"""<(?:
        (?:!--[^<>]*--
        | /(?P<end>[a-zA-Z][a-zA-Z0-9]*+)\s*+
        | (?P<start>[a-zA-Z][a-zA-Z0-9]*+)
          (?:\s++[a-zA-Z_:][a-zA-Z0-9_:.-]*+(?:=(?:"[^"<>]*+"|'[^'<>]*+'|[^\s"'<>=`]++))?)*\s*+/?
        )>
        | (?P<other>[a-zA-Z/!?]))""",
    re.VERBOSE | re.ASCII,
)
_STARTS: Final = re.compile(r"<[a-zA-Z]")
_VOID: Final = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr")
)
#: Their end tags may be left out: the same one again, or the end of what they stand in, closes them.
_OPTIONAL: Final = frozenset(
    ("p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "tfoot", "rp", "rt", "option", "colgroup", "caption")
)
#: What is in them is no markup, or markup of another kind.
_OTHER_CONTENT: Final = frozenset(
    {"iframe", "listing", "math", "noembed", "noframes", "noscript", "plaintext", "script", "select", "style", "svg"}
    | {"template", "textarea", "title", "xmp"}
)


class Tangled(ValueError):
    """The text would take a parser longer than a text may."""


def check_nesting(text: str) -> None:
    """Refuse *text* if a parser could take long over it, or make much more of it.

    >>> check_nesting("<ul><li>a<li>b</ul>")
    >>> check_nesting("<div>" * 300)
    Traceback (most recent call last):
    ...
    backstay.catalog.nesting.Tangled: more than 256 elements within each other

    Raises:
        Tangled: and why.
    """
    open_: list[str] = []
    tags = deepest = strays = 0
    for found in _TAG.finditer(text):
        start, end = found["start"], found["end"]
        name = (start or end or "").lower()
        if found["other"] or name in _OTHER_CONTENT:
            if len(_STARTS.findall(text)) > MAX_TAGS:
                raise Tangled(f"more than {MAX_TAGS} elements, and not all tags are written plainly")
            return
        if end:
            strays += not _close(open_, name)
        elif start and name not in _VOID:
            tags += 1
            if not (open_ and open_[-1] == name and name in _OPTIONAL):
                open_.append(name)
            deepest = max(deepest, len(open_))
            if deepest > MAX_DEPTH:
                raise Tangled(f"more than {MAX_DEPTH} elements within each other")
    if (strays or not _OPTIONAL.issuperset(open_)) and tags * deepest > MAX_TANGLE:
        raise Tangled("too many elements that are not closed where they were opened")


def _close(open_: list[str], name: str) -> bool:
    """Close *name* if nothing but what may be left open stands in it."""
    at = len(open_) - 1
    while at >= 0 and open_[at] != name and open_[at] in _OPTIONAL:
        at -= 1
    if at < 0 or open_[at] != name:
        return False
    del open_[at:]
    return True
