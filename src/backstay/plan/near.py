"""The name that was perhaps meant, among those that the caller may see.

PostgREST finds it with a fuzzy set: names that share runs of letters, ranked by their edit distance.  The numbers are
those of that algorithm (fuzzyset: runs of three letters, then of two; PostgREST asks for 0.75 where a hint could tell
the name of a table, for 0.33 where it could not).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

#: The best by shared runs; only these are compared letter by letter.
_TOP = 50


def nearest(name: str, names: Iterable[str], *, score: float) -> tuple[str, float] | None:
    """The nearest of *names* and how near it is: 1 is the same name, *score* the least that counts.

    >>> nearest("projectz", ["projects", "clients"], score=0.75)
    ('projects', 0.875)
    >>> nearest("nope", ["projects", "clients"], score=0.33) is None
    True
    """
    known = {other.lower(): other for other in names}
    wanted = name.lower()
    if wanted in known:
        return known[wanted], 1.0
    # As many letters are missing as one name is longer than the other: most names need no closer look.
    known = {other: shown for other, shown in known.items() if _length_likeness(wanted, other) >= score}
    if not known:
        return None
    for size in (3, 2):
        own = _runs(wanted, size)
        found = [(likeness, other) for other in known if (likeness := _cosine(own, _runs(other, size))) > 0]
        found.sort(key=lambda pair: -pair[0])
        ranked = [(_likeness(wanted, other), other) for _, other in found[:_TOP]]
        ranked = sorted((pair for pair in ranked if pair[0] >= score), key=lambda pair: -pair[0])
        if ranked:
            return known[ranked[0][1]], ranked[0][0]
    return None


def _runs(name: str, size: int) -> Counter[str]:
    plain = "-" + "".join(c for c in name if c.isalnum() or c in ", ") + "-"
    plain += "-" * max(0, size - len(plain))
    return Counter(plain[at : at + size] for at in range(len(plain) - size + 1))


def _cosine(one: Counter[str], other: Counter[str]) -> float:
    shared = sum(count * other[run] for run, count in one.items())
    return shared / math.sqrt(sum(c * c for c in one.values()) * sum(c * c for c in other.values())) if shared else 0.0


def _length_likeness(one: str, other: str) -> float:
    """The likeness of two names of these lengths is no greater."""
    return min(len(one), len(other)) / max(len(one), len(other), 1)


def _likeness(one: str, other: str) -> float:
    return 1 - distance(one, other) / max(len(one), len(other))


@lru_cache(4096)
def distance(one: str, other: str) -> int:
    """How many letters must be put in, taken out or changed (Levenshtein)."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def near_column(table: str, name: str, columns: Iterable[str]) -> str | None:
    """PostgreSQL's hint for a column that is not there: at most three letters away, and at most half of the name.

    >>> near_column("projects", "nam", ["id", "name"])
    'Perhaps you meant to reference the column "projects.name".'
    """
    far = [(distance(name, column), column) for column in columns if abs(len(name) - len(column)) <= 3]
    near = [(d, column) for d, column in far if d <= 3 and d <= len(name) // 2]
    best = [column for d, column in near if d == min(d for d, _ in near)]
    if not best or len(best) > 2:
        return None
    named = " or the column ".join(f'"{table}.{column}"' for column in best)
    return f"Perhaps you meant to reference the column {named}."
