"""Idempotency-Key: one effect, however often a request comes (ID1)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import sqlalchemy as sa

from backstay.pipeline import idempotency
from tests.http.api import Api, Reply


@pytest.fixture(autouse=True)
def no_keys(notes: Api) -> None:
    """Every test begins without keys."""

    async def forget() -> None:
        async with notes.app.session() as session:
            await session.execute(idempotency.TABLES.sorted_tables[0].delete())

    notes.loop.run_until_complete(forget())


NOTE = {"owner_id": 1, "title": "new"}


def create(notes: Api, key: str, body: Any = NOTE, **named: Any) -> Reply:
    return notes.post(
        "notes", body, **{"as_": "ann", "prefer": "return=representation", "idempotency_key": key, **named}
    )


def test_a_repeated_request_has_one_effect(notes: Api) -> None:
    """ID1: the second answer is the first one, status, headers and body, and says that it is."""
    first, second = (create(notes, "k1") for _ in range(2))
    assert (201, None) == (first.status, first.one("idempotency-replayed"))
    assert (201, first.body, "true") == (second.status, second.body, second.one("idempotency-replayed"))
    own = (b"idempotency-replayed", b"x-request-id")
    assert [p for p in first.headers if p[0] not in own] == [p for p in second.headers if p[0] not in own]
    assert 1 == len(notes.rows("notes?title=eq.new"))


def test_quotes_are_not_a_part_of_the_key(notes: Api) -> None:
    """The draft writes the key as a string of structured fields."""
    assert create(notes, "k").body == create(notes, '"k"').body


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "notes?id=eq.1&version=eq.1", {"title": "x"}),
        ("PATCH", "notes/1?version=eq.1", {"title": "x"}),
        ("DELETE", "notes?id=eq.1", None),
        ("DELETE", "notes/1", None),
        ("PUT", "counters/hits", {"name": "hits", "total": 5}),
        ("POST", "rpc/count_up", {"name": "hits"}),
        ("POST", "rpc/add", {"a": 1}),
    ],
)
def test_every_unsafe_method_takes_a_key(notes: Api, method: str, path: str, body: Any) -> None:
    """Each method, on tables, items and functions, is answered twice and done once."""
    data = b"" if body is None else json.dumps(body).encode()
    answers = [
        notes.send(method, path, as_="ann", body=data, content_type="application/json", idempotency_key="one")
        for _ in range(3)
    ]
    assert {(answers[0].status, answers[0].body)} == {(reply.status, reply.body) for reply in answers}
    assert answers[0].status < 300, answers[0].body
    assert [None, "true", "true"] == [reply.one("idempotency-replayed") for reply in answers]
    assert {1, 2} >= {row["version"] for row in notes.rows("counters")}


def test_another_request_with_the_key_is_refused(notes: Api) -> None:
    """Another body or other parameters: 422, and nothing is done."""
    create(notes, "k")
    for reply in (
        create(notes, "k", {**NOTE, "title": "other"}),
        notes.post("notes?select=id", NOTE, as_="ann", idempotency_key="k"),
    ):
        assert (422, "BST4221") == (reply.status, reply.code)
    assert [] == notes.rows("notes?title=eq.other")


def test_keys_are_ones_own(notes: Api) -> None:
    """The same key of another caller, method or path is another key."""
    create(notes, "k")
    assert 201 == create(notes, "k", {"owner_id": 2, "title": "new"}, as_="bob").status
    assert 201 == notes.post("folders", {"owner_id": 1, "name": "k"}, as_="ann", idempotency_key="k").status
    assert 204 == notes.patch("notes?id=eq.1", {"title": "k"}, as_="ann", idempotency_key="k").status


def test_a_refused_request_leaves_no_key(notes: Api) -> None:
    """What failed has had no effect, so the key may be used again."""
    assert 400 == create(notes, "k", {**NOTE, "title": "x" * 21}).status
    assert 403 == create(notes, "k", {**NOTE, "owner_id": 2}).status
    assert 201 == create(notes, "k").status


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, 'a"b', "ü"])
def test_malformed_keys_are_refused(notes: Api, key: str) -> None:
    """Ignoring one would do twice what was meant once."""
    assert (400, "BST400") == ((reply := create(notes, key)).status, reply.code)


def test_safe_methods_ignore_the_key(notes: Api) -> None:
    """GET is repeated as often as one likes."""
    assert [200, 200] == [notes.get("notes", as_="ann", idempotency_key="k").status for _ in range(2)]


def test_keys_are_forgotten_after_a_day(notes: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day later the key is new."""
    clock = [1_000_000_000.0]
    plane: Any = notes.app._kernel._data  # type: ignore[union-attr]
    monkeypatch.setattr(plane._keys, "_now", lambda: clock[0])
    monkeypatch.setattr(plane._keys, "_swept", 0.0)
    create(notes, "old")
    clock[0] += 24 * 3600 - 1
    assert "true" == create(notes, "old").one("idempotency-replayed")
    clock[0] += 2
    assert None is create(notes, "old").one("idempotency-replayed")
    assert 2 == len(notes.rows("notes?title=eq.new"))


def test_an_account_has_so_many_keys(notes: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """LM12, S11: past them a new key is refused and nothing is done; those of before, and of others, are answered."""
    clock = [1_000_000_000.0]
    plane: Any = notes.app._kernel._data  # type: ignore[union-attr]
    monkeypatch.setattr(plane._keys, "_now", lambda: clock[0])
    monkeypatch.setattr(plane._keys, "_swept", 0.0)
    monkeypatch.setattr(idempotency, "_MOST_KEYS", 3)
    assert [201, 201] == [create(notes, key).status for key in "ab"]
    clock[0] += 3600
    # Another table is another scope, and the same account.
    assert 201 == notes.post("folders", {"owner_id": 1, "name": "k"}, as_="ann", idempotency_key="a").status
    refused = create(notes, "c")
    assert (429, "BST429", str(23 * 3600)) == (refused.status, refused.code, refused.one("retry-after"))
    assert 2 == len(notes.rows("notes?title=eq.new"))
    assert "true" == create(notes, "a").one("idempotency-replayed")
    assert 201 == create(notes, "c", {"owner_id": 2, "title": "new"}, as_="bob").status
    assert [201] * 4 == [create(notes, key, as_="svc").status for key in "abcd"]
    clock[0] += 23 * 3600 + 1
    assert [201, 201, 429] == [create(notes, key).status for key in "cde"]


def test_an_account_has_so_much_kept(notes: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """S11: what is kept is counted with its headers; the answer that goes past the bound is the last."""
    reply = create(notes, "a")

    async def kept() -> int:
        async with notes.app.session() as session:
            return int((await session.execute(sa.select(idempotency.KEPT.c.size))).scalar_one())

    size = notes.loop.run_until_complete(kept())
    assert size > len(reply.body) + len("content-type")
    monkeypatch.setattr(idempotency, "_MOST_BYTES", size + 1)
    assert [201, 429, 201] == [create(notes, key).status for key in "bca"]


def keep_instead(notes: Api, **columns: Any) -> None:
    """Put *columns* where the answer is kept."""

    async def change() -> None:
        async with notes.app.session() as session:
            await session.execute(idempotency.KEPT.update().values(columns))

    notes.loop.run_until_complete(change())


def test_a_request_that_left_no_answer_is_not_answered(notes: Api) -> None:
    """What a function of the app's own has committed before its end is still at work, as far as anybody can tell."""
    create(notes, "k")
    keep_instead(notes, status=None, headers=None, body=None)
    assert (409, "BST409") == (create(notes, "k").status, create(notes, "k").code)
    assert "BST4221" == create(notes, "k", {**NOTE, "title": "other"}).code


@pytest.mark.parametrize("headers", ["", "[]", '[["content-type", "application/json"]]'])
def test_an_answer_kept_in_another_form_is_not_shown(notes: Api, headers: str) -> None:
    """S8: sealed with keys that are gone from the settings, or kept before an answer knew its rules."""
    create(notes, "k")
    keep_instead(notes, headers=headers)
    reply = create(notes, "k")
    assert (422, "BST4221", 1) == (reply.status, reply.code, len(notes.rows("notes?title=eq.new")))
    assert "cannot be read any more" in reply.json["message"]


def test_every_key_has_a_lock(notes: Api) -> None:
    """PostgreSQL numbers locks with 64 bits, half of them below zero."""
    assert [201] * 12 == [create(notes, f"lock-{at}").status for at in range(12)]


def race(notes: Api, path: str, body: Any, times: int = 20) -> list[Reply]:
    data = json.dumps(body).encode()

    async def one() -> Reply:
        while True:
            reply = await notes.sending("POST", path, as_="ann", body=data, idempotency_key="race")
            if reply.status != 409:
                return reply
            assert "BST409" == reply.code
            await asyncio.sleep(0)

    async def all_of_them() -> list[Reply]:
        return await asyncio.gather(*(one() for _ in range(times)))

    return notes.loop.run_until_complete(all_of_them())


@pytest.mark.parametrize(("path", "body"), [("notes?select=id", NOTE), ("rpc/count_up", {"name": "hits"})])
def test_twenty_at_once_have_one_effect(notes: Api, path: str, body: Any) -> None:
    """Parallel uses of one key: one is done, the others wait or get its answer (T-RACE)."""
    answers = race(notes, path, body)
    assert {answers[0].body} == {reply.body for reply in answers}
    assert 19 == sum(reply.one("idempotency-replayed") == "true" for reply in answers)
    assert len(notes.rows("notes?title=eq.new")) + notes.rows("counters")[0]["total"] == 1


def test_processes_do_not_race_either(notes: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this process's own list of what runs, the database alone keeps the effect single."""

    class Nothing(set[Any]):
        def add(self, item: Any) -> None: ...

    plane: Any = notes.app._kernel._data  # type: ignore[union-attr]
    monkeypatch.setattr(plane._keys, "_running", Nothing())
    race(notes, "notes", NOTE)
    assert 1 == len(notes.rows("notes?title=eq.new"))


def test_the_table_is_not_served(notes: Api) -> None:
    """Our table is no table of the API, not even for the service role."""
    assert 404 == notes.get(idempotency.TABLES.sorted_tables[0].name, as_="svc").status
