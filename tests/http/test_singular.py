"""One object instead of an array, and the other representations."""

from __future__ import annotations

import pytest

from tests.http.api import Api

OBJECT = "application/vnd.pgrst.object+json"


def test_one_row(api: Api) -> None:
    """PostgREST detail 34: exactly one row is an object, and the type says so."""
    reply = api.get("products?select=id&id=eq.1", accept=OBJECT)
    assert (200, {"id": 1}, "0-0/*") == (reply.status, reply.json, reply.range)
    assert f"{OBJECT}; charset=utf-8" == reply.one("content-type")


@pytest.mark.parametrize(("query", "rows"), [("id=eq.77", 0), ("", 4)])
def test_not_one_row(api: Api, query: str, rows: int) -> None:
    """PostgREST detail 34: any other number is 406 PGRST116."""
    reply = api.get(f"products?select=id&{query}", accept=OBJECT)
    assert 406 == reply.status
    assert {
        "code": "PGRST116",
        "message": "Cannot coerce the result to a single JSON object",
        "details": f"The result contains {rows} rows",
        "hint": None,
    } == reply.json


@pytest.mark.parametrize(
    ("method", "path", "json", "left"),
    [
        ("post", "samples", [{"id": 10}, {"id": 11}], [1, 2]),
        ("post", "samples", [], [1, 2]),
        ("patch", "samples", {"body": "x"}, [1, 2]),
        ("patch", "samples?id=eq.77", {"body": "x"}, [1, 2]),
        ("delete", "samples", None, [1, 2]),
        ("delete", "samples?id=eq.77", None, [1, 2]),
    ],
)
def test_writes_are_rolled_back(api: Api, method: str, path: str, json: object, left: list[int]) -> None:
    """PostgREST detail 34: a write of not exactly one row is refused and leaves nothing behind."""
    before = api.rows("samples?order=id")
    given = {} if method == "delete" else {"json": json}
    reply = getattr(api, method)(path, accept=OBJECT, prefer="return=representation", **given)
    assert (406, "PGRST116") == (reply.status, reply.code)
    assert before == api.rows("samples?order=id")


def test_single_writes(api: Api) -> None:
    """One row written is one object."""
    reply = api.post("samples?select=id", {"id": 10}, accept=OBJECT, prefer="return=representation")
    assert (201, {"id": 10}) == (reply.status, reply.json)
    reply = api.patch("samples?select=id&id=eq.10", {"body": "x"}, accept=OBJECT, prefer="return=representation")
    assert (200, {"id": 10}) == (reply.status, reply.json)
    reply = api.delete("samples?select=id&id=eq.10", accept=OBJECT, prefer="return=representation")
    assert (200, {"id": 10}) == (reply.status, reply.json)


@pytest.mark.parametrize("accept", ["application/json", "*/*", "application/*", None, "text/html, */*;q=0.1"])
def test_json_is_the_default(api: Api, accept: str | None) -> None:
    """Browsers and plain clients are given JSON."""
    reply = api.get("countries?code=eq.DE&select=code", accept=accept)
    assert ([{"code": "DE"}], "application/json; charset=utf-8") == (reply.json, reply.one("content-type"))


@pytest.mark.parametrize("accept", ["application/xml", "text/html", "image/png"])
def test_unacceptable(api: Api, accept: str) -> None:
    """PostgREST detail 35: a type that nobody makes is 406 PGRST107."""
    reply = api.get("countries", accept=accept)
    assert (406, "PGRST107") == (reply.status, reply.code)
    assert accept in reply.json["message"]


def test_unknown_table_before_type(api: Api) -> None:
    """PostgREST detail 16: an unknown table is 404 whatever is accepted."""
    assert (404, "PGRST205") == (lambda r: (r.status, r.code))(api.get("nope", accept="image/png"))


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_geojson_is_not_made(api: Api, method: str) -> None:
    """406 that says why, before anything is written."""
    body = {"id": 77, "name": "x"} if method == "POST" else None
    reply = api._write(method, "categories", body, {"accept": "application/geo+json", "as_": "dee"})
    assert (406, "PGRST107") == (reply.status, reply.code)
    assert (
        "GeoJSON is for rows with a geometry column, and for neither single items nor pages by key."
        == reply.json["details"]
    )
    assert [] == api.rows("categories?id=eq.77")
