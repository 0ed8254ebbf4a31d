"""PATCH: which rows, what they become, and what is said of them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.api import Api

RETURN = "return=representation"


def test_minimal(api: Api) -> None:
    """PostgREST details 6, 8: 204 without a body or a type; Content-Range numbers the rows."""
    reply = api.patch("samples?id=eq.1", {"body": "new"})
    assert (204, b"", "0-0/*") == (reply.status, reply.body, reply.range)
    assert [None, None] == [reply.one(name) for name in ("content-type", "content-length")]
    assert [{"body": "new", "short": "abc"}] == api.rows("samples?select=body,short&id=eq.1")


@pytest.mark.parametrize(
    ("query", "prefer", "status", "content_range"),
    [
        ("id=eq.77", None, 204, "*/*"),
        ("id=eq.77", RETURN, 200, "*/*"),
        ("id=eq.77", "count=exact", 204, "*/0"),
        ("", "count=exact", 204, "0-1/2"),
        ("", RETURN, 200, "0-1/*"),
    ],
)
def test_numbers(api: Api, query: str, prefer: str | None, status: int, content_range: str) -> None:
    """PostgREST detail 8: no row is 204 too, and without a filter every row is meant."""
    reply = api.patch(f"samples?{query}", {"whole": 5}, prefer=prefer)
    assert (status, content_range) == (reply.status, reply.range)
    if prefer == RETURN:
        assert len(reply.json) == len([row for row in api.rows("samples") if row["whole"] == 5 and "eq" not in query])


def test_representation(api: Api) -> None:
    """The rows as they are now, with embeds."""
    reply = api.patch(
        "orders?note=eq.fast&select=note,people(name),products(name)&products.order=id",
        {"note": "slow"},
        as_="ann",
        prefer=RETURN,
    )
    assert [
        {"note": "slow", "people": {"name": "ann"}, "products": [{"name": "Hammer"}, {"name": "Ball"}]}
    ] == reply.json


def test_model_onupdate(api: Api) -> None:
    """A column with ``onupdate`` changes with its row, unless the client writes it."""
    assert [1] == [r["revision"] for r in api.patch("products?id=eq.1", {"stock": 1}, as_="dee", prefer=RETURN).json]
    assert [9] == [r["revision"] for r in api.patch("products?id=eq.1", {"revision": 9}, as_="dee", prefer=RETURN).json]


@pytest.mark.parametrize("value", [{}, [], [{}]])
def test_nothing_to_set(api: Api, value: Any) -> None:
    """An empty object changes nothing."""
    reply = api.patch("samples?id=eq.1", value, prefer=RETURN)
    assert (200, [], "*/*") == (reply.status, reply.json, reply.range)


def test_columns(api: Api) -> None:
    """``columns`` names which keys count."""
    assert 204 == api.patch("samples?id=eq.1&columns=body", {"body": "b", "short": "s"}).status
    assert [{"body": "b", "short": "abc"}] == api.rows("samples?select=body,short&id=eq.1")


@pytest.mark.parametrize(
    ("query", "value", "status", "code"),
    [
        ("id=eq.1", {"nope": 1}, 400, "PGRST204"),
        ("nope=eq.1", {"body": "x"}, 400, "42703"),
        ("id=eq.x", {"body": "x"}, 400, "22P02"),
        ("id=eq.1", {"whole": "x"}, 400, "22P02"),
        ("id=eq.1", {"id": None}, 400, "23502"),
        ("id=eq.1", {"id": 2}, 409, "23505"),
        ("id=eq.1", [{"body": "x"}, {"body": "y"}], 400, "PGRST102"),
        ("id=eq.1&select=nope", {"body": "x"}, 400, "42703"),
    ],
)
def test_refusals(api: Api, query: str, value: Any, status: int, code: str) -> None:
    """A refused update changes nothing."""
    before = api.rows("samples?order=id")
    reply = api.patch(f"samples?{query}", value, prefer=RETURN)
    assert (status, code) == (reply.status, reply.code), reply.body
    assert before == api.rows("samples?order=id")


def test_filter_by_embed(api: Api) -> None:
    """Rows may be chosen by what is related to them."""
    reply = api.patch(
        "products?select=id,categories!inner(id)&categories.name=eq.toys", {"stock": 77}, as_="dee", prefer=RETURN
    )
    assert [2, 5] == sorted(reply.ids)
    assert [2, 5] == sorted(row["id"] for row in api.rows("products?stock=eq.77"))


def test_set_null_and_json(api: Api) -> None:
    """Null is null; objects and arrays are JSON."""
    assert 204 == api.patch("samples?id=eq.1", {"body": None, "data": {"x": [1, None]}, "words": ["a", None]}).status
    assert [{"body": None, "data": {"x": [1, None]}, "words": ["a", None]}] == api.rows(
        "samples?select=body,data,words&id=eq.1"
    )


def test_table_without_a_key(api: Api) -> None:
    """A table without a primary key is updated by its filters."""
    reply = api.patch("readings?place=eq.yard", {"degrees": 5}, prefer=RETURN)
    assert [{"place": "yard", "degrees": 5}] == reply.json


@pytest.mark.parametrize(
    ("prefer", "status", "code"),
    [
        ("handling=strict, max-affected=1", 400, "PGRST124"),
        ("handling=strict, max-affected=2", 204, None),
        ("max-affected=1", 204, None),
    ],
)
def test_max_affected(api: Api, prefer: str, status: int, code: str | None) -> None:
    """PostgREST details 12, 14: more rows than max-affected are refused under handling=strict, and rolled back."""
    before = api.rows("samples?select=id,body&order=id")
    reply = api.patch("samples", {"body": "all"}, prefer=prefer)
    assert (status, code) == (reply.status, reply.code)
    if code is not None:
        assert "The query affects 2 rows" == reply.json["details"]
        assert before == api.rows("samples?select=id,body&order=id")
