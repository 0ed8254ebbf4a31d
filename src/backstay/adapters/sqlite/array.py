"""PostgreSQL's arrays, of which SQLite keeps the JSON: containment and text form."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from backstay.adapters.sqlite.matching import Spend, free
from backstay.request.array import render_array

#: Letters of an array whose elements are remembered.
_REMEMBERED: Final = 64 << 10


def array_contains(whole: Any, part: Any, spend: Spend = free) -> int | None:
    """PostgreSQL's ``whole @> part``: every element of *part* is in *whole*, however deep; null equals nothing.

    >>> array_contains("[1,[2,3]]", "[3,1.0,3]"), array_contains("[null]", "[null]"), array_contains("[]", "[]")
    (1, 0, 1)
    """
    return _compared(whole, part, spend, lambda there, wanted: None not in wanted and wanted <= there)


def array_overlaps(one: Any, other: Any, spend: Spend = free) -> int | None:
    """PostgreSQL's ``one && other``: an element of one, however deep, is in the other; null equals nothing.

    >>> array_overlaps("[1,[2,3]]", "[3.0,4]"), array_overlaps("[null,1]", "[null]"), array_overlaps("[]", "[]")
    (1, 0, 0)
    """
    return _compared(one, other, spend, lambda there, wanted: not there.isdisjoint(wanted - {None}))


def _compared(mine: Any, part: Any, spend: Spend, test: Callable[[frozenset[Any], frozenset[Any]], bool]) -> int | None:
    if mine is None or part is None:
        return None
    spend(64 + 8 * len(str(mine)))
    try:
        there = _elements(mine)
        # One of the two is the request's, the same for every row.
        wanted = _wanted(part) if len(part) < _REMEMBERED else _elements(part)
        spend(8 * len(wanted))
    except (ValueError, TypeError, RecursionError):
        return None  # another program has written what is no array
    return int(test(there, wanted))


def _elements(text: str) -> frozenset[Any]:
    return frozenset(None if item is None else _key(item) for item in _flat(json.loads(text, parse_float=Decimal)))


_wanted: Final = lru_cache(maxsize=8)(_elements)


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _flat(item)
    else:
        yield value


def _key(item: Any) -> Any:
    # In Python True is 1, in an array of booleans it may have been stored as either.
    return int(item) if isinstance(item, bool) else json.dumps(item) if isinstance(item, dict) else item


def array_text(text: Any, family: str) -> str | None:
    """The array literal that PostgreSQL's ``::text`` gives for elements of *family*.

    >>> array_text('["a","b c",null,[1.50]]', "text"), array_text("[true,0]", "boolean")
    ('{a,"b c",NULL,{1.50}}', '{t,f}')
    """
    if text is None:
        return None
    try:
        value = json.loads(text, parse_float=str)
    except (ValueError, TypeError, RecursionError):
        return str(text)
    return render_array(_texts(value, family)) if isinstance(value, list) else str(text)


def _texts(items: Any, family: str) -> list[Any]:
    return [_texts(item, family) if isinstance(item, list) else _text(item, family) for item in items]


def _text(item: Any, family: str) -> Any:
    if item is None:
        return None
    match family:
        case "boolean":
            return "t" if item else "f"
        case "timestamptz" | "timestamp":
            return str(item).replace("T", " ").replace("+00:00", "+00")
        case "float":
            return str(item).removesuffix(".0")
        case "json":
            return json.dumps(item, ensure_ascii=False)
        case _:
            return str(item)
