"""POST /batch: several requests in one transaction."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.api import Api

NOTE = {"owner_id": 1, "title": "new"}
BACK = {"prefer": "return=representation"}


def batch(notes: Api, *operations: Any, **named: Any) -> Any:
    return notes.post("batch", list(operations), **{"as_": "ann", **named})


def post(path: str, body: Any, **more: Any) -> dict[str, Any]:
    return {"method": "POST", "path": path, "body": body, **more}


def test_operations_see_what_was_done_before(notes: Api) -> None:
    """Each has its own status, headers and body, in the order in which they were sent."""
    reply = batch(
        notes,
        post("notes?select=id,title", NOTE, headers=BACK),
        {"path": "notes", "query": {"select": "title", "title": "eq.new"}},
        {"method": "PATCH", "path": "/rest/v1/notes", "query": "title=eq.new", "body": {"stars": 1}},
        {"method": "DELETE", "path": "notes/1"},
        {"path": "notes?select=id&id=eq.1", "headers": {"Prefer": "count=exact"}},
    )
    assert (200, "application/json; charset=utf-8") == (reply.status, reply.one("content-type"))
    created, read, patched, deleted, empty = reply.json
    assert (201, "new", "*/*") == (created["status"], created["body"][0]["title"], created["headers"]["content-range"])
    assert (200, [{"title": "new"}]) == (read["status"], read["body"])
    assert (204, None, "0-0/*") == (patched["status"], patched["body"], patched["headers"]["content-range"])
    assert (204, 200, []) == (deleted["status"], empty["status"], empty["body"])
    assert [{"stars": 1}] == notes.rows("notes?title=eq.new&select=stars")


def test_nothing_stands_when_one_is_refused(notes: Api) -> None:
    """Whatever the reason and the place, the error is the operation's own and names it."""
    for bad, status, code in (
        (post("notes", {"owner_id": 2, "title": "x"}), 403, "42501"),
        (post("notes", {**NOTE, "nope": 1}), 400, "PGRST204"),
        (post("folders", {"owner_id": 1, "name": "home"}), 409, "23505"),
        ({"path": "notes/99"}, 404, "BST404"),
        ({"path": "nope"}, 404, "PGRST205"),
        ({"method": "PATCH", "path": "notes/1", "body": {"stars": 3}, "headers": {"if-match": '"7"'}}, 412, "BST412"),
    ):
        reply = batch(notes, post("notes", NOTE), bad, post("notes", NOTE))
        assert (status, code, 1) == (reply.status, reply.code, reply.json["details"]["operation"]), reply.body
    assert [] == notes.rows("notes?title=eq.new")


def test_policies_hold_inside(notes: Api) -> None:
    """Another's rows are not there, for reads and for writes."""
    reply = batch(
        notes,
        {"path": "notes?id=eq.5"},
        {"method": "PATCH", "path": "notes?id=eq.5", "body": {"title": "mine"}, "headers": BACK},
        {"method": "DELETE", "path": "notes?id=eq.5"},
    )
    assert [[], [], None] == [each["body"] for each in reply.json]
    assert "*/0" == reply.json[2]["headers"]["content-range"]
    assert [{"title": "bob's"}] == notes.rows("notes?id=eq.5&select=title")


def test_references_carry_keys(notes: Api) -> None:
    """A later operation uses what an earlier one returned: a note, then its marks."""
    reply = batch(
        notes,
        post("notes?select=id", NOTE, headers=BACK),
        post("marks", [{"note_id": {"$ref": "0.id"}, "number": n, "word": "w"} for n in (1, 2)], headers=BACK),
    )
    assert 200 == reply.status, reply.body
    made = reply.json[0]["body"][0]["id"]
    assert [made, made] == [row["note_id"] for row in reply.json[1]["body"]]


@pytest.mark.parametrize("reference", ["0.id", "1.id", "9.id", "0.nope"])
def test_references_to_nothing_are_refused(notes: Api, reference: str) -> None:
    """To an operation that returned nothing, to itself, to a later one."""
    reply = batch(notes, post("notes", NOTE), post("marks", {"note_id": {"$ref": reference}, "number": 1, "word": "w"}))
    assert (400, "PGRST102") == (reply.status, reply.code)
    assert [] == notes.rows("notes?title=eq.new")


def test_numbers_arrive_exactly(api: Api) -> None:
    """A decimal and a large integer are not turned into doubles on the way."""
    body = b'[{"method":"PATCH","path":"samples/1","body":{"exact":12345678901234567890.123456789,"big":9007199254740993}}]'
    assert 200 == api.send("POST", "batch", as_="svc", body=body, content_type="application/json").status
    assert b"12345678901234567890.123456789" in api.get("samples?id=eq.1&select=exact", as_="svc").body
    assert b"9007199254740993" in api.get("samples?id=eq.1&select=big", as_="svc").body


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "PGRST102"),
        ([1], "PGRST102"),
        ([{"method": "POST"}], "PGRST102"),
        ([{"path": "notes", "method": "TRACE"}], "PGRST102"),
        ([{"path": "notes", "more": 1}], "PGRST102"),
        ([{"path": "notes", "query": 5}], "PGRST102"),
        ([{"path": "notes", "headers": {"authorization": "Bearer x"}}], "PGRST102"),
        ([{"path": "notes", "headers": {"idempotency-key": "x"}}], "PGRST102"),
        ([{"path": "notes", "headers": {"prefer": "a\r\nb"}}], "PGRST102"),
        ([{"path": "rpc/add", "method": "POST", "body": {"a": 1}}], "PGRST102"),
        ([{"path": "batch", "method": "POST", "body": []}], "PGRST102"),
        ([{"path": "notes?" + "x" * 9000}], "BST414"),
        ([{"path": "notes?limit=0"}] * 101, "BST413"),
        ([post("notes", [NOTE] * 501)] * 2, "BST413"),
        ([post("notes", [NOTE] * 1001)], "BST413"),
        ([{"path": "a/b/c"}], "PGRST125"),
    ],
)
def test_malformed_and_oversized_batches_are_refused(notes: Api, body: Any, code: str) -> None:
    """Each is a 4xx that says why, and nothing is done."""
    reply = notes.post("batch", body, as_="ann")
    assert (code, True) == (reply.code, 400 <= reply.status < 500)
    assert [] == notes.rows("notes?title=eq.new")


def test_limits_are_inclusive(notes: Api) -> None:
    """100 operations and 1,000 rows are fine; so is none."""
    assert [200] * 100 == [each["status"] for each in batch(notes, *[{"path": "notes?limit=1"}] * 100).json]
    assert 200 == batch(notes, post("notes", [NOTE] * 1000)).status
    assert [] == batch(notes).json


def test_rows_that_are_read_count(notes: Api) -> None:
    """Reads of many rows do not escape the limit by their number (LM12)."""
    batch(notes, post("notes", [NOTE] * 600))
    assert "BST413" == batch(notes, {"path": "notes"}, {"path": "notes"}).code
    assert "BST413" == batch(notes, {"path": "notes"}, {"method": "DELETE", "path": "notes?title=eq.new"}).code
    assert 600 == len(notes.rows("notes?title=eq.new&deleted_at=is.null"))


def test_a_batch_takes_a_key(notes: Api) -> None:
    """An Idempotency-Key holds for all of it."""
    first, second = (batch(notes, post("notes", NOTE), idempotency_key="batch-of-notes") for _ in range(2))
    assert ("true", first.body) == (second.one("idempotency-replayed"), second.body)
    assert 1 == len(notes.rows("notes?title=eq.new"))
