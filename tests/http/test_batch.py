"""POST /batch: several requests in one transaction."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from backstay.pipeline.batch import Named
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
    assert "*/*" == reply.json[2]["headers"]["content-range"]
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


@pytest.mark.parametrize(
    "slip", ["0", "0.", " 0.id", "+0.id", "-1.id", "1000.id", "\u0660.id", "0 .id", "00", 0, 1.5, None, []]
)
def test_what_was_meant_as_a_reference_is_not_stored(notes: Api, slip: Any) -> None:
    """A value that begins like one is refused before anything is done, in every row."""
    rows = [NOTE, NOTE | {"title": {"$ref": slip}}]
    reply = batch(notes, post("notes", NOTE), post("notes", rows))
    assert (400, "PGRST102", "Operation 1 of the batch is malformed") == (
        reply.status,
        reply.code,
        reply.json["message"],
    )


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
        *(([{"path": "notes", "method": value}], "PGRST102") for value in ([], {}, ["GET"], 1, None, True)),
        *(([{"path": value}], "PGRST102") for value in ([], {}, 1, None)),
        *(([{"path": "notes", "headers": value}], "PGRST102") for value in ([], "x", {"accept": []}, {"accept": {}})),
        *(([{"path": "notes", "query": value}], "PGRST102") for value in ([], {"a": {}}, {"a": [[]]})),
        ([{"path": "notes", "headers": {"prefer": "tx=commit"}}], "PGRST102"),
        ([{"path": "notes", "more": 1}], "PGRST102"),
        ([{"path": "notes", "query": 5}], "PGRST102"),
        ([{"path": "notes", "headers": {"authorization": "Bearer x"}}], "PGRST102"),
        ([{"path": "notes", "headers": {"idempotency-key": "x"}}], "PGRST102"),
        ([{"path": "notes", "headers": {"prefer": "a\r\nb"}}], "PGRST102"),
        ([{"path": "notes", "headers": {"prefer": "a" * 4097}}], "BST431"),
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


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        (None, 200),
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("application/vnd.pgrst.array+json", 200),
        ("application/json; charset=utf-16", 415),
        ("text/csv", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
    ],
)
def test_a_batch_is_json(notes: Api, content_type: str | None, status: int) -> None:
    """What a page elsewhere could send by a form of its own is no batch, whatever its bytes are (BST415)."""
    body = b'[{"path": "notes?select=id"}]'
    reply = notes.send("POST", "batch", as_="ann", body=body, content_type=content_type)
    assert (status, None if status == 200 else "BST415") == (reply.status, reply.code)


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


@pytest.mark.parametrize("prefer", ["", "count=x", "discount=1", "count=planned", "count=exact", "return=minimal"])
@pytest.mark.parametrize("method", ["PATCH", "DELETE", "GET"])
def test_rows_count_whatever_is_preferred(notes: Api, method: str, prefer: str) -> None:
    """LM12: 501 rows twice are too many, whether they are read, changed or deleted, and whatever is said of them."""
    for title in "ab":
        assert 201 == notes.post("notes", [{**NOTE, "title": title}] * 501, as_="ann").status
    body = {"stars": 5} if method == "PATCH" else None
    first, second = (
        {"method": method, "path": f"notes?title=eq.{title}", "body": body, "headers": {"prefer": prefer}}
        for title in "ab"
    )
    reply = batch(notes, first, second)
    assert (413, "BST413", 1) == (reply.status, reply.code, reply.json["details"]["operation"])
    there = notes.get("notes?title=in.(a,b)&deleted_at=is.null&stars=is.null&limit=1", as_="ann", prefer="count=exact")
    assert "0-0/1002" == there.range
    assert 200 == batch(notes, first).status


def test_a_preference_is_what_it_says(notes: Api) -> None:
    """ctx=1 is no end of a transaction."""
    assert 200 == batch(notes, {"path": "notes?limit=1", "headers": {"prefer": "ctx=1, xtx=rollback"}}).status


def call(name: str, /, **arguments: Any) -> dict[str, Any]:
    return post(f"rpc/{name}", arguments)


def test_functions_are_called_in_the_same_transaction(notes: Api) -> None:
    """They see what was written before them, and what comes after sees what they wrote."""
    reply = batch(
        notes,
        {"method": "PATCH", "path": "counters/hits", "body": {"total": 40}},
        call("count_up", name="hits", by=2),
        {"path": "counters/hits", "query": "select=total"},
        {"method": "PATCH", "path": "counters/hits", "body": {"total": 50}, "headers": {"If-Match": '"3"'}},
        {"path": "rpc/total_of?name=hits"},
        call("add", a=1),
        call("count_up", name="hits"),
    )
    assert 200 == reply.status, reply.body
    assert [None, 42, {"total": 42}, None, 50, 2, 51] == [each["body"] for each in reply.json]
    assert [{"total": 51, "version": 5}] == notes.rows("counters?select=total,version")


def test_functions_give_rows_and_take_references(notes: Api) -> None:
    """Rows of a model pass the caller's policies and take a query; an argument may refer to an earlier row."""
    reply = batch(
        notes,
        post("notes?select=id", NOTE, headers=BACK),
        post("rpc/copy_note?select=title&order=title", {"id": {"$ref": "0.id"}, "title": "copy"}),
        {"path": "notes?title=eq.copy&select=title"},
    )
    assert [{"title": "copy"}, {"title": "new"}] == reply.json[1]["body"]
    assert [{"title": "copy"}] == reply.json[2]["body"]


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (call("count_up", name="nope"), "P0001"),
        (call("count_up", nope=1), "PGRST202"),
        (call("count_up", name="hits", by="x"), "22P02"),
        (call("new_folder", name="home"), "23505"),
        (call("clash"), "BST412"),
        (call("sneak"), "25006"),
        (call("sneak", flush=True), "25006"),
        ({"path": "rpc/count_up?name=hits"}, "PGRST101"),
        ({"method": "DELETE", "path": "rpc/add"}, "PGRST101"),
        (post("folders", {"owner_id": 1, "name": "home"}), "23505"),
        (post("folders", {"owner_id": 2, "name": "x"}), "42501"),
    ],
)
def test_nothing_stands_when_a_function_or_its_neighbour_is_refused(notes: Api, bad: Any, code: str) -> None:
    """Neither the rows nor what functions did; the error names the operation."""
    reply = batch(notes, post("notes", NOTE), call("count_up", name="hits"), bad, call("count_up", name="hits"))
    assert (code, 2) == (reply.code, reply.json["details"]["operation"]), reply.body
    assert [] == notes.rows("notes?title=eq.new")
    assert [{"name": "hits", "total": 0}] == notes.rows("counters?select=name,total")


def test_max_affected_limits_what_a_function_gives(notes: Api) -> None:
    """With handling=strict: a set of more rows is PGRST124 and rolled back, and no set at all is PGRST128."""
    for most, status, code, rows in ((1, 400, "PGRST124", 0), (2, 200, None, 1)):
        reply = notes.post(
            "rpc/copy_note", {"id": 1, "title": "new"}, as_="ann", prefer=f"handling=strict, max-affected={most}"
        )
        assert (status, code) == (reply.status, reply.code)
        assert rows == len(notes.rows("notes?title=eq.new"))
    assert "handling=strict, max-affected=2" == reply.one("preference-applied")
    reply = notes.post("rpc/add", {"a": 1}, as_="ann", prefer="handling=strict, max-affected=1")
    assert (400, "PGRST128") == (reply.status, reply.code)
    assert 200 == notes.post("rpc/add", {"a": 1}, as_="ann", prefer="max-affected=1").status


def test_a_reading_function_leaves_the_rest_writing(notes: Api) -> None:
    """That it must not write ends with it."""
    reply = batch(notes, call("total_of", name="hits"), post("notes", NOTE), call("count_up", name="hits"))
    assert (200, [0, None, 1]) == (reply.status, [each["body"] for each in reply.json])


def test_functions_in_a_batch_take_a_key(notes: Api) -> None:
    """The functions too are called once."""
    operations = (call("count_up", name="hits"), call("total_of", name="hits"))
    first, second = (batch(notes, *operations, idempotency_key="counted-once") for _ in range(2))
    assert ("true", first.body) == (second.one("idempotency-replayed"), second.body)
    assert [{"total": 1}] == notes.rows("counters?select=total")


def test_batches_with_functions_do_not_stand_in_each_others_way(notes: Api) -> None:
    """Concurrent ones take turns on SQLite and lock rows on PostgreSQL; none is lost."""

    async def all_of_them() -> list[Any]:
        body = json.dumps([call("count_up", name="hits"), {"path": "counters"}]).encode()
        sent = (notes.sending("POST", "batch", body=body, as_="ann", content_type="application/json") for _ in range(8))
        return await asyncio.gather(*sent)

    replies = notes.loop.run_until_complete(all_of_them())
    done = [reply.status for reply in replies].count(200)
    assert {200, 412} >= {reply.status for reply in replies}
    assert [{"total": done}] == notes.rows("counters?select=total")


def test_a_batch_takes_a_key(notes: Api) -> None:
    """An Idempotency-Key holds for all of it."""
    first, second = (batch(notes, post("notes", NOTE), idempotency_key="batch-of-notes") for _ in range(2))
    assert ("true", first.body) == (second.one("idempotency-replayed"), second.body)
    assert 1 == len(notes.rows("notes?title=eq.new"))


def test_an_answer_is_read_once(notes: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """S7: however many values refer to one answer, it is decoded once."""
    rows: list[Any] = []

    class Counting(Named):
        def row(self, number: int) -> Any:
            rows.append(super().row(number))
            return rows[-1]

    monkeypatch.setattr("backstay.pipeline.batch.Named", Counting)
    marks = [{"note_id": {"$ref": "0.id"}, "number": n, "word": "w"} for n in range(50)]
    reply = batch(notes, post("notes", NOTE, headers=BACK), post("marks", marks))
    assert 200 == reply.status, reply.body
    assert (50, 1) == (len(rows), len({id(row) for row in rows}))


@pytest.mark.parametrize(
    "path", ["%62atch", "b%61tch?select=id", "/rest/v1/batc%68", "batch", "rpc%2Fadd", "rpc%2fcount_up"]
)
def test_what_a_path_means_is_judged_and_not_how_it_is_written(notes: Api, path: str) -> None:
    """LM12: a batch holds no batch, and its paths have one spelling."""
    reply = batch(notes, post("notes", NOTE), post(path, []))
    assert (400, "PGRST102") == (reply.status, reply.code), reply.body


@pytest.mark.parametrize("path", ["%2562atch", "./batch", "batch/", "//batch", "x/../batch", "batch%00", "Batch"])
def test_what_means_nothing_is_not_found(notes: Api, path: str) -> None:
    """LM12: decoded once, and no further: nothing that is near a batch is one."""
    reply = batch(notes, post("notes", NOTE), post(path, [{"path": "notes"}]))
    assert 400 <= reply.status < 500, reply.body
    assert [] == notes.rows("notes?title=eq.new")


def test_nested_rows_of_a_batch_are_counted(notes: Api) -> None:
    """LM12: relatives are rows: with their owners there may be a thousand, whoever brings them."""

    def with_marks(number: int) -> dict[str, Any]:
        return post("notes", {**NOTE, "marks": [{"number": n, "word": "w"} for n in range(number)]})

    assert 200 == batch(notes, with_marks(499), with_marks(499)).status
    reply = batch(notes, with_marks(499), with_marks(500))
    assert (413, "BST413", 1) == (reply.status, reply.code, reply.json["details"]["operation"])
    assert 413 == batch(notes, *[with_marks(400)] * 3).status
    assert (
        413
        == notes.post("notes", {**NOTE, "marks": [{"number": n, "word": "w"} for n in range(1000)]}, as_="ann").status
    )
    assert 2 == len(notes.rows("notes?title=eq.new&select=id"))
