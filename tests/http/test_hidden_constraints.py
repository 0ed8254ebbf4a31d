"""AC6: a constraint that asks for what the caller may not read is not named, whichever kind it is and whoever broke it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backstay import Backstay, Me, Settings, allow, function
from tests.http.api import Api, Reply, database, opened, quick_folder
from tests.http.shop_app import SECRET


class Model(DeclarativeBase):
    pass


class Offer(Model):
    __tablename__ = "offers"
    id: Mapped[int] = mapped_column(primary_key=True)
    price: Mapped[int]
    room: Mapped[str | None]
    #: Nobody reads these.
    cost: Mapped[int]
    gone: Mapped[bool] = mapped_column(default=False)
    __table_args__ = (
        sa.CheckConstraint("price < 1000", name="modest"),
        sa.CheckConstraint("price > cost", name="gainful"),
        sa.CheckConstraint("length(room) < 9"),
        sa.Index(
            "one_a_room", "room", unique=True, sqlite_where=sa.text("not gone"), postgresql_where=sa.text("not gone")
        ),
    )


class Secret(Model):
    """No rule speaks of it."""

    __tablename__ = "secrets"
    id: Mapped[int] = mapped_column(primary_key=True)
    word: Mapped[str] = mapped_column(unique=True)
    __table_args__ = (sa.CheckConstraint("length(word) < 5", name="brief"),)


ROWS: dict[str, list[dict[str, Any]]] = {
    "offers": [
        {"id": 1, "price": 50, "cost": 40, "room": "red", "gone": False},
        {"id": 2, "price": 60, "cost": 40, "room": "blue", "gone": False},
    ],
    "secrets": [{"id": 1, "word": "hush"}],
}
SHOWN = [Offer.id, Offer.price, Offer.room]


@allow("read", Offer, columns=SHOWN)
@allow("create", "update", Offer)
@allow("read", Offer, to="staff")
def everyone(me: Me) -> Any:
    return True


@function
async def keep(db: AsyncSession, word: str) -> None:
    db.add(Secret(word=word))
    await db.flush()


@function
async def offer(db: AsyncSession, price: int, cost: int) -> None:
    db.add(Offer(price=price, cost=cost))
    await db.flush()


def market(url: str) -> Backstay:
    return Backstay(
        models=Model,
        policies=[everyone],
        functions=[keep, offer],
        settings=Settings(database=url, jwt_secret=SECRET),
    )


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def opened_market(request: pytest.FixtureRequest) -> Iterator[Api]:
    with quick_folder() as folder, opened(request.param, folder, market, ROWS, "market") as api:
        yield api


@pytest.fixture
def offers(opened_market: Api) -> Api:
    return opened_market.clean()


def told(reply: Reply) -> tuple[int, str | None, str, Any]:
    return reply.status, reply.code, reply.json["message"], reply.json["details"]


CHECK = 'new row for relation "offers" violates check constraint'
UNIQUE = "duplicate key value violates unique constraint"


@pytest.mark.parametrize(
    ("who", "change", "expected"),
    [
        ("ann", {"price": 1000}, (400, "23514", f'{CHECK} "modest"', None)),
        ("ann", {"price": 40}, (400, "23514", "new row violates check constraint", None)),
        # Who writes what it asks for knows it.
        ("ann", {"price": 40, "cost": 40}, (400, "23514", f'{CHECK} "gainful"', None)),
        ("ann", {"cost": None}, (400, "23502", 'null value in column "cost" of relation "offers" violates not-null constraint', None)),
        # A name that nobody gave says nothing of what is asked.
        ("ann", {"room": "a room of one's own"}, (400, "23514", "new row violates check constraint", None)),
        # Whether a row that is seen is in the way depends on what is not.
        ("ann", {"room": "blue"}, (409, "23505", UNIQUE, None)),
    ],
)  # fmt: skip
def test_writes(offers: Api, who: str, change: Any, expected: Any) -> None:
    """AC6: a check, an index with a condition and NOT NULL are named to who reads, or wrote, all that they ask for."""
    assert expected == told(offers.patch("offers?id=eq.1", change, as_=who))


@pytest.mark.parametrize(("change", "name"), [({"price": 40}, "gainful"), ({"room": "blue"}, "one_a_room")])
def test_who_reads_all(offers: Api, change: Any, name: str) -> None:
    """AC6: who reads every column is told, as ever."""
    assert f'"{name}"' in told(offers.patch("offers?id=eq.1", change, as_="dee"))[2]


@pytest.mark.parametrize(
    ("call", "sent", "expected"),
    [
        ("keep", {"word": "hush"}, (409, "23505", UNIQUE, None)),
        ("keep", {"word": "a word"}, (400, "23514", "new row violates check constraint", None)),
        ("offer", {"price": 1000, "cost": 1}, (400, "23514", f'{CHECK} "modest"', None)),
        ("offer", {"price": 1, "cost": 1}, (400, "23514", "new row violates check constraint", None)),
    ],
)
def test_functions(offers: Api, call: str, sent: Any, expected: Any) -> None:
    """AC6: what a function breaks is told as what a write breaks, and of a hidden table nothing."""
    assert expected == told(offers.post(f"rpc/{call}", sent, as_="ann"))
    batch = offers.post("batch", [{"method": "POST", "path": f"rpc/{call}", "body": sent}], as_="ann")
    assert (*expected[:3], {"operation": 0, "details": None}) == told(batch)


class Theatre(DeclarativeBase):
    pass


class Place(Theatre):
    """Unique in the end: two may be exchanged in one transaction.  SQLite has no such constraint."""

    __tablename__ = "places"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int]
    __table_args__ = (sa.UniqueConstraint("number", name="hidden_number", deferrable=True, initially="DEFERRED"),)


@allow("read", Place, columns=[Place.id])
@allow("create", "update", Place)
@allow("read", Place, to="staff")
def seated(me: Me) -> Any:
    return True


def theatre(url: str) -> Backstay:
    return Backstay(models=Theatre, policies=[seated], settings=Settings(database=url, jwt_secret=SECRET))


@pytest.fixture(scope="module")
def places() -> Iterator[Api]:
    rows = {"places": [{"id": 1, "number": 1}, {"id": 2, "number": 2}]}
    with quick_folder() as folder, opened("postgresql", folder, theatre, rows, "theatre") as api:
        yield api


@pytest.mark.parametrize(("who", "named"), [("ann", ""), ("dee", ' "hidden_number"')])
@pytest.mark.parametrize("way", ["alone", "precondition", "batch", "key"])
def test_the_end_of_a_transaction(places: Api, who: str, named: str, way: str) -> None:
    """AC6: what is looked at in the end is told as what is looked at at once, whatever the transaction is for."""
    change = {"number": 2}
    operation = {"method": "PATCH", "path": "places?id=eq.1", "body": change}
    match way:
        case "alone":
            reply = places.patch("places?id=eq.1", change, as_=who)
        case "precondition":
            reply = places.patch("places?id=eq.1", change, as_=who, headers={"if-match": "*"})
        case "batch":
            reply = places.post("batch", [operation, {"path": "places?select=id"}], as_=who)
        case _:
            reply = places.patch("places?id=eq.1", change, as_=who, headers={"idempotency-key": "once"})
    assert (409, "23505", UNIQUE + named) == (reply.status, reply.code, reply.json["message"])


SCHEMA = """
CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE DOMAIN short AS text CONSTRAINT short_enough CHECK (length(value) < 5);
CREATE TABLE stays (
    id integer PRIMARY KEY, room text, word short, cost integer DEFAULT 5, span int4range, code text UNIQUE,
    CONSTRAINT dear CHECK (cost < 1000), CONSTRAINT apart EXCLUDE USING gist (span WITH &&)
);
CREATE TABLE notes (id integer PRIMARY KEY, code text REFERENCES stays (code), body text);
INSERT INTO stays VALUES (1, 'red', 'a', 5, '[1,5)', 'x1'), (2, 'blue', 'b', 7, '[7,9)', 'x2');
INSERT INTO notes VALUES (1, 'x1', 'one');
CREATE VIEW cheap AS SELECT id, room FROM stays WHERE cost < 10 WITH CHECK OPTION;
CREATE FUNCTION raised() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    NEW.cost := CASE NEW.room WHEN 'dear' THEN 1000 WHEN 'near' THEN 20 ELSE NEW.cost END;
    NEW.word := CASE NEW.room WHEN 'wordy' THEN 'far too long' ELSE NEW.word END;
    NEW.span := CASE NEW.room WHEN 'wide' THEN '[1,9)' ELSE NEW.span END;
    IF NEW.room = 'said' THEN RAISE EXCEPTION 'its author''s words' USING DETAIL = 'all of them', HINT = 'as written'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER raised BEFORE UPDATE ON stays FOR EACH ROW EXECUTE FUNCTION raised();
CREATE FUNCTION dearer() RETURNS void LANGUAGE sql AS 'UPDATE stays SET cost = 1000';
"""


@allow("read", "stays", columns=["id", "room"])
@allow("update", "stays", columns=["room"])
@allow("read", "update", "cheap")
@allow("read", "create", "notes")
def anyone(me: Any) -> Any:
    return True


@pytest.fixture(scope="module")
def stays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    import asyncpg

    folder = tmp_path_factory.mktemp("stays")
    with closing(asyncio.new_event_loop()) as loop, database("postgresql", folder, loop, "hidden_constraints") as url:

        async def run() -> None:
            own = await asyncpg.connect(url)
            await own.execute(SCHEMA)
            await own.close()

        loop.run_until_complete(run())
        app = Backstay.reflect(url, policies=[anyone], functions=["dearer"], settings=Settings(jwt_secret=SECRET))
        started = app.started()
        loop.run_until_complete(started.__aenter__())
        yield Api("postgresql", app, loop, lambda: None)
        loop.run_until_complete(started.__aexit__(None, None, None))


@pytest.mark.parametrize(
    ("path", "room", "expected"),
    [
        ("stays", "dear", (400, "23514", "new row violates check constraint", None)),
        ("stays", "wordy", (400, "23514", "new row violates check constraint", None)),
        ("stays", "wide", (400, "23P01", "a row violates constraint", None)),
        ("stays", "said", (400, "P0001", "its author's words", "all of them")),
        ("cheap", "near", (400, "44000", 'new row violates check option for view "cheap"', None)),
        ("cheap", "dear", (400, "23514", "new row violates check constraint", None)),
    ],
)
def test_a_database_of_others(stays: Api, path: str, room: str, expected: Any) -> None:
    """AC6: domains, exclusions and views say nothing of hidden columns; what a trigger raises is as its author wrote it."""
    assert expected == told(stays.patch(f"{path}?id=eq.1", {"room": room}, as_="ann"))


def test_functions_of_the_database(stays: Api) -> None:
    """AC6: what they break is told to who reads all of the table, and to nobody else."""
    assert (400, "23514", "new row violates check constraint", None) == told(stays.post("rpc/dearer", {}, as_="ann"))
    assert '"dear"' in told(stays.post("rpc/dearer", {}, as_="svc"))[2]


def test_a_key_to_a_hidden_column(stays: Api) -> None:
    """AC6, AC7: a parent that is found by a hidden column is there for nobody."""
    there, missing = (stays.post("notes", {"id": 2, "code": code, "body": "x"}, as_="ann") for code in ("x2", "x3"))
    assert (409, "23503") == told(there)[:2]
    assert missing.body == there.body.replace(b"x2", b"x3")
