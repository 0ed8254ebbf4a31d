"""The types that ``::cast`` may name: an allow-list, so that no client text becomes SQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from backstay.errors import PlanError

_TYPES: Final[Mapping[str, sa.types.TypeEngine[Any]]] = {
    "text": sa.Text(),
    "varchar": sa.Text(),
    "character varying": sa.Text(),
    "char": sa.Text(),
    "bpchar": sa.Text(),
    "name": sa.Text(),
    "citext": sa.Text(),
    "int2": sa.SmallInteger(),
    "smallint": sa.SmallInteger(),
    "int": sa.Integer(),
    "int4": sa.Integer(),
    "integer": sa.Integer(),
    "int8": sa.BigInteger(),
    "bigint": sa.BigInteger(),
    "float": sa.Double(),
    "float4": sa.REAL(),
    "float8": sa.Double(),
    "real": sa.REAL(),
    "double precision": sa.Double(),
    "numeric": sa.Numeric(),
    "decimal": sa.Numeric(),
    "bool": sa.Boolean(),
    "boolean": sa.Boolean(),
    "date": sa.Date(),
    "time": sa.Time(),
    "timestamp": sa.DateTime(),
    "timestamp without time zone": sa.DateTime(),
    "timestamptz": sa.DateTime(timezone=True),
    "timestamp with time zone": sa.DateTime(timezone=True),
    "interval": sa.Interval(),
    "uuid": sa.Uuid(),
    "json": sa.JSON(),
    "jsonb": pg.JSONB(),
    "bytea": sa.LargeBinary(),
}


def cast_type(name: str) -> sa.types.TypeEngine[Any]:
    """The type that *name* means; ``name[]`` is an array of it.

    Raises:
        PlanError: 42704, when the allow-list does not have it.
    """
    word = " ".join(name.strip().lower().split())
    if word.endswith("[]") and word[:-2] in _TYPES:
        return sa.ARRAY(_TYPES[word[:-2]])
    if word not in _TYPES:
        raise PlanError("42704", f'type "{name}" does not exist', hint=f"Casts go to: {', '.join(sorted(_TYPES))}.")
    return _TYPES[word]
