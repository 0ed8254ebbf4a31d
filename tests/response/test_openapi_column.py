"""Columns as JSON Schema."""

from __future__ import annotations

import enum
import uuid
from typing import Any

import pytest
import sqlalchemy as sa
from jsonschema import Draft202012Validator
from sqlalchemy.dialects import postgresql as pg

from backstay.catalog import Column, family_of
from backstay.response.openapi.column import column_schema, default_text, nullable, value_schema


class Size(enum.Enum):
    small = 1
    large = 2


class Slug(sa.types.TypeDecorator[str]):
    impl = sa.String(12)
    cache_ok = True


@pytest.mark.parametrize(
    ("type_", "schema"),
    [
        (sa.Boolean(), {"type": "boolean"}),
        (sa.SmallInteger(), {"type": "integer", "format": "int32", "minimum": -32768, "maximum": 32767}),
        (sa.Integer(), {"type": "integer", "format": "int32"}),
        (sa.BigInteger(), {"type": "integer", "format": "int64"}),
        (sa.Float(), {"type": "number", "format": "double"}),
        (sa.Numeric(10, 2), {"type": "number"}),
        (sa.String(30), {"type": "string", "maxLength": 30}),
        (Slug(), {"type": "string", "maxLength": 12}),
        (sa.Text(), {"type": "string"}),
        (sa.Uuid(), {"type": "string", "format": "uuid"}),
        (sa.DateTime(timezone=True), {"type": "string", "format": "date-time"}),
        (sa.DateTime(), {"type": "string", "format": "date-time-local"}),
        (sa.Date(), {"type": "string", "format": "date"}),
        (sa.Time(), {"type": "string", "format": "time-local"}),
        (sa.Enum(Size), {"type": "string", "enum": ["small", "large"]}),
        (pg.ENUM("a", "b", name="ab"), {"type": "string", "enum": ["a", "b"]}),
        (sa.JSON(), {}),
        (pg.JSONB(), {}),
        (pg.INT4RANGE(), {"type": "string"}),
        (sa.ARRAY(sa.Text()), {"type": "array", "items": {"type": ["string", "null"]}}),
        (
            sa.ARRAY(sa.Integer(), dimensions=2),
            {"type": "array", "items": {"type": "array", "items": {"type": ["integer", "null"], "format": "int32"}}},
        ),
    ],
    ids=lambda value: repr(value) if not isinstance(value, dict) else "",
)
def test_value_schema(type_: sa.types.TypeEngine[Any], schema: dict[str, Any]) -> None:
    """Each type has one schema, and it is a valid one."""
    assert schema == value_schema(type_)
    Draft202012Validator.check_schema(schema)


def test_bytes_are_hexadecimal() -> None:
    """Bytes travel as PostgreSQL writes them."""
    valid = Draft202012Validator(value_schema(sa.LargeBinary())).is_valid
    assert [True, True, False, False] == [valid(text) for text in ("\\x", "\\x00ff", "00ff", "\\x0")]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "maxLength": 3}, {"type": ["string", "null"], "maxLength": 3}),
        ({"type": "string", "enum": ["a"]}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({}, {}),
    ],
)
def test_nullable(schema: dict[str, Any], expected: dict[str, Any]) -> None:
    """Null joins the type and the enumeration; a schema that takes anything takes null already."""
    assert expected == nullable(schema)


def column(*arguments: Any, nullable: bool = True, **more: Any) -> Column:
    item: sa.Column[Any] = sa.Column("c", *arguments, **more)
    return Column("c", item, family_of(item.type), nullable, item.default is not None, False, False)


def test_column_schema_says_null_only_where_it_may_be() -> None:
    """A column that refuses null does not promise it."""
    assert {"type": "boolean"} == column_schema(column(sa.Boolean, nullable=False))
    assert {"type": ["boolean", "null"]} == column_schema(column(sa.Boolean))


@pytest.mark.parametrize(
    ("default", "text"),
    [
        (True, "true"),
        (4, "4"),
        (0.5, "0.5"),
        ("new", "new"),
        (Size.small, "small"),
        (float("nan"), None),
        (uuid.uuid4, None),
        (sa.func.now(), None),
        (None, None),
    ],
)
def test_default_text(default: Any, text: str | None) -> None:
    """A plain default is told; one that is made anew for each row has no text."""
    assert text == default_text(column(sa.String, default=default))
