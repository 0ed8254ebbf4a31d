"""A statement is compiled once, and filled for each request: with its values, the caller's facts and its constants."""

from __future__ import annotations

import datetime
from typing import Any, Final
from uuid import UUID

import pytest
import sqlalchemy as sa

from backstay.errors import PlanError
from backstay.plan.coerce import coercion
from backstay.policy import Principal
from backstay.policy.me import MeParameter
from backstay.sql.parameters import SlotParameter
from backstay.sql.prepared import prepare
from tests.sql.memory import POSTGRESQL, SQLITE, written

ID: Final = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"


def _slot(index: int, type_: Any) -> SlotParameter:
    return SlotParameter.of(index, coercion(type_), type_)


def test_three_kinds_of_arguments() -> None:
    """Each stands where its parameter does, as often as that does; the text is the same object each time."""
    who: Any = MeParameter.of(("id",), sa.Integer())
    one, other = _slot(1, sa.Integer()), _slot(0, sa.Boolean())
    asked = sa.select(one, sa.literal("x"), who, other, one)
    prepared = prepare(asked, SQLITE.compiler)
    first, second = prepared.bind(("yes", "7"), Principal(id="3")), prepared.bind(("no", "8"), Principal())
    assert (7, "x", 3, 1, 7) == first.args
    assert (8, "x", None, 0, 8) == second.args
    assert first.sql is second.sql


def test_a_value_that_is_none() -> None:
    """A value that its column cannot hold is refused when the statement is filled."""
    with pytest.raises(PlanError) as refused:
        prepare(sa.select(_slot(0, sa.Integer())), SQLITE.compiler).bind(("x",), Principal())
    assert "22P02" == refused.value.code


@pytest.mark.parametrize(
    ("constant", "sqlite", "postgresql"),
    [
        (sa.literal(5), [5], [5]),
        (sa.literal(True, sa.Boolean()), [1], [True]),
        (sa.literal(UUID(ID)), [ID], [UUID(ID)]),
        (sa.literal(datetime.date(2024, 1, 2)), ["2024-01-02"], [datetime.date(2024, 1, 2)]),
        (sa.column("c", sa.Integer()).in_([1, 2]), [1, 2], [1, 2]),
        (sa.column("c", sa.Date()).in_([datetime.date(2024, 1, 2)]), ["2024-01-02"], [datetime.date(2024, 1, 2)]),
        (sa.column("c", sa.Uuid()).in_([UUID(ID), UUID(ID)]), [ID, ID], [UUID(ID), UUID(ID)]),
        (sa.column("a b", sa.Uuid()).in_([UUID(ID)]), [ID], [UUID(ID)]),
    ],
    ids=str,
)
def test_constants(constant: Any, sqlite: list[Any], postgresql: list[Any]) -> None:
    """A constant of a policy, alone or in a list, is made ready for each driver."""
    for dialect, expected in ((SQLITE, sqlite), (POSTGRESQL, postgresql)):
        args = prepare(sa.select(constant), dialect.compiler).bind((), Principal()).args
        assert list(map(str, expected)) == list(map(str, args))


@pytest.mark.parametrize(
    ("type_", "claim", "expected"),
    [
        (sa.Integer(), 5, 5),
        (sa.Integer(), "5", 5),
        (sa.Integer(), "five", None),
        (sa.Integer(), 5.5, None),
        (sa.Integer(), 2**40, None),
        (sa.BigInteger(), 2**40, 2**40),
        (sa.Text(), 5, "5"),
        (sa.Text(), "x", "x"),
        (sa.Boolean(), True, 1),
        (sa.Boolean(), False, 0),
        (sa.Boolean(), "true", 1),
        (sa.Boolean(), "maybe", None),
        (sa.Boolean(), 1, 1),
        # Equal in Python, and not in what they say.
        (sa.Text(), True, "true"),
        (sa.Double(), float("nan"), None),
        (sa.Double(), "NaN", None),
        (sa.Numeric(), "NaN", None),
        (sa.Text(), 1, "1"),
        (sa.Uuid(), ID.upper(), ID),
        (sa.Uuid(), "nobody", None),
        (sa.Date(), "2024-01-02", "2024-01-02"),
        (sa.Date(), "2024-13-02", None),
        (sa.DateTime(timezone=True), "2024-01-02T03:04:05+01:00", "2024-01-02T02:04:05+00:00"),
        (sa.Numeric(5, 2), "1.5", 1.5),
        (sa.Integer(), None, None),
        (sa.Integer(), {"a": 1}, None),
        (sa.Text(), {"a": 1}, None),
        (sa.Text(), ["a"], None),
    ],
    ids=repr,
)
def test_claims(type_: Any, claim: Any, expected: Any) -> None:
    """A claim becomes what its column holds; what cannot be one is NULL, which matches nothing."""
    asked: Any = MeParameter.of(("claim", "c"), type_)
    prepared = prepare(sa.select(asked), SQLITE.compiler)
    for _ in range(2):
        (found,) = prepared.bind((), Principal(claims={"c": claim})).args
        assert (expected, type(expected)) == (found, type(found))


def test_claims_that_are_equal_and_not_the_same() -> None:
    """One that is remembered is taken again for the same claim only: 1 is not true, nor 1.0."""
    asked: Any = MeParameter.of(("claim", "c"), sa.Text())
    prepared = prepare(sa.select(asked), SQLITE.compiler)
    found = [prepared.bind((), Principal(claims={"c": claim})).args for claim in (1, True, 1.0, "1")]
    assert [("1",), ("true",), ("1.0",), ("1",)] == found


def test_what_a_slot_is_called() -> None:
    """Two of the same number in one statement are two parameters."""
    one, other = _slot(0, sa.Integer()), SlotParameter.of(0, str, sa.Text())
    assert ("5", 5) == prepare(sa.select(other, one), SQLITE.compiler).bind(("5",), Principal()).args
    assert "SELECT $1::VARCHAR AS anon_1, $2::INTEGER AS anon_2" == written(sa.select(other, one))
