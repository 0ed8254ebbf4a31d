"""PostgreSQL's ``ts_rank`` for FTS5: how well one row answers a search, by that row alone.

FTS5's own ``bm25`` counts the rows of the whole table, hidden ones too, and would tell of them by the order it gives
(AC9).  These are the formulas of PostgreSQL's ``tsrank.c``, where all words weigh the same.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import accumulate, combinations
from typing import Any, Final

import apsw

from backstay.adapters.sqlite.matching import Spend, free

#: The weight of a word that no ``setweight`` raised.
_WEIGHT: Final = 0.1
#: Places of one word that count: the pairs of two words are looked at one by one.
_PLACES: Final = 64


def rank(spend: Spend, api: apsw.FTS5ExtensionApi, /, *arguments: Any) -> float:
    """The rank of the current row; the argument says whether the search wants all of its words, or a phrase."""
    starts = [0, *accumulate(api.column_size(column) for column in range(api.column_count))]
    places: defaultdict[str | None, list[int]] = defaultdict(list)
    size = 8 * starts[-1]
    for index, words in enumerate(api.phrases):
        spend(size)
        for column, found in enumerate(api.phrase_locations(index)):
            for step, word in enumerate(words):
                places[word] += [starts[column] + place + step for place in found[:_PLACES]]
        for word in words:
            places[word] += []
    return ts_rank(list(places.values()), all_wanted=bool(arguments[0]), spend=spend)


def ts_rank(places: Sequence[Sequence[int]], *, all_wanted: bool, spend: Spend = free) -> float:
    """PostgreSQL's ``calc_rank_and`` or ``calc_rank_or`` over the places of each word.

    >>> round(ts_rank([[1]], all_wanted=False), 7), round(ts_rank([[1], [2]], all_wanted=True), 7)
    (0.0607927, 0.0991032)
    """
    return _all(places, spend) if all_wanted and len(places) > 1 else _any(places)


def _any(places: Sequence[Sequence[int]]) -> float:
    total = sum(_WEIGHT * sum(1 / (n * n) for n in range(1, len(found) + 1)) / 1.64493406685 for found in places)
    return total / len(places) if places else 0.0


def _all(places: Sequence[Sequence[int]], spend: Spend) -> float:
    result = -1.0
    for one, other in combinations(places, 2):
        spend(64 * (1 + len(one) * len(other)))
        for left in one:
            for right in other:
                if left != right:
                    near = math.sqrt(_WEIGHT * _WEIGHT * _nearness(abs(left - right)))
                    result = near if result < 0 else 1 - (1 - result) * (1 - near)
    return max(result, 1e-20)


def _nearness(distance: int) -> float:
    return 1e-30 if distance > 100 else 1 / (1.005 + 0.05 * math.exp(distance / 1.5 - 2))
