"""Relationships with a condition of their own: embeds under the model's name for them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import ForeignKey, and_
from sqlalchemy.orm import DeclarativeBase, Mapped, foreign, mapped_column, relationship, remote

from backstay import Backstay, Me, Settings, allow
from tests.http.api import Api, opened, quick_folder
from tests.http.shop_app import SECRET


class Model(DeclarativeBase):
    """A base of its own."""


class Writer(Model):
    __tablename__ = "writers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20), unique=True)
    country: Mapped[str]
    boss_id: Mapped[int | None] = mapped_column(ForeignKey("writers.id"))
    active: Mapped[bool]
    first_id: Mapped[int]
    published: Mapped[list[Text]] = relationship(
        primaryjoin=lambda: and_(Text.writer_id == Writer.id, Text.public), viewonly=True
    )
    at_home: Mapped[list[Text]] = relationship(
        primaryjoin=lambda: and_(Text.writer_id == Writer.id, Text.country == Writer.country), viewonly=True
    )
    later: Mapped[list[Text]] = relationship(
        primaryjoin=lambda: and_(Text.writer_id == Writer.id, Text.id > Writer.first_id), viewonly=True
    )
    texts: Mapped[list[Text]] = relationship(
        primaryjoin=lambda: and_(Text.writer_id == Writer.id, Text.kind == "poem"), viewonly=True
    )
    juniors: Mapped[list[Writer]] = relationship(
        primaryjoin=lambda: and_(remote(foreign(Writer.boss_id)) == Writer.id, remote(Writer.active)), viewonly=True
    )
    secret: Mapped[list[Text]] = relationship(
        primaryjoin=lambda: and_(Text.writer_id == Writer.id, Text.price > 5), viewonly=True
    )
    themes: Mapped[list[Theme]] = relationship(secondary=lambda: Mention.__table__, viewonly=True)
    # Not to be served, each for a reason.
    newest: Mapped[Text | None] = relationship(
        primaryjoin=lambda: and_(Text.writer_id == Writer.id, Text.public), uselist=False, viewonly=True
    )
    cheapest: Mapped[list[Text]] = relationship(
        primaryjoin=lambda: and_(
            Text.writer_id == Writer.id, Text.price == sa.select(sa.func.min(Text.price)).scalar_subquery()
        ),
        viewonly=True,
    )
    loud_themes: Mapped[list[Theme]] = relationship(
        secondary=lambda: Mention.__table__,
        primaryjoin=lambda: and_(Mention.writer_id == Writer.id, Mention.loud),
        viewonly=True,
    )


class Text(Model):
    __tablename__ = "texts"
    id: Mapped[int] = mapped_column(primary_key=True)
    writer_id: Mapped[int | None] = mapped_column(ForeignKey("writers.id"))
    byline: Mapped[str | None]
    country: Mapped[str]
    kind: Mapped[str]
    public: Mapped[bool]
    price: Mapped[int]
    signed: Mapped[Writer | None] = relationship(
        primaryjoin=lambda: and_(foreign(Text.byline) == Writer.name, Writer.active), viewonly=True
    )


class Theme(Model):
    __tablename__ = "themes"
    id: Mapped[int] = mapped_column(primary_key=True)


class Mention(Model):
    """Relates, but its key does not say so."""

    __tablename__ = "mentions"
    id: Mapped[int] = mapped_column(primary_key=True)
    writer_id: Mapped[int] = mapped_column(ForeignKey("writers.id"))
    theme_id: Mapped[int] = mapped_column(ForeignKey("themes.id"))
    loud: Mapped[bool]


@allow("read", "create", Writer)
@allow("read", Theme)
def everything(me: Me) -> Any:
    return True


@allow("read", "create", Text, columns=[Text.id, Text.writer_id, Text.byline, Text.country, Text.kind, Text.public])
def in_the_open(me: Me) -> Any:
    """Texts that nobody has withdrawn; what they cost is nobody's business."""
    return Text.id < 100


@allow("read", Mention)
def quiet(me: Me) -> Any:
    return Mention.loud.is_(False)


ROWS = {
    "writers": [
        {"id": 1, "name": "Ada", "country": "uk", "boss_id": None, "active": True, "first_id": 1},
        {"id": 2, "name": "Bo", "country": "se", "boss_id": 1, "active": True, "first_id": 9},
        {"id": 3, "name": "Cy", "country": "uk", "boss_id": 1, "active": False, "first_id": 0},
    ],
    "texts": [
        {"id": n, "writer_id": w, "byline": b, "country": c, "kind": k, "public": p, "price": n}
        for n, w, b, c, k, p in (
            (1, 1, "Ada", "uk", "poem", True),
            (2, 1, "Bo", "fr", "prose", False),
            (3, 1, "Cy", "uk", "poem", True),
            (4, 2, None, "se", "prose", True),
            (100, 1, "Ada", "uk", "poem", True),
        )
    ],
    "themes": [{"id": 1}, {"id": 2}, {"id": 3}],
    "mentions": [
        {"id": n, "writer_id": w, "theme_id": t, "loud": loud}
        for n, (w, t, loud) in enumerate([(1, 1, False), (1, 2, True), (2, 2, False)], 1)
    ],
}


def make(url: str) -> Backstay:
    policies = [everything, in_the_open, quiet]
    return Backstay(models=Model, policies=policies, settings=Settings(database=url, jwt_secret=SECRET))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def press(request: pytest.FixtureRequest) -> Iterator[Api]:
    with quick_folder() as folder, opened(request.param, folder, make, ROWS, "press") as api:
        yield api


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("published", [[1, 3], [4], []]),
        ("at_home", [[1, 3], [4], []]),
        ("later", [[2, 3], [], []]),
        ("texts", [[1, 3], [], []]),
        ("juniors", [[2], [], []]),
        ("themes", [[1], [2], []]),
    ],
)
def test_rows_that_the_condition_relates(press: Api, name: str, ids: list[list[int]]) -> None:
    """With constants, several columns, other operators and both sides; hidden rows are in none, not even in between."""
    reply = press.get(f"writers?select=id,{name}(id)&order=id&{name}.order=id")
    assert 200 == reply.status, reply.body
    assert ids == [[each["id"] for each in row[name]] for row in reply.json]
    # As a condition, inner, counted and spread.
    inner = [n for n, found in enumerate(ids, 1) if found]
    assert inner == press.get(f"writers?select=id,{name}!inner(id)&order=id").ids
    assert [n for n in (1, 2, 3) if n not in inner] == press.get(f"writers?select=id,{name}()&{name}=is.null").ids
    assert ids == [
        r["id"] if isinstance(r["id"], list) else []
        for r in press.get(f"writers?select=...{name}(id)&order=id&{name}.order=id").json
    ]


def test_to_one_by_a_unique_column(press: Api) -> None:
    """A row or null; it filters and orders as any to-one embed does."""
    reply = press.get("texts?select=id,signed(name)&order=signed(name).desc.nullslast,id")
    assert [(2, "Bo"), (1, "Ada"), (3, None), (4, None)] == [
        (row["id"], row["signed"] and row["signed"]["name"]) for row in reply.json
    ]
    assert [1] == press.get("texts?select=id,signed!inner(id)&signed.name=eq.Ada").ids


def test_the_foreign_key_stays(press: Api) -> None:
    """Under its own names; only what the model calls otherwise is otherwise."""
    reply = press.get("writers?select=id,texts!texts_writer_id_fkey(id)&id=eq.1&texts.order=id")
    assert [1, 2, 3] == [each["id"] for each in reply.json[0]["texts"]]
    assert {"name": "Ada"} == press.get("texts?select=writers(name)&id=eq.1").json[0]["writers"]


def test_a_hidden_column_relates_nothing(press: Api) -> None:
    """AC10: a condition on it would tell what it holds; to whom it is hidden, there is no such relation."""
    assert (400, "PGRST200") == ((reply := press.get("writers?select=id,secret(id)")).status, reply.code)
    found = press.get("writers?select=secret(id)&id=eq.1&secret.order=id", as_="svc").json
    assert [{"id": 100}] == found[0]["secret"]


@pytest.mark.parametrize("name", ["newest", "cheapest", "loud_themes"])
def test_what_cannot_be_served_is_not_there(press: Api, name: str) -> None:
    """Rather than without its condition."""
    assert "PGRST200" == press.get(f"writers?select=id,{name}(id)", as_="svc").code


def test_the_start_names_what_is_not_served(caplog: pytest.LogCaptureFixture) -> None:
    """With the reason, so that nobody has to find out."""
    with caplog.at_level(logging.WARNING, "backstay"):
        make("sqlite:///nowhere.db")
    assert [
        "Writer.newest cannot be embedded: it is to-one, and no key of the other table makes it so",
        "Writer.cheapest cannot be embedded: its condition holds a subquery or text",
        "Writer.loud_themes cannot be embedded: it has a condition of its own and a table in its middle",
    ] == [record.message for record in caplog.records]


def test_rows_are_not_inserted_through_a_condition(press: Api) -> None:
    """Which row would fulfil it is not for us to say."""
    body = {"id": 9, "name": "Di", "country": "uk", "active": True, "first_id": 0, "published": [{"id": 50}]}
    reply = press.post("writers", body, as_="svc")
    assert (400, "PGRST127") == (reply.status, reply.code)
    assert [] == press.rows("writers?id=eq.9")
