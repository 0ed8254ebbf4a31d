"""Vertical filtering: which columns, under which names."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.api import Api

HAMMER = {
    "id": 1,
    "name": "Hammer",
    "price": 9.99,
    "stock": 10,
    "active": True,
    "kind": "tool",
    "tags": ["iron", "wood"],
    "details": {"w": 500, "maker": {"name": "Acme"}},
    "added": "2024-01-01",
    "revision": 0,
}


@pytest.mark.parametrize("query", ["id=eq.1", "id=eq.1&select=*"])
def test_everything(api: Api, query: str) -> None:
    """Without select, a row has every column that its reader may see."""
    assert [HAMMER] == api.get(f"products?{query}").json


def test_nothing(api: Api) -> None:
    """An empty select is none: it gives every column."""
    assert [HAMMER] == api.get("products?id=eq.1&select=").json


@pytest.mark.parametrize(
    ("select", "row"),
    [
        ("id,name", {"id": 1, "name": "Hammer"}),
        ("name,id", {"name": "Hammer", "id": 1}),
        ("id, name", {"id": 1, "name": "Hammer"}),
        ("title:name", {"title": "Hammer"}),
        ('"the title":name', {"the title": "Hammer"}),
        ("id,id", {"id": 1}),
        ("a:id,b:id", {"a": 1, "b": 1}),
        ("*,again:name", HAMMER | {"again": "Hammer"}),
        ("id::text", {"id": "1"}),
        ("n:id::text", {"n": "1"}),
        ("price::text", {"price": "9.99"}),
        ("price::int", {"price": 10}),
        ("active::text", {"active": "true"}),
        ("added::text", {"added": "2024-01-01"}),
        ("kind::text", {"kind": "tool"}),
        ("stock::float8", {"stock": 10}),
        ("details->w", {"w": 500}),
        ("details->>w", {"w": "500"}),
        ("details->maker", {"maker": {"name": "Acme"}}),
        ("details->maker->name", {"name": "Acme"}),
        ("details->maker->>name", {"name": "Acme"}),
        ("who:details->maker->>name", {"who": "Acme"}),
        ("details->nope->deeper", {"deeper": None}),
        ("details->>w::int", {"w": 500}),
    ],
)
def test_columns(api: Api, select: str, row: dict[str, Any]) -> None:
    """A select item is a column, renamed, cast or walked into.  PostgREST details 32: the key of a JSON path."""
    (found,) = api.get(f"products?id=eq.1&select={select}").json
    assert row == found
    assert list(row) == list(found)


@pytest.mark.parametrize(
    ("select", "row"),
    [
        ("details->colours->0", {"colours": "red"}),
        ("details->colours->>1", {"colours": "blue"}),
        ("details->colours->-1", {"colours": "blue"}),
        ("details->colours->>-2", {"colours": "red"}),
        ("details->colours->7", {"colours": None}),
    ],
)
def test_json_array_indices(api: Api, select: str, row: dict[str, Any]) -> None:
    """PostgREST details 32: an index counts from the start, or, when negative, from the end."""
    assert [row] == api.get(f"products?id=eq.2&select={select}").json


def test_path_into_array_column(api: Api) -> None:
    """An array column may be walked into like a JSON one."""
    assert [{"tags": "iron"}] == api.get("products?id=eq.1&select=tags->0").json


def test_names_that_need_quotes(api: Api) -> None:
    """Quoted names reach columns with spaces and dots; and, or and letters beyond ASCII need no quotes."""
    path = "odd%20names?select=full%20name,and,%22a.b%22,größe&%22a.b%22=gt.15&%22full%20name%22=eq.C%20D&größe=gt.5"
    assert [{"full name": "C D", "and": 2, "a.b": 20, "größe": 6}] == api.get(path).json


@pytest.mark.parametrize(
    ("select", "status", "code"),
    [
        ("nope", 400, "42703"),
        ("id,nope", 400, "42703"),
        ("nope->a", 400, "42703"),
        ("id::nope", 400, "42704"),
        ("id,", 400, "PGRST100"),
        (",id", 400, "PGRST100"),
        ("id name", 400, "42703"),
        ("id)", 400, "PGRST100"),
        ("*.*", 400, "PGRST100"),
        ("(id)", 400, "PGRST100"),
        ("id::", 400, "PGRST100"),
        ("sum()", 400, "PGRST200"),
        ("count()", 400, "PGRST123"),
        ("price.sum()", 400, "PGRST123"),
        ("name->x", 404, "42883"),
    ],
)
def test_refusals(api: Api, select: str, status: int, code: str) -> None:
    """PostgREST details 17, 19, 20, 31: what cannot be selected is refused with its code."""
    reply = api.get(f"products?select={select}")
    assert (status, code) == (reply.status, reply.code)


def test_same_column_order_as_the_model(api: Api) -> None:
    """A star lists the columns in the order of the model."""
    assert list(HAMMER) == list(api.get("products?id=eq.1").json[0])


@pytest.mark.parametrize(("items", "status"), [(200, 200), (201, 400)])
def test_limit_of_items(api: Api, items: int, status: int) -> None:
    """LM4: 200 items of select are served, 201 refused; many keys do not exceed a function's arguments."""
    reply = api.get("countries?limit=1&select=" + ",".join(f"a{i}:code" for i in range(items)))
    assert status == reply.status
    if status == 200:
        assert [{f"a{i}": "DE" for i in range(items)}] == reply.json
