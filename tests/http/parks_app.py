"""Parks with geometries that need no extension, on either database."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import ForeignKey
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from backstay import Backstay, Encrypted, Geometry, Me, Settings, allow, function
from tests.http.clinic_app import KEYS
from tests.http.shop_app import SECRET


class Model(DeclarativeBase):
    """A base of its own, so that other apps of the tests do not share its tables."""


class Park(Model):
    __tablename__ = "parks"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    place: Mapped[dict[str, Any] | None] = mapped_column(Geometry())
    area: Mapped[dict[str, Any] | None] = mapped_column(Geometry())
    benches: Mapped[list[Bench]] = relationship(back_populates="park")


class Bench(Model):
    """Its place is not for everybody."""

    __tablename__ = "benches"
    id: Mapped[int] = mapped_column(primary_key=True)
    park_id: Mapped[int] = mapped_column(ForeignKey("parks.id"))
    place: Mapped[dict[str, Any] | None] = mapped_column(Geometry())
    park: Mapped[Park] = relationship(back_populates="benches")


class Den(Model):
    """Who lives there is encrypted."""

    __tablename__ = "dens"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    animal: Mapped[str | None] = mapped_column(Encrypted())
    place: Mapped[dict[str, Any] | None] = mapped_column(Geometry())


@allow("read", "create", "update", "delete", Park, Den)
@allow("read", Bench, columns=["id", "park_id"])
@allow("read", "create", Bench, to="staff")
def anybody(me: Me) -> Any:
    """Parks are open to everybody."""
    return True


@function(read_only=True)
async def parks_from(least: int, db: AsyncSession) -> list[Park]:
    """Parks from a number on."""
    return list(await db.scalars(sa.select(Park).where(Park.id >= least).order_by(Park.id)))


@function(read_only=True)
async def park(id: int, db: AsyncSession) -> Park | None:
    """One park."""
    return await db.get(Park, id)


@function(read_only=True)
def weather() -> str:
    """No rows."""
    return "fine"


@function
async def misplace(db: AsyncSession) -> None:
    """Write what is no geometry, as a mistake of the app."""
    db.add(Park(id=9, name="x", place={"type": "Point"}))
    await db.flush()


POINT: Final = {"type": "Point", "coordinates": [7.1, 50.7]}
SQUARE: Final = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}

PARKS: dict[str, list[dict[str, Any]]] = {
    "parks": [
        {"id": 1, "name": "North", "place": POINT, "area": SQUARE},
        {"id": 2, "name": "South", "place": None, "area": None},
    ],
    "benches": [{"id": 1, "park_id": 1, "place": POINT}],
}


def parks(url: str) -> Backstay:
    return Backstay(
        models=Model,
        policies=[anybody],
        functions=[parks_from, park, weather, misplace],
        settings=Settings(database=url, jwt_secret=SECRET, encryption_keys=KEYS),
    )
