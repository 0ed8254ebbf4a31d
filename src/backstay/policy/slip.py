"""The word that was perhaps meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def near_word(word: str, words: Iterable[str], *, cutoff: float = 0.7) -> str | None:
    """The one of *words* that *word* is a slip of.

    >>> near_word("autenticated", ["anon", "authenticated"])
    'authenticated'
    >>> near_word("editor", ["anon", "authenticated"]) is None
    True
    """
    known = {other.lower(): other for other in words}
    found = difflib.get_close_matches(word.lower(), known, n=1, cutoff=cutoff)
    return known[found[0]] if found else None
