"""What PostgreSQL computes and SQLite does not, as pure functions, and their registration on a connection.

A call of such a function is one step of SQLite, which nothing from outside can stop, and holds Python's lock.  So each
takes *spend*, and says how much it is about to look at before it does (`Budget.spend`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Context, Decimal, InvalidOperation
from functools import partial
from typing import Any, Final

import apsw

from backstay.adapters.sqlite.array import array_contains, array_overlaps, array_text
from backstay.adapters.sqlite.casting import cast, json_text
from backstay.adapters.sqlite.compute import check_size, compute, decimal_text, microseconds, scaled_text
from backstay.adapters.sqlite.far import compute_far
from backstay.adapters.sqlite.matching import Spend, free, glob, like_glob, lower, lower_glob, regex, upper
from backstay.adapters.sqlite.ordering import compare_arrays, compare_json
from backstay.adapters.sqlite.relevance import rank
from backstay.errors import DatabaseError, PlanError
from backstay.plan.moment import instant_text
from backstay.sql.sqlite.path import COLLATIONS, DECIMALS

#: PostgreSQL's numeric holds up to 131072 digits before the point; a sum of bounded values never needs more than this.
_EXACT: Final = Context(prec=1000)

#: What reading a letter of JSON, or of a value to be cast, costs in those that are only searched.
CLOSELY: Final = 8
#: What making a program of a regular expression costs.
_LOOKED_THROUGH: Final = 16_384
#: What a call costs that looks at next to nothing, and what comparing two values of JSON does.
_CALL: Final = 64


def lower_text(value: Any, spend: Spend = free) -> str | None:
    """*value* in lower case, of all of Unicode; SQLite's own ``lower`` knows ASCII.

    >>> lower_text("ÄÖ"), lower_text(None)
    ('äö', None)
    """
    spend(_CALL + CLOSELY * _size(value))
    return None if value is None else lower(value)


def upper_text(value: Any, spend: Spend = free) -> str | None:
    """*value* in capitals, as `lower_text`.

    >>> upper_text("äß"), upper_text(None)
    ('Äß', None)
    """
    spend(_CALL + CLOSELY * _size(value))
    return None if value is None else upper(value)


def _size(value: Any) -> int:
    return len(value) if isinstance(value, str | bytes) else 0


def try_patterns(listed: Any, spend: Spend = free) -> int:
    """1, when every regular expression of the JSON list *listed* is one; else the error of `regex`."""
    for pattern in json.loads(listed):
        # A program is made: far more work than the pattern is long.
        spend(_LOOKED_THROUGH)
        regex("", pattern, 0)
    return 1


def json_contains(whole: Any, part: Any, spend: Spend = free) -> int | None:
    """PostgreSQL's ``whole @> part`` on two JSON texts (jsonb containment, arrays as sets).

    >>> json_contains('{"a": [1, {"b": 2, "c": 3}]}', '{"a": [{"b": 2}]}')
    1
    >>> json_contains('[1, 2, 3]', '[3, 3]'), json_contains('["foo", "bar"]', '"bar"'), json_contains('1', '[1]')
    (1, 1, 0)
    """
    if whole is None or part is None:
        return None
    try:
        spend(_CALL + CLOSELY * (_size(whole) + _size(part)))
        outer, inner = (json.loads(text, parse_float=Decimal) for text in (whole, part))
        # PostgreSQL's special case (manual §8.14.3): an array may contain a primitive, at the top only.
        if isinstance(outer, list) and not isinstance(inner, list | dict):
            inner = [inner]
        return int(_contains(outer, inner, spend))
    except (ValueError, TypeError):
        return None
    except RecursionError:
        raise DatabaseError("22023", "the JSON value is nested too deeply") from None


def _contains(whole: Any, part: Any, spend: Spend) -> bool:
    spend(_CALL)
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            key in whole and _contains(whole[key], value, spend) for key, value in part.items()
        )
    if isinstance(part, list):
        return isinstance(whole, list) and _contains_all(whole, part, spend)
    # True == 1 in Python, and not in JSON.
    return isinstance(whole, bool) == isinstance(part, bool) and bool(whole == part)


def _contains_all(whole: list[Any], part: list[Any], spend: Spend) -> bool:
    """Whether each of *part* is in *whole*; plain values are looked up, which keeps two long lists from meeting."""
    plain = {(isinstance(have, bool), have) for have in whole if not isinstance(have, dict | list)}
    nested = [have for have in whole if isinstance(have, dict | list)]
    spend(_CALL * (len(whole) + len(part)) // 4)
    return all(
        any(_contains(have, want, spend) for have in nested)
        if isinstance(want, dict | list)
        else (isinstance(want, bool), want) in plain
        for want in part
    )


def compare_decimals(left: str, right: str, spend: Spend = free) -> int:
    """-1, 0 or 1 as *left* is below, at or above *right*; text that is no number sorts after all numbers.

    >>> compare_decimals("10.0", "9"), compare_decimals("1.50", "1.5"), compare_decimals("x", "1")
    (1, 0, 1)
    """
    spend(_CALL + len(left) + len(right))
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


class DecimalSum:
    """The exact sum of decimals, as text; NULL of no rows."""

    __slots__ = ("_spend", "_total")

    def __init__(self, spend: Spend = free) -> None:
        self._spend = spend
        self._total: Decimal | None = None

    def step(self, *values: Any) -> None:
        self._spend(_CALL + _size(values[0]))
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


def register(connection: apsw.Connection, spend: Spend) -> None:
    """Give *connection* all functions and collations of this file; they *spend* from its statement's budget."""
    scalar: tuple[tuple[str, Callable[..., Any], int], ...] = (
        ("backstay_lower", lower_text, 1),
        ("backstay_upper", upper_text, 1),
        ("backstay_compute", compute, 5),
        ("backstay_compute_far", compute_far, 5),
        ("backstay_decimal", decimal_text, 1),
        ("backstay_scaled", scaled_text, 2),
        ("backstay_microseconds", microseconds, 1),
        ("backstay_pattern", like_glob, 4),
        ("backstay_glob", glob, 2),
        ("backstay_lower_glob", lower_glob, 2),
        ("backstay_regex", regex, 3),
        ("backstay_patterns", try_patterns, 1),
        ("backstay_json_contains", json_contains, 2),
        ("backstay_array_contains", array_contains, 2),
        ("backstay_array_overlaps", array_overlaps, 2),
        ("backstay_array_text", array_text, 2),
        ("backstay_cast", cast, 3),
        ("backstay_json_text", json_text, 1),
    )
    for name, function, arguments in scalar:
        metered = partial(_spending, function, spend) if function in _PLAIN else partial(function, spend=spend)
        connection.create_scalar_function(name, metered, arguments, deterministic=True, flags=apsw.SQLITE_INNOCUOUS)
    connection.create_scalar_function("backstay_now", now_text, 0, flags=apsw.SQLITE_INNOCUOUS)
    connection.create_aggregate_function(
        "backstay_decimal_sum", partial(DecimalSum, spend), 1, flags=apsw.SQLITE_INNOCUOUS
    )
    connection.register_fts5_function("backstay_rank", partial(rank, spend))
    connection.create_collation(DECIMALS, partial(compare_decimals, spend=spend))
    connection.create_collation(COLLATIONS["json"], partial(compare_json, spend=spend))
    connection.create_collation(COLLATIONS["array"], partial(compare_arrays, spend=spend))


#: Those that read their arguments once, and know nothing of budgets.
_PLAIN: Final = frozenset(
    (array_text, cast, compute, compute_far, decimal_text, json_text, like_glob, microseconds, scaled_text)
)


def _spending(function: Callable[..., Any], spend: Spend, *arguments: Any) -> Any:
    spend(_CALL + CLOSELY * sum(map(_size, arguments)))
    try:
        return function(*arguments)
    except PlanError as fault:
        # The value is one of a row, and not of the request: who may be told of it is asked of what the database says.
        raise DatabaseError(fault.code, fault.message, details=fault.details, hint=fault.hint) from fault
