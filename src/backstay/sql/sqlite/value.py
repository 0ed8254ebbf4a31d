"""Values on their way into JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from backstay.catalog import family_of
from backstay.catalog.opaque import AsStored
from backstay.sql.dialect import Expression, Typed
from backstay.sql.stored import stored_value


def json_object(pairs: Sequence[tuple[str, Expression]]) -> Expression:
    return sa.func.json_object(*(part for key, value in pairs for part in (sa.literal(key, sa.Text()), value)))


def json_value(typed: Typed) -> Expression:
    value = typed.expression
    if isinstance(typed.type, AsStored):
        return stored_value(typed)
    match family_of(typed.type):
        case "boolean":
            return sa.func.json(sa.case((value.is_(None), sa.null()), (value, word("true")), else_=word("false")))
        case "numeric":
            scale = getattr(typed.type, "scale", None)
            if is_native(typed.type) and scale is not None:
                return sa.func.json(sa.case((value.is_not(None), sa.func.printf(word(f"%.{int(scale)}f"), value))))
            return sa.func.json(sa.cast(value, sa.Text()))
        case "json" | "array":
            return sa.func.json(value)
        case "bytes":
            hexadecimal = sa.func.lower(sa.func.hex(value))
            return sa.case((value.is_not(None), word("\\x").concat(hexadecimal)))
        case _:
            return value


def sealed(stored: Expression, key: Sequence[Expression]) -> Expression:
    # CASE hands its JSON on as JSON.
    return sa.case((stored.is_not(None), sa.func.json_array(sa.func.hex(stored), *key)))


def word(text: str) -> Expression:
    """A constant of this file or of the models, written into the statement."""
    return sa.literal_column("'" + text.replace("'", "''") + "'", sa.Text())


def is_native(type_: sa.types.TypeEngine[Any]) -> bool:
    """Whether a decimal fits a double exactly, and is stored as a number: up to 15 digits."""
    precision = getattr(type_, "precision", None)
    return precision is not None and precision <= 15
