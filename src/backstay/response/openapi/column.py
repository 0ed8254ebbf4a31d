"""The JSON Schema (2020-12) of a column's values, as replies show them and bodies may bring them."""

from __future__ import annotations

import enum
import math
from typing import Any, Final

import sqlalchemy as sa

from backstay.catalog import Column, Family, family_of, plain_type
from backstay.catalog.geometry import Geometry
from backstay.catalog.html import Html
from backstay.plan.coerce import type_name
from backstay.response.openapi.name import Json

#: What a family is in JSON.  ``date-time-local`` and ``time-local`` are of the OpenAPI format registry: a timestamp
#: without time zone is no ``date-time`` of RFC 3339, which demands an offset.
_PLAIN: Final[dict[Family, Json]] = {
    "boolean": {"type": "boolean"},
    "float": {"type": "number", "format": "double"},
    "numeric": {"type": "number"},
    "text": {"type": "string"},
    "uuid": {"type": "string", "format": "uuid"},
    "timestamptz": {"type": "string", "format": "date-time"},
    "timestamp": {"type": "string", "format": "date-time-local"},
    "date": {"type": "string", "format": "date"},
    "time": {"type": "string", "format": "time-local"},
    "interval": {"type": "string"},
    "json": {},
    "bytes": {"type": "string", "pattern": r"^\\x([0-9a-f]{2})*$"},
    "enum": {"type": "string"},
    "range": {"type": "string"},
    "tsvector": {"type": "string"},
    "other": {},
}
_INTEGERS: Final[dict[str, Json]] = {
    "smallint": {"type": "integer", "format": "int32", "minimum": -(2**15), "maximum": 2**15 - 1},
    "integer": {"type": "integer", "format": "int32"},
    # Without bounds: most readers of JSON hold them as floating point numbers, and would round them past the type's.
    "bigint": {"type": "integer", "format": "int64"},
}


#: What to know of an encrypted column, without a blind index and with one.
_SEALED: Final = (
    "Encrypted at rest: no filter but `is.null`, and no order.",
    "Encrypted at rest: filters are `eq`, `neq`, `in` and `is.null`, and there is no order.",
)


def value_schema(type_: sa.types.TypeEngine[Any]) -> Json:
    """The schema of a value of *type_* that is not null.

    >>> value_schema(sa.String(30)), value_schema(sa.BigInteger())
    ({'type': 'string', 'maxLength': 30}, {'type': 'integer', 'format': 'int64'})
    """
    if isinstance(type_, Html):
        return {**value_schema(sa.String(type_.length)), "contentMediaType": "text/html"}
    if isinstance(type_, Geometry):
        return {"type": "object", "properties": {"type": {"type": "string"}}, "required": ["type"]}
    type_ = plain_type(type_)
    family = family_of(type_)
    match family:
        case "integer":
            return dict(_INTEGERS[type_name(type_)])
        case "array":
            return _array(type_)
        case "enum" if getattr(type_, "enums", None):
            return {"type": "string", "enum": [str(value) for value in type_.enums]}  # type: ignore[attr-defined]
        case "text" if isinstance(length := getattr(type_, "length", None), int):
            return {"type": "string", "maxLength": length}
        case _:
            return dict(_PLAIN[family])


def column_schema(column: Column) -> Json:
    """The schema of *column*'s values, ``null`` among them where the column takes it.

    >>> column_schema(Column("age", sa.Column("age", sa.Integer), "integer", True, False, False, False))
    {'type': ['integer', 'null'], 'format': 'int32'}
    """
    if column.sealing is not None:
        return {**column_schema(column.sealing.inner), "description": _SEALED[column.sealing.blind is not None]}
    schema = value_schema(column.type)
    return nullable(schema) if column.nullable else schema


def nullable(schema: Json) -> Json:
    """*schema*, or null.  A schema without a type takes anything already."""
    if "type" not in schema:
        return schema
    found: Json = {**schema, "type": [schema["type"], "null"]}
    if "enum" in schema:
        found["enum"] = [*schema["enum"], None]
    return found


def default_text(column: Column) -> str | None:
    """The value that a row gets where a client leaves *column* out, when the model says it as a plain value."""
    default = column.sql.default
    if default is None or not default.is_scalar:
        return None
    match default.arg:  # type: ignore[attr-defined]
        case bool(value):
            return "true" if value else "false"
        case enum.Enum(name=name):
            return name
        case int(value):
            return str(value)
        case float(value) if math.isfinite(value):
            return str(value)
        case str(value):
            return value
        case _:
            return None


def _array(type_: Any) -> Json:
    # PostgreSQL's arrays may have nulls in them, and where no dimensions are declared they have one.
    schema = nullable(value_schema(type_.item_type))
    for _ in range(type_.dimensions or 1):
        schema = {"type": "array", "items": schema}
    return schema
