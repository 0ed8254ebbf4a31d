"""Weights with more digits than a double has, in every place that a number can stand in."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ForeignKey
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from backstay import Backstay, Me, Settings, allow, function
from backstay import Model as Base
from tests.http.shop_app import SECRET


class Model(DeclarativeBase):
    """A base of its own, so that other apps of the tests do not share its tables."""

    metadata = sa.MetaData(naming_convention=Base.metadata.naming_convention)
    type_annotation_map = Base.type_annotation_map


class Scale(Model):
    __tablename__ = "scales"
    id: Mapped[Decimal] = mapped_column(sa.Numeric(34, 4), primary_key=True)
    name: Mapped[str | None]
    weights: Mapped[list[Weight]] = relationship(back_populates="scale")


class Weight(Model):
    __tablename__ = "weights"
    id: Mapped[int] = mapped_column(primary_key=True)
    scale_id: Mapped[Decimal | None] = mapped_column(ForeignKey("scales.id"))
    grams: Mapped[Decimal | None] = mapped_column(sa.Numeric(40, 4))
    many: Mapped[list[Decimal] | None] = mapped_column(sa.ARRAY(sa.Numeric(30, 4)))
    about: Mapped[Any | None] = mapped_column(sa.JSON().with_variant(sa.dialects.postgresql.JSONB(), "postgresql"))
    scale: Mapped[Scale | None] = relationship(back_populates="weights")


@allow("read", "create", "update", "delete", Scale, Weight)
def everybody(me: Me) -> Any:
    """They are nobody's secret."""
    return True


@function(read_only=True)
def readings(n: Decimal) -> list[Decimal]:
    """The number, and the next one."""
    return [n, n + 1]


@function
async def weigh(db: AsyncSession, grams: Decimal) -> list[Weight]:
    """A weight of so many grams."""
    weight = Weight(grams=grams, scale=Scale(id=grams))
    db.add(weight)
    await db.flush()
    return [weight]


def scales(url: str) -> Backstay:
    """The scales on the database at *url*."""
    return Backstay(
        models=Model,
        policies=[everybody],
        functions=[readings, weigh],
        settings=Settings(database=url, jwt_secret=SECRET),
    )


SCALES: Mapping[str, list[dict[str, Any]]] = {"scales": [], "weights": []}
