"""POST: one row or many, defaults, representations, and every fault at once."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tests.http.api import Api

RETURN = "return=representation"


def test_minimal(api: Api) -> None:
    """PostgREST details 6, 7: 201 without a body, a type or a location."""
    reply = api.post("samples", {"id": 10, "body": "x"})
    assert (201, b"", "*/*") == (reply.status, reply.body, reply.range)
    assert [None, None, "0"] == [reply.one(name) for name in ("content-type", "location", "content-length")]
    assert [{"id": 10, "body": "x"}] == api.rows("samples?select=id,body&id=eq.10")


def test_representation(api: Api) -> None:
    """The representation is what a read with the same select would give, embeds included."""
    reply = api.post(
        "products?select=name,price,categories(id)", {"name": "Saw", "price": "7.5"}, as_="dee", prefer=RETURN
    )
    assert (201, [{"name": "Saw", "price": 7.50, "categories": []}]) == (reply.status, reply.json)
    assert ("*/*", RETURN) == (reply.range, reply.one("preference-applied"))
    assert "application/json; charset=utf-8" == reply.one("content-type")


def test_representation_embeds_parents_and_children(api: Api) -> None:
    """A new row may be returned with its parent."""
    reply = api.post(
        "addresses?select=city,people(name),orders!orders_billing_id_fkey(id)",
        {"person_id": 1, "city": "Ulm"},
        as_="ann",
        prefer=RETURN,
    )
    assert [{"city": "Ulm", "people": {"name": "ann"}, "orders": []}] == reply.json


def test_headers_only(api: Api) -> None:
    """PostgREST detail 9: only return=headers-only gives the row's place, with every key column."""
    reply = api.post("samples", {"id": 10}, prefer="return=headers-only")
    assert (201, "/samples?id=eq.10", "*/*") == (reply.status, reply.one("location"), reply.range)
    assert "return=headers-only" == reply.one("preference-applied")
    key = "00000000-0000-0000-0000-000000000002"
    reply = api.post("order_lines", {"order_id": key, "product_id": 4}, as_="ann", prefer="return=headers-only")
    assert f"/order_lines?order_id=eq.{key}&product_id=eq.4" == reply.one("location")


def test_location_without_a_key(api: Api) -> None:
    """A row of a table without a primary key has no address, as in PostgREST."""
    reply = api.post("readings", {"place": "a&b", "degrees": None}, prefer="return=headers-only")
    assert (201, None) == (reply.status, reply.one("location"))


def test_defaults(api: Api) -> None:
    """AC11: a column that is left out takes the model's default (a random key, too), or the server's."""
    reply = api.post("products?select=stock,active,revision", {"name": "Saw", "price": 1}, as_="dee", prefer=RETURN)
    assert [{"stock": 7, "active": True, "revision": 0}] == reply.json
    made = [
        api.post("orders?select=id,placed_at", {"customer_id": 1}, as_="ann", prefer=RETURN).json[0] for _ in range(2)
    ]
    assert made[0]["id"] != made[1]["id"]
    assert {4} == {UUID(row["id"]).version for row in made}
    assert ["2024-01-01T00:00:00+00:00"] * 2 == [row["placed_at"] for row in made]


def test_rows_of_nothing_but_defaults_are_sorted(api: Api) -> None:
    """Each is a statement of its own, and what comes back is one answer all the same."""
    made = api.post("samples?select=id&order=id.desc", [{}, {}, {}], as_="svc", prefer=RETURN).json
    assert [row["id"] for row in made] == sorted((row["id"] for row in made), reverse=True)
    table = api.post("samples?select=id,body&order=id.desc", [{}, {}], as_="svc", accept="text/csv", prefer=RETURN)
    assert f"id,body\n{made[0]['id'] + 2},\n{made[0]['id'] + 1}," == table.body.decode()


def test_counter(api: Api) -> None:
    """Integer keys count on, also in bulk, in the order of the rows."""
    rows = [{"person_id": 1, "city": city} for city in "abc"]
    found = api.post("addresses?select=id,city", rows, as_="ann", prefer=RETURN).json
    assert ["a", "b", "c"] == [row["city"] for row in found]
    ids = [row["id"] for row in found]
    assert [ids[0], ids[0] + 1, ids[0] + 2] == ids


@pytest.mark.parametrize("value", [{}, [{}], [{}, {}]])
def test_rows_of_defaults(api: Api, value: Any) -> None:
    """PostgREST detail 36: an empty object inserts a row of defaults."""
    reply = api.post("samples?select=body", value, prefer=RETURN)
    assert (201, [{"body": None}] * (len(value) or 1)) == (reply.status, reply.json)


@pytest.mark.parametrize(("prefer", "body"), [(RETURN, b"[]"), (None, b"")])
def test_no_rows(api: Api, prefer: str | None, body: bytes) -> None:
    """PostgREST detail 36: an empty array inserts nothing, and is created."""
    reply = api.post("samples", [], prefer=prefer)
    assert (201, body) == (reply.status, reply.body)


def test_bulk(api: Api) -> None:
    """An array inserts its rows in one transaction, counted when asked."""
    rows = [{"id": n, "body": str(n)} for n in (12, 11, 10)]
    reply = api.post("samples?select=id", rows, prefer=f"{RETURN}, count=exact")
    assert (201, [12, 11, 10], "*/3") == (reply.status, reply.ids, reply.range)


@pytest.mark.parametrize(("count", "status", "kept"), [(1000, 201, 1000), (1001, 413, 0)])
def test_limit_of_rows(api: Api, count: int, status: int, kept: int) -> None:
    """LM7: 1,000 rows are taken, 1,001 refused, and none of them kept."""
    reply = api.post("samples", [{"id": n, "whole": n} for n in range(100, 100 + count)])
    assert status == reply.status
    assert f"*/{kept}" == api.get("samples?id=gte.100&limit=0", prefer="count=exact").range


def test_different_keys(api: Api) -> None:
    """PostgREST detail 36: the objects of an array have the same keys."""
    reply = api.post("samples", [{"id": 10, "body": "a"}, {"id": 11}])
    assert (400, "PGRST102", "All object keys must match") == (reply.status, reply.code, reply.json["message"])


@pytest.mark.parametrize(
    ("prefer", "stocks"),
    [(None, "23502"), ("missing=null", "23502"), ("missing=default", [7, 3])],
)
def test_columns_announce_keys(api: Api, prefer: str | None, stocks: Any) -> None:
    """A key that ``columns`` announces and a row lacks is null, or its default with missing=default."""
    rows = [{"name": "A", "price": 1}, {"name": "B", "price": 1, "stock": 3}]
    wanted = RETURN if prefer is None else f"{RETURN}, {prefer}"
    reply = api.post('products?columns="name","price","stock"&select=stock', rows, as_="dee", prefer=wanted)
    if isinstance(stocks, str):
        assert (400, stocks) == (reply.status, reply.code)
    else:
        assert stocks == [row["stock"] for row in reply.json]
        assert "missing=default, return=representation" == reply.one("preference-applied")


def test_columns_ignore_other_keys(api: Api) -> None:
    """AC14: only ``columns`` may leave keys of the body out."""
    reply = api.post(
        "samples?columns=id,body&select=id,body,short", {"id": 10, "body": "x", "short": "y"}, prefer=RETURN
    )
    assert [{"id": 10, "body": "x", "short": None}] == reply.json


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("samples", {"id": 10, "nope": 1}),
        ("samples", [{"id": 10, "nope": 1}]),
        ("samples?columns=id,nope", {"id": 10}),
    ],
)
def test_unknown_keys(api: Api, path: str, value: Any) -> None:
    """PostgREST detail 17, AC14: an unknown key is refused, never dropped."""
    reply = api.post(path, value)
    assert (400, "PGRST204", "Could not find the 'nope' column of 'samples' in the schema cache") == (
        reply.status,
        reply.code,
        reply.json["message"],
    )


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({"id": "x"}, "22P02"),
        ({"id": 10, "flag": "maybe"}, "22P02"),
        ({"id": 10, "small": 40000}, "22003"),
        ({"id": 10, "whole": 1.5}, "22P02"),
        ({"id": 10, "big": "9223372036854775808"}, "22003"),
        ({"id": 10, "real": "wide"}, "22P02"),
        ({"id": 10, "money": 100000000}, "22003"),
        ({"id": 10, "exact": "1,5"}, "22P02"),
        ({"id": 10, "short": "abcdef"}, "22001"),
        ({"id": 10, "kind": "nope"}, "22P02"),
        ({"id": 10, "uid": "nope"}, "22P02"),
        ({"id": 10, "day": "nope"}, "22007"),
        ({"id": 10, "day": "2024-02-30"}, "22008"),
        ({"id": 10, "clock": "nope"}, "22007"),
        ({"id": 10, "instant": "nope"}, "22007"),
        ({"id": 10, "wall": "nope"}, "22007"),
        ({"id": 10, "blob": "\\xzz"}, "22023"),
        ({"id": 10, "words": "nope"}, "22P02"),
        ({"id": 10, "numbers": ["x"]}, "22P02"),
        ({"id": 10, "numbers": [1.5]}, "22P02"),
    ],
)
def test_values_that_do_not_fit(api: Api, value: dict[str, Any], code: str) -> None:
    """Values are judged by the column's type, with PostgreSQL's codes on both databases."""
    reply = api.post("samples", value)
    assert (400, code) == (reply.status, reply.code), reply.body
    assert [] == api.rows("samples?id=eq.10")


def test_every_fault_is_told(api: Api) -> None:
    """The whole body is judged: each fault by row and column, the first one as the error."""
    reply = api.post("samples", [{"id": "x", "flag": True}, {"id": 11, "flag": "maybe"}, {"id": 12, "flag": 7}])
    assert (400, "22P02") == (reply.status, reply.code)
    assert [(0, "id", "22P02"), (1, "flag", "22P02"), (2, "flag", "22P02")] == [
        (fault["row"], fault["column"], fault["code"]) for fault in reply.json["details"]
    ]


@pytest.mark.parametrize(
    ("table", "value", "status", "code", "message", "details"),
    [
        (
            "samples",
            {"id": 1},
            409,
            "23505",
            'duplicate key value violates unique constraint "samples_pkey"',
            "Key (id)=(1) already exists.",
        ),
        (
            "product_categories",
            {"product_id": 1, "category_id": 77},
            409,
            "23503",
            'insert or update on table "product_categories" violates foreign key constraint '
            '"product_categories_category_id_fkey"',
            'Key (category_id)=(77) is not present in table "categories".',
        ),
        (
            "products",
            {"name": "Saw", "price": 1, "stock": -1},
            400,
            "23514",
            'new row for relation "products" violates check constraint "products_stock_check"',
            None,
        ),
        (
            "products",
            {"price": 1},
            400,
            "23502",
            'null value in column "name" of relation "products" violates not-null constraint',
            None,
        ),
        (
            "products",
            {"name": None, "price": 1},
            400,
            "23502",
            'null value in column "name" of relation "products" violates not-null constraint',
            None,
        ),
    ],
)
def test_constraints(
    api: Api, table: str, value: dict[str, Any], status: int, code: str, message: str, details: str | None
) -> None:
    """PostgREST detail 18: a broken constraint says so in PostgreSQL's words, whatever the database."""
    reply = api.post(table, value, as_="svc")
    assert (status, code, message) == (reply.status, reply.code, reply.json["message"])
    if details is not None:
        assert details == reply.json["details"]


def test_bulk_is_all_or_nothing(api: Api) -> None:
    """ID3: one bad row of many, and nothing is left."""
    reply = api.post("samples", [{"id": 10}, {"id": 11}, {"id": 1}])
    assert (409, "23505") == (reply.status, reply.code)
    assert [] == api.rows("samples?id=gte.10")


@pytest.mark.parametrize(
    ("body", "content_type", "rows"),
    [
        (b"id,body\n10,a\n11,NULL\n", "text/csv", [(10, "a"), (11, None)]),
        (b'id,body\r\n10,"a ""b"", c"\r\n', "text/csv; charset=utf-8", [(10, 'a "b", c')]),
        (b"id=10&body=a+b", "application/x-www-form-urlencoded", [(10, "a b")]),
        (b'{"id":10,"body":"a"}', "application/vnd.pgrst.object+json", [(10, "a")]),
        (b'{"id":10,"body":"a"}', None, [(10, "a")]),
    ],
)
def test_content_types(api: Api, body: bytes, content_type: str | None, rows: list[Any]) -> None:
    """PostgREST detail 35: CSV and forms are rows too; NULL in CSV is null."""
    reply = api.send("POST", "samples?select=id,body", body=body, content_type=content_type, prefer=RETURN)
    assert (201, rows) == (reply.status, [(row["id"], row["body"]) for row in reply.json]), reply.body


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"", "application/json", 400, "PGRST102"),
        (b"{", "application/json", 400, "PGRST102"),
        (b"1", "application/json", 400, "PGRST102"),
        (b"[1]", "application/json", 400, "PGRST102"),
        (b'{"id":1,"id":2}', "application/json", 400, "PGRST102"),
        (b'{"id":NaN}', "application/json", 400, "PGRST102"),
        (b'{"id":1e400}', "application/json", 400, "22003"),
        (b'{"body":"\\u0000"}', "application/json", 400, "PGRST102"),
        (b'{"data":' + b"[" * 40 + b"]" * 40 + b"}", "application/json", 400, "PGRST102"),
        (b'{"whole":' + b"9" * 5000 + b"}", "application/json", 400, "PGRST102"),
        (b"\xff", "application/json", 400, "PGRST102"),
        (b"id\n1,2\n", "text/csv", 400, "PGRST102"),
        (b"x", "text/plain", 415, "BST415"),
        (b"x", "application/xml", 415, "BST415"),
    ],
)
def test_bodies_that_are_none(api: Api, body: bytes, content_type: str, status: int, code: str) -> None:
    """LM3: what is not strict JSON, CSV or a form is refused with a code."""
    reply = api.send("POST", "samples", body=body, content_type=content_type)
    assert (status, code) == (reply.status, reply.code), reply.body


def test_insert_with_filters_and_order(api: Api) -> None:
    """Filters do not concern the new rows; order sorts what is returned."""
    rows = [{"id": 10, "body": "b"}, {"id": 11, "body": "a"}]
    reply = api.post("samples?select=id&order=body&id=eq.10", rows, prefer=RETURN)
    assert (201, [11, 10]) == (reply.status, reply.ids)


@pytest.mark.parametrize(("who", "status"), [(None, 401), ("ann", 403)])
def test_no_rule_for_creating(api: Api, who: str | None, status: int) -> None:
    """PostgREST detail 18: a table that may be read but not written is 401 to the anonymous, 403 to others."""
    reply = api.post("countries", {"code": "XX", "name": "x"}, as_=who)
    assert (status, "42501") == (reply.status, reply.code)


def test_rows_of_many_different_keys(api: Api) -> None:
    """S7: with missing=default each set of keys is a statement of its own, so there may be only so many."""
    columns = [f"c{n}" for n in range(8)]
    rows = [{name: None for at, name in enumerate(columns) if number >> at & 1} for number in range(1, 200)]
    path = f"products?columns={','.join(columns)}"
    reply = api.post(path, rows, as_="svc", prefer="missing=default")
    assert (413, "BST413") == (reply.status, reply.code)
