"""``::type`` and aggregates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa

from backstay.catalog import Family, family_of
from backstay.errors import PlanError
from backstay.plan.coerce import type_name
from backstay.sql.casts import cast_type
from backstay.sql.dialect import Expression, Typed
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
    if name in ("min", "max"):
        return Typed(getattr(sa.func, name)(value), typed.type)
    if family not in ("integer", "float", "numeric"):
        raise PlanError("42883", f"function {name}({family}) does not exist")
    if family == "numeric" and not is_native(typed.type):
        return Typed(sa.func.backstay_decimal_sum(value) if name == "sum" else sa.func.avg(value), sa.Numeric())
    return Typed(getattr(sa.func, name)(value), typed.type if name == "sum" else sa.Double())
