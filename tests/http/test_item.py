"""One row by its primary key in the path."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.http.api import Api

ORDER = "00000000-0000-0000-0000-000000000001"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("products/1?select=id,name", {"id": 1, "name": "Hammer"}),
        ("countries/DE", {"code": "DE", "name": "Germany"}),
        (f"order_lines/{ORDER},2?select=quantity,products(name)", {"quantity": 1, "products": {"name": "Ball"}}),
        ("odd%20names/2?select=%22a.b%22", {"a.b": 20}),
        (f"orders/{ORDER.upper()}?select=note,people(name)", {"note": "fast", "people": {"name": "ann"}}),
    ],
)
def test_reads_one_object(api: Api, path: str, expected: Any) -> None:
    """An item is one JSON object, and select works as for its table."""
    reply = api.get(path, as_="svc")
    assert (200, expected) == (reply.status, reply.json)
    assert "application/json; charset=utf-8" == reply.one("content-type")
    assert None is reply.one("content-range")


def test_names_the_object_type_when_asked(api: Api) -> None:
    """The media type of a single object is answered to those who ask for it; null columns can be left out."""
    accept = "application/vnd.pgrst.object+json"
    reply = api.get("products/1?select=id", accept=accept)
    assert (f"{accept}; charset=utf-8", {"id": 1}) == (reply.one("content-type"), reply.json)
    assert "PGRST107" == api.get("products/1", accept="text/csv").code


@pytest.mark.parametrize(
    "path", ["products/99", "products/abc", "products/1,2", "products/9223372036854775808", f"order_lines/{ORDER}"]
)
def test_missing_and_impossible_rows_look_alike(api: Api, path: str) -> None:
    """404 and BST404 for a row that is not there, or cannot be, whatever is done with it."""
    reply = api.get(path, as_="svc")
    assert (404, "BST404", "The result contains 0 rows") == (reply.status, reply.code, reply.json["details"])
    body = {"stock": 1} if path.startswith("products") else {"quantity": 1}
    assert [404, 404, 404] == [
        api.head(path, as_="svc").status,
        api.patch(path, body, as_="svc").status,
        api.delete(path, as_="svc").status,
    ]


def test_hidden_rows_look_missing(api: Api) -> None:
    """A row that no policy shows is answered as one that is not there: status, headers and all but the URL."""
    hidden, missing = (api.get(f"products/{key}", as_="ann", x_request_id="r") for key in (5, 8))
    assert (404, hidden.headers) == (hidden.status, missing.headers)
    assert hidden.body == missing.body.replace(b"/8", b"/5")
    assert (404, 404) == (
        api.patch("orders/00000000-0000-0000-0000-000000000003", {"note": "x"}, as_="ann").status,
        api.patch("orders/00000000-0000-0000-0000-000000000009", {"note": "x"}, as_="ann").status,
    )


@pytest.mark.parametrize("path", ["products/1/name", "products/", "products//", "readings/hall", "a/b/c"])
def test_other_deeper_paths_do_not_exist(api: Api, path: str) -> None:
    """Only table and key; a table without a primary key has no items."""
    assert (404, "PGRST125") == ((reply := api.get(path, as_="svc")).status, reply.code)


def test_hidden_table_has_no_items(api: Api) -> None:
    """A table that the caller may not see is no table."""
    assert (404, "PGRST205") == ((reply := api.get("vault/1", as_="ann")).status, reply.code)
    assert (404, "PGRST205") == ((reply := api.get("nope/1", as_="ann")).status, reply.code)


def test_changes_one_row(api: Api) -> None:
    """PATCH changes the row and nothing else; without a representation it is 204."""
    reply = api.patch("products/1?select=id,stock", {"stock": 3}, as_="svc", prefer="return=representation")
    assert (200, {"id": 1, "stock": 3}) == (reply.status, reply.json)
    assert 204 == api.patch("products/2", {"stock": 4}, as_="svc").status
    assert [3, 4, 3, 3, 1] == [row["stock"] for row in api.rows("products?select=stock&order=id")]


def test_empty_change_still_looks(api: Api) -> None:
    """PATCH with nothing to set finds the row, or does not."""
    assert (404, 204) == (api.patch("products/99", {}, as_="svc").status, api.patch("products/1", {}, as_="svc").status)


def test_deletes_one_row(api: Api) -> None:
    """DELETE takes the row of a composite key; a second one finds nothing."""
    path = f"order_lines/{ORDER},2"
    assert (204, 404) == (api.delete(path, as_="svc").status, api.delete(path, as_="svc").status)
    left = api.rows(f"order_lines?select=product_id&order_id=eq.{ORDER}")
    assert [{"product_id": 1}] == left


def test_puts_one_row(api: Api) -> None:
    """PUT creates the row or replaces it; the body must be the row of the path."""
    answers = [
        api.put("countries/ES", {"code": "ES", "name": name}, as_="svc", prefer="return=representation")
        for name in ("Spain", "España")
    ]
    assert [(201, "Spain"), (200, "España")] == [(reply.status, reply.json["name"]) for reply in answers]
    assert (400, "PGRST115") == ((r := api.put("countries/ES", {"code": "PT", "name": "x"}, as_="svc")).status, r.code)


def test_keys_hold_anything(api: Api) -> None:
    """A comma, a slash and a per cent sign in a key are percent-encoded once."""
    assert 201 == api.post("countries", {"code": ",/", "name": "Odd"}, as_="svc").status
    assert 201 == api.post("countries", {"code": "%2", "name": "Per cent"}, as_="svc").status
    assert "Odd" == api.get("countries/%2C%2F", as_="svc").json["name"]
    assert "Per cent" == api.get("countries/%252", as_="svc").json["name"]


def test_further_filters_narrow(api: Api) -> None:
    """A filter that the row does not satisfy makes it missing: a cheap condition for a change."""
    assert 404 == api.patch("products/1?stock=eq.99", {"stock": 1}, as_="svc").status
    assert 204 == api.patch("products/1?stock=eq.10", {"stock": 1}, as_="svc").status


def test_options_and_post(api: Api) -> None:
    """OPTIONS names the verbs of an item; POST is not one of them."""
    assert "OPTIONS,GET,HEAD,PUT,PATCH,DELETE" == api.options("products/1").one("allow")
    reply = api.post("products/1", {"id": 1}, as_="svc")
    assert (405, "PGRST117") == (reply.status, reply.code)


@pytest.mark.parametrize("headers", [{}, {"if-match": "*"}, {"prefer": "return=representation"}])
@pytest.mark.parametrize("batch", [False, True])
def test_a_row_that_is_not_the_callers_to_change_is_told(notes: Api, headers: dict[str, str], batch: bool) -> None:
    """AC6: only where the caller reads it, with every filter of the request; what is hidden looks missing, as ever."""
    assert 201 == notes.post("marks", {"note_id": 1, "number": 3, "word": "damn"}, as_="svc").status
    assert 201 == notes.post("marks", {"note_id": 5, "number": 1, "word": "damn"}, as_="svc").status

    def ask(method: str, path: str) -> tuple[int, str | None, Any]:
        body = {"word": "red"} if method == "PATCH" else None
        if not batch:
            given = {} if body is None else {"body": json.dumps(body).encode(), "content_type": "application/json"}
            reply = notes.send(method, path, as_="ann", headers=headers, **given)
            return reply.status, reply.code, reply.json["hint"]
        operation = {"method": method, "path": path, "headers": headers, **({} if body is None else {"body": body})}
        reply = notes.post("batch", [operation], as_="ann")
        return reply.status, reply.code, reply.json["hint"]

    for method, action in (("PATCH", "update"), ("DELETE", "delete")):
        hint = f"The row is there: this caller may read it, and no policy lets this caller {action} it."
        assert (403, "42501", hint) == ask(method, "marks/1,3")
        assert (403, "42501", hint) == ask(method, "marks/1,3?word=eq.damn")
        elsewhere = [ask(method, path) for path in ("marks/1,3?word=eq.red", "marks/5,1", "marks/5,2", "marks/9,9")]
        assert [(404, "BST404")] * 4 == [each[:2] for each in elsewhere]
        assert 1 == len({each[2] for each in elsewhere})
    assert ["damn"] == [row["word"] for row in notes.rows("marks?note_id=eq.1&number=eq.3")]
