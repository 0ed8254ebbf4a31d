"""A shop with every kind of column, relation and rule, for the feature tests of the data API."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint, exists, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from backstay import Backstay, Me, Settings, allow, function
from backstay import Model as Base
from backstay.errors import PlanError

SECRET = "a secret that signs nothing but test tokens"


class Model(DeclarativeBase):
    """A base of its own, so that other apps of the tests share neither its tables nor the names of its classes."""

    metadata = sa.MetaData(naming_convention=Base.metadata.naming_convention)
    type_annotation_map = Base.type_annotation_map


class Kind(enum.Enum):
    """Members are stored by name."""

    tool = "tool"
    toy = "toy"
    book = "book"


class Country(Model):
    __tablename__ = "countries"
    code: Mapped[str] = mapped_column(String(2), primary_key=True)
    name: Mapped[str]


class Person(Model):
    __tablename__ = "people"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    email: Mapped[str | None] = mapped_column(unique=True)
    salary: Mapped[int | None]
    manager_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    country_code: Mapped[str | None] = mapped_column(ForeignKey("countries.code"))
    country: Mapped[Country | None] = relationship()


class Profile(Model):
    """One for each person."""

    __tablename__ = "profiles"
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    bio: Mapped[str]
    prefs: Mapped[dict[str, Any] | None]


class Address(Model):
    __tablename__ = "addresses"
    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    city: Mapped[str]


class Product(Model):
    __tablename__ = "products"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(30), unique=True)
    price: Mapped[Decimal] = mapped_column(sa.Numeric(10, 2))
    cost: Mapped[int | None]
    stock: Mapped[int] = mapped_column(sa.Integer, default=7)
    active: Mapped[bool] = mapped_column(server_default=sa.true())
    kind: Mapped[Kind | None]
    tags: Mapped[list[str] | None] = mapped_column(sa.ARRAY(sa.Text()))
    details: Mapped[dict[str, Any] | None]
    added: Mapped[date | None]
    revision: Mapped[int] = mapped_column(default=0, onupdate=1)
    __table_args__ = (CheckConstraint("stock >= 0", name="products_stock_check"),)


class Order(Model):
    """Two keys to one table: an embed of addresses needs a hint."""

    __tablename__ = "orders"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    customer_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    billing_id: Mapped[int | None] = mapped_column(ForeignKey("addresses.id"))
    shipping_id: Mapped[int | None] = mapped_column(ForeignKey("addresses.id"))
    note: Mapped[str | None]
    placed_at: Mapped[datetime] = mapped_column(server_default=sa.text("'2024-01-01T00:00:00+00:00'"))


class OrderLine(Model):
    """A composite key, and the junction between orders and products."""

    __tablename__ = "order_lines"
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), primary_key=True)
    quantity: Mapped[int] = mapped_column(default=1)


class Category(Model):
    __tablename__ = "categories"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("categories.id"))


class ProductCategory(Model):
    __tablename__ = "product_categories"
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), primary_key=True)
    category_id: Mapped[int] = mapped_column(ForeignKey("categories.id"), primary_key=True)


class Booking(Model):
    """Unique in two ways, each row its owner's: the table of AC5 and AC6."""

    __tablename__ = "bookings"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int]
    room: Mapped[str]
    day: Mapped[date]
    note: Mapped[str | None]
    address_id: Mapped[int | None] = mapped_column(ForeignKey("addresses.id"))
    __table_args__ = (UniqueConstraint("room", "day"),)


class Sample(Model):
    """Every portable type, each nullable."""

    __tablename__ = "samples"
    id: Mapped[int] = mapped_column(primary_key=True)
    flag: Mapped[bool | None]
    small: Mapped[int | None] = mapped_column(sa.SmallInteger)
    whole: Mapped[int | None] = mapped_column(sa.Integer)
    big: Mapped[int | None]
    real: Mapped[float | None]
    money: Mapped[Decimal | None] = mapped_column(sa.Numeric(10, 2))
    exact: Mapped[Decimal | None] = mapped_column(sa.Numeric())
    body: Mapped[str | None]
    short: Mapped[str | None] = mapped_column(String(5))
    kind: Mapped[Kind | None]
    uid: Mapped[UUID | None]
    day: Mapped[date | None]
    clock: Mapped[time | None]
    instant: Mapped[datetime | None]
    wall: Mapped[datetime | None] = mapped_column(sa.DateTime())
    data: Mapped[Any | None] = mapped_column(sa.JSON().with_variant(sa.dialects.postgresql.JSONB(), "postgresql"))
    blob: Mapped[bytes | None]
    words: Mapped[list[str] | None] = mapped_column(sa.ARRAY(sa.Text()))
    numbers: Mapped[list[int] | None] = mapped_column(sa.ARRAY(sa.Integer()))


class Odd(Model):
    """Names that need quoting somewhere."""

    __tablename__ = "odd names"
    id: Mapped[int] = mapped_column(primary_key=True)
    full_name: Mapped[str | None] = mapped_column("full name")
    conjunction: Mapped[int | None] = mapped_column("and")
    dotted: Mapped[int | None] = mapped_column("a.b")
    umlaut: Mapped[int | None] = mapped_column("größe")


class Vault(Model):
    """No policy speaks of it."""

    __tablename__ = "vault"
    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    combination: Mapped[str]


readings = sa.Table(
    "readings",
    Model.metadata,
    sa.Column("place", sa.Text(), nullable=False),
    sa.Column("degrees", sa.Integer()),
)


@allow("read", Country, Profile, Category, ProductCategory, Odd)
@allow("read", "create", "update", "delete", Sample)
@allow("read", "create", "update", "delete", readings)
@allow("create", "update", "delete", Category, Odd, to=("staff", "anon"))
def everyone(me: Me) -> Any:
    """Open to all."""
    return True


@allow("read", Person, columns=[Person.id, Person.name, Person.manager_id, Person.country_code])
def public_people(me: Me) -> Any:
    """Everybody is known by name."""
    return True


@allow("read", Person)
@allow("update", Person, columns=[Person.name, Person.email, Person.manager_id, Person.country_code])
def own_person(me: Me) -> Any:
    """People see all of themselves, and may not set their own salary."""
    return Person.id == me.id


@allow("read", Person, to="staff")
def small_salaries(me: Me) -> Any:
    """Staff see all about those who earn little."""
    return Person.salary < 100


@allow("create", "update", Profile)
def own_profile(me: Me) -> Any:
    return Profile.person_id == me.id


@allow("read", "create", "update", "delete", Address)
def own_addresses(me: Me) -> Any:
    return Address.person_id == me.id


@allow("read", "create", "update", "delete", Booking)
def own_bookings(me: Me) -> Any:
    return Booking.owner_id == me.id


PUBLIC = [c for c in Product.__table__.columns if c.name != "cost"]


@allow("read", Product, columns=PUBLIC)
def active_products(me: Me) -> Any:
    """Anyone sees what is for sale, but not what it cost."""
    return Product.active


@allow("read", "create", "update", "delete", Product, to="staff")
@allow("read", Order, to="staff")
@allow("create", "delete", ProductCategory, to="staff")
def staff(me: Me) -> Any:
    """Staff keep the shop."""
    return True


@allow("read", "create", "update", "delete", Order)
def own_orders(me: Me) -> Any:
    return Order.customer_id == me.id


@allow("read", "create", "update", "delete", OrderLine)
def lines_of_own_orders(me: Me) -> Any:
    """A subquery: judged after the row is written."""
    return exists().where(Order.id == OrderLine.order_id, Order.customer_id == me.id)


@function(read_only=True)
def add(a: int, b: int = 2) -> int:
    return a + b


@function(read_only=True)
async def cheap(db: AsyncSession, below: Decimal) -> list[Product]:
    """Products, the inactive too: what the caller may not see is left out of the answer."""
    return list(await db.scalars(select(Product).where(Product.price < below).order_by(Product.id)))


@function
async def restock(db: AsyncSession, product_id: int, amount: int) -> Product | None:
    found = await db.get(Product, product_id)
    if found is not None:
        found.stock += amount
    return found


@function
async def clear_notes(db: AsyncSession, me: Me) -> None:
    await db.execute(sa.update(Order).where(Order.customer_id == int(me.id)).values(note=None))


@function
async def refuse_after_write(db: AsyncSession) -> None:
    """A function that fails leaves nothing behind."""
    db.add(Country(code="ZZ", name="Nowhere"))
    await db.flush()
    raise PlanError("P0001", "no such country", hint="Ask the map.")


@function(read_only=True)
def echo(text: str = "", numbers: list[int] | None = None, flag: bool = False) -> dict[str, Any]:
    return {"text": text, "numbers": numbers, "flag": flag}


@function(read_only=True)
def whoami(me: Me) -> dict[str, Any]:
    return {"role": me.role, "id": None if me.is_anonymous else str(me.id)}


@function(read_only=True, to="staff")
def staff_only() -> str:
    return "hello"


POLICIES = [
    everyone,
    public_people,
    own_person,
    small_salaries,
    own_profile,
    own_addresses,
    own_bookings,
    active_products,
    staff,
    own_orders,
    lines_of_own_orders,
]
FUNCTIONS = [add, cheap, restock, clear_notes, refuse_after_write, echo, whoami, staff_only]


def shop(url: str) -> Backstay:
    """The shop on the database at *url*."""
    settings = Settings(database=url, jwt_secret=SECRET)
    return Backstay(models=Model, policies=POLICIES, functions=FUNCTIONS, settings=settings)


def order(number: int) -> UUID:
    return UUID(int=number)


_T = datetime(2024, 3, 1, 12, 30, 0, 250000, tzinfo=UTC)
_SAMPLE = {
    "id": 1,
    "flag": True,
    "small": -5,
    "whole": 42,
    "big": 9007199254740993,
    "real": 1.5,
    "money": Decimal("12.50"),
    "exact": Decimal("12345678901234567890.123456789"),
    "body": 'Ärger "quoted" \\ 日本 \n🎈',
    "short": "abc",
    "kind": Kind.toy,
    "uid": UUID("0E37DF36-F698-11E6-8DD4-CB9CED3DF976"),
    "day": date(2024, 2, 29),
    "clock": time(23, 59, 59, 500000),
    "instant": _T,
    "wall": datetime(2024, 3, 1, 12, 30),
    "data": {"a": [1, {"b": None}], "ü": 1.5},
    "blob": b"\x00\xffabc",
    "words": ["a", "b c", 'q"'],
    "numbers": [1, 2],
}

#: Rows by table, parents first.  *ann* is 1, *bob* 2, *cy* 3; *dee* (4) is staff.
ROWS: Mapping[str, list[dict[str, Any]]] = {
    "countries": [{"code": "DE", "name": "Germany"}, {"code": "FR", "name": "France"}, {"code": "IT", "name": "Italy"}],
    "people": [
        {"id": 1, "name": "ann", "email": "ann@example.org", "salary": 90, "manager_id": None, "country_code": "DE"},
        {"id": 2, "name": "bob", "email": "bob@example.org", "salary": 200, "manager_id": 1, "country_code": "FR"},
        {"id": 3, "name": "cy", "email": None, "salary": None, "manager_id": 1, "country_code": None},
        {"id": 4, "name": "Dée", "email": "dee@example.org", "salary": 300, "manager_id": 2, "country_code": "DE"},
    ],
    "profiles": [
        {"person_id": 1, "bio": "first", "prefs": {"theme": "dark", "sizes": [3, 1], "deep": {"x": 10}}},
        {"person_id": 2, "bio": "second", "prefs": None},
    ],
    "addresses": [
        {"id": 1, "person_id": 1, "city": "Köln"},
        {"id": 2, "person_id": 1, "city": "Bonn"},
        {"id": 3, "person_id": 2, "city": "Lyon"},
    ],
    "products": [
        {"id": 1, "name": "Hammer", "price": Decimal("9.99"), "cost": 4, "stock": 10, "active": True,
         "kind": Kind.tool, "tags": ["iron", "wood"], "details": {"w": 500, "maker": {"name": "Acme"}},
         "added": date(2024, 1, 1), "revision": 0},
        {"id": 2, "name": "Ball", "price": Decimal("3.00"), "cost": 1, "stock": 0, "active": True,
         "kind": Kind.toy, "tags": [], "details": {"w": 50, "colours": ["red", "blue"]},
         "added": date(2024, 1, 2), "revision": 0},
        {"id": 3, "name": "Ärmel, a (long) story", "price": Decimal("12.50"), "cost": None, "stock": 3,
         "active": True, "kind": Kind.book, "tags": ["wood", "a b"], "details": None, "added": None, "revision": 0},
        {"id": 4, "name": "hammock", "price": Decimal("100.00"), "cost": 40, "stock": 3, "active": True,
         "kind": None, "tags": None, "details": {"w": None}, "added": date(2023, 12, 31), "revision": 0},
        {"id": 5, "name": "Secret", "price": Decimal("1.00"), "cost": 1, "stock": 1, "active": False,
         "kind": Kind.toy, "tags": ["iron"], "details": {"w": 1}, "added": None, "revision": 0},
    ],
    "orders": [
        {"id": order(1), "customer_id": 1, "billing_id": 1, "shipping_id": 2, "note": "fast", "placed_at": _T},
        {"id": order(2), "customer_id": 1, "billing_id": 1, "shipping_id": None, "note": None, "placed_at": _T},
        {"id": order(3), "customer_id": 2, "billing_id": 3, "shipping_id": 3, "note": "bob's", "placed_at": _T},
    ],
    "order_lines": [
        {"order_id": order(1), "product_id": 1, "quantity": 2},
        {"order_id": order(1), "product_id": 2, "quantity": 1},
        {"order_id": order(2), "product_id": 3, "quantity": 5},
        {"order_id": order(3), "product_id": 1, "quantity": 9},
        {"order_id": order(3), "product_id": 5, "quantity": 1},
    ],
    "categories": [
        {"id": 1, "name": "all", "parent_id": None},
        {"id": 2, "name": "tools", "parent_id": 1},
        {"id": 3, "name": "toys", "parent_id": 1},
    ],
    "product_categories": [
        {"product_id": 1, "category_id": 1},
        {"product_id": 1, "category_id": 2},
        {"product_id": 2, "category_id": 3},
        {"product_id": 5, "category_id": 3},
    ],
    "bookings": [
        {"id": 1, "owner_id": 1, "room": "red", "day": date(2024, 5, 1), "note": "mine", "address_id": None},
        {"id": 2, "owner_id": 2, "room": "red", "day": date(2024, 5, 2), "note": "bob's", "address_id": 3},
    ],
    "samples": [_SAMPLE, dict.fromkeys(_SAMPLE) | {"id": 2}],
    "odd names": [
        {"id": 1, "full name": "A B", "and": 1, "a.b": 10, "größe": 5},
        {"id": 2, "full name": "C D", "and": 2, "a.b": 20, "größe": 6},
    ],
    "vault": [{"id": 1, "person_id": 1, "combination": "12-34-56"}],
    "readings": [
        {"place": "hall", "degrees": 20},
        {"place": "hall", "degrees": 20},
        {"place": "yard", "degrees": None},
    ],
}  # fmt: skip
