"""Functions: arguments, results, methods, and whose rows they may show."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.api import Api

OBJECT = "application/vnd.pgrst.object+json"


@pytest.mark.parametrize(
    ("method", "path", "body", "value"),
    [
        ("GET", "rpc/add?a=5", None, 7),
        ("GET", "rpc/add?a=5&b=-1", None, 4),
        ("POST", "rpc/add", {"a": 5}, 7),
        ("POST", "rpc/add", {"a": 5, "b": 10}, 15),
        ("GET", "rpc/echo", None, {"text": "", "numbers": None, "flag": False}),
        ("GET", "rpc/echo?text=eq&numbers={1,2}&flag=true", None, {"text": "eq", "numbers": [1, 2], "flag": True}),
        ("GET", "rpc/echo?text=a+b%26", None, {"text": "a b&", "numbers": None, "flag": False}),
        ("POST", "rpc/echo", {"numbers": []}, {"text": "", "numbers": [], "flag": False}),
        ("POST", "rpc/whoami", None, {"role": "anon", "id": None}),
        ("POST", "rpc/whoami", {}, {"role": "anon", "id": None}),
    ],
)
def test_values(api: Api, method: str, path: str, body: Any, value: Any) -> None:
    """A value comes back as bare JSON."""
    reply = api.get(path) if method == "GET" else api.post(path, body)
    assert (200, value) == (reply.status, reply.json)


def test_caller(api: Api) -> None:
    """The function knows its caller, and never another one."""
    assert [("authenticated", "1"), ("authenticated", "2"), ("anon", None)] == [
        (who["role"], who["id"]) for who in (api.get("rpc/whoami", as_=name).json for name in ("ann", "bob", None))
    ]


def test_rows(api: Api) -> None:
    """Rows of a model take select, filters, order and limit."""
    path = "rpc/cheap?below=500&select=name,categories(name)&price=gt.4&order=price.desc&limit=2"
    reply = api.get(path, prefer="count=exact")
    assert 200 <= reply.status < 300
    assert [
        {"name": "hammock", "categories": []},
        {"name": "Ärmel, a (long) story", "categories": []},
    ] == reply.json


@pytest.mark.parametrize("below", ["9" * 30, "1e300", "-" + "9" * 30])
def test_a_decimal_beyond_every_integer_compares(api: Api, below: str) -> None:
    """T-500: a number that no 64 bits hold is above (or below) all prices, or too large, and no error of the driver's."""
    reply = api.get(f"rpc/cheap?below={below}&select=id")
    if api.name == "postgresql":
        assert (400, "22003") == (reply.status, reply.code)
    else:
        everything = api.get("rpc/cheap?below=100000&select=id").json
        assert (200, [] if below[0] == "-" else everything) == (reply.status, reply.json)


def test_rows_are_judged_by_read_policies(api: Api) -> None:
    """AC2: what a function returns is shown as the caller's read policies allow, columns and rows."""
    ann, dee = (api.post("rpc/cheap", {"below": 5}, as_=who).json for who in ("ann", "dee"))
    assert [2] == [row["id"] for row in ann]
    assert [2, 5] == [row["id"] for row in dee]
    assert [1, 1] == [row["cost"] for row in api.post("rpc/cheap?select=cost", {"below": 5}, as_="dee").json]
    reply = api.post("rpc/cheap?select=id,cost", {"below": 5}, as_="ann")
    assert (400, "42703") == (reply.status, reply.code)


def test_one_row(api: Api) -> None:
    """One row of a model is an object; one that the caller may not see is null."""
    reply = api.post("rpc/restock?select=id,stock", {"product_id": 1, "amount": 5})
    assert (200, {"id": 1, "stock": 15}) == (reply.status, reply.json)
    assert [{"stock": 15}] == api.rows("products?select=stock&id=eq.1")
    hidden, missing = (api.post("rpc/restock", {"product_id": n, "amount": 0}, x_request_id="r") for n in (5, 77))
    assert (200, None, hidden.headers) == (missing.status, missing.json, missing.headers)
    assert (hidden.status, hidden.body) == (missing.status, missing.body)


def test_void(api: Api) -> None:
    """Nothing is 204 without a body, and committed."""
    reply = api.post("rpc/clear_notes", {}, as_="ann")
    assert (204, b"", None) == (reply.status, reply.body, reply.one("content-type"))
    assert [None, None, "bob's"] == [row["note"] for row in api.rows("orders?order=id")]


def test_failure_leaves_nothing(api: Api) -> None:
    """A function that raises rolls back what it wrote."""
    reply = api.post("rpc/refuse_after_write", {})
    assert (400, {"code": "P0001", "message": "no such country", "details": None, "hint": "Ask the map."}) == (
        reply.status,
        reply.json,
    )
    assert [] == api.rows("countries?code=eq.ZZ")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "rpc/nope", {}, 404, "PGRST202"),
        ("GET", "rpc/nope", None, 404, "PGRST202"),
        ("POST", "rpc/add", {}, 404, "PGRST202"),
        ("POST", "rpc/add", {"a": 1, "c": 1}, 404, "PGRST202"),
        ("POST", "rpc/staff_only", {}, 404, "PGRST202"),
        ("POST", "rpc/add", {"a": "5"}, 400, "22P02"),
        ("POST", "rpc/add", {"a": None}, 400, "22P02"),
        ("GET", "rpc/add?a=x", None, 400, "22P02"),
        ("GET", "rpc/add?a=1.5", None, 400, "22P02"),
        ("POST", "rpc/add", [1], 400, "PGRST102"),
        ("GET", "rpc/restock?product_id=1&amount=1", None, 405, "PGRST101"),
        ("DELETE", "rpc/add", None, 405, "PGRST101"),
        ("PATCH", "rpc/add", {}, 405, "PGRST101"),
        ("GET", "rpc/add/x", None, 404, "PGRST125"),
        ("GET", "rpc/cheap?below=1&nope=eq.1", None, 400, "42703"),
    ],
)
def test_refusals(api: Api, method: str, path: str, body: Any, status: int, code: str) -> None:
    """SQ6: a function that is not there, not for the caller, or not called right, by name or by type."""
    reply = api.send(method, path) if body is None else api._write(method, path, body, {})
    assert (status, code) == (reply.status, reply.code), reply.body


def test_not_found(api: Api) -> None:
    """The words of PGRST202 name the arguments, and are the same for a function that is not the caller's."""
    missing = api.post("rpc/nope", {"b": 1, "a": 2}).json
    assert "Could not find the function public.nope(a, b) in the schema cache" == missing["message"]
    hidden = api.post("rpc/staff_only", {"b": 1, "a": 2})
    assert hidden.body == api.post("rpc/staff_nope", {"b": 1, "a": 2}).body.replace(b"staff_nope", b"staff_only")
    assert '"hello"' == api.post("rpc/staff_only", {}, as_="dee").body.decode()


def test_several_bad_arguments(api: Api) -> None:
    """Every fault is told."""
    reply = api.post("rpc/add", {"a": "x", "b": []})
    assert (400, ["a", "b"]) == (reply.status, [fault["argument"] for fault in reply.json["details"]])


def test_singular(api: Api) -> None:
    """A set of one row may be asked for as an object."""
    assert {"id": 2} == api.get("rpc/cheap?below=5&select=id", accept=OBJECT).json
    reply = api.get("rpc/cheap?below=50&select=id", accept=OBJECT)
    assert (406, "PGRST116") == (reply.status, reply.code)


def test_what_a_function_returns_as_csv(api: Api) -> None:
    """Rows, one row, an object and a bare value; numbers as they are written."""
    rows = api.get("rpc/cheap?below=10&select=id,price&order=id&limit=2", accept="text/csv")
    assert (200, "text/csv; charset=utf-8") == (rows.status, rows.one("content-type"))
    table = api.get("products?price=lt.10&select=id,price&order=id&limit=2", accept="text/csv")
    assert table.body == rows.body
    assert b"pgrst_scalar\n3" == api.get("rpc/add?a=1", accept="text/csv").body
    said = api.get("rpc/echo?text=a,b", accept="text/csv").body
    assert b'text,numbers,flag\n"a,b",,f' == said


def test_what_a_function_returns_without_its_nulls(api: Api) -> None:
    """``nulls=stripped`` holds for functions too."""
    asked = "application/vnd.pgrst.object+json;nulls=stripped"
    assert {"text": "x", "flag": False} == api.get("rpc/echo?text=x", accept=asked).json


def test_unknown_arguments_are_not_all_repeated(api: Api) -> None:
    """S7: an error is smaller than the request that it is about."""
    reply = api.post("rpc/echo", {f"unknown_{n}": 1 for n in range(1900)})
    assert (404, "PGRST202") == (reply.status, reply.code)
    assert 10_000 > len(reply.body)
