"""T-NI: a caller's answers are the same with and without rows that the caller may not see, whatever these hold.

Random policies, rows, callers and requests, on both databases.  A world is run twice: once with its visible rows and
some hidden ones, once with the hidden ones changed and more of them, laid down in another order, and written anew in
yet another.  Status, headers and body must agree byte by byte, order and all, and so must what the caller sees
afterwards.

Every run has examples of its own: its seed is printed when one fails, and ``BACKSTAY_SEED`` runs it again.

Left out, and why: the 409 of a unique key or of a child that keeps its parent, one bit each that no database can hide
(AC6; the bare answer is checked), and keys that a counter gives (AC11: a counter tells volume, so the rows bring keys).
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from random import Random
from typing import Any, Final
from unittest import mock

import hypothesis
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import ForeignKey, Index, UniqueConstraint, and_, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column

from backstay import Backstay, Me, Searchable, Settings, allow, function
from backstay import Model as Base
from backstay.pipeline.surface import Surface
from tests.http.api import PEOPLE, Api, Reply, database, quick_folder, token
from tests.http.asking import Request, Shape, Shapes, write
from tests.http.prying import pry, write_batch
from tests.http.shop_app import SECRET

EXAMPLES = int(os.environ.get("BACKSTAY_EXAMPLES", "60"))
SEED = int(os.environ.get("BACKSTAY_SEED") or Random().getrandbits(32))
VARIANTS = 8
#: Where a batch shows the headers of its parts.
_REQUEST_ID = re.compile(rb'"x-request-id":"[^"]*",?')
#: The owner of whatever nobody but the service role may see.
STRANGER = 99


class Model(DeclarativeBase):
    metadata = sa.MetaData(naming_convention=Base.metadata.naming_convention)
    type_annotation_map = Base.type_annotation_map


class Author(Model):
    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    owner_id: Mapped[int]
    name: Mapped[str]
    public: Mapped[bool]


def _fatal(n: Any) -> Any:
    """*n*; of 2 the one number that has no absolute value."""
    return sa.case((n == 2, sa.literal(-(2**63), sa.BigInteger())), else_=n)


class Doc(Model):
    __tablename__ = "docs"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    owner_id: Mapped[int]
    author_id: Mapped[int | None] = mapped_column(ForeignKey("authors.id"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("docs.id"))
    title: Mapped[str | None]
    n: Mapped[int | None]
    secret: Mapped[int | None]
    public: Mapped[bool]
    tags: Mapped[list[str] | None] = mapped_column(sa.ARRAY(sa.Text()))
    data: Mapped[Any | None] = mapped_column(
        sa.JSON(none_as_null=True).with_variant(sa.dialects.postgresql.JSONB(none_as_null=True), "postgresql")
    )
    # What is hidden is indexed together with what is not: an index that a read could walk from end to end.
    __table_args__ = (
        UniqueConstraint("owner_id", "title"),
        Index("docs_by_secret", "secret", "id", "title", "owner_id", "public"),
        Index("docs_by_author", "author_id", "secret", "id"),
        Index("docs_by_n", "n", "secret"),
    )

    @hybrid_property
    def share(self) -> Any:
        """A part of twelve, which a database may refuse to divide by nothing."""
        return 12 // self.n  # type: ignore[operator]

    @share.inplace.expression
    @classmethod
    def _share(cls) -> Any:
        # abs() of the smallest number fails on SQLite too, which divides by nothing without a word.
        return sa.literal(12, sa.BigInteger()) // cls.n + sa.func.abs(_fatal(cls.n), type_=sa.BigInteger())

    @hybrid_property
    def loud(self) -> str | None:
        return None if self.title is None else self.title.upper()

    @loud.inplace.expression
    @classmethod
    def _loud(cls) -> Any:
        return sa.func.upper(cls.title)


class Note(Model):
    __tablename__ = "notes"
    __searchable__ = Searchable("body", language="simple", name="found")
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    owner_id: Mapped[int]
    doc_id: Mapped[int | None] = mapped_column(ForeignKey("docs.id"))
    body: Mapped[str | None]
    public: Mapped[bool]
    __table_args__ = (Index("notes_by_body", "body", "id", "owner_id", "public"),)


class Link(Model):
    __tablename__ = "links"
    doc_id: Mapped[int] = mapped_column(ForeignKey("docs.id"), primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"), primary_key=True)
    owner_id: Mapped[int]
    public: Mapped[bool]


MODELS: Mapping[str, Any] = {"authors": Author, "docs": Doc, "notes": Note, "links": Link}
SHAPES: Shapes = {
    "authors": Shape(
        {"id": "int", "owner_id": "int", "name": "text", "public": "bool"},
        to_many={
            "docs": ("docs!author_id", "docs"),
            "linked": ("linked:docs!links", "docs"),
            "links": ("links", "links"),
        },
    ),
    "docs": Shape(
        {
            "id": "int",
            "owner_id": "int",
            "author_id": "int",
            "parent_id": "int",
            "title": "text",
            "n": "int",
            "secret": "int",
            "public": "bool",
            "tags": "array",
            "data": "json",
        },
        to_one={"author": ("author:author_id", "authors"), "parent_id": ("parent_id", "docs")},
        to_many={
            "notes": ("notes", "notes"),
            "links": ("links", "links"),
            "docs": ("docs!parent_id", "docs"),
            "readers": ("readers:authors!links", "authors"),
        },
    ),
    "notes": Shape(
        {"id": "int", "owner_id": "int", "doc_id": "int", "body": "text", "public": "bool"},
        to_one={"docs": ("docs", "docs")},
    ),
    "links": Shape(
        {"doc_id": "int", "author_id": "int", "owner_id": "int", "public": "bool"},
        key=("doc_id", "author_id"),
        to_one={"docs": ("docs", "docs"), "authors": ("authors", "authors")},
    ),
}
CALLERS = {"one": {"sub": "1", "role": "authenticated"}, "two": {"sub": "2", "role": "staff"}, "anon": None}

Family = Callable[[Any, Me], Any]


def _shared(model: Any, me: Me) -> Any:
    other = aliased(Doc)
    through: Mapping[str, Callable[[], Any]] = {
        "authors": lambda: exists().where(other.author_id == Author.id, other.owner_id == me.id),
        "docs": lambda: exists().where(Link.doc_id == Doc.id, Link.owner_id == me.id),
        "notes": lambda: Note.doc_id.in_(select(other.id).where(other.owner_id == me.id)),
        "links": lambda: exists().where(other.id == Link.doc_id, other.owner_id == me.id),
    }
    return or_(model.owner_id == me.id, and_(model.owner_id != STRANGER, through[model.__tablename__]()))


def _itself(model: Any, me: Me) -> Any:
    """A database that may choose asks a subquery last."""
    other = aliased(model)
    same = and_(*(getattr(other, key) == getattr(model, key) for key in SHAPES[model.__tablename__].key))
    return exists().where(same, other.owner_id == me.id)


#: What a rule may say.  None of them is ever true of a stranger's row.
FAMILY: list[Family] = [
    lambda model, me: model.owner_id == me.id,
    lambda model, me: and_(model.public, model.owner_id != STRANGER),
    lambda model, me: or_(model.owner_id == me.id, and_(model.public, model.owner_id != STRANGER)),
    lambda model, me: and_(me.role == "staff", model.owner_id != STRANGER),
    lambda model, me: and_(me.has_role("authenticated"), model.owner_id.in_([1, 3])),
    lambda model, me: model.owner_id < 4,
    _shared,
    _itself,
]
#: For writing alone: wider than anything that may be read.
WIDE: Family = lambda model, me: True  # noqa: E731


def rules(variant: int) -> list[Any]:
    """A policy for each table and action, some narrowed to columns or roles; always the same for a *variant*."""
    r = Random(variant)
    found: list[Any] = []
    for name, model in MODELS.items():
        for action in ("read", "read", "create", "update", "delete"):
            family = WIDE if action != "read" and r.random() < 0.2 else r.choice(FAMILY)
            options: dict[str, Any] = {}
            if action == "read" and r.random() < 0.3:
                hidden = r.sample([c for c in SHAPES[name].columns if c not in SHAPES[name].key], 1)
                options["columns"] = [c for c in SHAPES[name].columns if c not in hidden]
            if r.random() < 0.15:
                options["to"] = r.choice(["anon", "staff", "authenticated"])

            def rule(me: Me, family: Family = family, model: Any = model) -> Any:
                return family(model, me)

            found.append(allow(action, model, **options)(rule))
    return found


@function(read_only=True)
async def all_docs(db: AsyncSession) -> list[Doc]:
    return list(await db.scalars(select(Doc).order_by(Doc.id)))


@function(read_only=True)
async def one_doc(db: AsyncSession, id: int) -> Doc | None:
    return await db.get(Doc, id)


@function(to="staff")
def exist() -> None:
    """Makes the role staff known in every variant."""


World = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def worlds(request: pytest.FixtureRequest) -> Iterator[Worlds]:
    with (
        closing(asyncio.new_event_loop()) as loop,
        quick_folder() as folder,
        database(request.param, folder, loop, "worlds") as url,
    ):
        found = Worlds(request.param, url, loop)
        yield found
        found.close()


_DOCS: Final = Model.metadata.tables["docs"]
#: Gives a document its parent.
_ADOPT: Final = sa.update(_DOCS).where(_DOCS.c.id == sa.bindparam("_id")).values(parent_id=sa.bindparam("_parent"))
#: By table: gives a row another owner.
_MOVE: Final = {
    name: sa.update(table)
    .where(*(table.c[key] == sa.bindparam(f"_{key}") for key in SHAPES[name].key))
    .values(owner_id=sa.bindparam("_owner"))
    for name, table in Model.metadata.tables.items()
}


class Worlds:
    """One database, and an app over it for each variant of the policies."""

    def __init__(self, kind: str, url: str, loop: Any) -> None:
        self.loop = loop
        self.apis: list[Api] = []
        self.opened: list[Any] = []
        # Any aggregate of any table may be asked for, as over a reflected database.
        summing = mock.patch("backstay.app.Surface", partial(Surface, aggregates=None))
        for variant in range(VARIANTS):
            given = Settings(database=url, jwt_secret=SECRET)
            app = Backstay(models=Model, policies=rules(variant), functions=[all_docs, one_doc, exist], settings=given)
            started = app.started()
            with summing:
                loop.run_until_complete(started.__aenter__())
            self.opened.append(started)
            self.apis.append(Api(kind, app, loop, lambda: None))

    def close(self) -> None:
        for started in reversed(self.opened):
            self.loop.run_until_complete(started.__aexit__(None, None, None))

    def load(self, world: World, r: Random) -> None:
        """Nothing but *world*, laid down in an order of *r*'s, and moved about."""
        self.loop.run_until_complete(self._load(world, r))

    async def _load(self, world: World, r: Random) -> None:
        async with self.apis[0].app.session() as session:
            for table in reversed(Model.metadata.sorted_tables):
                if table.name == "docs":
                    await session.execute(sa.update(table).values(parent_id=None))
                await session.execute(sa.delete(table))
            for table in Model.metadata.sorted_tables:
                rows = r.sample(world[table.name], len(world[table.name]))
                if not rows:
                    continue
                parents = {row["id"]: row.get("parent_id") for row in rows if table.name == "docs"}
                orphans = [{**row, "parent_id": None} for row in rows] if parents else rows
                await session.execute(sa.insert(table), orphans)
                if parents:
                    adopted = [{"_id": key, "_parent": parents[key]} for key in r.sample(list(parents), len(parents))]
                    await session.execute(_ADOPT, adopted)
                if len(rows) > 1:
                    # PostgreSQL writes a changed row to another place; SQLite moves it in the indexes it is in.
                    keys = SHAPES[table.name].key
                    moved = [
                        {"_owner": owner, **{f"_{key}": row[key] for key in keys}}
                        for row in r.sample(rows, len(rows) // 2)
                        for owner in (98, row["owner_id"])
                    ]
                    await session.execute(_MOVE[table.name], moved)


def _row(r: Random, table: str, key: int, owners: list[int], docs: list[int], authors: list[int]) -> dict[str, Any]:
    row: dict[str, Any] = {"owner_id": r.choice(owners), "public": r.random() < 0.5}
    match table:
        case "authors":
            return row | {"id": key, "name": r.choice("abB")}
        case "notes":
            return row | {"id": key, "doc_id": r.choice([None, *docs]), "body": r.choice(["a", "ab", "x y", None])}
        case "links":
            return row | {"doc_id": r.choice(docs), "author_id": r.choice(authors)}
        case _:
            data = r.choice([None, {"a": 1}, {"a": 2, "b": "x"}, [1, 2], "a"])
            return row | {
                "id": key,
                "author_id": r.choice([None, *authors]),
                "parent_id": r.choice([None, *docs]),
                "title": r.choice(["a", "b", "ab", "ä", None]),
                "n": r.choice([None, 0, 1, 2, 7]),
                "secret": r.randint(0, 3),
                "tags": r.choice([None, [], ["a"], ["a", "b"]]),
                "data": data,
            }


def _rows(r: Random, keys: range, most: int, owners: list[int], base: World) -> World:
    """Rows with keys out of *keys* that refer to each other, and to those of *base*."""
    world: World = {}
    for table in ("authors", "docs", "notes", "links"):
        docs = [row["id"] for row in (*base.get("docs", ()), *world.get("docs", ()))]
        authors = [row["id"] for row in (*base.get("authors", ()), *world.get("authors", ()))]
        found: list[dict[str, Any]] = []
        for key in r.sample(keys, min(len(keys), r.randint(1, most))):
            if table != "links" or (docs and authors):
                found.append(_row(r, table, key, owners, docs, authors))
        world[table] = _distinct(table, found, base.get(table, []))
    return world


def _strangers(r: Random) -> World:
    titles = r.sample(["a", "b", "ab"], 2)
    docs = [_row(r, "docs", key, [STRANGER], [], []) | {"title": titles[key - 5]} for key in (5, 6)]
    authors = [_row(r, "authors", key, [STRANGER], [], []) for key in (5, 6)]
    return {"authors": authors, "docs": docs, "notes": [], "links": []}


#: Columns that no rule looks at.
MUTABLE = {"authors": ["name"], "docs": ["n", "secret", "tags", "data"], "notes": ["body"], "links": []}


def _changed(r: Random, base: World, api: Api, caller: Mapping[str, Any] | None) -> World:
    """*base* with another value in every cell that the caller cannot see."""
    found: World = {table: [dict(row) for row in rows] for table, rows in base.items()}
    for table, columns in MUTABLE.items():
        key = SHAPES[table].key
        for column in columns:
            reply = _ask(api, Request("GET", f"{table}?select={','.join((*key, column))}"), caller)
            seen = {tuple(row[name] for name in key) for row in reply.json} if reply.status == 200 else set()
            for row in found[table]:
                if tuple(row[name] for name in key) not in seen:
                    row[column] = _row(r, table, 0, [0], [], [])[column]
    return found


def _distinct(table: str, rows: list[dict[str, Any]], taken: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """*rows* without those whose keys are taken."""
    kept: list[dict[str, Any]] = []
    for row in rows:
        keys = [tuple(row[name] for name in SHAPES[table].key)]
        if table == "docs" and row["title"] is not None:
            keys.append((row["owner_id"], row["title"], "title"))
        held = [*taken, *kept]
        used = {tuple(other[name] for name in SHAPES[table].key) for other in held}
        used |= {(other["owner_id"], other.get("title"), "title") for other in held}
        if not used & set(keys):
            kept.append(row)
    return kept


def _plus(one: World, other: World) -> World:
    return {table: one[table] + other[table] for table in one}


def _told(reply: Reply) -> Any:
    """All that an answer tells, in the order in which it is told."""
    left_out = {b"date", b"x-request-id"}
    body = _REQUEST_ID.sub(b"", reply.body)
    return reply.status, [header for header in reply.headers if header[0] not in left_out], body


def _ask(api: Api, request: Request, caller: Mapping[str, Any] | None) -> Reply:
    headers = {} if caller is None else {"authorization": _bearer(caller)}
    return api._write(request.method, request.path, request.value, {**request.named(), "headers": headers})


def _bearer(caller: Mapping[str, Any]) -> str:
    name = f"{caller['role']}-{caller['sub']}"
    PEOPLE.setdefault(name, caller)
    return token(name).decode()


def _seen(api: Api, caller: Mapping[str, Any] | None, r: Random) -> Any:
    """What the caller sees of each table: its keys, some with a column of which a rule may show other rows."""
    found: dict[str, Any] = {}
    for table, shape in SHAPES.items():
        column = r.choice([shape.key[0], r.choice(list(shape.columns))])
        select = ",".join(dict.fromkeys((*shape.key, column)))
        reply = _ask(api, Request("GET", f"{table}?select={select}&order={','.join(shape.key)}"), caller)
        found[f"{table}.{column}"] = reply.json
    return found


@hypothesis.seed(SEED)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
@given(seed=st.integers(0, 2**32))
def test_noninterference(worlds: Worlds, seed: int) -> None:
    """T-NI, AC2–AC8, AC10, S2: hidden rows change neither the answer nor what the caller sees afterwards."""
    r = Random(seed)
    api = worlds.apis[r.randrange(VARIANTS)]
    name = r.choice(list(CALLERS))
    caller = CALLERS[name]
    # Strangers' rows that the others refer to: the same keys in both worlds, and nothing else the same.
    near, far = _strangers(r), _strangers(r)
    base = _rows(r, range(5), 5, [1, 2, 3], near)
    one = _plus(near, base)
    one = _plus(one, _rows(r, range(7, 9), 2, [STRANGER], one))
    worlds.load(one, r)
    other = _plus(far, _changed(r, base, api, caller))
    if r.random() < 0.8:
        other = _plus(other, _rows(r, range(7, 13), 6, [STRANGER], other))
    requests = [pry(r, SHAPES) for _ in range(9)]
    requests += [write(r, SHAPES), write(r, SHAPES) if r.random() < 0.8 else write_batch(r, SHAPES)]
    answers: list[list[Any]] = []
    looks = r.randrange(2**32)
    for world in (one, other):
        if world is not one:  # it is there, and nobody has written yet
            worlds.load(world, r)
        look = Random(looks)
        found: list[Any] = [_seen(api, caller, look)]
        for request in requests:
            reply = _ask(api, request, caller)
            found.append(reply)
            if request.writes:
                # What a refused write leaves behind is looked at now and then: most are refused.
                found.append(_seen(api, caller, look) if reply.status < 400 or look.random() < 0.2 else None)
        answers.append(found)
    where = f"BACKSTAY_SEED={SEED}, example {seed}, variant {worlds.apis.index(api)} of {api.name}, caller {name}"
    _compare(requests, answers, where)


def _compare(requests: list[Request], answers: list[list[Any]], where: str) -> None:
    told = [f"{request.method} {request.path} {request.value} {request.prefer}" for request in requests]
    steps = ["what is seen"]
    for request, text in zip(requests, told, strict=True):
        steps += [text, f"what is seen after {text}"] if request.writes else [text]
    for step, left, right in zip(steps, *answers, strict=True):
        if not isinstance(left, Reply):
            assert left == right, f"{where}: {step}"
            continue
        if 409 in (left.status, right.status) and _told(left) != _told(right):
            # Of two constraints that a write breaks PostgreSQL names one, and a hidden row may break the other.
            _check_bare([reply for reply in (left, right) if reply.status == 409], f"{where}: {step}")
            if left.status == right.status:
                continue
            # One world has the row now and the other has not: what follows compares two different worlds.
            return
        assert left.status < 500, f"{where}: {step}\n{left.body!r}"
        assert _told(left) == _told(right), f"{where}: {step}\n{left.body!r}\n{right.body!r}"


def _check_bare(replies: list[Reply], step: str) -> None:
    """AC6: the 409 that a hidden row causes says nothing more."""
    bare = {
        "23505": "duplicate key value violates unique constraint",
        "23503": "a row violates foreign key constraint",
    }
    errors = [reply.json for reply in replies]
    for error in errors:
        if isinstance(error["details"], dict):
            # In a batch it is that of an operation.
            error["details"] = error["details"]["details"]
    assert any(
        {"code": error["code"], "message": bare[error["code"]], "details": None, "hint": None} == error
        for error in errors
    ), f"{step}: {errors}"
