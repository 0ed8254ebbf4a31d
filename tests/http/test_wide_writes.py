"""Rules that are wider for writing than for reading: what may be written and not read tells nothing of itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.http.api import Api, opened, quick_folder
from tests.http.ledger_app import LEDGER, ledger

RETURN = "return=representation"
BARE = {"code": "23505", "message": "duplicate key value violates unique constraint", "details": None, "hint": None}
#: Bob's letter, which ann may change and destroy, if only she could find it.
BOBS = {"id": 2, "reader_id": 2, "text": "to bob", "code": "b"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def opened_ledger(request: pytest.FixtureRequest) -> Iterator[Api]:
    with quick_folder() as folder, opened(request.param, folder, ledger, LEDGER, "wide") as api:
        yield api


@pytest.fixture
def books(opened_ledger: Api) -> Api:
    """The ledger with its first rows, on SQLite and on PostgreSQL."""
    return opened_ledger.clean()


def unchanged(books: Api) -> bool:
    return [BOBS] == books.rows("letters?id=eq.2")


@pytest.mark.parametrize("asked", ["id=eq.2", "code=eq.b", "text=like.*bob", "id=gt.1", "or=(id.eq.2,code.eq.zz)"])
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_hidden_rows_are_not_found(books: Api, method: str, asked: str) -> None:
    """AC4, S2: an update or delete finds only rows that may be read too, and counts no other."""
    value = {"text": "x"} if method == "PATCH" else None
    for prefer, status in (("count=exact", 204), (f"{RETURN}, count=exact", 200)):
        reply = books._write(method, f"letters?{asked}", value, {"as_": "ann", "prefer": prefer})
        assert (status, "*/0", b"" if status == 204 else b"[]") == (reply.status, reply.range, reply.body)
    assert unchanged(books)


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_of_many_rows_the_visible_are_written(books: Api, method: str) -> None:
    """AC4: the number, the count and the representation are those of the rows that may be read."""
    value = {"text": "x"} if method == "PATCH" else None
    named = {"as_": "ann", "prefer": f"{RETURN}, count=exact"}
    reply = books._write(method, "letters?select=id&id=gt.0", value, named)
    assert (200, [1], "1") == (reply.status, reply.ids, str(reply.range).partition("/")[2])
    assert unchanged(books)
    assert 404 == books._write(method, "letters/2", value, {"as_": "ann"}).status
    assert unchanged(books)


@pytest.mark.parametrize("resolution", ["merge-duplicates", "ignore-duplicates"])
@pytest.mark.parametrize("returned", ["return=minimal", RETURN])
def test_hidden_rows_are_not_merged(books: Api, resolution: str, returned: str) -> None:
    """AC5: an upsert onto a row that may be updated and not read is the bare conflict, and changes nothing."""
    mine = {"id": 2, "reader_id": 1, "text": "mine", "code": "q"}
    for rows in (mine, [mine], [{**mine, "id": 3}, mine]):
        reply = books.post("letters", rows, as_="ann", prefer=f"resolution={resolution}, {returned}")
        assert (409, BARE) == (reply.status, reply.json)
    assert (409, BARE) == ((put := books.put("letters?id=eq.2", mine, as_="ann")).status, put.json)
    assert [{"id": 1}, {"id": 2}] == books.rows("letters?select=id&order=id")
    assert unchanged(books)


def test_visible_rows_are_merged(books: Api) -> None:
    """AC5: what may be read and updated is merged as ever."""
    mine = {"id": 1, "reader_id": 1, "text": "mine", "code": "q"}
    assert 200 == books.post("letters", mine, as_="ann", prefer="resolution=merge-duplicates").status
    assert [mine] == books.rows("letters?id=eq.1")


def test_merges_need_the_right_to_read_what_they_write(books: Api) -> None:
    """AC5: a row whose key may be read, and whose columns no one rule shows, is merged only by what one rule shows."""
    merging = {"as_": "ann", "prefer": "resolution=merge-duplicates"}
    refused = books.post("halves", {"id": 1, "left": 5, "right": 6}, **merging)
    assert (409, BARE) == (refused.status, refused.json)
    assert 201 == books.post("halves", {"id": 3, "left": 5, "right": 6}, **merging).status
    assert [(1, 1, 2), (2, 3, 4), (3, 5, 6)] == [tuple(row.values()) for row in books.rows("halves?order=id")]


def test_rows_that_nobody_may_read_back(books: Api) -> None:
    """AC2: a row may be written and not read; who asks to see it is refused, and then it is not written."""
    theirs = {"id": 7, "reader_id": 2, "text": "hi", "code": None}
    refused = books.post("letters", theirs, as_="ann", prefer=RETURN)
    assert (403, "42501") == (refused.status, refused.code)
    mixed = books.post("letters", [{**theirs, "id": 8, "reader_id": 1}, theirs], as_="ann", prefer=RETURN)
    assert (403, "42501") == (mixed.status, mixed.code)
    moved = books.patch("letters?id=eq.1", {"reader_id": 2}, as_="ann", prefer=RETURN)
    assert (403, "42501") == (moved.status, moved.code)
    assert [{"id": 1, "reader_id": 1}, {"id": 2, "reader_id": 2}] == books.rows("letters?select=id,reader_id&order=id")
    assert 201 == books.post("letters", theirs, as_="ann", prefer="return=minimal").status
    assert [theirs] == books.rows("letters?id=eq.7")
    assert [] == books.get("letters?id=eq.7", as_="ann").json
    assert 204 == books.patch("letters?id=eq.1", {"reader_id": 2}, as_="ann").status
    assert [] == books.get("letters", as_="ann").json


@pytest.mark.parametrize(("order", "expected"), [("", [3, 4, 5]), ("&order=id.desc", [5, 4, 3])])
def test_what_is_sent_back_has_an_order(books: Api, order: str, expected: list[int]) -> None:
    """S2: the rows of a representation come in the order that is asked for, or by key, not as they were found."""
    rows = [{"id": n, "reader_id": 1, "text": "t", "code": None} for n in (5, 4, 3)]
    assert 201 == books.post("letters", rows, as_="ann").status
    shown = books.delete(f"letters?select=id&id=gt.2{order}", as_="ann", prefer=RETURN)
    assert (200, expected) == (shown.status, shown.ids)


@pytest.mark.parametrize(
    "path",
    [
        "halves?select=id,{}",
        "halves?select=id&{}=gt.1",
        "halves?select=id&order={}",
        "halves?select=id&or=({}.gt.1,id.eq.1)",
        "halves?select={}::text",
        "halves?select={},count",
    ],
)
def test_no_computed_field_of_two_rules(books: Api, path: str) -> None:
    """AC10: a computed field is there for whom one rule shows all that it uses; two rules with half each do not."""
    hidden, missing = (books.get(path.format(name), as_="ann") for name in ("whole", "whale"))
    assert (400, "42703") == (hidden.status, hidden.code)
    assert missing.body == hidden.body.replace(b"whole", b"whale")
    assert [3, 7] == [row["whole"] for row in books.get("halves?select=whole&order=id", as_="svc").json]


def test_no_columns_of_two_rules(books: Api) -> None:
    """AC10: each column is there, and no row shows both, nor is found by both."""
    assert [1, 2] == books.get("halves?select=id,left", as_="ann").ids
    assert [2] == books.get("halves?select=id,right", as_="ann").ids
    for path in (
        "halves?select=id,left,right",
        "halves?select=id&left=gt.0&right=gt.0",
        "halves?select=left&order=right",
    ):
        assert [] == books.get(path, as_="ann").json


@pytest.mark.parametrize(
    ("path", "other"),
    [
        ("clerks?select=id,labels(name)", "clerks?select=id,lapels(name)"),
        ("clerks?select=id,labels!favourites(name)", "clerks?select=id,lapels!favourites(name)"),
        ("clerks?select=id,...labels(name)", "clerks?select=id,...lapels(name)"),
        ("labels?select=id,clerks!inner(id)", "labels?select=id,clergy!inner(id)"),
        ("labels?select=id,favourites(clerk_id)", "labels?select=id,favorites(clerk_id)"),
    ],
)
def test_a_relation_over_a_hidden_column_is_missing(books: Api, path: str, other: str) -> None:
    """AC10: a many-to-many is there for whom both keys of its junction are, and else is like one that is missing."""
    hidden, missing = books.get(path, as_="ann"), books.get(other, as_="ann")
    assert (400, "PGRST200") == (hidden.status, hidden.code)
    words = (b"lapels", b"labels"), (b"clergy", b"clerks"), (b"favorites", b"favourites")
    told = missing.body
    for wrong, right in words:
        told = told.replace(wrong, right)
    assert told == hidden.body
    assert 200 == books.get(path, as_="svc").status
    assert [1, 2, 2, 3] == [row["clerk_id"] for row in books.get("favourites?select=clerk_id", as_="ann").json]


def test_casts_fail_in_the_order_of_the_page(books: Api) -> None:
    """S2: the value that is complained of is the first of the page, wherever the database found it first."""
    rows: list[dict[str, Any]] = [{"id": n, "reader_id": 1, "text": text, "code": "1"} for n, text in _TEXTS]
    assert 201 == books.post("letters", rows, as_="ann").status
    for order, value in (("id", "to ann"), ("id.desc", "w"), ("text", "12x")):
        told = books.get(f"letters?select=text::int&order={order}", as_="ann")
        assert (400, "22P02", True) == (told.status, told.code, f'"{value}"' in told.json["message"]), told.body
    assert [{"text": 12}] == books.get("letters?select=text::int&id=gt.3&order=id&limit=1", as_="ann").json


_TEXTS = [(9, "w"), (4, "12"), (7, "zz"), (5, "12x")]
