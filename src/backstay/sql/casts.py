"""The types that ``::cast`` may name: an allow-list, so that no client text becomes SQL."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from backstay.catalog.opaque import Opaque
from backstay.errors import PlanError
from backstay.sql.quoted import quoted

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


#: Types that only PostgreSQL has.
_OWN: Final = frozenset(
    [
        "bit",
        "varying",
        "box",
        "cidr",
        "circle",
        "daterange",
        "datemultirange",
        "hstore",
        "inet",
        "int4multirange",
        "int4range",
        "int8multirange",
        "int8range",
        "jsonpath",
        "line",
        "lseg",
        "ltree",
        "macaddr",
        "macaddr8",
        "money",
        "nummultirange",
        "numrange",
        "path",
        "point",
        "polygon",
        "time",
        "timetz",
        "tsmultirange",
        "tsquery",
        "tsrange",
        "tstzmultirange",
        "tstzrange",
        "tsvector",
        "varbit",
        "xml",
    ]
)
_SIZED: Final = re.compile(
    r"(bit|bit varying|char|character|character varying|decimal|interval|numeric|time|timestamp|timestamptz|varbit"
    r"|varchar) ?\([ 0-9,]+\)( with time zone| without time zone)?"
)
_PLAIN: Final = re.compile(r"[a-z_][a-z0-9_]*")


def postgresql_type(name: str, own: Collection[str] = ()) -> sa.types.TypeEngine[Any]:
    """As `cast_type`, with PostgreSQL's own types, their sizes (``numeric(10,2)``), and the enums and domains *own*.

    Raises:
        PlanError: 42704, for any other: a cast to ``regclass`` and its like would tell what exists.
    """
    word = " ".join(name.strip().lower().split())
    if word.startswith("_") and word[1:] in _TYPES and word not in own:
        # PostgreSQL's own name of the array of a type.
        word = f"{word[1:]}[]"
    item = word.removesuffix("[]")
    found: sa.types.TypeEngine[Any] | None = _TYPES.get(item)
    if found is None and (item in _OWN or _SIZED.fullmatch(item)):
        found = Opaque(item)
    if found is None and name.strip().removesuffix("[]") in own:
        plain = name.strip().removesuffix("[]")
        found = Opaque(plain if _PLAIN.fullmatch(plain) else quoted(plain))
    if found is None:
        raise PlanError("42704", f'type "{name}" does not exist')
    return sa.ARRAY(found) if word.endswith("[]") else found


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
