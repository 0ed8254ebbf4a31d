"""``Prefer: tx=rollback``: what a write would do, without doing it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.api import Api

RETURN = "return=representation"
TRIED = "return=representation, tx=rollback"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "samples?select=id,body", {"id": 10, "body": "x"}, 201),
        ("PATCH", "samples?id=eq.1&select=id,body", {"body": "changed"}, 200),
        ("PUT", "samples?id=eq.1&select=id,body", {"id": 1, "body": "replaced"}, 200),
        ("DELETE", "samples?id=eq.1&select=id", None, 200),
        ("PATCH", "samples/1?select=id,body", {"body": "changed"}, 200),
        ("DELETE", "samples/1?select=id", None, 200),
    ],
)
def test_it_is_answered_and_undone(api: Api, method: str, path: str, body: Any, status: int) -> None:
    """The answer is that of the write, and the rows are what they were."""
    before = api.rows("samples?order=id", as_="svc")
    send = {"POST": api.post, "PATCH": api.patch, "PUT": api.put}
    ask = (lambda **named: api.delete(path, **named)) if body is None else (lambda **n: send[method](path, body, **n))
    tried = ask(as_="svc", prefer=TRIED)
    assert (status, TRIED) == (tried.status, tried.one("preference-applied"))
    assert before == api.rows("samples?order=id", as_="svc")
    done = ask(as_="svc", prefer=RETURN)
    assert (done.status, done.json) == (tried.status, tried.json)
    assert before != api.rows("samples?order=id", as_="svc")


def test_refusals_are_those_of_the_write(api: Api) -> None:
    """Policies, constraints and values are judged, and the error says no more than that of the write."""
    for body in ({"id": 1}, {"id": "x"}, {"nope": 1}):
        tried, done = (api.post("samples", body, prefer=prefer) for prefer in ("tx=rollback", "tx=commit"))
        assert tried.status >= 400
        assert (tried.status, tried.json) == (done.status, done.json)


def test_a_batch_is_tried_whole(api: Api) -> None:
    """Later operations see what earlier ones did, and nothing stays; one operation alone cannot be undone."""
    operations = [
        {"method": "POST", "path": "samples", "body": {"id": 10, "body": "x"}},
        {"path": "samples?id=eq.10&select=body"},
    ]
    tried = api.post("batch", operations, prefer="tx=rollback")
    assert (200, [201, 200], [{"body": "x"}]) == (
        tried.status,
        [each["status"] for each in tried.json],
        tried.json[1]["body"],
    )
    assert [] == api.rows("samples?id=eq.10")
    operations[0]["headers"] = {"Prefer": "tx=rollback"}
    assert 200 == api.post("batch", operations).status
    assert [{"id": 10}] == api.rows("samples?id=eq.10&select=id")


def test_a_function_is_tried(api: Api) -> None:
    """What a function writes is undone after its answer."""
    stock = api.rows("products?id=eq.1&select=stock", as_="svc")
    tried = api.post("rpc/restock", {"product_id": 1, "amount": 3}, as_="svc", prefer="tx=rollback")
    assert (200, stock[0]["stock"] + 3, "tx=rollback") == (
        tried.status,
        tried.json["stock"],
        tried.one("preference-applied"),
    )
    assert stock == api.rows("products?id=eq.1&select=stock", as_="svc")


def test_a_key_is_not_used_up(api: Api) -> None:
    """ID1: the write that follows under the same key is done."""
    for prefer, ids in (("tx=rollback", []), ("return=minimal", [10])):
        reply = api.post("samples", {"id": 10}, prefer=prefer, headers={"idempotency-key": "tried-first"})
        assert (201, None) == (reply.status, reply.one("idempotency-replayed"))
        assert ids == [row["id"] for row in api.rows("samples?id=eq.10&select=id")]


def test_only_the_first_word_counts_and_only_for_writes(api: Api) -> None:
    """A commit that was named first is a commit, and a read has nothing to undo."""
    assert 201 == api.post("samples", {"id": 10}, prefer="tx=commit, tx=rollback").status
    assert [10] == [row["id"] for row in api.rows("samples?id=eq.10&select=id")]
    assert api.get("samples?id=eq.10", prefer="tx=rollback").one("preference-applied") is None
