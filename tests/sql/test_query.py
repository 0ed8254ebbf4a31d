"""Statements of ours: written once, called with values, and read as rows of Python values."""

from __future__ import annotations

import datetime
from typing import Any, Final
from uuid import UUID

import pytest
import sqlalchemy as sa

from backstay.sql.query import query
from tests.sql.memory import POSTGRESQL, SQLITE

ID: Final = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
T: Final = sa.Table(
    "t",
    sa.MetaData(),
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("day", sa.Date),
    sa.Column("more", sa.JSON),
    sa.Column("n", sa.Integer),
)


@query
def found(id: UUID, n: int = 3) -> sa.Select[Any]:
    return sa.select(T.c.id, T.c.day, T.c.more, T.c.n).where(T.c.id == id, T.c.n.in_([n, 7]), T.c.day != sa.null())


@query
def listed() -> sa.Select[Any]:
    return sa.select(T.c.n).where(T.c.id.in_([UUID(ID), UUID(int=0)]))


@query
def counted(n: int) -> sa.Update:
    return sa.update(T).values(n=n).where(T.c.n == n)


@query
def returned(n: int) -> sa.Update:
    return sa.update(T).values(n=n).returning(T.c.day)


def test_values() -> None:
    """Each of the call's values stands where its parameter does, as its column holds it."""
    asked = found(UUID(ID), n=5)
    assert {"id": UUID(ID), "n": 5} == dict(asked.values)
    statement = asked.query.compiled(SQLITE.compiler).bind(asked.values)
    assert ID in statement.args
    assert asked.query is found
    assert "found" == found.__name__  # type: ignore[attr-defined]


def test_a_value_left_out_is_null() -> None:
    """A parameter without a value is NULL, and no error of the driver."""
    assert {None} == set(counted.compiled(SQLITE.compiler).bind({}).args)


def test_lists_of_constants() -> None:
    """The parts of a list are ready for the driver too."""
    assert (ID, str(UUID(int=0))) == listed.compiled(SQLITE.compiler).bind({}).args
    assert (UUID(ID), UUID(int=0)) == tuple(
        UUID(str(argument)) for argument in listed.compiled(POSTGRESQL.compiler).bind({}).args
    )


def test_rows() -> None:
    """Rows are named, their values are Python's, and NULL is None."""
    rows = found.compiled(SQLITE.compiler).read([(ID, "2024-01-02", '{"a":1}', 5), (ID, None, None, None)])
    assert (UUID(ID), datetime.date(2024, 1, 2), {"a": 1}, 5) == tuple(rows[0])
    assert (UUID(ID), None, None, None) == (rows[1].id, rows[1].day, rows[1].more, rows[1].n)


@pytest.mark.parametrize(("asked", "rows", "expected"), [(counted, [], ()), (returned, [("2024-01-02",)], [(datetime.date(2024, 1, 2),)])])  # fmt: skip
def test_what_gives_rows(asked: Any, rows: Any, expected: Any) -> None:
    """A statement gives rows where it selects or returns them."""
    assert expected == asked.compiled(SQLITE.compiler).read(rows)


def test_compiled_once_for_each_database() -> None:
    """SQLAlchemy's part is done once."""
    assert found.compiled(SQLITE.compiler) is found.compiled(SQLITE.compiler)
    assert "?" in found.compiled(SQLITE.compiler).sql
    assert "$1" in found.compiled(POSTGRESQL.compiler).sql
