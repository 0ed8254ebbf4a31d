"""Prefer: tx=rollback: answered as ever, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from backstay.pipeline import idempotency
from tests.http.api import Api, Reply, opened, quick_folder
from tests.http.desk_app import DESK, desk

NOTE = {"owner_id": 1, "title": "new"}
UNDONE = "tx=rollback"
BACK = {"prefer": "tx=rollback, return=representation"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def opened_undoing(request: pytest.FixtureRequest) -> Iterator[Api]:
    make = partial(desk, tx_end="commit-allow-override")
    with quick_folder() as folder, opened(request.param, folder, make, DESK, "undoing") as api:
        yield api


@pytest.fixture
def undoing(opened_undoing: Api) -> Api:
    """The desk, where a client may choose how its transaction ends."""
    return opened_undoing.clean()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def never_keeping(request: pytest.FixtureRequest) -> Iterator[Api]:
    """The desk, which keeps nothing whatever is preferred."""
    with (
        quick_folder() as folder,
        opened(request.param, folder, partial(desk, tx_end="rollback"), DESK, "never") as api,
    ):
        yield api


def state(notes: Api) -> Any:
    """All that a request could have left behind."""

    async def keys() -> int:
        async with notes.app.session() as session:
            return len((await session.execute(idempotency.TABLES.sorted_tables[0].select())).all())

    tables = ("folders", "notes", "marks", "counters")
    return [*(sorted(map(str, notes.rows(table))) for table in tables), notes.loop.run_until_complete(keys())]


REQUESTS: list[tuple[str, str, Any, int]] = [
    ("POST", "notes", NOTE, 201),
    ("POST", "notes", [NOTE, NOTE], 201),
    ("POST", "folders", {"owner_id": 1, "name": "new"}, 201),
    ("POST", "notes", {**NOTE, "marks": [{"number": 1, "word": "w"}]}, 201),
    ("PATCH", "notes?id=eq.1", {"title": "x"}, 200),
    ("PATCH", "notes/1", {"title": "x"}, 200),
    ("PUT", "counters/hits", {"name": "hits", "total": 5}, 200),
    ("PUT", "counters?name=eq.misses", {"name": "misses", "total": 5}, 201),
    ("DELETE", "notes?id=eq.1", None, 200),
    ("DELETE", "notes/1", None, 200),
    ("POST", "rpc/count_up", {"name": "hits"}, 200),
    ("POST", "batch", [{"method": "POST", "path": "notes", "body": NOTE}], 200),
    ("POST", "batch", [{"method": "POST", "path": "rpc/count_up", "body": {"name": "hits"}}], 200),
]


@pytest.mark.parametrize("key", [None, "a-key"])
@pytest.mark.parametrize(("method", "path", "body", "status"), REQUESTS)
def test_nothing_is_left_behind(undoing: Api, method: str, path: str, body: Any, status: int, key: str | None) -> None:
    """Neither rows nor the key of Idempotency-Key; the answer says that it was rolled back."""
    before = state(undoing)
    named = {"prefer": BACK["prefer"], "idempotency_key": key, "as_": "ann"}
    reply = undoing._write(method, path, body, named)
    assert status == reply.status, reply.body
    assert reply.body
    assert "tx=rollback" in (reply.one("preference-applied") or "")
    assert before == state(undoing)


@pytest.mark.parametrize(("method", "path", "body", "status"), REQUESTS)
def test_the_answer_is_that_of_a_commit(undoing: Api, method: str, path: str, body: Any, status: int) -> None:
    """Status and headers, but for the preference."""
    replies: list[Reply] = []
    for end in ("rollback", "commit"):
        prefer = f"tx={end}, return=representation"
        replies.append(undoing._write(method, path, body, {"prefer": prefer, "as_": "ann"}))
    undone, kept = replies
    told = [(name, value.replace(b"tx=rollback", b"tx=commit")) for name, value in undone.headers]
    ours = (b"etag", b"content-length", b"x-request-id")  # of bodies with keys and clocks in them, and of each request
    assert (kept.status, [pair for pair in kept.headers if pair[0] not in ours]) == (
        undone.status,
        [pair for pair in told if pair[0] not in ours],
    )
    assert bool(kept.body) == bool(undone.body)


def test_a_precondition_is_judged_and_undone(undoing: Api) -> None:
    """If-Match in a transaction of its own."""
    reply = undoing.patch("notes/1", {"title": "x"}, as_="ann", if_match='"1"', prefer=BACK["prefer"])
    assert (200, "x") == (reply.status, reply.json["title"])
    assert [{"title": "one", "version": 1}] == undoing.rows("notes?id=eq.1&select=title,version")


def test_a_later_request_sees_nothing_of_it(undoing: Api) -> None:
    """The same request twice: the second finds no duplicate and no stored answer."""
    folder = {"owner_id": 1, "name": "new"}
    for _ in range(2):
        reply = undoing.post("folders", folder, as_="ann", prefer=UNDONE, idempotency_key="twice")
        assert (201, None) == (reply.status, reply.one("idempotency-replayed"))


def test_reads_tell_it_too(undoing: Api) -> None:
    """As PostgREST does: the preference is honoured wherever there is a transaction."""
    assert UNDONE == undoing.get("notes", as_="ann", prefer=UNDONE).one("preference-applied")


def test_without_the_preference_it_is_kept(undoing: Api) -> None:
    """The override is asked for each time."""
    assert 201 == undoing.post("notes", NOTE, as_="ann").status
    assert 1 == len(undoing.rows("notes?title=eq.new"))


def test_an_operation_of_a_batch_cannot_prefer_it(undoing: Api) -> None:
    """A batch stands or falls as a whole."""
    operation = {"method": "POST", "path": "notes", "body": NOTE, "headers": {"prefer": UNDONE}}
    assert "PGRST102" == undoing.post("batch", [operation], as_="ann").code


def test_a_refusal_is_a_refusal(undoing: Api) -> None:
    """What would not have been committed is not answered as if it would."""
    reply = undoing.post("folders", {"owner_id": 1, "name": "work"}, as_="ann", prefer=UNDONE)
    assert (409, "23505") == (reply.status, reply.code)
    reply = undoing.post("rpc/clash", {}, as_="ann", prefer=UNDONE)
    assert (412, "BST412") == (reply.status, reply.code)


def test_where_nobody_may_choose_it_is_kept(notes: Api) -> None:
    """The default: the preference is ignored, and not said to be honoured."""
    reply = notes.post("notes", NOTE, as_="ann", prefer=UNDONE)
    assert (201, None) == (reply.status, reply.one("preference-applied"))
    assert 1 == len(notes.rows("notes?title=eq.new"))


def test_strict_clients_are_refused_instead(notes: Api) -> None:
    """With handling=strict, an end that cannot be had is a mistake; one that is had anyway is none."""
    reply = notes.post("notes", NOTE, as_="ann", prefer="handling=strict, tx=rollback")
    assert (400, "PGRST122", "Invalid preferences: tx=rollback") == (reply.status, reply.code, reply.json["details"])
    assert [] == notes.rows("notes?title=eq.new")
    assert 201 == notes.post("notes", NOTE, as_="ann", prefer="handling=strict, tx=commit").status


def test_rollback_is_rollback_whatever_is_preferred(never_keeping: Api) -> None:
    """Without the override a client cannot commit either."""
    for prefer in (None, "tx=commit"):
        reply = never_keeping.post("notes", NOTE, as_="ann", prefer=prefer)
        assert (201, None) == (reply.status, reply.one("preference-applied"))
    assert [] == never_keeping.rows("notes?title=eq.new")
