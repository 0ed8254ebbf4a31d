"""PostgreSQL's order of jsonb and of arrays, as collations over the JSON text in which SQLite keeps them.

1. jsonb (PostgreSQL manual §8.14.4): Object > Array > Boolean > Number > String > null; more pairs or elements are
   more; then pair by pair (shorter keys first) or element by element.
2. Arrays (§9.19): element by element, null last, then the shorter one is less.
3. Equal values are equal however they are written: ``1.0`` is ``1``, and the order of keys does not count.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from backstay.adapters.sqlite.matching import Spend, free

#: Letters of a text whose key is remembered: a key takes some twenty times the memory, and there are 4,096.
_SHORT: Final = 512


def compare_json(left: str, right: str, spend: Spend = free) -> int:
    """-1, 0 or 1, as PostgreSQL compares two jsonb values.

    >>> compare_json('{"a":1,"b":2}', '{"b":2.0,"a":1}'), compare_json("9", "10"), compare_json('"9"', "1")
    (0, -1, -1)
    """
    return 0 if left == right else _compared(_json_keys(left, spend), _json_keys(right, spend))


def compare_arrays(left: str, right: str, spend: Spend = free) -> int:
    """-1, 0 or 1, as PostgreSQL compares two arrays of one type.

    >>> compare_arrays("[1,2]", "[1]"), compare_arrays("[2]", "[1,9]"), compare_arrays("[null]", "[1]")
    (1, 1, 1)
    """
    return 0 if left == right else _compared(_array_keys(left, spend), _array_keys(right, spend))


class _Keys:
    """What texts sort by.  Short ones are remembered; of long ones, which would fill the memory, only the last."""

    def __init__(self, key: Callable[[str], Any]) -> None:
        self._long = lru_cache(maxsize=1)(key)
        self._short = lru_cache(maxsize=4096)(key)

    def __call__(self, text: str, spend: Spend) -> Any:
        if len(text) <= _SHORT:
            spend(64)
            return self._short(text)
        spend(16 * len(text))
        return self._long(text)


def _compared(left: Any, right: Any) -> int:
    return int(left > right) - int(left < right)


def _json_key(text: str) -> Any:
    try:
        value = json.loads(text, parse_float=Decimal)
        # "For historical reasons, an empty top-level array sorts less than null."
        return (-1, "") if value == [] else _rank(value)
    except (ValueError, RecursionError):
        return (-1, text)


def _rank(value: Any) -> Any:
    """A tuple that sorts where *value* does; tuples with the same first number are comparable."""
    match value:
        case None:
            return (0,)
        case str():
            return (1, value.encode())
        case bool():
            return (3, value)
        case int() | Decimal():
            return (2, value)
        case list():
            return (4, len(value), tuple(map(_rank, value)))
        case _:
            pairs = sorted(((len(key.encode()), key.encode()), _rank(item)) for key, item in value.items())
            return (5, len(pairs), tuple(pairs))


def _array_key(text: str) -> Any:
    try:
        value = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError):
        return ((3, text),)
    return _elements(value) if isinstance(value, list) else ((3, text),)


def _elements(value: list[Any]) -> Any:
    return tuple(
        (2,)
        if item is None
        else (1, _elements(item))
        if isinstance(item, list)
        # Text among numbers is NaN or an infinity: PostgreSQL's order of it is kept for NaN, the commoner one.
        else ((0, 1, item.encode()) if isinstance(item, str) else (0, 0, item))
        for item in value
    )


_json_keys: Final = _Keys(_json_key)
_array_keys: Final = _Keys(_array_key)
