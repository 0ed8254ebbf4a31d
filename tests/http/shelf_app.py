"""A table with JSON, arrays of every type and (on PostgreSQL) ranges, for the tests of their operators."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backstay import Backstay, Me, Settings, allow
from backstay import Model as Base
from tests.http.shop_app import SECRET

_JSONB = sa.JSON().with_variant(pg.JSONB(), "postgresql")


class Model(DeclarativeBase):
    """A base and registry of its own: other apps of the tests have classes of the same names."""

    type_annotation_map = Base.type_annotation_map
    metadata = sa.MetaData(naming_convention=Base.metadata.naming_convention)


class Colour(enum.Enum):
    red = "red"
    green = "green"


class Thing(Model):
    __tablename__ = "things"
    id: Mapped[int] = mapped_column(primary_key=True)
    data: Mapped[Any] = mapped_column(_JSONB, nullable=True)
    texts: Mapped[Any] = mapped_column(sa.ARRAY(sa.Text()), nullable=True)
    integers: Mapped[Any] = mapped_column(sa.ARRAY(sa.BigInteger()), nullable=True)
    booleans: Mapped[Any] = mapped_column(sa.ARRAY(sa.Boolean()), nullable=True)
    floats: Mapped[Any] = mapped_column(sa.ARRAY(sa.Double()), nullable=True)
    numerics: Mapped[Any] = mapped_column(sa.ARRAY(sa.Numeric(10, 2)), nullable=True)
    uuids: Mapped[Any] = mapped_column(sa.ARRAY(sa.Uuid()), nullable=True)
    dates: Mapped[Any] = mapped_column(sa.ARRAY(sa.Date()), nullable=True)
    moments: Mapped[Any] = mapped_column(sa.ARRAY(sa.DateTime(timezone=True)), nullable=True)
    colours: Mapped[Any] = mapped_column(sa.ARRAY(sa.Enum(Colour, name="colour")), nullable=True)


@allow("read", "create", "update", "delete", Thing)
def everything(me: Me) -> Any:
    """Everybody does everything."""
    return True


ONE, TWO = UUID("11111111-1111-4111-8111-111111111111"), UUID("22222222-2222-4222-8222-222222222222")
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)

DATA: list[Any] = [
    {"a": 1, "b": {"c": [10, 20, {"d": "deep"}]}, "t": "text", "yes": True, "no": False, "nil": None, "f": 1.5},
    {"a": "1", "b": {"c": []}, "t": "Ärger 100%", "yes": "true", "e": {}, "l": [1, 2, 3]},
    [1, "two", None, [3, 4], {"k": "v"}],
    "plain",
    42,
    None,
    {"a": 2, "t": None, "b": [{"c": 1}, {"c": 2}], "k y": {"x.y": 1}, "big": 9007199254740993, "l": ["1", 2]},
    {"a": 10, "t": "Zebra", "b": {"c": [10]}, "l": [[1, 2], [3]]},
    {},
    [],
]

ROWS: Mapping[str, list[dict[str, Any]]] = {
    "things": [
        {
            "id": number,
            "data": value,
            "texts": [None, ["a", "b c", 'q"u\\o,te', "{x}"], ["a"], [], ["NULL", None, ""], ["b c"]][number % 6],
            "integers": [None, [1, 2, 3], [3], [], [2, None], [9007199254740993]][number % 6],
            "booleans": [None, [True, False], [True], [], [None], [False]][number % 6],
            "floats": [None, [1.5, -2.0], [1e100], [], [None], [0.1]][number % 6],
            "numerics": [None, [Decimal("1.50"), Decimal(2)], [Decimal("0.01")], [], [None], [Decimal("-3")]][
                number % 6
            ],
            "uuids": [None, [ONE, TWO], [ONE], [], [None], [TWO]][number % 6],
            "dates": [
                None,
                [date(2024, 1, 1)],
                [date(2024, 2, 29), date(2024, 1, 1)],
                [],
                [None],
                [date(1999, 12, 31)],
            ][number % 6],
            "moments": [None, [NOON], [NOON.replace(hour=1, microsecond=500000)], [], [None], [NOON]][number % 6],
            "colours": [None, [Colour.red, Colour.green], [Colour.red], [], [None], [Colour.green]][number % 6],
        }
        for number, value in enumerate(DATA, 1)
    ]
}


def shelf(url: str) -> Backstay:
    return Backstay(models=Model, policies=[everything], settings=Settings(database=url, jwt_secret=SECRET))
