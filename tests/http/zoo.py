"""An app with something of everything: each family of column, hidden columns and tables, functions of each result."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Literal, TypedDict
from uuid import UUID, uuid4

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from backstay import Backstay, Me, Settings, allow, function
from backstay.errors import RequestError

OWNER = UUID("0d9c7b4e-52f5-4b1c-9d4e-5f0f5c1f0a01")


class Zoo(DeclarativeBase):
    """Models of their own, apart from those of the examples."""


class Diet(enum.Enum):
    plants = 1
    meat = 2


class Keeper(Zoo):
    """Somebody who looks after animals."""

    __tablename__ = "keepers"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str] = mapped_column(sa.String(40), unique=True, comment="As on the badge.")
    wage: Mapped[Decimal | None] = mapped_column(sa.Numeric(10, 2), doc="In euros; for the office alone.")


class Animal(Zoo):
    """One animal.

    It has a column of every kind.
    """

    __tablename__ = "animals"
    id: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    keeper_id: Mapped[UUID] = mapped_column(sa.ForeignKey("keepers.id"))
    name: Mapped[str] = mapped_column(sa.String(30))
    legs: Mapped[int] = mapped_column(sa.SmallInteger, default=4)
    steps: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    weight: Mapped[float | None] = mapped_column(sa.Float)
    price: Mapped[Decimal | None] = mapped_column(sa.Numeric(10, 2))
    tame: Mapped[bool] = mapped_column(sa.Boolean, default=False)
    diet: Mapped[Diet | None] = mapped_column(sa.Enum(Diet))
    born: Mapped[date | None] = mapped_column(sa.Date)
    fed_at: Mapped[time | None] = mapped_column(sa.Time)
    seen_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), default=lambda: datetime.now(UTC))
    noted_at: Mapped[datetime | None] = mapped_column(sa.DateTime)
    chip: Mapped[UUID | None] = mapped_column(sa.Uuid)
    marks: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON(none_as_null=True))
    print: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    label: Mapped[str] = mapped_column(sa.String(60), sa.Computed("name || '!'", persisted=True))
    order: Mapped[int | None] = mapped_column(sa.Integer)  # a word of the query grammar
    vet_note: Mapped[str | None] = mapped_column(sa.Text)  # no rule shows it
    keeper: Mapped[Keeper] = relationship()


class Visit(Zoo):
    """When somebody came; a table with an odd name."""

    __tablename__ = "zoo visits"
    animal_id: Mapped[int] = mapped_column(sa.ForeignKey("animals.id"), primary_key=True)
    day: Mapped[date] = mapped_column(sa.Date, primary_key=True)


class Ledger(Zoo):
    """No rule is about it: it exists for the service role alone."""

    __tablename__ = "ledger"
    id: Mapped[int] = mapped_column(sa.Integer, primary_key=True)


_SHOWN = tuple(c.name for c in Animal.__table__.columns if c.name != "vet_note")


@allow("read", Keeper, columns=("id", "name"))
def badges(me: Me) -> Any:
    """Anyone reads badges."""
    return sa.true()


@allow("read", Animal, columns=_SHOWN)
def everyone_watches(me: Me) -> Any:
    """Anyone watches."""
    return sa.true()


@allow("create", "delete", Animal, columns=tuple(name for name in _SHOWN if name != "price"))
def own_animals(me: Me) -> Any:
    """Keepers bring and take their own."""
    return Animal.keeper_id == me.id


@allow("update", Animal, columns=("name", "legs", "tame", "marks"))
def own_changes(me: Me) -> Any:
    """Keepers change a little about their own."""
    return Animal.keeper_id == me.id


@allow("read", "create", Visit, to="authenticated")
def visits(me: Me) -> Any:
    """Whoever has an account notes visits."""
    return sa.true()


@dataclass
class Meal:
    """What to feed."""

    food: str
    kilos: Decimal = Decimal(1)


class Bill(TypedDict):
    total: Decimal
    meals: list[str]


class Census(msgspec.Struct):
    """How many there are."""

    animals: int
    kind: Literal["all", "none"] = "all"


@function(to="authenticated")
async def feed(db: AsyncSession, me: Me, animal: int, meals: list[Meal], note: str | None = None) -> Bill:
    """Feed one animal.

    The bill is for nobody.
    """
    if await db.get(Animal, animal) is None:
        raise RequestError("PT404", "There is no such animal")
    try:
        total = sum((meal.kilos for meal in meals), Decimal(0))
    except ArithmeticError:
        raise RequestError("PT400", "That is too much") from None
    if not total.is_finite():
        raise RequestError("PT400", "That is too much")
    return {"total": total, "meals": [meal.food for meal in meals]}


@function(read_only=True)
async def census(db: AsyncSession, tags: list[str] | None = None, least: int = 0) -> Census:
    """Count the animals."""
    found = await db.scalar(sa.select(sa.func.count()).select_from(Animal))
    return Census(animals=max(found or 0, 0))


@function(read_only=True)
async def tamest(db: AsyncSession) -> list[Animal]:
    """Animals that one may touch."""
    return list(await db.scalars(sa.select(Animal).where(Animal.tame).order_by(Animal.id)))


@function(read_only=True)
async def one(db: AsyncSession, id: int) -> Animal | None:
    """One animal, or null."""
    return await db.get(Animal, id) if abs(id) < 2**31 else None


@function(to="authenticated")
async def wave(me: Me) -> None:
    """Do nothing."""


@function(to="keeper_of_keys")
def unlock(door: str) -> bool:
    """Open a door."""
    return bool(door)


app = Backstay(
    models=Zoo,
    policies=[badges, everyone_watches, own_animals, own_changes, visits],
    functions=[feed, census, tamest, one, wave, unlock],
    title="Zoo",
    version="2.1.0",
)


async def plant(database: str) -> None:
    """Create the tables in *database*, with one animal that has a value in every column, and one that has few."""
    zoo = Backstay(
        models=Zoo, settings=Settings(database=database, jwt_secret="only for the tests, only for the tests")
    )
    async with zoo.session() as db:
        db.add(Keeper(id=OWNER, name="Ann", wage=Decimal("12.50")))
        await db.flush()
        leo = Animal(
            keeper_id=OWNER,
            name="Leo",
            weight=190.5,
            price=Decimal("1234.50"),
            tame=True,
            diet=Diet.meat,
            born=date(2020, 2, 29),
            fed_at=time(8, 30),
            noted_at=datetime(2024, 1, 1, 2, 3, 4, 500_000),
            chip=OWNER,
            marks={"a": [1, {"b": None}]},
            print=b"\x01\xff",
            order=1,
            vet_note="hungry",
        )
        db.add_all((leo, Animal(keeper_id=OWNER, name="Bo")))
