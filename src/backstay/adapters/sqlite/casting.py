"""PostgreSQL's explicit casts of values for which SQLite's own CAST would guess."""

from __future__ import annotations

import json
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Any

from backstay.catalog import family_of
from backstay.errors import PlanError
from backstay.plan.coerce import coerce, type_name
from backstay.sql.casts import cast_type


def cast(value: Any, source: str, word: str) -> Any:
    """*value* of the family *source*, cast to the type called *word*.

    >>> cast("42", "text", "int"), cast("2.5", "numeric", "int"), cast(2.5, "float", "int")
    (42, 3, 2)

    Raises:
        PlanError: 22P02 and its siblings, as PostgreSQL would; 22023, for JSON of another kind.
    """
    if value is None:
        return None
    target = cast_type(word)
    if source == "json":
        value = _scalar(value, family_of(target), type_name(target))
        if value is None:
            return None
    if family_of(target) == "integer" and source in ("float", "numeric", "json"):
        rounding = ROUND_HALF_EVEN if source == "float" else ROUND_HALF_UP
        value = Decimal(str(value)).quantize(Decimal(1), rounding) if abs(Decimal(str(value))) < 10**20 else 10**20
    return coerce(str(value), target)


def json_text(text: Any) -> str | None:
    """JSON text as PostgreSQL writes a jsonb: a space behind commas and colons, short keys first.

    >>> json_text('{"bb":[1.50,"x"],"a":null}')
    '{"a": null, "bb": [1.50, "x"]}'
    """
    return None if text is None else _written(json.loads(text, parse_float=Decimal))


def _written(value: Any) -> str:
    match value:
        case dict():
            keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
            return "{" + ", ".join(f"{_written(key)}: {_written(value[key])}" for key in keys) + "}"
        case list():
            return "[" + ", ".join(map(_written, value)) + "]"
        case Decimal():
            return format(value, "f")
        case _:
            return json.dumps(value, ensure_ascii=False)


def _scalar(text: str, family: str, name: str) -> Any:
    value = json.loads(text, parse_float=Decimal)
    if value is None:
        return None
    if isinstance(value, bool) == (family == "boolean") and isinstance(value, bool | int | Decimal):
        return str(value).lower() if isinstance(value, bool) else value
    kinds = {str: "string", dict: "object", list: "array", bool: "boolean"}
    raise PlanError("22023", f"cannot cast jsonb {kinds.get(type(value), 'numeric')} to type {name}")
