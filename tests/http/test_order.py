"""Ordering, which says where nulls go on every database."""

from __future__ import annotations

import pytest

from tests.http.api import Api


@pytest.mark.parametrize(
    ("order", "ids"),
    [
        ("id", [1, 2, 3, 4]),
        ("id.asc", [1, 2, 3, 4]),
        ("id.desc", [4, 3, 2, 1]),
        ("stock,id", [2, 3, 4, 1]),
        ("stock.desc,id", [1, 3, 4, 2]),
        ("stock,id.desc", [2, 4, 3, 1]),
        ("added", [4, 1, 2, 3]),
        ("added.desc", [3, 2, 1, 4]),
        ("added.nullsfirst", [3, 4, 1, 2]),
        ("added.asc.nullsfirst", [3, 4, 1, 2]),
        ("added.desc.nullslast", [2, 1, 4, 3]),
        ("price", [2, 1, 3, 4]),
        ("name", [2, 1, 4, 3]),
        ("kind", [1, 2, 3, 4]),
        ("kind.desc", [4, 3, 2, 1]),
        ("active,id", [1, 2, 3, 4]),
        ("details->w,id", [4, 2, 1, 3]),
        ("details->>w.nullsfirst,id", [3, 4, 2, 1]),
        ("details->maker->>name,id", [1, 2, 3, 4]),
        ("details,id", [3, 4, 2, 1]),
        ("tags,id", [2, 1, 3, 4]),
        ("tags.desc,id", [4, 3, 1, 2]),
    ],
)
def test_order(api: Api, order: str, ids: list[int]) -> None:
    """Ascending puts nulls last and descending first, unless it is said; an enum sorts as its type lists it."""
    assert ids == api.get(f"products?select=id&order={order}").ids


def test_exact_numbers_sort_as_numbers(api: Api) -> None:
    """An unbounded decimal is ordered by its value, not by its digits."""
    rows = [{"id": n, "exact": value} for n, value in ((10, 9), (11, 10), (12, -3), (13, "1e30"), (14, "0.5"))]
    assert 201 == api.post("samples", rows).status
    assert [12, 14, 10, 11, 13] == api.get("samples?select=id&id=gte.10&order=exact").ids


@pytest.mark.parametrize(
    "order", ["id.up", "id.asc.desc", "id.nullsmiddle", "", "id,", "id.nullsfirst.asc", "id..asc", "id->"]
)
def test_refusals(api: Api, order: str) -> None:
    """PostgREST detail 19: what is no order is PGRST100."""
    reply = api.get(f"products?order={order}")
    assert (400, "PGRST100") == (reply.status, reply.code)


@pytest.mark.parametrize(("terms", "status"), [(8, 200), (9, 400)])
def test_limit_of_terms(api: Api, terms: int, status: int) -> None:
    """LM4: eight terms are served, nine refused."""
    assert status == api.get("products?order=" + ",".join(["id"] * terms)).status


def test_hidden_and_missing_columns(api: Api) -> None:
    """A hidden column cannot sort, and says what a missing one says."""
    hidden, missing = api.get("products?order=cost"), api.get("products?order=costs")
    assert (400, "42703") == (hidden.status, hidden.code)
    assert hidden.json["message"].replace("cost", "costs") == missing.json["message"]
