"""A whole answer has a size that it does not pass, whatever it is made of: S11."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from backstay import Backstay, Settings, allow, function
from tests.http.api import Api, opened, quick_folder
from tests.http.shop_app import SECRET

#: As few as the setting takes.
MOST = 65_536
#: 64 rows of 1,000 characters in the table, which is just within the bound with their keys and quotes.
TEXT = "x" * 800


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
    shelf: Mapped[Shelf] = relationship(back_populates="books")


@allow("read", "create", "update", "delete", Shelf, Book)
def everything(_: Any) -> bool:
    """Anybody's."""
    return True


@function(to="anon", read_only=True)
async def fill(size: int) -> str:
    """So many letters."""
    return "x" * size


def make(url: str) -> Backstay:
    settings = Settings(database=url, jwt_secret=SECRET, max_answer_bytes=MOST)
    return Backstay(models=Model, policies=[everything], functions=[fill], settings=settings)


ROWS = {
    "shelves": [{"id": number} for number in range(1, 4)],
    "books": [{"id": number, "shelf_id": number % 2 + 1, "text": TEXT} for number in range(1, 101)],
}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def opened_shelves(request: pytest.FixtureRequest) -> Iterator[Api]:
    with quick_folder() as folder, opened(request.param, folder, make, ROWS, "sized") as api:
        yield api


@pytest.fixture
def shelves(opened_shelves: Api) -> Api:
    return opened_shelves.clean()


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("books", "application/json"),
        ("books", "text/csv"),
        ("books", "application/vnd.pgrst.array+json;nulls=stripped"),
        ("shelves?select=id,books(*)", "application/json"),
        ("shelves?select=id,books(id,shelf(books(text)))&id=eq.3&or=(id.eq.1,id.eq.3)", "application/json"),
        ("shelves?select=books(shelf(books(text)))&id=eq.1", "application/json"),
        ("books?select=a:text,b:text&limit=45", "application/json"),
        ("books?id=gt.0&order=id&limit=90", "application/json"),
    ],
)
def test_a_large_answer_is_refused(shelves: Api, path: str, accept: str) -> None:
    """S11: 413 that says what to do, whichever way the bytes come together, in a batch too; fewer rows are an answer."""
    if "id=eq.3&or" in path:
        assert 200 == shelves.get(path, accept=accept).status
        return
    reply = shelves.get(path, accept=accept)
    assert (413, "BST413") == (reply.status, reply.code)
    assert "limit" in reply.json["hint"]
    assert len(reply.body) < 1000
    few = path.replace("limit=45", "limit=2").replace("limit=90", "limit=2")
    few = few if "limit" in few else few + ("&" if "?" in few else "?") + "limit=2&books.limit=2&books.shelf.limit=1"
    if "books(" not in path:
        few = few.replace("&books.limit=2&books.shelf.limit=1", "")
        assert 200 == shelves.get(few, accept=accept).status


def test_just_within(shelves: Api) -> None:
    """S11: a byte less than too many is an answer."""
    sizes = {}
    for size in (MOST - 2, MOST - 1):
        reply = shelves.get(f"rpc/fill?size={size}")
        sizes[size] = (reply.status, len(reply.body) if reply.status == 200 else reply.code)
    assert {MOST - 2: (200, MOST), MOST - 1: (413, "BST413")} == sizes


def test_a_batch_is_one_answer(shelves: Api) -> None:
    """S11, LM12: operations that are small by themselves have the bound together, and nothing of them stands."""
    read = {"path": "books?limit=30"}
    reply = shelves.post("batch", [read, read, read])
    assert (413, "BST413") == (reply.status, reply.code)
    write = {"method": "POST", "path": "shelves", "body": {"id": 9}}
    reply = shelves.post("batch", [write, read, read, read])
    assert (413, "BST413") == (reply.status, reply.code)
    assert [1, 2, 3] == shelves.get("shelves?select=id&order=id").ids
    assert 200 == shelves.post("batch", [write, read]).status


@pytest.mark.parametrize("key", [None, "0123456789abcdef"])
def test_a_write_that_would_be_told_at_length_is_not_done(shelves: Api, key: str | None) -> None:
    """S11: what a write sends back is part of it: refused, it has not happened, with its embeds or without."""
    more = {} if key is None else {"idempotency-key": key}
    for path in ("books?id=gt.0", "books?select=id,shelf(books(text))&id=lt.3"):
        reply = shelves.patch(
            path, {"text": TEXT.upper()}, headers={"prefer": "return=representation", **more}, as_="ann"
        )
        assert (413, "BST413") == (reply.status, reply.code)
    assert [] == shelves.get(f"books?select=id&text=eq.{TEXT.upper()}").ids
    reply = shelves.delete("books?id=gt.0", headers={"prefer": "return=representation"})
    assert (413, 1) == (reply.status, len(shelves.get("books?select=id&limit=1").ids))
    # Without a representation it is as large as ever.
    assert 204 == shelves.patch("books?id=gt.0", {"text": "y"}).status


@pytest.mark.parametrize("rows", [1, 3])
def test_a_row_that_comes_back_many_times_is_not_inserted(shelves: Api, rows: int) -> None:
    """S11: also where the write is one statement that a database would commit by itself."""
    names = ",".join(f"c{number}:text" for number in range(100))
    body = [{"id": 500 + number, "shelf_id": 1, "text": TEXT} for number in range(rows)]
    reply = shelves.post(f"books?select={names}", body, headers={"prefer": "return=representation"})
    assert (413, "BST413") == (reply.status, reply.code)
    assert [] == shelves.get("books?select=id&id=gte.500").ids
    assert 201 == shelves.post("books?select=id", body, headers={"prefer": "return=representation"}).status


def test_an_export_has_no_such_bound(shelves: Api) -> None:
    """S11: its rows go one after the other."""
    reply = shelves.get("books", accept="application/x-ndjson")
    assert (200, 100) == (reply.status, len(reply.body.splitlines()))
    assert TEXT == json.loads(reply.body.splitlines()[0])["text"]


def test_postgresql_refuses_a_text_where_it_is_too_large() -> None:
    """S11: in the database, by its bytes: nobody is sent, or holds, any of it."""
    from sqlalchemy.dialects import postgresql as dialects

    from backstay.sql.answer import answer
    from backstay.sql.postgresql import postgresql

    speaks = postgresql(dialects.dialect(), answer_bytes=1000)
    made = answer(speaks, (sa.literal_column("x"), sa.literal_column("1")), None)
    assert (
        "SELECT CASE WHEN (octet_length(_b._a0) <= 1000) THEN _b._a0 ELSE repeat(_b._a0, 2147483647) END AS anon_1,"
        " _b._a1 FROM (SELECT x AS _a0, 1 AS _a1 LIMIT ALL OFFSET 0) AS _b"
    ) == " ".join(str(made.compile(dialect=dialects.dialect())).split())
