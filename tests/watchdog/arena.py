"""An app that lets anybody do everything, over values that are as large as a request can make them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import ForeignKey
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from backstay import Backstay, Me, Settings, allow, function
from backstay import Model as Base
from tests.http.shop_app import SECRET

#: Letters of the largest text: a body of one mebibyte brings it.
LARGE: Final = 900_000

_JSON: Final = sa.JSON().with_variant(pg.JSONB(), "postgresql")
_TEXTS: Final = sa.ARRAY(sa.Text())


class Model(DeclarativeBase):
    """A base of its own, so that other apps of the tests do not share its tables."""

    metadata = sa.MetaData(naming_convention=Base.metadata.naming_convention)
    type_annotation_map = Base.type_annotation_map


class Page(Model):
    """Something of every kind; its parent is a page too, so that embeds can go in circles."""

    __tablename__ = "pages"
    __searchable__ = ("body",)
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("pages.id"))
    title: Mapped[str] = mapped_column(sa.Text)
    body: Mapped[str] = mapped_column(sa.Text)
    price: Mapped[Decimal | None] = mapped_column(sa.Numeric)
    weight: Mapped[float | None] = mapped_column(sa.Double)
    data: Mapped[Any | None] = mapped_column(_JSON)
    tags: Mapped[list[str] | None] = mapped_column(_TEXTS)
    made: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    parent: Mapped[Page | None] = relationship(remote_side=[id], back_populates="children")
    children: Mapped[list[Page]] = relationship(back_populates="parent")


class Wide(Model):
    """A row of many columns, and many of them."""

    __tablename__ = "wide"
    id: Mapped[int] = mapped_column(primary_key=True)
    locals().update({f"c{n}": mapped_column(sa.Text, name=f"c{n}", nullable=True) for n in range(100)})


@allow("read", "create", "update", "delete", Page)
def pages(me: Me) -> Any:
    """Everybody does everything."""
    return True


@allow("read", "create", "update", "delete", Wide)
def wides(me: Me) -> Any:
    """Everybody does everything."""
    return True


@function(read_only=True)
async def count_all(db: AsyncSession, words: list[str] | None = None) -> int:
    """How many words it was given."""
    return len(words or ())


#: One row for each way in which a value can be large; the others are many.
ROWS: Final[Mapping[str, list[dict[str, Any]]]] = {
    "pages": [
        {
            "id": 1,
            "parent_id": None,
            "title": "letters",
            "body": "a" * LARGE,
            "price": None,
            "data": None,
            "tags": None,
        },
        {
            "id": 2,
            "parent_id": 1,
            "title": "words",
            "body": "a " * (LARGE // 2),
            "price": None,
            "data": None,
            "tags": None,
        },
        {"id": 3, "parent_id": 2, "title": "numbers", "body": "b", "price": None, "data": [1.5] * 90_000, "tags": None},
        {"id": 4, "parent_id": 3, "title": "list", "body": "c", "price": None, "data": None, "tags": ["a"] * 90_000},
        {
            "id": 5,
            "parent_id": 4,
            "title": "objects",
            "body": "d",
            "price": None,
            "data": [{"k": n} for n in range(40_000)],
            "tags": None,
        },
        *(
            {
                "id": n,
                "parent_id": n % 5 + 1,
                "title": f"page {n}",
                "body": f"text of page {n} " * 20,
                "price": Decimal(n) / 7,
                "data": {"n": n, "list": [n] * 9},
                "tags": [f"t{n % 7}", "x"],
            }
            for n in range(6, 2_000)
        ),
    ],
    "wide": [{"id": n, **{f"c{at}": f"{n}.{at}" for at in range(100)}} for n in range(300)],
}


def arena(url: str) -> Backstay:
    settings = Settings(database=url, jwt_secret=SECRET)
    return Backstay(models=Model, policies=[pages, wides], functions=[count_all], settings=settings)
