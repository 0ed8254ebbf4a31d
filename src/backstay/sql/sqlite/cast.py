"""``::type`` and aggregates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa

from backstay.catalog import Family, family_of, plain_type
from backstay.errors import PlanError
from backstay.plan.coerce import type_name
from backstay.sql.casts import cast_type
from backstay.sql.dialect import Expression, Typed
from backstay.sql.sqlite.path import DECIMALS, labels_of, number, ordered
from backstay.sql.sqlite.value import is_native, json_value, word

#: What PostgreSQL casts explicitly, besides everything to text and text to everything.
_CASTS: Final[Mapping[Family, frozenset[Family]]] = {
    "integer": frozenset({"integer", "float", "numeric", "boolean"}),
    "float": frozenset({"integer", "numeric"}),
    "numeric": frozenset({"integer", "float"}),
    "boolean": frozenset({"integer"}),
    "date": frozenset({"timestamp", "timestamptz"}),
    "timestamp": frozenset({"date", "time", "timestamptz"}),
    "timestamptz": frozenset({"date", "time", "timestamp"}),
    "json": frozenset({"boolean", "integer", "float", "numeric"}),
}

_SUMMED: Final = frozenset({"integer", "float", "numeric"})
#: What has neither least nor greatest in PostgreSQL.
_UNORDERED: Final = frozenset({"boolean", "uuid", "json", "bytes", "range", "tsvector"})


def cast(typed: Typed, name: str) -> Typed:
    target = cast_type(name)
    value, source, family = typed.expression, family_of(typed.type), family_of(target)
    if family == "text":
        return Typed(_as_text(typed, source), target)
    if source == "text":
        return Typed(_computed_cast(value, source, name), target)
    if family == source and family != "integer":
        return Typed(value, target)
    if family not in _CASTS.get(source, frozenset()) or (
        "boolean" in (source, family) and any(isinstance(t, sa.BigInteger) for t in (typed.type, target))
    ):
        raise PlanError("42846", f"cannot cast type {type_name(typed.type)} to {type_name(target)}")
    match source, family:
        case "integer", "boolean":
            return Typed(value.op("<>")(sa.literal_column("0")), target)
        case ("boolean", _) | ("integer", "numeric"):
            return Typed(value, target)
        case _, "float" if source != "json":
            return Typed(sa.cast(value, sa.REAL()), target)
        case ("float", "numeric"):
            return Typed(sa.cast(value, sa.Text()), target)
        case "date", _:
            return Typed(
                sa.type_coerce(value, sa.Text()).concat(
                    word("T00:00:00" + ("+00:00" if family == "timestamptz" else ""))
                ),
                target,
            )
        case _, "date":
            return Typed(sa.func.substr(value, 1, 10), target)
        case _, "time":
            return Typed(sa.func.replace(sa.func.substr(value, 12), word("+00:00"), word("")), target)
        case "timestamp", "timestamptz":
            return Typed(sa.type_coerce(value, sa.Text()).concat(word("+00:00")), target)
        case "timestamptz", "timestamp":
            return Typed(sa.func.replace(value, word("+00:00"), word("")), target)
        case _:
            return Typed(_computed_cast(value, source, name), target)


def _computed_cast(value: Expression, source: Family, name: str) -> Expression:
    return sa.func.backstay_cast(value, word(source), sa.literal(name, sa.Text()))


def _as_text(typed: Typed, source: Family) -> Expression:
    value = typed.expression
    if source == "boolean":
        return sa.case((value.is_(None), sa.null()), (value, word("true")), else_=word("false"))
    if source in ("timestamptz", "timestamp"):
        # PostgreSQL's text form has a space for the T and a short offset.
        spaced = sa.func.replace(value, word("T"), word(" "))
        return sa.func.replace(spaced, word("+00:00"), word("+00"))
    if source == "json":
        return sa.func.backstay_json_text(value)
    if source == "array":
        item: sa.types.TypeEngine[Any] = getattr(typed.type, "item_type", sa.types.NULLTYPE)
        return sa.func.backstay_array_text(value, word(family_of(item)))
    if source in ("numeric", "bytes"):
        # A text of its own: a cast would still be taken for JSON where it is put into JSON.
        return sa.type_coerce(json_value(typed), sa.Text()).concat(word(""))
    return sa.cast(value, sa.Text())


def aggregate(name: str, typed: Typed | None) -> Typed:
    if typed is None:
        return Typed(sa.func.count(), sa.BigInteger())
    value, family = typed.expression, family_of(typed.type)
    if name == "count":
        return Typed(sa.func.count(value), sa.BigInteger())
    extreme = name in ("min", "max")
    if family in _UNORDERED or not (extreme or family in _SUMMED):
        raise PlanError(
            "42883",
            f"function {name}({type_name(typed.type)}) does not exist",
            hint="No function matches the given name and argument types. You might need to add explicit type casts.",
        )
    if extreme:
        return Typed(_extreme(getattr(sa.func, name), typed), typed.type)
    if family == "float":
        return Typed(getattr(sa.func, name)(value), typed.type if name == "sum" else sa.Double())
    small = family == "integer" and not isinstance(plain_type(typed.type), sa.BigInteger)
    total = sa.func.sum(value) if small else _sum(typed)
    if name == "sum":
        return Typed(total, sa.BigInteger() if small else sa.Numeric())
    return Typed(_exactly("/", total, sa.func.count(value)), sa.Numeric())


def _extreme(function: Callable[[Expression], Expression], typed: Typed) -> Expression:
    """The least or the greatest, by *function*, in the order that the type has in PostgreSQL."""
    key = ordered(typed)
    if labels := labels_of(typed.type):
        return sa.case(*((function(key) == number(at), word(label)) for at, label in enumerate(labels)))
    if family_of(typed.type) == "interval":
        # Behind a key that sorts as a text stands what it is the key of.
        keyed = sa.func.printf(word("%020d"), key.op("+")(number(2**62))).concat(typed.expression)
        return sa.func.substr(function(keyed), number(21))
    if family_of(typed.type) == "numeric" and not is_native(typed.type):
        key = sa.collate(sa.type_coerce(key, sa.Text()), DECIMALS)
    return function(key)


def _sum(typed: Typed) -> Expression:
    """The exact sum of decimals or of 64 bits, which 64 bits may not hold: so each half of 32 has its own."""
    units, scale = typed.expression, 0
    if family_of(typed.type) == "numeric":
        if not is_native(typed.type) or getattr(typed.type, "scale", None) is None:
            return sa.func.backstay_decimal_sum(units)
        scale = max(int(getattr(typed.type, "scale", 0)), 0)
        units = sa.cast(sa.func.round(units.op("*")(number(10**scale))), sa.BigInteger())
    high, low = sa.func.sum(units.op(">>")(number(32))), sa.func.sum(units.op("&")(number(2**32 - 1)))
    total = _exactly("+", _exactly("*", high, number(2**32)), low)
    return _exactly("*", total, word(f"{Decimal(1).scaleb(-scale):f}")) if scale else total


def _exactly(sign: str, left: Expression, right: Expression) -> Expression:
    return sa.func.backstay_compute(word(sign), word("decimal"), word("decimal"), left, right)
