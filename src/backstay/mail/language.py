"""Which language a reader gets."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

#: The language of whoever asked for none that there is.
FALLBACK: Final = "en"

#: Longest wish that is read: a few languages, not an attack.
_MAX_LENGTH: Final = 256
_WISH: Final = re.compile(r"([A-Za-z]{1,8}(?:[-_][A-Za-z0-9]{1,8})*|\*)(?:\s*;\s*[qQ]=([01](?:\.[0-9]{0,3})?))?")
# Languages that are written from right to left; operators may add templates for them.
_RIGHT_TO_LEFT: Final = frozenset({"ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})


def choose_language(wanted: str, available: Collection[str]) -> str:
    """The best of *available* for *wanted*: a tag (``de-AT``) or an Accept-Language header (RFC 9110 §12.5.4).

    >>> choose_language("de-AT", ["en", "de"]), choose_language("pt;q=0.5, fr-CH, en;q=0.9", ["en", "fr"])
    ('de', 'fr')
    >>> choose_language("nonsense!", ["en", "de"]), choose_language("", ["en"])
    ('en', 'en')
    """
    wishes: list[tuple[float, str]] = []
    for part in wanted[:_MAX_LENGTH].split(","):
        found = _WISH.fullmatch(part.strip())
        if found is not None:
            wishes.append((float(found[2] or 1), found[1].replace("_", "-").lower()))
    known = {name.lower(): name for name in available}
    # sorted() keeps the order of equal wishes, which is that of preference.
    for weight, tag in sorted(wishes, key=lambda wish: -wish[0]):
        while weight and tag:
            if tag in known:
                return known[tag]
            tag = tag.rpartition("-")[0]
    return FALLBACK


def direction(language: str) -> str:
    """``rtl`` or ``ltr``, for HTML.

    >>> direction("de"), direction("ar-EG")
    ('ltr', 'rtl')
    """
    return "rtl" if language.partition("-")[0].lower() in _RIGHT_TO_LEFT else "ltr"
