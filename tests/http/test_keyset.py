"""Pages by key: a cursor and Link headers."""

from __future__ import annotations

import random
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import pytest

from backstay.errors import RequestError
from backstay.pipeline import keyset
from tests.http.api import Api, Reply

#: Ties, nulls, and texts that need escaping.
STARS = [None, 3, 1, 3, None, 2, 2, 2, 1, None, 5, 3]
TITLES = ["b", "a", "ü", "a b", 'q"', "b", "a", "", "{x}", "(,)", "b", "null"]


@pytest.fixture
def many(notes: Api) -> Api:
    """Twelve notes of ann's in place of her first ones."""
    notes.delete("notes?owner_id=eq.1", as_="ann")
    rows = [
        {"id": 100 + i, "owner_id": 1, "title": title, "stars": stars}
        for i, (title, stars) in enumerate(zip(TITLES, STARS, strict=True))
    ]
    assert 201 == notes.post("notes", rows, as_="ann").status
    return notes


def links(reply: Reply) -> Mapping[str, str]:
    return {rel: url for url, rel in re.findall(r'<([^>]*)>; rel="(\w+)"', reply.one("link") or "")}


def walk(api: Api, path: str, rel: str = "next", **named: Any) -> list[Reply]:
    """Every page from *path* on, by the links."""
    table = path.partition("?")[0]
    pages = [api.get(path, as_="ann", **named)]
    while rel in links(pages[-1]):
        assert len(pages) < 40
        pages.append(api.get(table + links(pages[-1])[rel], as_="ann"))
    return pages


ORDERS = [
    "id",
    "id.desc",
    "stars",
    "stars.desc",
    "stars.nullsfirst",
    "stars.desc.nullslast",
    "stars.desc,title",
    "title.desc,stars.nullsfirst",
    "created_at,stars.desc",
    "version,title",
]


@pytest.mark.parametrize("size", [1, 3, 4, 12, 13])
@pytest.mark.parametrize("order", ORDERS)
def test_pages_make_the_whole(many: Api, order: str, size: int) -> None:
    """All pages together are the rows of one read in the same order, ties broken by the key, forth and back."""
    key = order if order.startswith("id") else f"{order},id"
    whole = many.get(f"notes?order={key}", as_="ann").ids
    pages = walk(many, f"notes?order={order}&limit={size}&select=id", prefer="page=keyset")
    assert {200} == {page.status for page in pages}
    assert whole == [key for page in pages for key in page.ids]
    assert (12 + size - 1) // size == len(pages)
    assert {size} >= {len(page.ids) for page in pages[:-1]}
    if len(pages) > 1:
        back = walk(many, "notes" + links(pages[-1])["prev"], "prev")
        assert whole[: -len(pages[-1].ids)] == [key for page in reversed(back) for key in page.ids]
        assert "prev" not in links(back[-1])
        assert pages[-1].ids == walk(many, "notes" + links(pages[0])["next"])[-1].ids


def test_the_answer_is_as_without_a_cursor(many: Api) -> None:
    """What a row shows does not change: the values of the cursor are not in it."""
    plain = many.get("notes?order=stars,id&limit=2&select=title,folders(name)", as_="ann")
    paged = many.get("notes?order=stars,id&limit=2&select=title,folders(name)", as_="ann", prefer="page=keyset")
    assert (plain.json, plain.range) == (paged.json, paged.range)
    assert "page=keyset" == paged.one("preference-applied")
    assert None is plain.one("link")
    second = many.get("notes" + links(paged)["next"], as_="ann")
    assert ("*/*", {"next", "prev"}) == (second.range, set(links(second)))


def test_filters_and_counts_hold_on_every_page(many: Api) -> None:
    """The count is that of all pages; a filter narrows each of them."""
    pages = walk(many, "notes?stars=gte.2&limit=2&select=id", prefer="page=keyset, count=exact")
    assert [101, 103, 105, 106, 107, 110, 111] == [key for page in pages for key in page.ids]
    assert (206, "0-1/7") == (pages[0].status, pages[0].range)
    second = many.get("notes" + links(pages[0])["next"], as_="ann", prefer="count=exact")
    assert (206, "*/7") == (second.status, second.range)


def test_rows_that_come_and_go_do_not_shift_pages(many: Api) -> None:
    """Whatever happens between two pages, a row that stays is seen once (T-RACE)."""
    chance = random.Random(7)
    stays = set(many.get("notes?select=id", as_="ann").ids)
    seen: list[int] = []
    reply = many.get("notes?order=stars.desc,title&limit=2&select=id", as_="ann", prefer="page=keyset")
    new = 500
    while True:
        seen += reply.ids
        for _ in range(3):
            new += 1
            row = {"id": new, "owner_id": 1, "title": "n", "stars": chance.choice([None, 1, 2, 3, 9])}
            many.post("notes", row, as_="ann")
        gone = chance.choice(sorted(stays))
        many.delete(f"notes?id=eq.{gone}", as_="ann")
        if gone not in seen:
            stays.discard(gone)
        if "next" not in links(reply):
            break
        reply = many.get("notes" + links(reply)["next"], as_="ann")
        assert new < 700
    assert len(seen) == len(set(seen))
    assert stays <= set(seen)


def test_policies_hold_for_a_cursor(many: Api) -> None:
    """Another caller's cursor shows nothing of the other's rows."""
    following = links(many.get("notes?order=title&limit=1", as_="ann", prefer="page=keyset"))["next"]
    rows = many.get("notes" + following, as_="bob").json
    assert {2} >= {row["owner_id"] for row in rows}


def _changed(token: str) -> list[str]:
    data = bytearray(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    changed = []
    for at in (0, 8, 9, len(data) - 1):
        copy = bytearray(data)
        copy[at] ^= 1
        changed.append(urlsafe_b64encode(bytes(copy)).decode().rstrip("="))
    return changed


def test_cursors_are_not_changed_or_moved(many: Api) -> None:
    """A cursor that was changed, or stands with another order, filter or table, is 400."""
    following = links(many.get("notes?order=title&limit=1", as_="ann", prefer="page=keyset"))["next"]
    token = following.partition("cursor=")[2]
    moved = [
        f"notes?order=stars&cursor={token}",
        f"notes?order=title.desc&cursor={token}",
        f"notes?order=title&stars=eq.1&cursor={token}",
        f"notes?cursor={token}",
        f"folders?order=name&cursor={token}",
        f"notes?order=title&offset=2&cursor={token}",
        *(f"notes?order=title&cursor={other}" for other in (*_changed(token), "x", "eyJ", "AAAA" * 2000, "%00")),
    ]
    assert [(400, "PGRST100")] * len(moved) == [((r := many.get(p, as_="ann")).status, r.code) for p in moved]
    assert 200 == many.get(f"notes?order=title&limit=5&select=title&cursor={token}", as_="ann").status


def test_an_empty_cursor_begins(many: Api) -> None:
    """cursor= asks for the first page of a list that is read by key."""
    reply = many.get("notes?order=id&limit=2&cursor=", as_="ann")
    assert ([100, 101], {"next"}) == (reply.ids, set(links(reply)))


def test_a_column_called_cursor_is_still_filtered(many: Api) -> None:
    """cursor=eq.5 has always been a filter."""
    assert "42703" == many.get("notes?cursor=eq.5", as_="ann").code


@pytest.mark.parametrize("query", ["limit=0", "stars=eq.99", "limit=100"])
def test_pages_without_neighbours_have_no_links(many: Api, query: str) -> None:
    """Nothing, or everything, on one page."""
    assert None is many.get(f"notes?{query}", as_="ann", prefer="page=keyset").one("link")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("products?order=details", 400, "PGRST127"),
        ("products?order=details->>w", 400, "PGRST127"),
        ("orders?select=*,people(name)&order=people(name)", 400, "PGRST127"),
        ("readings", 400, "PGRST127"),
        ("people?order=nope", 400, "42703"),
        ("nope", 404, "PGRST205"),
        ("products?limit=-1", 416, "PGRST103"),
    ],
)
def test_orders_without_a_cursor_are_refused(api: Api, path: str, status: int, code: str) -> None:
    """JSON, paths, embeds and tables without a key cannot be paged by key, and say so."""
    reply = api.get(path, as_="svc", prefer="page=keyset")
    assert (status, code) == (reply.status, reply.code)


def test_hidden_columns_look_missing(api: Api) -> None:
    """An order by a column that the caller may not see is answered as one that is not there."""
    hidden, missing = (api.get(f"products?order={name}", prefer="page=keyset") for name in ("cost", "zzzz"))
    assert hidden.body.replace(b"cost", b"zzzz") == missing.body


@pytest.mark.parametrize(
    "column", ["flag", "small", "whole", "big", "real", "money", "exact", "body", "short", "kind", "uid", "day",
               "clock", "instant", "wall"]
)  # fmt: skip
def test_every_sortable_type_has_a_cursor(api: Api, column: str) -> None:
    """A value of each type goes into a cursor and comes back as itself: the next page begins behind it."""
    for order in (column, f"{column}.desc"):
        whole = api.get(f"samples?order={order},id&select=id", as_="svc").ids
        first = api.get(f"samples?order={order}&limit=1&select=id", as_="svc", prefer="page=keyset")
        second = api.get("samples" + links(first)["next"], as_="svc")
        assert (whole[:1], whole[1:]) == (first.ids, second.ids)
        assert whole[:1] == api.get("samples" + links(second)["prev"], as_="svc").ids


def test_csv_pages_too(many: Api) -> None:
    """A list in another form has the same links."""
    reply = many.get("notes?select=id&order=id&limit=2", as_="ann", prefer="page=keyset", accept="text/csv")
    assert ({"next"}, b"id\n100\n101") == (set(links(reply)), reply.body)


DEEP = b"[" * 2500


@pytest.mark.parametrize(
    "payload",
    [
        DEEP,
        DEEP + b"]" * 2500,
        b'{"a":' * 2500,
        b'["n",' + DEEP,
        b"",
        b"[]",
        b"{}",
        b"null",
        b'"n"',
        b'["n"]',
        b'["x","1"]',
        b'[null,"1"]',
        b'[["n"],"1"]',
        b'[{"n":1},"1"]',
        b'["n",1]',
        b'["n",["1"]]',
        b'["n","1","2"]',
        b'["n","\xff"]',
        b'["n","1"] ["n","1"]',
    ],
)
def test_whoever_computes_the_digest_writes_no_other_cursor(payload: bytes) -> None:
    """S7: the digest is no secret; what it belongs to is read as what anybody may have sent."""
    token = urlsafe_b64encode(blake2b(payload + b"bound", digest_size=9).digest() + payload).decode().rstrip("=")
    with pytest.raises(RequestError, match="PGRST100"):
        keyset._read(token, b"bound", [keyset.Term("id", False, False, False)])
