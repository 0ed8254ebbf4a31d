"""Pages: limit, offset, the Range header and what Content-Range says of them."""

from __future__ import annotations

import pytest

from tests.http.api import Api


@pytest.mark.parametrize(
    ("query", "requested", "ids", "content_range"),
    [
        ("", None, [1, 2, 3, 4], "0-3/*"),
        ("limit=2", None, [1, 2], "0-1/*"),
        ("limit=2&offset=1", None, [2, 3], "1-2/*"),
        ("offset=3", None, [4], "3-3/*"),
        ("offset=4", None, [], "*/*"),
        ("offset=100", None, [], "*/*"),
        ("limit=0", None, [], "*/*"),
        ("offset=-1", None, [1, 2, 3, 4], "0-3/*"),
        ("", "0-1", [1, 2], "0-1/*"),
        ("", "1-", [2, 3, 4], "1-3/*"),
        ("", "0-99", [1, 2, 3, 4], "0-3/*"),
        ("limit=3", "1-9", [2, 3], "1-2/*"),
        ("offset=1", "2-3", [3, 4], "2-3/*"),
        ("id=eq.77", None, [], "*/*"),
    ],
)
def test_pages(api: Api, query: str, requested: str | None, ids: list[int], content_range: str) -> None:
    """PostgREST details 1, 4, 5: pages are 200 without a count, and Content-Range says which rows they hold."""
    reply = api.get(f"products?select=id&order=id&{query}", range=requested, range_unit="items")
    assert (200, ids, content_range) == (reply.status, reply.ids, reply.range)


@pytest.mark.parametrize(
    ("query", "requested", "status", "content_range"),
    [
        ("", None, 200, "0-3/4"),
        ("limit=2", None, 206, "0-1/4"),
        ("limit=4", None, 200, "0-3/4"),
        ("offset=3", None, 206, "3-3/4"),
        ("offset=4", None, 206, "*/4"),
        ("limit=0", None, 206, "*/4"),
        ("", "1-2", 206, "1-2/4"),
        ("id=eq.77", None, 200, "*/0"),
        ("id=eq.1", None, 200, "0-0/1"),
    ],
)
def test_counted_pages(api: Api, query: str, requested: str | None, status: int, content_range: str) -> None:
    """PostgREST details 2, 3: with a count a page is 206 where it does not hold everything."""
    reply = api.get(f"products?order=id&{query}", range=requested, prefer="count=exact")
    assert (status, content_range) == (reply.status, reply.range)


def test_beyond_the_end(api: Api) -> None:
    """PostgREST detail 3: an offset beyond a known total is 416 PGRST103."""
    reply = api.get("products?offset=100", prefer="count=exact")
    assert (416, "*/4") == (reply.status, reply.range)
    assert {
        "code": "PGRST103",
        "message": "Requested range not satisfiable",
        "details": "An offset of 100 was requested, but there are only 4 rows.",
        "hint": None,
    } == reply.json


@pytest.mark.parametrize(
    ("query", "requested"), [("limit=-1", None), ("", "3-1"), ("limit=-1", "0-1"), ("offset=3", "1-2")]
)
def test_impossible_pages(api: Api, query: str, requested: str | None) -> None:
    """PostgREST details 4, 5: a negative limit and a range that ends before it begins are 416."""
    reply = api.get(f"products?{query}", range=requested)
    assert (416, "PGRST103") == (reply.status, reply.code)


@pytest.mark.parametrize("query", ["limit=a", "offset=1.5", "limit=", "limit=1&limit=2", "offset=0&offset=1"])
def test_malformed_pages(api: Api, query: str) -> None:
    """A limit that is no number, or stands twice, is PGRST100 (LM4)."""
    reply = api.get(f"products?{query}")
    assert (400, "PGRST100") == (reply.status, reply.code)


def test_range_is_for_get_only(api: Api) -> None:
    """PostgREST detail 4: HEAD does not look at Range."""
    assert "0-3/*" == api.head("products", range="0-1").range


@pytest.mark.parametrize(("offset", "status"), [(100_000, 200), (100_001, 400)])
def test_limit_of_offsets(api: Api, offset: int, status: int) -> None:
    """LM4: offsets end at 100,000; what lies behind is for key filters."""
    assert status == api.get(f"products?offset={offset}").status


def test_largest_page(api: Api) -> None:
    """LM4: no page is larger than 1,000 rows, with a limit, with a Range and without either, in embeds too."""
    rows = [{"id": n, "name": "x", "parent_id": 1} for n in range(100, 1099)]
    assert 201 == api.post("categories", rows).status
    assert 201 == api.post("categories", [{"id": n, "name": "x", "parent_id": 1} for n in range(2000, 2100)]).status
    for query in ("", "&limit=5000"):
        assert 1000 == len(api.get(f"categories?select=id{query}").json)
    assert 1000 == len(api.get("categories?select=id", range="0-4999").json)
    assert 1000 == len(
        api.get("categories?select=id,categories(id)&id=eq.1&categories.limit=2000").json[0]["categories"]
    )
    counted = api.get("categories?select=id", prefer="count=exact")
    assert (206, "0-999/1102") == (counted.status, counted.range)


@pytest.mark.parametrize("kind", ["exact", "planned", "estimated"])
def test_counts(api: Api, kind: str) -> None:
    """AC8: every kind of count counts the filtered query of this caller, and is said to be applied."""
    reply = api.get("products?limit=1", prefer=f"count={kind}")
    assert ("0-0/4", f"count={kind}") == (reply.range, reply.one("preference-applied"))
    if kind != "planned":  # what the planner expects is in test_counts.py
        assert "0-0/5" == api.get("products?limit=1", as_="dee", prefer=f"count={kind}").range


def test_count_with_inner_embed(api: Api) -> None:
    """A count knows of the joins that drop rows, and not of the embeds' pages."""
    path = "countries?select=code,people!inner(id)&people.limit=1&limit=1&order=code"
    assert "0-0/2" == api.get(path, prefer="count=exact").range
