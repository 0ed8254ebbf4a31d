"""What PostgreSQL computes and SQLite does not, as pure functions, and their registration on a connection."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Context, Decimal, InvalidOperation
from itertools import count
from typing import Any, Final

import apsw

from backstay.adapters.sqlite.array import array_contains, array_text
from backstay.adapters.sqlite.casting import cast, json_text
from backstay.adapters.sqlite.iso import instant_text
from backstay.adapters.sqlite.matching import ilike, like, lower, regex
from backstay.adapters.sqlite.ordering import ARRAY_COLLATION, JSON_COLLATION, compare_arrays, compare_json
from backstay.adapters.sqlite.relevance import rank
from backstay.db.failures import TIMEOUT_MESSAGE
from backstay.errors import DatabaseError

#: The collation of exact decimals kept as text.
DECIMAL_COLLATION: Final = "BACKSTAY_DECIMAL"

#: PostgreSQL's numeric holds up to 131072 digits before the point; a sum of bounded values never needs more than this.
_EXACT: Final = Context(prec=1000)

#: Of JSON values within one containment test: some tenths of a second.
_MOST_COMPARISONS: Final = 200_000


def lower_text(value: Any) -> str | None:
    """*value* in lower case, of all of Unicode; SQLite's own ``lower`` knows ASCII.

    >>> lower_text("ÄÖ"), lower_text(None)
    ('äö', None)
    """
    return None if value is None else lower(value)


def try_patterns(listed: Any) -> int:
    """1, when every regular expression of the JSON list *listed* is one; else the error of `regex`."""
    for pattern in json.loads(listed):
        regex("", pattern, 0)
    return 1


def json_contains(whole: Any, part: Any) -> int | None:
    """PostgreSQL's ``whole @> part`` on two JSON texts (jsonb containment, arrays as sets).

    >>> json_contains('{"a": [1, {"b": 2, "c": 3}]}', '{"a": [{"b": 2}]}')
    1
    >>> json_contains('[1, 2, 3]', '[3, 3]'), json_contains('["foo", "bar"]', '"bar"'), json_contains('1', '[1]')
    (1, 1, 0)
    """
    if whole is None or part is None:
        return None
    try:
        outer, inner = json.loads(whole), json.loads(part)
        # PostgreSQL's special case (manual §8.14.3): an array may contain a primitive, at the top only.
        if isinstance(outer, list) and not isinstance(inner, list | dict):
            inner = [inner]
        return int(_contains(outer, inner, count()))
    except (ValueError, TypeError):
        return None
    except RecursionError:
        raise DatabaseError("22023", "the JSON value is nested too deeply") from None


def _contains(whole: Any, part: Any, effort: Iterator[int]) -> bool:
    # The progress handler cannot look inside one call: two large values must not hold the event loop.
    if next(effort) > _MOST_COMPARISONS:
        raise DatabaseError("57014", TIMEOUT_MESSAGE)
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            key in whole and _contains(whole[key], value, effort) for key, value in part.items()
        )
    if isinstance(part, list):
        return isinstance(whole, list) and all(any(_contains(have, want, effort) for have in whole) for want in part)
    # True == 1 in Python, and not in JSON.
    return isinstance(whole, bool) == isinstance(part, bool) and bool(whole == part)


def compare_decimals(left: str, right: str) -> int:
    """-1, 0 or 1 as *left* is below, at or above *right*; text that is no number sorts after all numbers.

    >>> compare_decimals("10.0", "9"), compare_decimals("1.50", "1.5"), compare_decimals("x", "1")
    (1, 0, 1)
    """
    one, other = _decimal(left), _decimal(right)
    if one is None or other is None:
        return (one is None) - (other is None) or (left > right) - (left < right)
    if one.is_nan() or other.is_nan():  # PostgreSQL: NaN equals NaN and is above every number
        return one.is_nan() - other.is_nan()
    return (one > other) - (one < other)


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except (InvalidOperation, ValueError):
        return None


def check_size(number: Decimal) -> Decimal:
    """*number*, if PostgreSQL's numeric could hold it: its text is then of a reasonable length.

    Raises:
        DatabaseError: 22003.
    """
    if number.is_finite() and not -16_384 < number.adjusted() < 131_072:
        raise DatabaseError("22003", "value overflows numeric format")
    return number


class DecimalSum:
    """The exact sum of decimals, as text; NULL of no rows."""

    __slots__ = ("_total",)

    def __init__(self) -> None:
        self._total: Decimal | None = None

    def step(self, *values: Any) -> None:
        number = _decimal(str(values[0])) if values[0] is not None else None
        if number is not None:
            check_size(number)
        if number is not None:
            self._total = number if self._total is None else _EXACT.add(self._total, number)

    def final(self) -> str | None:
        return None if self._total is None else format(self._total, "f")


def now_text(*_: Any) -> str:
    """The present moment, as a ``timestamptz`` column keeps it."""
    return instant_text(datetime.now(UTC))


def register(connection: apsw.Connection) -> None:
    """Give *connection* all functions and collations of this file."""
    scalar: tuple[tuple[str, Callable[..., Any], int], ...] = (
        ("backstay_lower", lower_text, 1),
        ("backstay_like", like, 2),
        ("backstay_ilike", ilike, 2),
        ("backstay_regex", regex, 3),
        ("backstay_patterns", try_patterns, 1),
        ("backstay_json_contains", json_contains, 2),
        ("backstay_array_contains", array_contains, 2),
        ("backstay_array_text", array_text, 2),
        ("backstay_cast", cast, 3),
        ("backstay_json_text", json_text, 1),
    )
    for name, function, arguments in scalar:
        connection.create_scalar_function(name, function, arguments, deterministic=True, flags=apsw.SQLITE_INNOCUOUS)
    connection.create_scalar_function("backstay_now", now_text, 0, flags=apsw.SQLITE_INNOCUOUS)
    connection.create_aggregate_function("backstay_decimal_sum", DecimalSum, 1, flags=apsw.SQLITE_INNOCUOUS)
    connection.register_fts5_function("backstay_rank", rank)
    connection.create_collation(DECIMAL_COLLATION, compare_decimals)
    connection.create_collation(JSON_COLLATION, compare_json)
    connection.create_collation(ARRAY_COLLATION, compare_arrays)
