"""Computed decimals and moments, and durations in columns: the same values, filters and orders on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, column_property, mapped_column

from backstay import Backstay, Me, Model, Settings, allow, function
from tests.http.api import Api, opened
from tests.http.shop_app import SECRET


class Base(Model):
    __abstract__ = True
    metadata = sa.MetaData()


class Ware(Base):
    __tablename__ = "wares"
    id: Mapped[int] = mapped_column(primary_key=True)
    price: Mapped[Decimal] = mapped_column(sa.Numeric(10, 2))
    cost: Mapped[Decimal] = mapped_column(sa.Numeric(10, 2))
    pieces: Mapped[int] = mapped_column(sa.Integer())
    weight: Mapped[Decimal | None] = mapped_column(sa.Numeric())
    day: Mapped[date] = mapped_column(sa.Date())
    at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))
    span: Mapped[timedelta | None] = mapped_column(sa.Interval())
    tax = column_property(price * Decimal("0.19"))
    total = column_property(price * pieces)
    debt = column_property(-price)
    either = column_property(sa.case((pieces > 2, price), else_=cost))
    each = column_property(price / pieces)
    heavy = column_property(sa.func.coalesce(weight, 1))
    ends = column_property(at + span)
    tomorrow = column_property(day + 1)
    began = column_property(sa.cast(at, sa.Date()))

    @hybrid_property
    def margin(self) -> Decimal:
        return self.price - self.cost


@allow("read", "create", "update", Ware)
def everything(me: Me) -> Any:
    """Anyone reads and writes."""
    return True


@function(read_only=True)
async def wares(db: AsyncSession) -> list[Ware]:
    """All of them."""
    return list(await db.scalars(sa.select(Ware).order_by(Ware.id)))


_AT = datetime(2024, 2, 28, 23, tzinfo=UTC)
ROWS: list[dict[str, Any]] = [
    {"id": 1, "price": Decimal("100.10"), "cost": Decimal("99.99"), "pieces": 4, "weight": None, "day": date(2024, 2, 28), "at": _AT, "span": timedelta(days=1, hours=2)},
    {"id": 2, "price": Decimal("9.50"), "cost": Decimal("4.00"), "pieces": 2, "weight": Decimal("0.10000000000000000001"), "day": date(2023, 12, 31), "at": _AT, "span": timedelta(days=10)},
    {"id": 3, "price": Decimal("20.00"), "cost": Decimal("30.00"), "pieces": 3, "weight": Decimal("12"), "day": date(2024, 1, 1), "at": _AT, "span": None},
]  # fmt: skip


def _app(url: str) -> Backstay:
    settings = Settings(database=url, jwt_secret=SECRET)
    return Backstay(models=Base, policies=[everything], functions=[wares], settings=settings)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with opened(request.param, tmp_path_factory.mktemp("wares"), _app, {"wares": ROWS}, "wares") as api:
        yield api


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("margin", ["0.11", "5.50", "-10.00"]),
        ("tax", ["19.0190", "1.8050", "3.8000"]),
        ("total", ["400.40", "19.00", "60.00"]),
        ("debt", ["-100.10", "-9.50", "-20.00"]),
        ("either", ["100.10", "4.00", "20.00"]),
    ],
)
def test_a_decimal_shows_its_digits(shop: Api, field: str, expected: list[str]) -> None:
    """Sums, differences and products have the digits that decimals have."""
    text = shop.get(f"wares?select={field}&order=id", accept="text/csv").body.decode()
    assert [field, *expected] == text.splitlines()


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ("margin=eq.0.11", [1]), ("margin=eq.0.110", [1]), ("margin=neq.5.5", [1, 3]), ("margin=gt.0", [1, 2]),
        ("margin=lte.-10", [3]), ("margin=in.(5.5,-10.0)", [2, 3]), ("margin=not.in.(5.5,-10.0)", [1]),
        ("margin=gt(any).{5,7}", [2]), ("margin=lt(all).{5,7}", [1, 3]), ("margin=isdistinct.0.11", [2, 3]),
        ("tax=eq.1.805", [2]), ("tax=gt.3.8", [1]), ("total=eq.60", [3]), ("debt=lt.-20", [1]),
        ("either=eq.4", [2]), ("each=gt.6", [1, 3]), ("each=eq.4.75", [2]), ("or=(margin.eq.5.5,tax.lt.0)", [2]),
        ("heavy=eq.1", [1]), ("heavy=eq.0.10000000000000000001", [2]), ("heavy=gt.9", [3]),
        ("ends=eq.2024-03-01T01:00:00Z", [1]), ("ends=lt.2024-03-02", [1]), ("ends=is.null", [3]),
        ("tomorrow=eq.2024-02-29", [1]), ("tomorrow=lt.2024-01-02", [2]), ("began=eq.2024-02-28", [1, 2, 3]),
        ("span=eq.26:00:00", [1]), ("span=gt.9 days", [2]), ("span=lt.2 days", [1]), ("span=is.null", [3]),
        ("span=in.(10 days,1 day)", [2]),
    ],
)  # fmt: skip
def test_filters(shop: Api, filters: str, expected: list[int]) -> None:
    """A computed value is compared as what it is."""
    assert expected == shop.get("wares?select=id&order=id&" + quote(filters, safe="=&(){},.:-")).ids


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("margin", [3, 1, 2]), ("tax.desc", [1, 3, 2]), ("each", [2, 3, 1]), ("heavy", [2, 1, 3]),
        ("ends", [1, 2, 3]), ("span.desc.nullslast", [2, 1, 3]), ("tomorrow", [2, 3, 1]),
    ],
)  # fmt: skip
def test_orders(shop: Api, order: str, expected: list[int]) -> None:
    """It is ordered by its value, not by its text."""
    assert expected == shop.get(f"wares?select=id&order={order}").ids


def test_moments(shop: Api) -> None:
    """A moment and a duration make a moment, a day and a number a day."""
    expected = {"ends": "2024-03-01T01:00:00+00:00", "tomorrow": "2024-02-29", "began": "2024-02-28"}
    assert expected == shop.get("wares/1?select=ends,tomorrow,began").json


def test_a_duration_is_written_and_read(shop: Api) -> None:
    """A column of ``Interval`` takes durations and nothing else, and the app reads what the API wrote."""
    prefer = "return=representation"
    reply = shop.patch("wares?id=eq.3&select=span", {"span": "-1 days +02:00:00"}, prefer=prefer)
    assert (200, [{"span": "-1 days +02:00:00"}]) == (reply.status, reply.json)
    assert "-1 days +02:00:00" == shop.get("rpc/wares?select=span&id=eq.3").json[0]["span"]
    assert [3, 1, 2] == shop.get("wares?select=id&order=span").ids
    for wrong in ("soon", "2024-01-01T00:00:00Z", 5, "١ day", "9" * 20 + " days"):
        reply = shop.patch("wares?id=eq.3", {"span": wrong})
        assert (400, wrong) == (reply.status, wrong), reply.body
