"""What kinds of values there are, which go together, and what PostgreSQL makes of them.

A kind is finer than a family: it tells what is stored too, and that of ``func.now()``, which SQLAlchemy does not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal, TypeAlias

import sqlalchemy as sa

from backstay.catalog import family_of, plain_type
from backstay.catalog.opaque import AsStored
from backstay.sql.sqlite.value import is_native

#: "number" is a decimal that a double holds exactly, "decimal" one that is kept as text, "whole" one that SQLite has as
#: an integer; "null" goes with any.
Kind: TypeAlias = Literal[
    "boolean",
    "int2",
    "int4",
    "int8",
    "float",
    "number",
    "decimal",
    "whole",
    "text",
    "char",
    "uuid",
    "enum",
    "date",
    "timestamp",
    "timestamptz",
    "time",
    "interval",
    "json",
    "bytes",
    "other",
    "null",
    "row",
]
INTEGERS: Final[tuple[Kind, ...]] = ("int2", "int4", "int8")
NUMBERS: Final[frozenset[Kind]] = frozenset({*INTEGERS, "float", "number", "decimal", "whole"})
#: What no float holds exactly: PostgreSQL rounds it where it stands beside one.
FINER: Final[frozenset[Kind]] = frozenset({"int8", "decimal", "whole"})
#: What SQLite has as an integer.
WHOLE_ONES: Final[frozenset[Kind]] = frozenset({*INTEGERS, "whole"})
MOMENTS: Final[frozenset[Kind]] = frozenset({"date", "timestamp", "timestamptz"})
#: Their stored form sorts as they do.
SORTED: Final[frozenset[Kind]] = NUMBERS | MOMENTS | {"boolean", "uuid", "time", "bytes", "null"}


def kind_of_type(type_: Any) -> Kind:
    """The kind of a column of *type_*."""
    type_ = plain_type(type_)
    match family_of(type_):
        case "integer":
            small = isinstance(type_, sa.SmallInteger)
            return "int2" if small else "int8" if isinstance(type_, sa.BigInteger) else "int4"
        case "numeric":
            return "number" if is_native(type_) or isinstance(type_, AsStored) else "decimal"
        case "float":
            is_single = isinstance(type_, sa.REAL) or (type_.precision or 53) <= 24
            return "other" if is_single else "float"
        case "text" if isinstance(type_, sa.CHAR):
            return "char"
        case "array" | "range" | "tsvector" | "other":
            return "null" if isinstance(type_, sa.types.NullType) else "other"
        case found:
            return found


#: What SQLite compares as it is, wherever it comes from.
IN_ROWS: Final[frozenset[Kind]] = MOMENTS | {"boolean", "float", "text", "uuid", "enum", "time", "bytes"}


def go_together(first: Kind, second: Kind, listed: bool) -> bool:
    if first == second or {first, second} == {"char", "text"}:
        return not listed or first != "char"
    if first in NUMBERS and second in NUMBERS:
        return not listed or {first, second} <= {*WHOLE_ONES, "number"} or "float" not in (first, second)
    return first in MOMENTS and second in MOMENTS and not listed


def arithmetic(sign: str, left: Kind, right: Kind) -> Kind | None:
    """What PostgreSQL makes of two kinds; ``None`` where it is not known to be the same here.

    >>> arithmetic("+", "int2", "int8"), arithmetic("/", "int4", "int4"), arithmetic("-", "date", "date")
    ('int8', 'decimal', 'int4')
    >>> arithmetic("+", "boolean", "int4") is None
    True
    """
    both = {left, right}
    if both <= frozenset(INTEGERS):
        return "decimal" if sign == "/" else max(left, right)
    if both <= NUMBERS:
        if sign in ("//", "%"):
            return None
        return "float" if "float" in both else "decimal"
    if sign not in ("+", "-"):
        return None
    if right == "interval" and left in ("timestamp", "timestamptz", "date", "interval"):
        return "timestamp" if left == "date" else left
    if sign == "+":
        swapped = {("interval", "timestamp"), ("interval", "timestamptz"), ("interval", "date"), ("int4", "date")}
        return arithmetic("+", right, left) if (left, right) in swapped else "date" if _moves(left, right) else None
    if left == right and left in MOMENTS:
        return "int4" if left == "date" else "interval"
    return "date" if _moves(left, right) else None


def _moves(left: Kind, right: Kind) -> bool:
    return left == "date" and right in ("int2", "int4")


#: What is taken out of JSON, by the type that the taking has.
ITEMS: Final[frozenset[Kind]] = frozenset({"text", "int4", "int8", "float", "decimal", "boolean", "json"})
#: What may be cast to what: by SQLite itself, or by `rendered`.
CASTS: Final[dict[Kind, frozenset[Kind]]] = {
    "text": frozenset(
        {"text", *INTEGERS, "float", "decimal", "boolean", "uuid", "date", "timestamp", "timestamptz", "time"}
    ),
    "int2": frozenset({*INTEGERS, "float", "decimal", "text"}),
    "int4": frozenset({*INTEGERS, "float", "decimal", "text", "boolean"}),
    "int8": frozenset({*INTEGERS, "float", "decimal", "text"}),
    "number": frozenset({*INTEGERS, "float", "decimal"}),
    "whole": frozenset({*INTEGERS, "float", "decimal", "text"}),
    "decimal": frozenset({*INTEGERS, "float", "decimal"}),
    "float": frozenset({*INTEGERS, "float"}),
    "boolean": frozenset({"boolean", "int4", "text"}),
    "uuid": frozenset({"uuid", "text"}),
    "enum": frozenset({"text"}),
    "date": frozenset({"date", "timestamp", "timestamptz", "text"}),
    "time": frozenset({"time"}),
    "timestamp": frozenset({"timestamp", "timestamptz", "date"}),
    "timestamptz": frozenset({"timestamp", "timestamptz", "date"}),
}
#: What is taken out of moments, and out of which.
EXTRACTS: Final[dict[str, frozenset[Kind]]] = {
    **dict.fromkeys(("year", "month", "day", "dow", "doy"), MOMENTS),
    **dict.fromkeys(("hour", "minute"), frozenset[Kind]({"timestamp", "timestamptz"})),
}
_NAMES: Final[dict[Kind, str]] = {
    "int2": "integer",
    "int4": "integer",
    "int8": "integer",
    "number": "numeric",
    "decimal": "numeric",
    "whole": "numeric",
    "other": "of a type that is not known there",
    "null": "NULL",
    "row": "a row",
    "json": "JSON",
    "enum": "an enum",
}


def named(kind: Kind) -> str:
    """What the author of a rule knows *kind* by."""
    return _NAMES.get(kind, kind)


def listed(kinds: Iterable[Kind]) -> str:
    """*kinds* by their names.

    >>> listed({"int8", "bytes"})
    'bytes and integer'
    """
    return " and ".join(sorted(map(named, kinds)))
