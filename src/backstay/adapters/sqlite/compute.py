"""Arithmetic as PostgreSQL does it: whole numbers of a size, exact decimals, moments and durations.

SQLite makes a float of a whole number that is too large, of every decimal, and a number of the text of a moment.
Kinds are those of ``sql/sqlite/kind.py``; what is stored, and what comes back, is in the form of `storage`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any, Final

from backstay.errors import DatabaseError
from backstay.plan.duration import duration_text, parse_duration
from backstay.plan.moment import instant_text, trimmed

_BITS: Final = {"int2": 15, "int4": 31, "int8": 63}
_NAMES: Final = {"int2": "smallint", "int4": "integer", "int8": "bigint"}
#: A sum or product of two numbers of 131072 digits is never needed here; what is longer is refused.
_EXACT: Final = Context(prec=2000)


def compute(sign: str, left_kind: str, right_kind: str, left: Any, right: Any) -> int | float | str | None:
    """``left sign right``; NULL when either is NULL, or is not of its kind.

    >>> compute("/", "int4", "int4", 1, 3), compute("//", "int4", "int4", -7, 2), compute("%", "int4", "int4", -7, 2)
    ('0.33333333333333333333', -3, -1)
    >>> compute("+", "number", "number", 0.1, 0.2), compute("+", "date", "int4", "2024-02-28", 2)
    ('0.3', '2024-03-01')
    >>> compute("+", "timestamptz", "interval", "2024-01-01T00:00:00.5+00:00", "1 day")
    '2024-01-02T00:00:00.5+00:00'

    Raises:
        DatabaseError: 22003, 22008, 22012, as PostgreSQL would.
    """
    if left is None or right is None:
        return None
    kinds = {left_kind, right_kind}
    try:
        if kinds <= _BITS.keys():
            return _whole(sign, max(kinds), left, right)
        if kinds <= _BITS.keys() | {"number", "decimal", "float"}:
            return _of_floats(sign, left, right) if "float" in kinds else decimal_text(_of_decimals(sign, left, right))
        return _of_moments(sign, left_kind, right_kind, left, right)
    except (InvalidOperation, ValueError, TypeError):
        # A file that others have made may hold anything in any column.
        return None
    except OverflowError:
        raise DatabaseError("22008", "timestamp out of range") from None


def _whole(sign: str, kind: str, left: Any, right: Any) -> int | str | None:
    if not isinstance(left, int) or not isinstance(right, int):
        return None
    if sign == "/":
        return decimal_text(_of_decimals(sign, left, right))
    if sign in ("//", "%") and right == 0:
        raise DatabaseError("22012", "division by zero")
    found = _WHOLE[sign](left, right)
    if not -(2 ** _BITS[kind]) <= found < 2 ** _BITS[kind]:
        raise DatabaseError("22003", f"{_NAMES[kind]} out of range")
    return found


def _quotient(left: int, right: int) -> int:
    """Towards zero, where Python rounds down."""
    found = abs(left) // abs(right)
    return found if (left < 0) == (right < 0) else -found


_WHOLE: Final[dict[str, Callable[[int, int], int]]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "//": _quotient,
    "%": lambda left, right: left - _quotient(left, right) * right,
}


def _of_floats(sign: str, left: Any, right: Any) -> float:
    one, other = float(left), float(right)
    if sign == "/" and other == 0:
        raise DatabaseError("22012", "division by zero")
    found = {"+": one + other, "-": one - other, "*": one * other}[sign] if sign != "/" else one / other
    if math.isinf(found) and not (math.isinf(one) or math.isinf(other)):
        raise DatabaseError("22003", "value out of range: overflow")
    if found == 0 and sign in ("*", "/") and one != 0 and other != 0 and not math.isinf(other):
        raise DatabaseError("22003", "value out of range: underflow")
    return found


def _of_decimals(sign: str, left: Any, right: Any) -> Decimal:
    one, other = _exact(left), _exact(right)
    match sign:
        case "+":
            return check_size(_EXACT.add(one, other))
        case "-":
            return check_size(_EXACT.subtract(one, other))
        case "*":
            return check_size(_EXACT.multiply(one, other))
        case _:
            return _divided(one, other)


def _divided(one: Decimal, other: Decimal) -> Decimal:
    """To as many places as PostgreSQL's ``select_div_scale`` takes: sixteen significant digits, and those given."""
    if other == 0:
        raise DatabaseError("22012", "division by zero")
    (weight, first), (other_weight, other_first) = _leading(one), _leading(other)
    weight -= other_weight + (first <= other_first)
    places = min(1000, max(16 - 4 * weight, -_exponent(one), -_exponent(other), 0))
    return _EXACT.divide(one, other).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, _EXACT)


def _leading(number: Decimal) -> tuple[int, int]:
    """The place and the value of its first digit to the base 10,000."""
    weight = number.adjusted() // 4 if number else 0
    return weight, int(abs(number).scaleb(-4 * weight, _EXACT))


def _exponent(number: Decimal) -> int:
    found = number.as_tuple().exponent
    return found if isinstance(found, int) else 0


def check_size(number: Decimal) -> Decimal:
    """*number*, if PostgreSQL's numeric could hold it: its text is then of a reasonable length.

    Raises:
        DatabaseError: 22003.
    """
    if number.is_finite() and not -16_384 < number.adjusted() < 131_072:
        raise DatabaseError("22003", "value overflows numeric format")
    return number


def _exact(number: Any) -> Decimal:
    return check_size(Decimal(str(number)))


def decimal_text(number: Any) -> str | None:
    """A number as exact decimals are kept.

    >>> decimal_text(0.1), decimal_text(7), decimal_text("1.50"), decimal_text(None)
    ('0.1', '7', '1.50', None)
    """
    return None if number is None else format(_exact(number), "f")


def scaled_text(number: Any, places: int) -> str | None:
    """As `decimal_text`, with so many *places* behind the point; more are kept.

    >>> scaled_text(5.5, 2), scaled_text("1.8050", 2), scaled_text(None, 2)
    ('5.50', '1.8050', None)
    """
    if number is None:
        return None
    value = _exact(number)
    return format(
        value.quantize(Decimal(1).scaleb(-places), context=_EXACT) if -_exponent(value) < places else value, "f"
    )


def _of_moments(sign: str, left_kind: str, right_kind: str, left: Any, right: Any) -> int | str:
    if sign == "+" and left_kind in ("interval", "int2", "int4") and right_kind != "interval":
        return _of_moments(sign, right_kind, left_kind, right, left)
    one, other = _READ[left_kind](left), _READ[right_kind](right)
    if left_kind == "date" and right_kind == "interval":
        one = datetime.combine(one, datetime.min.time())
    elif right_kind in ("int2", "int4"):
        other = timedelta(days=other)
    found = one + other if sign == "+" else one - other
    match found:
        case timedelta() if left_kind == "date":
            return found.days
        case timedelta():
            return duration_text(found)
        case datetime():
            return trimmed(found) if found.tzinfo is None else instant_text(found)
        case _:
            return str(found)


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


_READ: Final[dict[str, Callable[[Any], Any]]] = {
    "timestamptz": _instant,
    "timestamp": datetime.fromisoformat,
    "date": date.fromisoformat,
    "interval": parse_duration,
    "int2": int,
    "int4": int,
}


def microseconds(interval: Any) -> int | None:
    """How long a duration is: PostgreSQL compares a day as 24 hours.

    >>> microseconds("1 day") == microseconds("24:00:00")
    True
    """
    try:
        return None if interval is None else parse_duration(interval) // timedelta(microseconds=1)
    except (ValueError, TypeError):
        return None
