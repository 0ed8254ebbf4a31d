"""Prefer: resolution= on POST: rows that are there already."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.api import Api

MERGE = "resolution=merge-duplicates"
IGNORE = "resolution=ignore-duplicates"
RETURN = "return=representation"


@pytest.mark.parametrize(
    ("ids", "prefer", "status", "returned"),
    [
        ([1], MERGE, 200, [1]),
        ([1, 2], MERGE, 200, [1, 2]),
        ([1, 10], MERGE, 201, [1, 10]),
        ([10, 11], MERGE, 201, [10, 11]),
        ([1], IGNORE, 201, []),
        ([1, 10], IGNORE, 201, [10]),
        ([10], IGNORE, 201, [10]),
    ],
)
def test_resolutions(api: Api, ids: list[int], prefer: str, status: int, returned: list[int]) -> None:
    """PostgREST details 10, 11: 201 where something is new, 200 where everything was there; ignored rows stay out."""
    rows = [{"id": n, "body": "new"} for n in ids]
    reply = api.post("samples?select=id,body", rows, prefer=f"{RETURN},{prefer}")
    assert (status, returned) == (reply.status, sorted(reply.ids)), reply.body
    assert f"{prefer}, {RETURN}" == reply.one("preference-applied")
    changed = {row["id"] for row in api.rows("samples?select=id&body=eq.new")}
    assert set(ids if prefer == MERGE else returned) == changed


def test_merge_keeps_other_columns(api: Api) -> None:
    """A merge sets what the body brings, and nothing else."""
    api.post("samples", {"id": 1, "body": "new"}, prefer=MERGE)
    assert [{"body": "new", "short": "abc", "whole": 42}] == api.rows("samples?select=body,short,whole&id=eq.1")


def test_merge_of_keys_only(api: Api) -> None:
    """A body of nothing but keys is merged, too."""
    reply = api.post("product_categories", {"product_id": 1, "category_id": 1}, as_="svc", prefer=f"{MERGE},{RETURN}")
    assert (200, [{"product_id": 1, "category_id": 1}]) == (reply.status, reply.json)


def test_on_conflict(api: Api) -> None:
    """``on_conflict`` names other unique columns than the key."""
    row = {"name": "Hammer", "price": 5}
    assert 409 == api.post("products", row, as_="dee", prefer=MERGE).status
    reply = api.post("products?on_conflict=name&select=id,price,stock", row, as_="dee", prefer=f"{MERGE},{RETURN}")
    assert (200, [{"id": 1, "price": 5.00, "stock": 10}]) == (reply.status, reply.json)


def test_on_conflict_of_several_columns(api: Api) -> None:
    """A composite unique key is named by all of its columns."""
    row = {"id": 77, "owner_id": 1, "room": "red", "day": "2024-05-01", "note": "again"}
    reply = api.post("bookings?on_conflict=room,day&select=note", row, as_="ann", prefer=f"{MERGE},{RETURN}")
    assert (200, [{"note": "again"}]) == (reply.status, reply.json)


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("on_conflict=nope", 400, "42703"),
        ("on_conflict=body", 400, "42P10"),
        ("on_conflict=id&on_conflict=id", 400, "PGRST100"),
    ],
)
def test_refusals(api: Api, query: str, status: int, code: str) -> None:
    """Columns of a conflict must exist and be unique together."""
    reply = api.post(f"samples?{query}", {"id": 1, "body": "x"}, prefer=MERGE)
    assert (status, code) == (reply.status, reply.code), reply.body


def test_without_a_key(api: Api) -> None:
    """PostgREST detail 12: without a key and without on_conflict nothing is resolved, and nothing said of it."""
    reply = api.post("readings", {"place": "hall", "degrees": 20}, prefer=MERGE)
    assert (201, None) == (reply.status, reply.one("preference-applied"))
    assert 3 == len(api.rows("readings?place=eq.hall"))


def test_same_row_twice(api: Api) -> None:
    """A body that brings one key twice cannot be merged in one statement; both databases say 21000."""
    reply: Any = api.post("samples", [{"id": 1, "body": "a"}, {"id": 1, "body": "b"}], prefer=MERGE)
    assert (400, "21000") == (reply.status, reply.code)


def test_ignore_twins(api: Api) -> None:
    """Of twins in one body the first is kept."""
    reply = api.post(
        "samples?select=id,body", [{"id": 10, "body": "a"}, {"id": 10, "body": "b"}], prefer=f"{IGNORE},{RETURN}"
    )
    assert (201, [{"id": 10, "body": "a"}]) == (reply.status, reply.json)


def test_ignore_with_different_keys(api: Api) -> None:
    """Rows with and without a key are written apart, and the ignored ones are missing from what is returned."""
    rows = [{"id": 1}, {"id": 10, "body": "x"}, {"id": 11}]
    reply = api.post("samples?columns=id,body&select=id", rows, prefer=f"{IGNORE}, missing=default, {RETURN}")
    assert (201, [10, 11]) == (reply.status, sorted(reply.ids))


def test_put_writes_one_row(api: Api) -> None:
    """PUT inserts the row that its filters name (201), or updates it (200); without a representation it says 204."""
    full = {"prefer": "return=representation"}
    made = api.put("samples?id=eq.77&select=id", {"id": 77}, headers=full)
    assert (201, [{"id": 77}]) == (made.status, made.json)
    again = api.put("samples?id=eq.77&select=id", {"id": 77}, headers=full)
    assert (200, [{"id": 77}]) == (again.status, again.json)
    assert 204 == api.put("samples?id=eq.77", {"id": 77}).status
    assert (400, "PGRST115") == ((other := api.put("samples?id=eq.77", {"id": 78})).status, other.code)
