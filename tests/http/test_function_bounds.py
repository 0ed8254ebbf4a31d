"""What a function writes by its session is as bounded as what a client writes (P3), on both databases."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from backstay import Backstay, Me, Settings, allow, function
from tests.http.api import Api, opened, quick_folder
from tests.http.shop_app import SECRET


class Model(DeclarativeBase):
    pass


class Size(enum.Enum):
    S = "S"
    L = "L"


class Tag(sa.types.TypeDecorator[str]):
    impl = sa.String(3)
    cache_ok = True


class Item(Model):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(sa.String(5))
    tag: Mapped[str | None] = mapped_column(Tag)
    stock: Mapped[int | None]
    small: Mapped[int | None] = mapped_column(sa.SmallInteger)
    price: Mapped[Decimal | None] = mapped_column(sa.Numeric(5, 2))
    weight: Mapped[Decimal | None] = mapped_column(sa.Numeric(30, 3))
    size: Mapped[str | None] = mapped_column(sa.Enum("S", "L", name="size"))


def values(text: dict[str, Any]) -> dict[str, Any]:
    return {key: Decimal(one) if key in ("price", "weight") else one for key, one in text.items()}


@function
async def add(db: AsyncSession, item: dict[str, Any]) -> Item:
    made = Item(id=2, **values(item))
    db.add(made)
    await db.flush()
    return made


@function
async def change(db: AsyncSession, item: dict[str, Any]) -> Item:
    found = await db.get_one(Item, 1)
    for key, one in values(item).items():
        setattr(found, key, one)
    return found


@function
async def update(db: AsyncSession, item: dict[str, Any]) -> Item:
    await db.execute(sa.update(Item).values(**values(item)).execution_options(synchronize_session=False))
    return await db.get_one(Item, 1, populate_existing=True)


@function
def add_in_thread(db: Session, item: dict[str, Any]) -> Item:
    made = Item(id=2, **values(item))
    db.add(made)
    return made


@function
async def lengthen(db: AsyncSession) -> None:
    """What the database itself makes is judged too."""
    await db.execute(sa.update(Item).values(name=Item.name + "longer").execution_options(synchronize_session=False))


@function
async def find(db: AsyncSession, name: str) -> list[Item]:
    """A value that is only compared is bounded by nothing."""
    return list(await db.scalars(sa.select(Item).where(Item.name == name)))


@allow("read", "create", "update", Item)
def all_items(me: Me) -> bool:
    return True


def make(url: str) -> Backstay:
    settings = Settings(database=url, jwt_secret=SECRET, accounts=False)
    functions = [add, change, update, add_in_thread, lengthen, find]
    return Backstay(models=Model, policies=[all_items], functions=functions, settings=settings)


ROWS: dict[str, list[dict[str, Any]]] = {"items": [{"id": 1, "name": "one"}]}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def opened_items(request: pytest.FixtureRequest) -> Iterator[Api]:
    with quick_folder() as folder, opened(request.param, folder, make, ROWS, "function_bounds") as api:
        yield api


@pytest.fixture
def items(opened_items: Api) -> Api:
    return opened_items.clean()


@pytest.mark.parametrize("by", ["add", "change", "update", "add_in_thread"])
@pytest.mark.parametrize(
    ("item", "code"),
    [
        ({"name": "longer"}, "22001"),
        ({"name": "ä" * 6}, "22001"),
        ({"tag": "long"}, "22001"),
        ({"stock": 2**31}, "22003"),
        ({"stock": -(2**31) - 1}, "22003"),
        ({"small": 2**15}, "22003"),
        ({"price": "1000"}, "22003"),
        ({"price": "999.995"}, "22003"),
        ({"weight": "1" + "0" * 27}, "22003"),
    ],
)
def test_what_a_column_cannot_hold_is_refused(items: Api, by: str, item: dict[str, Any], code: str) -> None:
    """P3: as where a client sends it, and nothing is written."""
    reply = items.post(f"rpc/{by}", {"item": item})
    assert (400, code) == (reply.status, reply.code), reply.body
    assert [{"id": 1, "name": "one"}] == items.rows("items?select=id,name")
    assert code == items.patch("items?id=eq.1", item).code


@pytest.mark.parametrize("by", ["add", "change", "update", "add_in_thread"])
@pytest.mark.parametrize(
    "item",
    [
        {"name": "ääääa", "tag": "abc", "stock": 2**31 - 1, "small": -(2**15), "size": "L"},
        {"price": "999.994", "weight": "9" * 27 + ".0005"},
        {"price": "-0.125", "weight": "1.5"},
        {"name": None, "stock": None, "size": None},
    ],
)
def test_what_it_can_hold_is_written_as_a_client_writes_it(items: Api, by: str, item: dict[str, Any]) -> None:
    """P3: numbers are rounded to their scale, with the zeros that end them."""
    reply = items.post(f"rpc/{by}", {"item": item})
    assert 200 == reply.status, reply.body
    id = reply.json["id"]
    assert 201 == items.post("items", {"id": 3, **item}).status
    written = f"items?select={','.join(item)}&id=eq."
    assert items.get(f"{written}3").body == items.get(f"{written}{id}").body


def test_a_label_that_an_enum_has_not_is_refused(items: Api) -> None:
    """P3: by SQLAlchemy where it knows, by the database else."""
    assert 400 == items.post("rpc/add", {"item": {"size": "XL"}}).status


def test_what_the_database_makes_is_judged(items: Api) -> None:
    """P3: an expression brings what no check of values sees."""
    assert "22001" == items.post("rpc/lengthen", {}).code
    assert [] == items.post("rpc/find", {"name": "much longer than a name"}).json


def test_a_value_of_before_stays() -> None:
    """What is too long already hinders nobody who writes something else."""
    with quick_folder() as folder, opened("sqlite", folder, make, ROWS, "function_bounds_before") as api:
        import apsw

        plain = apsw.Connection(str(folder / "function_bounds_before.db"))
        plain.execute("UPDATE items SET name = 'much longer'")
        plain.close()
        assert 200 == api.post("rpc/change", {"item": {"stock": 5, "name": "much longer"}}).status
        assert "22001" == api.post("rpc/change", {"item": {"name": "another longer"}}).code
