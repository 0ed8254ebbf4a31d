"""An answer is whole, or refused: on every way that a text leaves the database, at the last byte that fits: S11."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
import sqlalchemy as sa
from sqlalchemy import ForeignKey
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from backstay import Backstay, Settings, allow, function
from backstay.errors import DatabaseError
from tests.http.api import Api, Reply, opened, quick_folder
from tests.http.shop_app import SECRET

#: As few as the setting takes.
MOST: Final = 65_536
#: No text of JSON or CSV has it but as the value of a row.
MARK: Final = "@"

OBJECT = "application/vnd.pgrst.object+json"
STRIPPED = "application/vnd.pgrst.array+json;nulls=stripped"
LINES = "application/x-ndjson"
TOLD = {"prefer": "return=representation"}


class Model(DeclarativeBase):
    """A base of its own."""

    metadata = sa.MetaData()


class Shelf(Model):
    __tablename__ = "shelves"
    id: Mapped[int] = mapped_column(primary_key=True)
    books: Mapped[list[Book]] = relationship(back_populates="shelf")


class Book(Model):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    shelf_id: Mapped[int] = mapped_column(ForeignKey("shelves.id"))
    text: Mapped[str]
    note: Mapped[str | None]
    shelf: Mapped[Shelf] = relationship(back_populates="books")


@allow("read", "create", "update", "delete", Shelf, Book)
def everything(_: Any) -> bool:
    """Anybody's."""
    return True


@function(to="anon", read_only=True)
async def found(db: AsyncSession) -> list[Book]:
    """Rows of a model."""
    return list((await db.scalars(sa.select(Book))).all())


@function(to="anon", read_only=True)
async def first(db: AsyncSession) -> Book:
    """One row of a model."""
    return (await db.scalars(sa.select(Book))).one()


@function(to="anon")
async def value(db: AsyncSession) -> list[str]:
    """What no table has; it leaves a trace."""
    db.add(Shelf(id=7))
    return [(await db.scalars(sa.select(Book.text))).one()]


def make(url: str) -> Backstay:
    settings = Settings(database=url, jwt_secret=SECRET, max_answer_bytes=MOST)
    return Backstay(models=Model, policies=[everything], functions=[found, first, value], settings=settings)


ROWS = {"shelves": [{"id": 1}], "books": [{"id": 1, "shelf_id": 1, "text": MARK, "note": None}]}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def opened_books(request: pytest.FixtureRequest) -> Iterator[Api]:
    with quick_folder() as folder, opened(request.param, folder, make, ROWS, "whole") as api:
        yield api


@pytest.fixture
def api(opened_books: Api) -> Api:
    return opened_books.clean()


def batch(*operations: Any) -> Callable[[Api], Reply]:
    return lambda api: api.post("batch", list(operations))


#: How one row is read, whose text comes back once for each *.
READS: dict[str, Callable[[Api], Reply]] = {
    "array": lambda api: api.get("books"),
    "object": lambda api: api.get("books?id=eq.1", accept=OBJECT),
    "object, stripped": lambda api: api.get("books", accept=OBJECT + ";nulls=stripped"),
    "array, stripped": lambda api: api.get("books", accept=STRIPPED),
    "csv": lambda api: api.get("books", accept="text/csv"),
    "item": lambda api: api.get("books/1"),
    "item, twice": lambda api: api.get("books/1?select=a:text,b:text"),
    "page by keys": lambda api: api.get("books?order=id&limit=1", prefer="page=keyset"),
    "counted": lambda api: api.get("books", prefer="count=exact"),
    "in a zone": lambda api: api.get("books", prefer="timezone=Europe/Berlin"),
    "embedded": lambda api: api.get("shelves?select=id,books(text)"),
    "joined": lambda api: api.get("books?select=id,shelf(books(text))", accept=OBJECT),
    "lines": lambda api: api.get("books", accept=LINES),
    "lines, twice": lambda api: api.get("books?select=a:text,b:text", accept=LINES),
    "batch": batch({"path": "books"}),
    "item in a batch": batch({"path": "books/1"}),
    "object in a batch": batch({"path": "books", "headers": {"Accept": OBJECT}}),
    "function's rows": lambda api: api.get("rpc/found"),
    "function's rows, stripped": lambda api: api.get("rpc/found", accept=STRIPPED),
    "function's row": lambda api: api.get("rpc/first"),
    "function's value": lambda api: api.post("rpc/value"),
    "function's value as csv": lambda api: api.post("rpc/value", accept="text/csv"),
}

WRITES: dict[str, Callable[[Api, str], Reply]] = {
    "insert": lambda api, text: api.post("books", {"id": 2, "shelf_id": 1, "text": text}, headers=TOLD),
    "insert, one object": lambda api, text: api.post(
        "books", {"id": 2, "shelf_id": 1, "text": text}, headers=TOLD, accept=OBJECT
    ),
    "insert, stripped": lambda api, text: api.post(
        "books", {"id": 2, "shelf_id": 1, "text": text}, headers=TOLD, accept=STRIPPED
    ),
    "insert, csv": lambda api, text: api.post(
        "books", {"id": 2, "shelf_id": 1, "text": text}, headers=TOLD, accept="text/csv"
    ),
    "insert of several": lambda api, text: api.post(
        "books", [{"id": n, "shelf_id": 1, "text": text if n == 2 else "n"} for n in (2, 3)], headers=TOLD
    ),
    "merge": lambda api, text: api.post(
        "books",
        {"id": 1, "shelf_id": 1, "text": text},
        headers={"prefer": "return=representation,resolution=merge-duplicates"},
    ),
    "put": lambda api, text: api.put("books?id=eq.1", {"id": 1, "shelf_id": 1, "text": text}, headers=TOLD),
    "patch": lambda api, text: api.patch("books?id=eq.1", {"text": text}, headers=TOLD),
    "patch, one object": lambda api, text: api.patch("books?id=eq.1", {"text": text}, headers=TOLD, accept=OBJECT),
    "patch, csv": lambda api, text: api.patch("books?id=eq.1", {"text": text}, headers=TOLD, accept="text/csv"),
    "patch, stripped": lambda api, text: api.patch("books?id=eq.1", {"text": text}, headers=TOLD, accept=STRIPPED),
    "patch of an item": lambda api, text: api.patch("books/1", {"text": text}, headers=TOLD),
    "with relatives": lambda api, text: api.post(
        "shelves?select=id,books(text)",
        {"id": 9, "books": [{"id": 2, "text": text}]},
        headers={"prefer": "return=representation,nested=write"},
    ),
    "in a batch": lambda api, text: batch(
        {"method": "PATCH", "path": "books/1", "body": {"text": text}, "headers": TOLD}
    )(api),
    "patch, once": lambda api, text: api.patch(
        "books?id=eq.1",
        {"text": text},
        headers={**TOLD, "idempotency-key": f"key-{len(text)}-{len(text.encode())}"},
        as_="ann",
    ),
}


def filled(letter: str, size: int) -> str:
    """A text of *size* bytes, of *letter* as far as it goes."""
    count = size // len(letter.encode())
    return letter * count + "x" * (size - count * len(letter.encode()))


def untagged(body: bytes) -> bytes:
    """*body* without the tags of a batch's answers, which change with the row."""
    return re.sub(rb'"etag":"[^}]*?"(?=[,}])', b"", body)


def stored(api: Api) -> list[Any]:
    return [api.get("books?select=id&order=id").json, api.get("shelves?select=id&order=id").json]


@pytest.mark.parametrize("letter", ["a", "😀"])
@pytest.mark.parametrize("how", READS)
def test_a_read_is_whole_or_refused(api: Api, how: str, letter: str) -> None:
    """S11: bytes decide, and beyond the last that fits there is 413 and nothing else."""
    small = READS[how](api)
    assert 200 == small.status
    times = small.body.count(MARK.encode())
    api.clean()
    around = len(small.body) - times - ("lines" in how)
    outcomes = []
    # What stands around a text is added where the database does not see it: a few bytes less are refused as well.
    for more in (-512, -2, -1, 0, 1, 2, 3 * MOST):
        text = filled(letter, (MOST - around) // times + more)
        if api.name == "sqlite" and len(text.encode()) > MOST - 32:
            continue  # no row that it keeps is larger than an answer
        assert 204 == api.patch("books?id=eq.1", {"text": text}).status
        before = stored(api)
        reply = READS[how](api)
        outcomes.append(reply.status)
        size = around + len(text.encode()) * times
        if reply.status == 200:
            assert size <= MOST
            assert untagged(small.body.replace(MARK.encode(), text.encode())) == untagged(reply.body)
        else:
            assert (413, "BST413") == (reply.status, reply.code)
            assert len(reply.body) < 1000
            assert before == stored(api)
        api.clean()
    assert 200 == outcomes[0]
    assert {413} >= set(outcomes[4:])


@pytest.mark.parametrize("letter", ["a", "😀"])
@pytest.mark.parametrize("how", WRITES)
def test_a_write_is_told_whole_or_not_done(api: Api, how: str, letter: str) -> None:
    """S11: what is refused for what it would send back has not happened."""
    small = WRITES[how](api, MARK)
    assert (201 if how.startswith(("insert", "with")) else 200) == small.status
    around = len(small.body) - 1
    outcomes = []
    for more in (-512, -2, -1, 0, 1, 2):
        api.dirty = True
        api.clean()
        before = stored(api), api.get("books/1").body
        text = filled(letter, MOST - around + more)
        reply = WRITES[how](api, text)
        outcomes.append(reply.status)
        if reply.status == small.status:
            assert more <= 0
            assert untagged(small.body.replace(MARK.encode(), text.encode())) == untagged(reply.body)
        else:
            assert (413, "BST413") == (reply.status, reply.code)
            assert before == (stored(api), api.get("books/1").body)
    assert small.status == outcomes[0]
    assert [413, 413] == outcomes[-2:]


def test_no_precondition_is_met_by_part_of_a_row(api: Api) -> None:
    """S11: a tag stands for the whole row, or there is none."""
    many = "books/1?select=" + ",".join(f"x{number}:text" for number in range(10)) + ",note"
    assert 204 == api.patch("books/1", {"text": "a" * 6_000}).status
    tag = api.get(many).one("etag")
    assert 204 == api.patch("books/1", {"text": "a" * 6_600}).status
    assert (413, None) == ((reply := api.get(many)).status, reply.one("etag"))
    told = api.patch(many, {"note": "late"}, headers={"if-match": str(tag), **TOLD})
    assert 400 < told.status < 500
    assert [{"note": None}] == api.get("books?select=note").json


def test_an_export_ends_before_a_row_that_is_too_large(api: Api) -> None:
    """S11: its rows have no bound together; one that is too large is never cut: the answer breaks off."""
    for start in range(1000, 1800, 50):
        rows = [{"id": n, "shelf_id": 1, "text": "a" * 600} for n in range(start, start + 50)]
        assert 201 == api.post("books", rows).status
    assert 201 == api.post("books", {"id": 5000, "shelf_id": 1, "text": "b" * 60_000}).status
    twice = "books?select=a:text,b:text&order=id"
    with pytest.raises(DatabaseError) as broken:
        api.get(twice, accept=LINES)
    assert "BST413" == broken.value.code
    assert 700 == len(api.get(twice + "&limit=700", accept=LINES).body.splitlines())
