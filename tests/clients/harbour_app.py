"""Tables of the kinds that the clients' documentation uses, with names and rows of our own; open to everybody."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from backstay import Backstay, Me, Searchable, Settings, allow, function

_JSON = sa.JSON(none_as_null=True).with_variant(pg.JSONB(none_as_null=True), "postgresql")
#: SQLite has no ranges: there the column is text, and its operators say so.
_RANGE = pg.TSRANGE().with_variant(sa.Text(), "sqlite")


class Harbour(DeclarativeBase):
    """Models of their own, apart from those of other tests."""


class Port(Harbour):
    """A place to go: the documentation's ``characters``, which no example changes."""

    __tablename__ = "ports"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]


class Island(Harbour):
    """The documentation's ``countries``."""

    __tablename__ = "islands"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]


class Fleet(Harbour):
    __tablename__ = "fleets"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Boat(Harbour):
    __tablename__ = "boats"
    id: Mapped[int] = mapped_column(primary_key=True)
    fleet_id: Mapped[int | None] = mapped_column(sa.ForeignKey("fleets.id"))
    name: Mapped[str]


class NightFleet(Harbour):
    __tablename__ = "night fleets"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class SlowBoat(Harbour):
    __tablename__ = "slow boats"
    id: Mapped[int] = mapped_column(primary_key=True)
    fleet_id: Mapped[int] = mapped_column(sa.ForeignKey("night fleets.id"))
    name: Mapped[str]


class Sailor(Harbour):
    __tablename__ = "sailors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    handle: Mapped[str | None] = mapped_column(unique=True)
    address: Mapped[Any] = mapped_column(_JSON, nullable=True)


class Crew(Harbour):
    __tablename__ = "crews"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    sailors: Mapped[list[Sailor]] = relationship(secondary="crew_sailors")


class CrewSailor(Harbour):
    __tablename__ = "crew_sailors"
    crew_id: Mapped[int] = mapped_column(sa.ForeignKey("crews.id"), primary_key=True)
    sailor_id: Mapped[int] = mapped_column(sa.ForeignKey("sailors.id"), primary_key=True)


class Letter(Harbour):
    __tablename__ = "letters"
    id: Mapped[int] = mapped_column(primary_key=True)
    sender_id: Mapped[int] = mapped_column(sa.ForeignKey("sailors.id", name="letters_sender_id_fkey"))
    receiver_id: Mapped[int] = mapped_column(sa.ForeignKey("sailors.id", name="letters_receiver_id_fkey"))
    content: Mapped[str]


class Race(Harbour):
    __tablename__ = "races"
    id: Mapped[int] = mapped_column(primary_key=True)
    home_crew: Mapped[int] = mapped_column(sa.ForeignKey("crews.id", name="races_home_crew_fkey"))
    away_crew: Mapped[int] = mapped_column(sa.ForeignKey("crews.id", name="races_away_crew_fkey"))


class Repair(Harbour):
    """The documentation's ``issues``."""

    __tablename__ = "repairs"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    tags: Mapped[Any] = mapped_column(sa.ARRAY(sa.Text()))


class Lesson(Harbour):
    __tablename__ = "lessons"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    days: Mapped[Any] = mapped_column(sa.ARRAY(sa.Text()))


class Mooring(Harbour):
    """The documentation's ``reservations``."""

    __tablename__ = "moorings"
    id: Mapped[int] = mapped_column(primary_key=True)
    berth: Mapped[str]
    during: Mapped[Any] = mapped_column(_RANGE)


class Saying(Harbour):
    __tablename__ = "sayings"
    __searchable__ = Searchable("words")
    id: Mapped[int] = mapped_column(primary_key=True)
    words: Mapped[str]


TABLES = (
    *(Port, Island, Fleet, Boat, NightFleet, SlowBoat, Sailor, Crew, CrewSailor),
    *(Letter, Race, Repair, Lesson, Mooring, Saying),
)


@allow("read", "create", "update", "delete", *TABLES, to="anon")
def everybody(me: Me) -> Any:
    """The documentation's examples speak of no policies."""
    return sa.true()


@function(read_only=True)
async def hello_harbour() -> str:
    """Greet."""
    return "Ahoy"


@function
async def shout(say: str) -> str:
    """Say it again."""
    return say


@function
async def one_more_each(arr: list[int]) -> list[int]:
    """Add one to each."""
    return [number + 1 for number in arr]


@function(read_only=True)
async def charted_islands(db: AsyncSession) -> list[Island]:
    """Islands that are on the chart."""
    return list(await db.scalars(sa.select(Island).where(Island.id < 100).order_by(Island.id)))


FUNCTIONS = [hello_harbour, shout, one_more_each, charted_islands]

app = Backstay(models=Harbour, policies=[everybody], functions=FUNCTIONS, title="Harbour")

ROWS: dict[type[Harbour], list[dict[str, Any]]] = {
    Port: [{"id": 1, "name": "Lerwick"}, {"id": 2, "name": "Ullapool"}, {"id": 3, "name": "Hamnavoe"}],
    Island: [
        {"id": 1, "name": "Unst"},
        {"id": 2, "name": None},
        {"id": 3, "name": "Foula"},
        {"id": 4, "name": "Bressay"},
    ],
    Fleet: [{"id": 1, "name": "herring"}, {"id": 2, "name": "mackerel"}],
    Boat: [
        {"id": 1, "fleet_id": 1, "name": "Alma"},
        {"id": 2, "fleet_id": 1, "name": "Brisk"},
        {"id": 3, "fleet_id": 2, "name": "Cygnet"},
    ],
    NightFleet: [{"id": 1, "name": "lamps"}],
    SlowBoat: [{"id": 1, "fleet_id": 1, "name": "Drift"}],
    Sailor: [
        {"id": 1, "name": "Ines", "handle": "ines", "address": {"city": "Porto", "postcode": 4050}},
        {"id": 2, "name": "Jon", "handle": "jon", "address": {"city": "Oban"}},
        {"id": 3, "name": "Kari", "handle": "kari", "address": {}},
    ],
    Crew: [{"id": 1, "name": "port watch"}, {"id": 2, "name": "starboard watch"}],
    CrewSailor: [{"crew_id": 1, "sailor_id": 1}, {"crew_id": 2, "sailor_id": 1}, {"crew_id": 2, "sailor_id": 2}],
    Letter: [{"id": 1, "sender_id": 1, "receiver_id": 2, "content": "Fair winds"}],
    Race: [{"id": 7, "home_crew": 1, "away_crew": 2}],
    Repair: [
        {"id": 1, "title": "Leak", "tags": ["is:open", "severity:high"]},
        {"id": 2, "title": "Paint", "tags": ["is:open", "priority:low"]},
        {"id": 3, "title": "Mast", "tags": ["is:closed"]},
    ],
    Lesson: [
        {"id": 1, "name": "Knots", "days": ["monday", "friday"]},
        {"id": 2, "name": "Charts", "days": ["monday", "thursday"]},
    ],
    Saying: [
        {"id": 1, "words": "Fresh bread and salted butter"},
        {"id": 2, "words": "The fat cat sat on the salted rope"},
        {"id": 3, "words": "A rat is no cat"},
    ],
}
BERTHS = [("north", "2031-05-01 13:00", "2031-05-01 15:00"), ("south", "2031-05-02 09:00", "2031-05-02 10:00")]


async def plant(database: str) -> None:
    """Create the tables in *database*, with their rows."""
    planter = Backstay(
        models=Harbour, settings=Settings(database=database, jwt_secret="only for planting, only for planting")
    )
    async with planter.session() as db:
        for model, rows in ROWS.items():
            db.add_all(model(**row) for row in rows)
            await db.flush()
        for number, (berth, start, end) in enumerate(BERTHS, 1):
            text = f"[{start}, {end})"
            moments = pg.Range(datetime.fromisoformat(start), datetime.fromisoformat(end))
            during = text if database.startswith("sqlite") else moments
            db.add(Mooring(id=number, berth=berth, during=during))
