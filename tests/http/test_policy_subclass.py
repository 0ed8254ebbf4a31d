"""P1: a rule for a model that is a part of its table is about the rows of that model, in every way to read and write.

What each caller may is said a second time, in plain Python, by `_read` and `_write`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Any, ClassVar, Final

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from backstay import Backstay, Me, Settings, allow, function
from tests.http.api import Api, opened, quick_folder
from tests.http.shop_app import SECRET


class Base(DeclarativeBase):
    pass


class Keeper(Base):
    __tablename__ = "keepers"
    id: Mapped[int] = mapped_column(primary_key=True)
    animals: Mapped[list[Animal]] = relationship(viewonly=True)
    cats: Mapped[list[Cat]] = relationship(viewonly=True)


class Animal(Base):
    """Whatever lives here."""

    __tablename__ = "animals"
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    owner: Mapped[int | None] = mapped_column(sa.ForeignKey("keepers.id"))


class Cat(Animal):
    """Purrs."""

    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "cat"}
    lives: Mapped[int | None]

    @hybrid_property
    def is_old(self) -> bool:
        return self.lives < 3  # type: ignore[operator,no-any-return]


class Lion(Cat):
    """Roars."""

    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "lion"}
    mane: Mapped[int | None]


class Dog(Animal):
    """Barks."""

    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "dog"}
    barks: Mapped[int | None]


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


class Ticket(Base):
    __tablename__ = "tickets"
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_on": "level", "polymorphic_abstract": True}
    id: Mapped[int] = mapped_column(primary_key=True)
    level: Mapped[Level]


class Urgent(Ticket):
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_abstract": True}


class Fire(Urgent):
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": Level.HIGH}


class Shape(Base):
    __tablename__ = "shapes"
    id: Mapped[int] = mapped_column(primary_key=True)
    sides: Mapped[int] = mapped_column()
    __mapper_args__: ClassVar[dict[str, Any]] = {
        "polymorphic_on": sa.case((sides.column == 3, "triangle"), (sides.column == 4, "square"), else_="shape"),
        "polymorphic_identity": "shape",
    }


class Triangle(Shape):
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "triangle"}


class Person(Base):
    """In two tables: a part of neither."""

    __tablename__ = "people"
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_on": "kind", "polymorphic_identity": "person"}
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]


class Boss(Person):
    __tablename__ = "bosses"
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "boss"}
    id: Mapped[int] = mapped_column(sa.ForeignKey("people.id"), primary_key=True)
    rank: Mapped[int]


class Doc(Base):
    __tablename__ = "docs"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    secret: Mapped[str]


class Title(Base):
    """Another model of the same table, of fewer columns."""

    __table__ = Doc.__table__
    __mapper_args__: ClassVar[dict[str, Any]] = {"exclude_properties": ["secret"]}


@allow("read", "create", "update", "delete", Cat, to="authenticated")
def own_cats(me: Me) -> Any:
    """Whoever has an account keeps cats."""
    return Cat.owner == me.id


@allow("read", Keeper, Urgent, Triangle, Boss, Title, to="authenticated")
@allow("read", "create", Keeper, to="staff")
@allow("create", Cat, to="staff")
def all_of_these(me: Me) -> Any:
    """Everything of that kind."""
    return True


@allow("read", Animal, to="staff")
def without_the_third(me: Me) -> Any:
    """Staff see what lives here, but for one."""
    return Animal.id != 3


@allow("read", "update", Dog, to="staff")
def own_dogs(me: Me) -> Any:
    """And keep dogs."""
    return Dog.owner == me.id


@allow("read", Keeper, to="clerk")
def keepers_of_cats(me: Me) -> Any:
    """Clerks see keepers of very old cats."""
    return Keeper.cats.any(Cat.lives < 1)


@function(read_only=True)
async def every_cat(db: AsyncSession) -> list[Cat]:
    return list(await db.scalars(sa.select(Cat).order_by(Cat.id)))


ANIMALS: Final[list[dict[str, Any]]] = [
    {"id": at, "kind": kind, "owner": owner, "lives": at % 7, "mane": 1, "barks": 2}
    for at, (kind, owner) in enumerate(
        [(kind, owner) for kind in ("animal", "cat", "lion", "dog", "bird") for owner in (2, 4, None)], 1
    )
]
ROWS: Final[dict[str, list[dict[str, Any]]]] = {
    "keepers": [{"id": 2}, {"id": 4}],
    "animals": ANIMALS,
    "tickets": [{"id": 1, "level": Level.LOW}, {"id": 2, "level": Level.HIGH}],
    "shapes": [{"id": 1, "sides": 3}, {"id": 2, "sides": 4}, {"id": 3, "sides": 5}],
    "people": [{"id": 1, "kind": "person"}, {"id": 2, "kind": "boss"}],
    "bosses": [{"id": 2, "rank": 1}],
    "docs": [{"id": 1, "title": "a", "secret": "b"}],
}
KINDS: Final = ["animal", "cat", "lion", "dog", "bird"]


def _read(who: str, row: dict[str, Any]) -> bool:
    if who == "dee":
        return row["id"] != 3 or (row["kind"] == "dog" and row["owner"] == 4)
    return _write(who, row)


def _write(who: str, row: dict[str, Any]) -> bool:
    if who == "bob":
        return row["kind"] in ("cat", "lion") and row["owner"] == 2
    return who == "dee" and row["kind"] == "dog" and row["owner"] == 4


def _ids(who: str) -> list[int]:
    return [row["id"] for row in ANIMALS if _read(who, row)]


def app(url: str) -> Backstay:
    return Backstay(
        models=Base,
        policies=[own_cats, all_of_these, without_the_third, own_dogs, keepers_of_cats],
        functions=[every_cat],
        settings=Settings(jwt_secret=SECRET, database=url),
    )


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest) -> Iterator[Api]:
    with quick_folder() as folder, opened(request.param, folder, app, ROWS, "subclass") as found:
        yield found


@pytest.fixture
def api(world: Api) -> Api:
    return world.clean()


def test_rows_of_the_subclass_are_read(api: Api) -> None:
    """P1: its own, those of its subclasses, and no other of the table."""
    assert [4, 7] == _ids("bob")
    for who in ("bob", "dee"):
        assert _ids(who) == api.get("animals?select=id&order=id", as_=who).ids
        count = api.get("animals?select=id&limit=1", as_=who, prefer="count=exact").range
        assert f"0-0/{len(_ids(who))}" == count
    assert [2] == api.get("tickets?select=id", as_="bob").ids
    assert [1] == api.get("shapes?select=id", as_="bob").ids
    assert ([2], "PGRST205") == (api.get("bosses?select=id", as_="bob").ids, api.get("people", as_="bob").code)


def test_columns_of_the_model_are_shown(api: Api) -> None:
    """P1: without ``columns=`` a rule shows what its model has, and not what others of the table have."""
    assert {"id", "kind", "owner", "lives"} == set(api.get("animals?limit=1", as_="bob").json[0])
    assert "42703" == api.get("animals?select=barks", as_="bob").code
    assert "42703" == api.get("animals?select=id&mane=eq.1", as_="bob").code
    dogs = [row["id"] for row in ANIMALS if _write("dee", row)]
    assert dogs == api.get("animals?select=id,barks", as_="dee").ids
    assert [{"id": 1, "title": "a"}] == api.get("docs", as_="bob").json
    assert "42703" == api.get("docs?select=secret", as_="bob").code


@pytest.mark.parametrize("owner", [2, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_a_new_row_is_one_of_the_subclass(api: Api, kind: str, owner: int) -> None:
    """P1: a plain insert, both resolutions, PUT, a batch and a nested insert."""
    row = {"id": 100, "kind": kind, "owner": owner}
    ways = {
        "plain": lambda: api.post("animals", row, as_="bob"),
        "merged": lambda: api.post("animals", row, as_="bob", prefer="resolution=merge-duplicates"),
        "skipped": lambda: api.post("animals", row, as_="bob", prefer="resolution=ignore-duplicates"),
        "put": lambda: api.put("animals?id=eq.100", row, as_="bob"),
        "batch": lambda: api.post("batch", [{"method": "POST", "path": "animals", "body": row}], as_="bob"),
        "nested": lambda: api.post("keepers", {"id": 8, "animals": [{"id": 100, "kind": kind}]}, as_="dee"),
    }
    for way, send in ways.items():
        api.clean()
        reply = send()
        fits = kind in ("cat", "lion") if way == "nested" else _write("bob", row)
        assert fits == (reply.status < 300) == bool(api.rows("animals?id=eq.100")), (way, reply.body)
        assert reply.status < 300 or (403, "42501") == (reply.status, reply.code), (way, reply.body)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("who", ["bob", "dee"])
def test_a_row_stays_one_of_the_subclass(api: Api, who: str, kind: str) -> None:
    """P1: neither the old row nor the new one of an update is another's."""
    for row in ANIMALS:
        reply = api.clean().patch(f"animals?id=eq.{row['id']}&select=id", {"kind": kind}, as_=who, prefer=REPRESENTED)
        changed = {**row, "kind": kind}
        if not _read(who, row) or not _write(who, row):
            assert (200, []) == (reply.status, reply.json), row
        else:
            assert (200 if _write(who, changed) else 403) == reply.status, (row, reply.body)
        assert ([changed] if reply.status == 200 and reply.json else [row]) == api.rows(f"animals?id=eq.{row['id']}")


REPRESENTED: Final = "return=representation"


def test_a_row_of_another_is_not_merged_or_removed(api: Api) -> None:
    """P1: the old row of a merge, an item and a deletion."""
    for row in ANIMALS:
        mine = {"id": row["id"], "kind": "cat", "owner": 2}
        for reply in (
            api.clean().post("animals", mine, as_="bob", prefer="resolution=merge-duplicates"),
            api.clean().put(f"animals?id=eq.{row['id']}", mine, as_="bob"),
        ):
            assert (reply.status < 300) == _write("bob", row), (row, reply.body)
        item = api.clean().patch(f"animals/{row['id']}", {"lives": 9}, as_="bob")
        assert (204 if _write("bob", row) else 404) == item.status, item.body
    api.clean().delete("animals?id=gt.0", as_="bob")
    assert [row["id"] for row in ANIMALS if not _write("bob", row)] == [r["id"] for r in api.rows("animals?order=id")]


def test_relations_and_functions_are_of_the_subclass(api: Api) -> None:
    """P1: a relationship to it leads to its rows, and a function that returns them is asked as its table is."""
    cats = [row["id"] for row in ANIMALS if row["kind"] in ("cat", "lion") and row["owner"] == 4]
    (found,) = api.get("keepers?id=eq.4&select=cats(id),animals(id)", as_="svc").json
    assert cats == sorted(row["id"] for row in found["cats"])
    assert [row["id"] for row in ANIMALS if row["owner"] == 4] == sorted(row["id"] for row in found["animals"])
    (mine,) = api.get("keepers?id=eq.2&select=cats(id),animals(id)", as_="bob").json
    assert {"cats": [{"id": 4}, {"id": 7}], "animals": [{"id": 4}, {"id": 7}]} == mine
    old = {row["owner"] for row in ANIMALS if row["kind"] in ("cat", "lion") and row["lives"] < 1}
    assert sorted(old - {None}) == api.get("keepers?select=id&order=id", as_="cleo").ids
    assert [4, 7] == api.get("rpc/every_cat?select=id", as_="bob").ids


def test_computed_fields_are_of_the_subclass(api: Api) -> None:
    """P1: NULL in rows of others, whatever their columns hold."""
    cats = {"cat", "lion"}
    said = {row["id"]: row["lives"] < 3 if row["kind"] in cats else None for row in ANIMALS}
    assert said == {row["id"]: row["is_old"] for row in api.rows("animals?select=id,is_old")}


def test_the_description_is_of_the_whole_table(api: Api) -> None:
    """The table is called as its base, however its subclasses are called."""
    described = api.get("", as_="svc").json["components"]["schemas"]["animals"]
    assert "Whatever lives here." in described["description"]
    assert {"lives", "mane", "barks", "is_old"} <= set(described["properties"])
