"""``::type``: which there are, and what each makes of a value on SQLite."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from backstay.catalog import family_of
from backstay.errors import PlanError
from backstay.sql.casts import cast_type, postgresql_type
from backstay.sql.dialect import Typed
from backstay.sql.sqlite.cast import aggregate, cast
from backstay.sql.sqlite.value import json_value
from tests.sql.memory import POSTGRESQL, asked, computed, memory, shown

AT, LOCAL = sa.DateTime(timezone=True), sa.DateTime()


@pytest.mark.parametrize(
    ("type_", "stored", "name", "expected"),
    [
        (sa.Integer(), 5, "text", "5"),
        (sa.Boolean(), 1, "text", "true"),
        (sa.Boolean(), 0, "text", "false"),
        (AT, "2024-01-01T02:03:04+00:00", "text", "2024-01-01 02:03:04+00"),
        (LOCAL, "2024-01-01T02:03:04", "text", "2024-01-01 02:03:04"),
        (pg.JSONB(), '{"a":1}', "text", '{"a": 1}'),
        (sa.ARRAY(sa.Text()), '["a b",null]', "text", '{"a b",NULL}'),
        (sa.Numeric(5, 2), 1.5, "text", "1.50"),
        (sa.Numeric(30, 2), "1.50", "text", "1.50"),
        (sa.LargeBinary(), b"\xff", "text", "\\xff"),
        (sa.Text(), "5", "int", 5),
        (sa.Text(), "true", "bool", 1),
        (sa.Text(), "2024-01-01", "date", "2024-01-01"),
        (sa.Integer(), 5, "bigint", 5),
        (sa.Integer(), 5, "float8", 5.0),
        (sa.Integer(), 5, "numeric", 5),
        (sa.Integer(), 5, "bool", 1),
        (sa.Integer(), 0, "bool", 0),
        (sa.Boolean(), 1, "int", 1),
        (sa.Double(), 1.5, "numeric", "1.5"),
        (sa.Double(), 2.5, "int", 2),
        (sa.Numeric(30, 2), "1.50", "float8", 1.5),
        (sa.Numeric(5, 2), 1.5, "int", 2),
        (sa.Numeric(5, 2), 1.5, "numeric", 1.5),
        (sa.Date(), "2024-01-01", "timestamp", "2024-01-01T00:00:00"),
        (sa.Date(), "2024-01-01", "timestamptz", "2024-01-01T00:00:00+00:00"),
        (sa.Date(), "2024-01-01", "date", "2024-01-01"),
        (LOCAL, "2024-01-01T02:03:04.5", "date", "2024-01-01"),
        (LOCAL, "2024-01-01T02:03:04.5", "time", "02:03:04.5"),
        (LOCAL, "2024-01-01T02:03:04.5", "timestamptz", "2024-01-01T02:03:04.5+00:00"),
        (AT, "2024-01-01T02:03:04+00:00", "date", "2024-01-01"),
        (AT, "2024-01-01T02:03:04+00:00", "time", "02:03:04"),
        (AT, "2024-01-01T02:03:04+00:00", "timestamp", "2024-01-01T02:03:04"),
        (AT, "2024-01-01T02:03:04+00:00", "timestamptz", "2024-01-01T02:03:04+00:00"),
        (pg.JSONB(), "5", "int", 5),
        (pg.JSONB(), "2.5", "float8", 2.5),
        (pg.JSONB(), "true", "bool", 1),
        (pg.JSONB(), "5", "json", "5"),
        (sa.Uuid(), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "text", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ],
)
def test_casts(type_: Any, stored: Any, name: str, expected: Any) -> None:
    """A value as another type is what PostgreSQL makes of it, and NULL stays NULL."""
    found = cast(Typed(sa.literal(stored, sa.types.NULLTYPE), type_), name)
    assert (expected, type(expected)) == ((value := computed(found.expression)), type(value))
    assert family_of(cast_type(name)) == family_of(found.type)
    assert computed(cast(Typed(sa.null(), type_), name).expression) is None


def test_a_decimal_of_text_is_text() -> None:
    """A number that was made text stands in JSON as a text, and JSON text too."""
    assert "1.50" == shown(cast(Typed(sa.literal("1.50"), sa.Numeric(30, 2)), "text").expression)
    assert '{"a": 1}' == shown(cast(Typed(sa.literal('{"a":1}'), pg.JSONB()), "text").expression)


@pytest.mark.parametrize(
    ("type_", "name"),
    [
        (sa.Integer(), "date"),
        (sa.Integer(), "json"),
        (sa.Integer(), "uuid"),
        (sa.BigInteger(), "bool"),
        (sa.Boolean(), "bigint"),
        (sa.Boolean(), "float8"),
        (sa.Boolean(), "numeric"),
        (sa.Double(), "bool"),
        (sa.Date(), "time"),
        (sa.Date(), "int"),
        (sa.Uuid(), "int"),
        (sa.Time(), "date"),
        (pg.JSONB(), "date"),
        (pg.JSONB(), "bigint[]"),
        (sa.LargeBinary(), "int"),
    ],
    ids=str,
)
def test_there_is_no_such_cast(type_: Any, name: str) -> None:
    """PostgreSQL's own refusal, instead of what SQLite would make of it."""
    with pytest.raises(PlanError) as refused:
        cast(Typed(sa.column("v"), type_), name)
    assert "42846" == refused.value.code


@pytest.mark.parametrize(
    ("name", "family"),
    [("TEXT", "text"), (" double   precision ", "float"), ("int[]", "array"), ("timestamptz", "timestamptz")],
)
def test_names(name: str, family: str) -> None:
    """A type's name is read as PostgreSQL reads it."""
    assert family == family_of(cast_type(name))
    assert family == family_of(postgresql_type(name))


@pytest.mark.parametrize("name", ["regclass", "int[][]", "", "[]", "oid", "text; drop table x", "jsonpath", "_int4", "varchar(3)"])  # fmt: skip
def test_other_names(name: str) -> None:
    """What is not listed is no type, whatever the database has."""
    with pytest.raises(PlanError) as refused:
        cast_type(name)
    assert "42704" == refused.value.code


@pytest.mark.parametrize(
    ("name", "own", "sql"),
    [
        ("int4", (), "INTEGER"),
        ("int4[]", (), "INTEGER[]"),
        ("_int4", (), "INTEGER[]"),
        ("inet", (), "inet"),
        ("inet[]", (), "inet[]"),
        ("Numeric(10, 2)", (), "numeric(10, 2)"),
        ("varchar(3)[]", (), "varchar(3)[]"),
        ("timestamp(3) with time zone", (), "timestamp(3) with time zone"),
        ("mood", ("mood",), "mood"),
        ("mood[]", ("mood",), "mood[]"),
        ("Mood", ("Mood",), '"Mood"'),
        ('a "b"', ('a "b"',), '"a ""b"""'),
        ("_text", ("_text",), "_text"),
        ("text", ("text",), "TEXT"),
    ],
)
def test_many_more_names(name: str, own: tuple[str, ...], sql: str) -> None:
    """PostgreSQL's own types, their sizes and arrays, and the enums and domains that are an app's own."""
    assert sql == postgresql_type(name, own).compile(dialect=POSTGRESQL.compiler)


@pytest.mark.parametrize("name", ["regclass", "mood", "Mood", "numeric(a)", "inet(3)", "_regclass", "oid", "numeric(1) x", "_"])  # fmt: skip
def test_no_more_names(name: str) -> None:
    """A cast to ``regclass`` would tell what exists; a type that is not an app's own is not there."""
    with pytest.raises(PlanError) as refused:
        postgresql_type(name, ("mooD",))
    assert "42704" == refused.value.code


@pytest.mark.parametrize(
    ("type_", "stored", "name", "text", "family"),
    [
        (sa.Integer(), (1, 2, None), "count", "2", "integer"),
        (sa.Text(), ("b", "a", None), "count", "2", "integer"),
        (sa.Integer(), (1, 2, None), "sum", "3", "integer"),
        (sa.Integer(), (1, 2, None), "avg", "1.5000000000000000", "numeric"),
        (sa.Integer(), (1, 2, None), "max", "2", "integer"),
        (sa.Text(), ("b", "a", None), "min", '"a"', "text"),
        (sa.Double(), (0.5, 1.0), "sum", "1.5", "float"),
        (sa.Numeric(5, 2), (0.25, 0.25), "sum", "0.50", "numeric"),
        (sa.Numeric(30, 2), ("0.10", "0.20"), "sum", "0.30", "numeric"),
        (sa.Numeric(30, 2), ("0.25", "0.75"), "avg", "0.50000000000000000000", "numeric"),
        (sa.Numeric(5, 2), (0.5, 1.0), "avg", "0.75000000000000000000", "numeric"),
        (sa.Integer(), (), "sum", "null", "integer"),
    ],
)
def test_aggregates(type_: Any, stored: tuple[Any, ...], name: str, text: str, family: str) -> None:
    """Aggregates of each kind of number, and of what only has an order; exact decimals stay exact."""
    with memory("CREATE TABLE t (v)") as connection:
        connection.executemany("INSERT INTO t VALUES (?)", [(value,) for value in stored])
        found = aggregate(name, Typed(sa.column("v"), type_))
        told = sa.select(sa.func.json_array(json_value(found)), aggregate(name, None).expression)
        assert [(f"[{text}]", len(stored))] == list(asked(connection, told.select_from(sa.table("t"))))
    assert family == family_of(found.type)


@pytest.mark.parametrize(("type_", "name"), [(sa.Text(), "sum"), (sa.Date(), "avg"), (pg.JSONB(), "sum"), (sa.Boolean(), "sum")])  # fmt: skip
def test_no_such_aggregate(type_: Any, name: str) -> None:
    """What cannot be added is refused, where SQLite would add zeros."""
    with pytest.raises(PlanError) as refused:
        aggregate(name, Typed(sa.column("v"), type_))
    assert "42883" == refused.value.code
