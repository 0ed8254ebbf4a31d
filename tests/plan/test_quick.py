"""The short way to a canonical value gives what the whole way gives, and refuses what it refuses."""

from __future__ import annotations

import enum
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from backstay.catalog import Column, family_of
from backstay.catalog.opaque import NativeDateTime, StoredInteger
from backstay.errors import PlanError
from backstay.plan.value import careful, converter


class Word(str, enum.Enum):  # noqa: UP042 - a StrEnum is written by its value, this one by its name
    one = "1"


class Trimmed(sa.TypeDecorator[str]):
    impl = sa.String(5)
    cache_ok = True


TYPES: list[sa.types.TypeEngine[Any]] = [
    *(sa.Text(), sa.String(5), Trimmed(), sa.Uuid(), sa.SmallInteger(), sa.Integer(), sa.BigInteger()),
    *(StoredInteger(), sa.Boolean(), sa.DateTime(timezone=True), sa.DateTime(), NativeDateTime(timezone=True)),
    *(sa.Numeric(10, 2), sa.Double(), sa.Date(), sa.JSON(), sa.Enum(Word), sa.LargeBinary(), sa.ARRAY(sa.Integer())),
]
ID = UUID("0d9c7b4e-52f5-4b1c-9d4e-5f0f5c1f0a01")
NOON = datetime(2024, 2, 29, 12, 0, 0, 500_000)
VALUES: list[Any] = [
    *(None, "", "a", "abcde", "abcdef", "nul\x00", "é\U0001f600", "1", " 1 ", "yes", "null", Word.one),
    *(0, 1, -1, 2**15 - 1, 2**15, -(2**15), -(2**15) - 1, 2**31 - 1, 2**31, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1),
    *(True, False, 1.5, Decimal("1.005"), Decimal(7), [1, 2], {"a": [1, None]}, b"\x00\xff"),
    *(ID, str(ID), str(ID).upper(), ID.hex, f"{{{ID}}}", str(ID) + "\n", str(ID)[:-1]),
    *(NOON, NOON.replace(tzinfo=UTC), NOON.replace(microsecond=0, tzinfo=UTC)),
    *(NOON.replace(tzinfo=timezone(timedelta(hours=2))), NOON.replace(tzinfo=timezone.utc), NOON.isoformat()),  # noqa: UP017
]


def column(type_: sa.types.TypeEngine[Any]) -> Column:
    return Column("c", sa.Column("c", type_), family_of(type_), True, False, False, False)


def outcome(convert: Any, value: Any) -> Any:
    try:
        found = convert(value)
    except PlanError as refusal:
        return refusal.code, refusal.message, refusal.details
    return found, [type(part) for part in found]


@pytest.mark.parametrize("type_", TYPES, ids=repr)
def test_both_ways_agree(type_: sa.types.TypeEngine[Any]) -> None:
    """Values, types of values and refusals are the same, for every kind of column."""
    short, whole = converter(column(type_)), careful(column(type_))
    for value in VALUES:
        assert outcome(whole, value) == outcome(short, value), value


@given(
    st.one_of(st.text(), st.integers(), st.booleans(), st.uuids(), st.uuids().map(str), st.datetimes(), st.none()),
    st.sampled_from(TYPES),
)
def test_both_ways_agree_on_anything(value: Any, type_: sa.types.TypeEngine[Any]) -> None:
    """Whatever a body or a default brings."""
    assert outcome(careful(column(type_)), value) == outcome(converter(column(type_)), value)
