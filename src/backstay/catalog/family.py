"""What kind of value a column holds, whatever the database calls it."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from sqlalchemy import types as sqltypes
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.dialects.postgresql.ranges import AbstractRange

from backstay.catalog.opaque import Labelled

Family: TypeAlias = Literal[
    "boolean",
    "integer",
    "float",
    "numeric",
    "text",
    "uuid",
    "timestamptz",
    "timestamp",
    "date",
    "time",
    "interval",
    "json",
    "bytes",
    "enum",
    "array",
    "range",
    "tsvector",
    "other",
]

#: First match wins, so a subclass stands before its parent.
_FAMILIES: Final[tuple[tuple[type[sqltypes.TypeEngine[object]] | tuple[type, ...], Family], ...]] = (
    ((pg.TSVECTOR,), "tsvector"),
    ((AbstractRange,), "range"),
    ((sqltypes.ARRAY,), "array"),
    ((sqltypes.JSON,), "json"),
    ((sqltypes.Uuid,), "uuid"),
    ((sqltypes.Boolean,), "boolean"),
    ((sqltypes.Enum, pg.ENUM, Labelled), "enum"),
    ((sqltypes.Date,), "date"),
    ((sqltypes.Time,), "time"),
    ((sqltypes.Interval, pg.INTERVAL), "interval"),
    ((sqltypes.Integer,), "integer"),
    ((sqltypes.Float,), "float"),
    ((sqltypes.Numeric,), "numeric"),
    ((sqltypes.LargeBinary, sqltypes.BINARY, sqltypes.VARBINARY, pg.BYTEA), "bytes"),
    ((sqltypes.String,), "text"),
)


def plain_type(type_: sqltypes.TypeEngine[object]) -> sqltypes.TypeEngine[object]:
    """What a ``TypeDecorator`` decorates; any other type is itself.

    SQLAlchemy's own ``Interval`` is a decorator of the moments that it keeps where a database has no durations.  Here
    every database has them.
    """
    while isinstance(type_, sqltypes.TypeDecorator) and not isinstance(type_, sqltypes.Interval):
        type_ = type_.impl_instance
    return type_


def family_of(type_: sqltypes.TypeEngine[object]) -> Family:
    """The family of a column type; a ``TypeDecorator`` has that of the type it decorates.

    >>> family_of(sqltypes.DateTime(timezone=True)), family_of(sqltypes.String(30)), family_of(sqltypes.Numeric(10, 2))
    ('timestamptz', 'text', 'numeric')
    >>> family_of(sqltypes.Interval())
    'interval'
    """
    type_ = plain_type(type_)
    if isinstance(type_, sqltypes.DateTime):
        return "timestamptz" if type_.timezone else "timestamp"
    for classes, family in _FAMILIES:
        if isinstance(type_, classes):
            return family
    return "other"


def integer_bound(type_: sqltypes.TypeEngine[object]) -> int:
    """The first number that is too large for *type_*, one of whole numbers; the smallest that fits is its negative.

    >>> integer_bound(sqltypes.SmallInteger()), integer_bound(sqltypes.Integer()) == 2**31
    (32768, True)
    """
    type_ = plain_type(type_)
    if isinstance(type_, sqltypes.BigInteger):
        return 2**63
    return 2**15 if isinstance(type_, sqltypes.SmallInteger) else 2**31
