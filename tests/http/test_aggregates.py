"""D2: what aggregates give is what PostgreSQL gives, letter by letter, on both databases."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Final
from unittest import mock
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backstay import Backstay, Me, Settings, allow
from backstay.pipeline.surface import Surface
from tests.http.api import Api, Reply, opened, quick_folder
from tests.http.shop_app import SECRET


class Base(DeclarativeBase):
    pass


class Size(enum.Enum):
    small = "small"
    large = "large"
    huge = "huge"


class Line(Base):
    __tablename__ = "lines"
    id: Mapped[int] = mapped_column(primary_key=True)
    part: Mapped[int]
    flag: Mapped[bool | None]
    small: Mapped[int | None] = mapped_column(sa.SmallInteger)
    whole: Mapped[int | None] = mapped_column(sa.Integer)
    big: Mapped[int | None] = mapped_column(sa.BigInteger)
    real: Mapped[float | None]
    money: Mapped[Decimal | None] = mapped_column(sa.Numeric(10, 2))
    wide: Mapped[Decimal | None] = mapped_column(sa.Numeric(15, 2))
    scaled: Mapped[Decimal | None] = mapped_column(sa.Numeric(30, 4))
    exact: Mapped[Decimal | None] = mapped_column(sa.Numeric())
    body: Mapped[str | None]
    size: Mapped[Size | None]
    uid: Mapped[UUID | None]
    day: Mapped[date | None]
    clock: Mapped[time | None]
    instant: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    wall: Mapped[datetime | None] = mapped_column(sa.DateTime())
    span: Mapped[timedelta | None] = mapped_column(sa.Interval())
    data: Mapped[Any | None] = mapped_column(sa.JSON())
    blob: Mapped[bytes | None]
    words: Mapped[list[str] | None] = mapped_column(sa.ARRAY(sa.Text()))
    numbers: Mapped[list[Decimal] | None] = mapped_column(sa.ARRAY(sa.Numeric()))
    reals: Mapped[list[float] | None] = mapped_column(sa.ARRAY(sa.Double()))


@allow("read", Line)
def everything(me: Me) -> Any:
    """All is seen."""
    return True


BIG: Final = 2**63 - 1
ROWS: Final[dict[str, list[dict[str, Any]]]] = {
    "lines": [
        {
            "part": 1, "flag": True, "small": 1, "whole": 2**31 - 1, "big": BIG, "real": 1.5, "money": Decimal("1.60"), "wide": Decimal("9999999999999.99"),
            "scaled": Decimal("1.6000"), "exact": Decimal("9.10"), "body": "a", "size": Size.small,
            "uid": UUID(int=1), "day": date(2024, 1, 1), "clock": time(1), "wall": datetime(2024, 1, 1),
            "instant": datetime(2024, 1, 1, tzinfo=UTC), "span": timedelta(hours=-1), "data": {"a": 1}, "blob": b"a",
            "words": ["b"], "numbers": [Decimal("12345678901234567.01")], "reals": [0.1],
        },
        {
            "part": 1, "flag": False, "small": 2, "whole": 2**31 - 1, "big": BIG, "real": 2.5, "money": Decimal("1.70"), "wide": Decimal("9999999999999.99"),
            "scaled": Decimal("1.7000"), "exact": Decimal("10"), "body": "B", "size": Size.huge,
            "uid": UUID(int=2), "day": date(2024, 1, 2), "clock": time(2), "wall": datetime(2024, 1, 1, 0, 0, 0, 5),
            "instant": datetime(2024, 1, 1, 0, 0, 0, 5, tzinfo=UTC), "span": timedelta(days=10), "data": {"a": 2},
            "blob": b"b", "words": ["a", "c"], "numbers": [Decimal("12345678901234567.02"), None], "reals": [0.25],
        },
        {
            "part": 2, "flag": None, "small": -3, "whole": -2, "big": -BIG, "real": 0.0, "money": Decimal("-0.05"), "wide": Decimal("-9999999999999.99"),
            "scaled": Decimal("-99999999999999999999999.9999"), "exact": Decimal("0.000000000000000000001"), "body": "",
            "size": Size.large, "uid": None, "day": None, "clock": None, "wall": None, "instant": None, "span": None,
            "data": None, "blob": None, "words": [], "numbers": [], "reals": None,
        },
    ]
}  # fmt: skip
ROWS["lines"].append({**dict.fromkeys(ROWS["lines"][0]), "part": 3})


def lines(url: str) -> Backstay:
    return Backstay(models=Base, policies=[everything], settings=Settings(database=url, jwt_secret=SECRET))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def sums(request: pytest.FixtureRequest) -> Iterator[Api]:
    summing = mock.patch("backstay.app.Surface", partial(Surface, aggregates=None))
    with summing, quick_folder() as folder, opened(request.param, folder, lines, ROWS, "lines") as api:
        yield api


EXPECTED: Final[list[tuple[str, str, list[str | None]]]] = [
    ("id", "sum", ["3", "3", "4"]),
    ("id", "avg", ["1.5000000000000000", "3.0000000000000000", "4.0000000000000000"]),
    ("part", "avg", ["1.00000000000000000000", "2.0000000000000000", "3.0000000000000000"]),
    ("small", "sum", ["3", "-3", None]),
    ("small", "avg", ["1.5000000000000000", "-3.0000000000000000", None]),
    ("whole", "sum", ["4294967294", "-2", None]),
    ("whole", "avg", ["2147483647.00000000", "-2.0000000000000000", None]),
    ("big", "sum", ["18446744073709551614", "-9223372036854775807", None]),
    ("big", "avg", ["9223372036854775807", "-9223372036854775807", None]),
    ("big", "min", ["9223372036854775807", "-9223372036854775807", None]),
    ("money", "sum", ["3.30", "-0.05", None]),
    ("money", "avg", ["1.6500000000000000", "-0.05000000000000000000", None]),
    ("money", "max", ["1.70", "-0.05", None]),
    ("wide", "sum", ["19999999999999.98", "-9999999999999.99", None]),
    ("scaled", "sum", ["3.3000", "-99999999999999999999999.9999", None]),
    ("scaled", "avg", ["1.6500000000000000", "-99999999999999999999999.9999", None]),
    ("exact", "sum", ["19.10", "0.000000000000000000001", None]),
    ("exact", "avg", ["9.5500000000000000", "0.0000000000000000000010000000000000000000", None]),
    ("exact", "min", ["9.10", "0.000000000000000000001", None]),
    ("exact", "max", ["10", "0.000000000000000000001", None]),
    ("big::numeric", "sum", ["18446744073709551614", "-9223372036854775807", None]),
    ("exact::int", "sum", ["19", "0", None]),
    ("body", "min", ["B", "", None]),
    ("body", "max", ["a", "", None]),
    ("size", "min", ["small", "large", None]),
    ("size", "max", ["huge", "large", None]),
    ("day", "max", ["2024-01-02", None, None]),
    ("clock", "min", ["01:00:00", None, None]),
    ("instant", "max", ["2024-01-01T00:00:00.000005+00:00", None, None]),
    ("wall", "max", ["2024-01-01T00:00:00.000005", None, None]),
    ("span", "min", ["-1 days +23:00:00", None, None]),
    ("span", "max", ["10 days", None, None]),
    ("words", "min", ["['a', 'c']", "[]", None]),
    ("words", "max", ["['b']", "[]", None]),
    ("numbers", "max", ["[12345678901234567.02, None]", "[]", None]),
]


def read(reply: Reply) -> Any:
    """Its JSON, with numbers as they are written."""
    assert 200 == reply.status, reply.body
    return json.loads(reply.body, parse_float=Written, parse_int=Written)


class Written(str):
    __slots__ = ()
    __repr__ = str.__str__


@pytest.mark.parametrize(("field", "name", "expected"), EXPECTED)
def test_aggregates_are_those_of_postgresql(sums: Api, field: str, name: str, expected: list[str | None]) -> None:
    """Exact however large, with as many digits as PostgreSQL has, and in its order."""
    rows = read(sums.get(f"lines?select=part,{field}.{name}()&order=part"))
    assert expected == [None if row[name] is None else str(row[name]) for row in rows]


@pytest.mark.parametrize(("name", "expected"), [("sum", [4, 0, None]), ("avg", [2, 0, None]), ("max", [2.5, 0, None])])
def test_aggregates_of_floats_are_floats(sums: Api, name: str, expected: list[float | None]) -> None:
    assert expected == [row[name] for row in sums.rows(f"lines?select=part,real.{name}()&order=part")]


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("big.sum()::text", ["18446744073709551614", "-9223372036854775807", None]),
        ("money.sum()::int", ["3", "0", None]),
        ("small.avg()::int", ["2", "-3", None]),
        ("part.avg()::text", ["1.00000000000000000000", "2.0000000000000000", "3.0000000000000000"]),
        ("size.max()::text", ["huge", "large", None]),
    ],
)
def test_aggregates_are_cast(sums: Api, select: str, expected: list[str | None]) -> None:
    rows = read(sums.get(f"lines?select=part,x:{select}&order=part"))
    assert expected == [None if row["x"] is None else str(row["x"]) for row in rows]


@pytest.mark.parametrize("field", ["flag", "uid", "data", "blob"])
@pytest.mark.parametrize("name", ["min", "max", "sum", "avg"])
def test_what_has_no_order_has_no_least(sums: Api, field: str, name: str) -> None:
    """42883, in PostgreSQL's words."""
    reply = sums.get(f"lines?select={field}.{name}()")
    types = {"flag": "boolean", "uid": "uuid", "data": "json", "blob": "bytea"}
    assert (404, "42883") == (reply.status, reply.code)
    assert f"function {name}({types[field]}) does not exist" == reply.json["message"]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("numbers=ov.{12345678901234567.02}", [2]),
        ("numbers=ov.{12345678901234567.020,7}", [2]),
        ("numbers=ov.{12345678901234567.03}", []),
        ("numbers=cs.{12345678901234567.02}", [2]),
        ("numbers=cd.{12345678901234567.01}", [1, 3]),
        ("numbers=eq.{12345678901234567.01}", [1]),
        ("numbers=ov.{NULL}", []),
        ("numbers=ov.{}", []),
        ("numbers=not.ov.{12345678901234567.02}", [1, 3]),
        ("reals=ov.{0.10,1}", [1]),
        ("reals=ov.{0.2500}", [2]),
        ("words=ov.{c,x}", [2]),
    ],
)
def test_arrays_are_compared_exactly(sums: Api, query: str, ids: list[int]) -> None:
    """Two decimals that one double would be are two, for every operator of sets; what the app's own code has written."""
    assert ids == sums.get(f"lines?{query}&order=id").ids


def test_decimals_in_arrays_are_numbers(sums: Api) -> None:
    """Whoever has written them: with all their digits, for readers and for the app's own code."""
    rows = read(sums.get("lines?select=numbers&order=id"))
    assert "[[12345678901234567.01], [12345678901234567.02, None], [], None]" == repr([row["numbers"] for row in rows])

    async def own() -> list[Any]:
        async with sums.app.session() as session:
            return list(await session.scalars(sa.select(Line.numbers).order_by(Line.id)))

    exact = [[Decimal("12345678901234567.01")], [Decimal("12345678901234567.02"), None], [], None]
    assert exact == sums.loop.run_until_complete(own())


@pytest.mark.parametrize(
    ("query", "sizes"),
    [
        ("select=size,id.count()", ["small", "large", "huge", None]),
        ("select=size,id.count()&limit=2", ["small", "large"]),
        ("select=size,id.count()&limit=2&offset=2", ["huge", None]),
        ("select=size,id.count()&order=size.desc", [None, "huge", "large", "small"]),
    ],
)
def test_groups_by_an_enum(sums: Api, query: str, sizes: list[str | None]) -> None:
    """S12: they come in the order of the enum, and not of the alphabet, so that a page has the same on both."""
    assert sizes == [row["size"] for row in sums.get(f"lines?{query}").json]
