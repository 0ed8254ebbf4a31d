"""Text from a client → the canonical value of a column's type.

The canonical value is what SQLite stores, and it is also how PostgreSQL prints the type in JSON: a UUID in lower case
with dashes, a timestamp as ``2024-01-01T00:00:00.5+00:00``.  The messages are PostgreSQL's, so that both databases
refuse alike.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from backstay.catalog import Family, family_of, integer_bound, plain_type
from backstay.catalog.opaque import Opaque
from backstay.errors import PlanError
from backstay.plan.duration import duration_text, parse_duration
from backstay.plan.moment import BLANKS, instant_text, read_date, read_moment, read_time, trimmed
from backstay.request.array import parse_array

# Possessive throughout: what could be divided in two ways would be tried in all of them, which is quadratic.
_INTEGER: Final = re.compile(r"\s*+([+-]?[0-9]++)\s*+", re.ASCII)
_NUMBER: Final = re.compile(r"\s*+[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?\s*+", re.ASCII)
_JSON: Final = msgspec.json.Encoder(decimal_format="number")
#: As PostgreSQL has it: a dash may stand behind every four digits, and braces around all of them.
_UUID: Final = re.compile(r"(\{)?(?:[0-9a-f]{4}-?){7}[0-9a-f]{4}(?(1)\})", re.ASCII | re.IGNORECASE)
#: A NUL in JSON, and not a backslash in front of the letters.
_NUL: Final = re.compile(r"(?<!\\)\\(?:\\\\)*u0000")
_BLANKS: Final = re.compile(r"[ \n\t\r]++")
_ESCAPE: Final = re.compile(rb"\\\\|\\[0-3][0-7]{2}")
_BOOLEANS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("t", "tr", "tru", "true", "y", "ye", "yes", "on", "1"), True),
    **dict.fromkeys(("f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0"), False),
}
#: Digits of a number that SQLite keeps, as text.
_DIGITS: Final = 1000


def coercion(type_: sa.types.TypeEngine[Any]) -> Callable[[str], Any]:
    """`coerce` for one type, looked up once: finding a type's family costs more than reading most values."""
    convert = _COERCIONS[family_of(type_)]
    return lambda text: convert(text, type_)


def coerce(text: str, type_: sa.types.TypeEngine[Any]) -> Any:
    """The canonical value of *text* for a column of *type_*.

    >>> coerce("2024-01-01 02:00:00.50+02", sa.DateTime(timezone=True)), coerce("yes", sa.Boolean())
    ('2024-01-01T00:00:00.5+00:00', 1)
    >>> coerce("abc", sa.BigInteger())
    Traceback (most recent call last):
    backstay.errors.PlanError: 22P02: invalid input syntax for type bigint: "abc"

    Raises:
        PlanError: 22P02, 22003, 22007, 22008, as PostgreSQL would.
    """
    return _COERCIONS[family_of(type_)](text, type_)


def type_name(type_: sa.types.TypeEngine[Any]) -> str:
    """PostgreSQL's name of *type_*, for messages."""
    type_ = plain_type(type_)
    shown = getattr(type_, "shown", None)
    if shown is not None:
        return str(shown)
    match family_of(type_):
        case "integer":
            if isinstance(type_, sa.BigInteger):
                return "bigint"
            return "smallint" if isinstance(type_, sa.SmallInteger) else "integer"
        case "float" if isinstance(type_, sa.REAL):
            return "real"
        case "text" if isinstance(type_, sa.String) and type_.length is not None:
            return "character varying"
        case "json" if isinstance(type_, pg.JSONB):
            return "jsonb"
        case "range" | "tsvector" if type_.__visit_name__ != "user_defined":
            return str(type_.__visit_name__).lower()
        case "array" if getattr(type_, "item_type", None) is not None:
            return f"{type_name(type_.item_type)}[]"  # type: ignore[attr-defined]
        case "other" if isinstance(type_, Opaque):
            return type_.sql_name
        case "enum":
            return f"enum {getattr(type_, 'name', None) or 'text'}"
        case family:
            return _NAMES.get(family, family)


_NAMES: Final[Mapping[str, str]] = {
    "float": "double precision",
    "timestamptz": "timestamp with time zone",
    "timestamp": "timestamp without time zone",
    "time": "time without time zone",
    "bytes": "bytea",
}


def invalid(text: str, type_: sa.types.TypeEngine[Any], code: str = "22P02") -> PlanError:
    """PostgreSQL's refusal of *text* for *type_*."""
    if family_of(type_) == "enum":
        return PlanError(code, f'invalid input value for {type_name(type_)}: "{text}"')
    return PlanError(code, f'invalid input syntax for type {type_name(type_)}: "{text}"')


def _integer(text: str, type_: Any) -> int:
    # Nineteen digits hold every bigint; Python's own limit on int() would raise past 4,300 digits.
    found = _INTEGER.fullmatch(text)
    if found is None:
        raise invalid(text, type_)
    name = type_name(type_)
    digits = found[1].lstrip("+-").lstrip("0")
    value = int(digits or 0) if len(digits) <= 20 else 2**70
    value = -value if found[1].startswith("-") else value
    bound = integer_bound(type_)
    if not -bound <= value < bound:
        raise PlanError("22003", f'value "{text}" is out of range for type {name}')
    return value


def _float(text: str, type_: Any) -> float:
    word = text.strip(BLANKS).lower().lstrip("+-")
    if _NUMBER.fullmatch(text):
        value = float(text)
        # Too far away, or too near: something that is nothing.
        if math.isinf(value) or (not value and re.match(r"[.0]*[1-9]", word)):
            raise PlanError("22003", f'"{text}" is out of range for type double precision')
        return value
    if not re.fullmatch(r"[+-]?(nan|infinity|inf)", text.strip(BLANKS), re.IGNORECASE):
        raise invalid(text, type_)
    return float(text)


def _numeric(text: str, type_: Any) -> str:
    if not _NUMBER.fullmatch(text):
        raise invalid(text, type_)
    plain = text.strip(BLANKS)
    value = Decimal(plain) if len(plain.lstrip("+-").lstrip("0")) <= _DIGITS else None
    if value is None or abs(value.adjusted()) > _DIGITS:
        raise PlanError("22003", "value overflows numeric format")
    return format(value if value else value.copy_abs(), "f")


def _boolean(text: str, type_: Any) -> int:
    found = _BOOLEANS.get(text.strip(BLANKS).lower())
    # "o" is the start of both on and off; PostgreSQL refuses it too.
    if found is None:
        raise invalid(text, type_)
    return int(found)


def _text(text: str, type_: Any) -> str:
    if "\x00" in text:
        raise PlanError("22021", 'invalid byte sequence for encoding "UTF8": 0x00')
    return text


def _enum(text: str, type_: Any) -> str:
    allowed = getattr(type_, "enums", None)
    if allowed is not None and text not in allowed:
        raise invalid(text, type_)
    return text


def _uuid(text: str, type_: Any) -> str:
    if not _UUID.fullmatch(text):
        raise invalid(text, type_)
    return str(UUID(text))


def _timestamptz(text: str, type_: Any) -> str:
    moment = read_moment(text, "timestamp with time zone")
    try:
        return instant_text(moment)
    except OverflowError:
        raise PlanError("22008", f'timestamp out of range: "{text}"') from None


def _timestamp(text: str, type_: Any) -> str:
    return trimmed(read_moment(text, "timestamp").replace(tzinfo=None))


def _date(text: str, type_: Any) -> str:
    return read_date(text).isoformat()


def _time(text: str, type_: Any) -> str:
    return trimmed(read_time(text))


def canonical_json(value: Any) -> str:
    """JSON text: compact, in the order given, and a `decimal.Decimal` with every digit, as PostgreSQL keeps it."""
    return _JSON.encode(value).decode()


def _json(text: str, type_: Any) -> str:
    try:
        found = canonical_json(json.loads(text, parse_int=_whole, parse_float=Decimal, parse_constant=_refuse_constant))
    except (ValueError, RecursionError):
        raise PlanError("22P02", "invalid input syntax for type json") from None
    if _NUL.search(found):
        # Stored, it would be an error of every later read as text.
        raise PlanError("22P05", "unsupported Unicode escape sequence", details="\\u0000 cannot be converted to text.")
    return found


def _whole(digits: str) -> int | Decimal:
    # Python reads no more than 4,300 digits as an int.
    return int(digits) if len(digits) <= _DIGITS else Decimal(digits)


def _refuse_constant(word: str) -> Any:
    raise ValueError(word)


def _bytes(text: str, type_: Any) -> bytes:
    if not text.startswith("\\x"):
        if b"\\" in _ESCAPE.sub(b"", text.encode()):
            raise PlanError("22P02", "invalid input syntax for type bytea")
        return _ESCAPE.sub(_unescaped, text.encode())
    # Blanks stand between bytes alone.
    parts = _BLANKS.split(text[2:])
    digits = "".join(parts)
    strange = re.search(r"[^0-9a-fA-F]", digits)
    if strange is not None:
        raise PlanError("22023", f'invalid hexadecimal digit: "{strange[0]}"')
    if any(len(part) % 2 for part in parts):
        raise PlanError("22023", "invalid hexadecimal data: odd number of digits")
    return bytes.fromhex(digits)


def _unescaped(found: re.Match[bytes]) -> bytes:
    return b"\\" if found[0] == b"\\\\" else bytes([int(found[0][1:], 8)])


def _is_even(items: list[Any]) -> bool:
    """Whether every level holds either values or lists of one length."""
    inner = [item for item in items if isinstance(item, list)]
    if not inner:
        return True
    return len(inner) == len(items) and len({len(item) for item in inner}) == 1 and all(map(_is_even, inner))


def _array(text: str, type_: Any) -> str:
    item: sa.types.TypeEngine[Any] = getattr(type_, "item_type", sa.Text())

    def convert(element: Any) -> Any:
        if element is None:
            return None
        if isinstance(element, list):
            return [convert(e) for e in element]
        value = coerce(element, item)
        match family_of(item):
            case "boolean":
                return bool(value)
            case "numeric":
                return Decimal(value)
            case "float" if not math.isfinite(value):
                # As PostgreSQL's JSON has it.
                return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
            case _:
                return value

    try:
        parsed = parse_array(text)
    except ValueError as fault:
        raise PlanError("22P02", f'malformed array literal: "{text}"', details=str(fault)) from None
    if not _is_even(parsed):
        raise PlanError(
            "22P02",
            f'malformed array literal: "{text}"',
            details="Multidimensional arrays must have sub-arrays with matching dimensions.",
        )
    return canonical_json([convert(element) for element in parsed])


def _interval(text: str, type_: Any) -> str:
    if not isinstance(plain_type(type_), sa.Interval):
        # PostgreSQL's own type, of a reflected database: it knows of months too.
        return text
    try:
        return duration_text(parse_duration(text.strip(BLANKS)))
    except ValueError:
        raise invalid(text, type_, "22007") from None
    except OverflowError:
        raise PlanError("22015", f'interval field value out of range: "{text}"') from None


_COERCIONS: Final[Mapping[Family, Callable[[str, Any], Any]]] = {
    "boolean": _boolean,
    "integer": _integer,
    "float": _float,
    "numeric": _numeric,
    "text": _text,
    "uuid": _uuid,
    "timestamptz": _timestamptz,
    "timestamp": _timestamp,
    "date": _date,
    "time": _time,
    "interval": _interval,
    "json": _json,
    "bytes": _bytes,
    "enum": _enum,
    "array": _array,
    "range": _text,
    "tsvector": _text,
    "other": _text,
}
