"""DELETE: which rows, and what they were."""

from __future__ import annotations

import pytest

from tests.http.api import Api

RETURN = "return=representation"


def test_minimal(api: Api) -> None:
    """PostgREST details 6, 8: 204 without a body; the range is ``*/*``."""
    reply = api.delete("samples?id=eq.1")
    assert (204, b"", "*/*") == (reply.status, reply.body, reply.range)
    assert [None, None] == [reply.one(name) for name in ("content-type", "content-length")]
    assert [2] == [row["id"] for row in api.rows("samples")]


def test_representation(api: Api) -> None:
    """The rows as they were, with their embeds."""
    reply = api.delete(
        "orders?note=eq.fast&select=note,people(name),products(name)&products.order=id", as_="ann", prefer=RETURN
    )
    assert 200 == reply.status
    assert [
        {"note": "fast", "people": {"name": "ann"}, "products": [{"name": "Hammer"}, {"name": "Ball"}]}
    ] == reply.json
    assert [] == api.rows("orders?note=eq.fast")
    assert [] == api.rows("order_lines?order_id=eq.00000000-0000-0000-0000-000000000001")


@pytest.mark.parametrize(
    ("query", "prefer", "status", "content_range", "left"),
    [
        ("id=eq.77", None, 204, "*/*", 2),
        ("id=eq.77", RETURN, 200, "*/*", 2),
        ("id=eq.77", "count=exact", 204, "*/0", 2),
        ("", "count=exact", 204, "*/2", 0),
        ("", f"{RETURN}, count=exact", 200, "*/2", 0),
        ("or=(id.eq.1,id.eq.9)", "count=exact", 204, "*/1", 1),
    ],
)
def test_numbers(api: Api, query: str, prefer: str | None, status: int, content_range: str, left: int) -> None:
    """PostgREST details 6, 8: no row is 204 too, and without a filter every row is meant."""
    reply = api.delete(f"samples?{query}", prefer=prefer)
    assert (status, content_range) == (reply.status, reply.range)
    assert left == len(api.rows("samples"))


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("samples?nope=eq.1", 400, "42703"),
        ("samples?id=eq.x", 400, "22P02"),
        ("countries?code=eq.DE", 401, "42501"),
        ("vault", 404, "PGRST205"),
    ],
)
def test_refusals(api: Api, path: str, status: int, code: str) -> None:
    """A refused delete deletes nothing."""
    reply = api.delete(path)
    assert (status, code) == (reply.status, reply.code)
    assert 2 == len(api.rows("samples"))


def test_still_referenced(api: Api) -> None:
    """PostgREST detail 18: a row that others need stays, and the error is PostgreSQL's."""
    reply = api.delete("categories?id=eq.1", as_="svc")
    assert (409, "23503") == (reply.status, reply.code)
    assert (
        'update or delete on table "categories" violates foreign key constraint "categories_parent_id_fkey" '
        'on table "categories"'
    ) == reply.json["message"]
    assert 3 == len(api.rows("categories"))


def test_table_without_a_key(api: Api) -> None:
    """A table without a primary key: equal rows go together."""
    reply = api.delete("readings?place=eq.hall", prefer=f"{RETURN}, count=exact")
    assert ([{"place": "hall", "degrees": 20}] * 2, "*/2") == (reply.json, reply.range)
    assert [{"place": "yard", "degrees": None}] == api.rows("readings")


def test_max_affected(api: Api) -> None:
    """PostgREST detail 14: refused and rolled back."""
    reply = api.delete("samples", prefer="handling=strict, max-affected=1")
    assert (400, "PGRST124") == (reply.status, reply.code)
    assert 2 == len(api.rows("samples"))


def test_filter_by_embed(api: Api) -> None:
    """Rows may be chosen by what is related to them."""
    reply = api.delete("people?select=id,countries!inner(code)&countries.code=eq.DE", as_="svc")
    assert (409, "23503") == (reply.status, reply.code)
    reply = api.delete("bookings?select=id,addresses!inner()", as_="svc", prefer=RETURN)
    assert [2] == reply.ids
    assert [1] == [row["id"] for row in api.rows("bookings")]


@pytest.mark.parametrize("page", ["limit=1", "offset=1", "limit=1&order=id"])
def test_a_page_spares_no_rows_and_so_is_refused(api: Api, page: str) -> None:
    """limit does not narrow a DELETE or a PATCH; where nothing is sent back it is refused, and nothing is written."""
    before = api.get("products?select=id,stock&order=id", as_="svc").json
    assert (400, "PGRST127") == _refused(api, "DELETE", page)
    assert (400, "PGRST127") == _refused(api, "PATCH", page)
    assert before == api.get("products?select=id,stock&order=id", as_="svc").json


def _refused(api: Api, method: str, page: str) -> tuple[int, str | None]:
    path = f"products?id=gt.0&{page}"
    reply = api.delete(path, as_="svc") if method == "DELETE" else api.patch(path, as_="svc", json={"stock": 1})
    return reply.status, reply.code
