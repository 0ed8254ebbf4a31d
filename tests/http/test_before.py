"""S1: a rule sees the state before the statement, in every way to write, on both databases."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from itertools import product
from random import Random
from typing import Any, Final

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.http.api import Api, opened, quick_folder
from tests.http.clubs_app import BOB, FORMS, Form, clubs

EXAMPLES: Final = int(os.environ.get("BACKSTAY_EXAMPLES", "150"))
CLUBS: Final = [{"id": 1, "owner": 1}, {"id": 2, "owner": 2}, {"id": 3, "owner": 3}, {"id": 7, "owner": 1}]

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest) -> Iterator[Api]:
    with quick_folder() as folder, opened(request.param, folder, clubs, {}, "clubs") as api:
        yield api


class Refused(Exception):
    pass


class _Asked(dict[str, Any]):
    """A row that knows whether its rank was looked at."""

    rank = False

    def __getitem__(self, name: str) -> Any:
        self.rank |= name == "rank"
        return super().__getitem__(name)


@cache
def _asks_rank(form: Form) -> bool:
    """Whether the rule looks at the rank of the row it judges."""
    rows = [
        {"id": number, "club": club, "who": who, "rank": rank}
        for number, (club, who, rank) in enumerate(product([1, 2, 3, 7], [1, BOB], [1, 2, 3, 4]), 1)
    ]
    judged = [_Asked(row) for row in rows]
    for one in judged:
        form.judge(one, rows, CLUBS)
        form.judge(one, [], CLUBS)
    return any(one.rank for one in judged)


class Model:
    """What a table and the clubs hold, and what each write makes of them."""

    def __init__(self, form: Form, rows: Rows, clubs: Rows) -> None:
        self.form, self.rows, self.clubs = form, rows, clubs

    def insert(self, sent: Rows, resolution: str | None = None) -> None:
        """One statement: everything is judged on what is there now."""
        before, now = list(self.rows), {row["id"]: row for row in self.rows}
        for row in sent:
            old = now.get(row["id"])
            if old is not None and resolution == "ignore":
                # Judged as well, where all that the rule asks is sent (F7).
                if ("rank" in row or not _asks_rank(self.form)) and not self._may(row, before):
                    raise Refused
                continue
            if old is not None and (resolution is None or not self._may(old, before)):
                raise Refused
            new = {**(old or {"rank": 2}), **row}
            if not self._may(new, before):
                raise Refused
            now[row["id"]] = new
        self.rows = list(now.values())

    def update(self, change: dict[str, Any], ids: set[int]) -> None:
        before = list(self.rows)
        addressed = [row for row in before if row["id"] in ids and self._may(row, before)]
        for row in addressed:
            if not self._may({**row, **change}, before):
                raise Refused
        self.rows = [{**row, **change} if row in addressed else row for row in before]

    def delete(self, ids: set[int]) -> None:
        before = list(self.rows)
        self.rows = [row for row in before if not (row["id"] in ids and self._may(row, before))]

    def found(self, club: dict[str, Any], sent: Rows) -> None:
        """A nested insert: the second statement sees the club of the first."""
        self.clubs = [*self.clubs, club]
        self.insert([{**row, "club": club["id"]} for row in sent])

    def _may(self, row: dict[str, Any], before: Rows) -> bool:
        return self.form.judge(row, before, self.clubs)


def _reset(world: Api, table: str, rows: Rows) -> None:
    async def run() -> None:
        async with world.app.session() as session:
            tables = world.app.metadata.tables
            await session.execute(sa.delete(tables[table]))
            await session.execute(sa.delete(tables["clubs"]).where(tables["clubs"].c.id > 7))
            if rows:
                await session.execute(sa.insert(tables[table]), rows)

    world.loop.run_until_complete(run())


@pytest.fixture(scope="module", autouse=True)
def _clubs(world: Api) -> None:
    async def run() -> None:
        async with world.app.session() as session:
            await session.execute(sa.insert(world.app.metadata.tables["clubs"]), CLUBS)

    world.loop.run_until_complete(run())


def _row(r: Random, *, id_: int | None = None, ranked: bool = True) -> dict[str, Any]:
    row = {"id": id_ or r.randrange(1, 9), "club": r.choice([1, 2, 3, 7]), "who": r.choice([1, BOB, BOB])}
    return {**row, "rank": r.randrange(1, 5)} if ranked else row


def _rows(r: Random, most: int, *, alike: bool = False, ranked: bool = True) -> Rows:
    ids = r.sample(range(1, 9), r.randrange(1, most + 1))
    return [_row(r, id_=id_, ranked=ranked) for id_ in ids]


def _ids(path: set[int]) -> str:
    return f"id=in.({','.join(map(str, sorted(path)))})"


def _write(r: Random, world: Api, table: str, model: Model) -> tuple[str, Any]:
    """A write of a random kind, done by *model*; returned as an operation of a batch, and how to send it alone."""
    kind = r.choice(["post", "bare", "ignore", "merge", "put", "patch", "item", "item put", "delete"])
    ids = set(r.sample(range(1, 9), r.randrange(1, 5)))
    change = {k: v for k, v in _row(r).items() if k != "id" and r.random() < 0.6} or {"club": 7}
    one, prefer = _row(r, ranked=r.random() < 0.5), f"return={r.choice(['minimal', 'representation'])}"
    rows = _rows(r, 3, ranked=r.random() < 0.5)
    if kind in ("post", "bare"):
        rows = [{k: v for k, v in row.items() if kind == "post" or k != "rank"} for row in rows]
        return kind, (("POST", table, rows, prefer), lambda: model.insert(rows))
    if kind == "delete":
        return kind, (("DELETE", f"{table}?{_ids(ids)}", None, prefer), lambda: model.delete(ids))
    if kind in ("ignore", "merge"):
        told = f"{prefer},resolution={kind}-duplicates"
        return kind, (("POST", table, rows, told), lambda: model.insert(rows, kind))
    if kind == "put":
        return kind, (("PUT", f"{table}?id=eq.{one['id']}", one, prefer), lambda: model.insert([one], "merge"))
    if kind == "item put":
        return kind, (("PUT", f"{table}/{one['id']}", one, prefer), lambda: model.insert([one], "merge"))
    if kind == "item":
        ids = {min(ids)}
        return kind, (("PATCH", f"{table}/{min(ids)}", change, prefer), lambda: _item(model, change, ids))
    return kind, (("PATCH", f"{table}?{_ids(ids)}", change, prefer), lambda: model.update(change, ids))


def _item(model: Model, change: dict[str, Any], ids: set[int]) -> None:
    if not any(row["id"] in ids and model.form.judge(row, model.rows, model.clubs) for row in model.rows):
        raise Refused
    model.update(change, ids)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="BACKSTAY_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(seed=st.integers(0, 2**32))
def test_every_way_to_write(world: Api, seed: int) -> None:
    """S1: rules about their own table, in every form and every way to write, say what plain Python says of the state
    before the statement.
    """
    r = Random(seed)
    table = r.choice(list(FORMS))
    before = _rows(r, 4) if r.random() < 0.9 else []
    _reset(world, table, before)
    model = Model(FORMS[table], before, CLUBS)
    way = r.choice(["alone", "alone", "alone", "batch", "nested"])
    if way == "nested":
        rows = [{k: v for k, v in row.items() if k != "club"} for row in _rows(r, 3)]
        club = {"id": 9, "owner": r.choice([1, BOB])}
        sent: Any = ("POST", "clubs", {**club, table: rows}, "return=minimal")
        done = [lambda: model.found(club, rows)]
        reply = world.post(sent[1], sent[2], as_="bob", prefer=sent[3])
    else:
        writes = [_write(r, world, table, model)[1] for _ in range(1 if way == "alone" else r.randrange(2, 4))]
        done = [do for _, do in writes]
        sent = [write for write, _ in writes]
        if way == "batch":
            keys = ("method", "path", "body")
            body = [{**dict(zip(keys, w[:3], strict=True)), "headers": {"prefer": w[3]}} for w in sent]
            reply = world.post("batch", body, as_="bob")
        else:
            ((method, path, value, prefer),) = sent
            reply = world._write(method, path, value, {"as_": "bob", "prefer": prefer})
    note(f"{table}: {before} {way} {sent} -> {reply.status} {reply.body!r}")
    try:
        for do in done:
            do()
        expected, fine = model.rows, True
    except Refused:
        expected, fine = before, False
    found = world.rows(f"{table}?order=id&select=id,club,who,rank")
    _reset(world, table, [])
    assert (fine, sorted(expected, key=lambda row: row["id"])) == (reply.status < 300, found)


TEAM_SEVEN: Final = [{"id": 1, "club": 7, "who": 1, "rank": 1}, {"id": 2, "club": 1, "who": BOB, "rank": 1}]


@pytest.mark.parametrize(
    "table", ["m_aliased_exists", "m_plain_in", "m_common_table", "m_relationships", "m_two_levels"]
)
@pytest.mark.parametrize(
    ("method", "path", "body", "prefer"),
    [
        ("PATCH", "?id=eq.2", {"club": 7}, "return=minimal"),
        ("PATCH", "/2", {"club": 7}, "return=representation"),
        ("PUT", "?id=eq.2", {"id": 2, "club": 7, "who": BOB}, ""),
        ("PUT", "/2", {"id": 2, "club": 7, "who": BOB}, ""),
        ("PUT", "?id=eq.5", {"id": 5, "club": 7, "who": BOB}, ""),
        ("POST", "", {"id": 5, "club": 7, "who": BOB}, ""),
        ("POST", "", {"club": 7, "who": BOB, "rank": 3}, "return=representation"),
        ("POST", "", [{"id": 5, "club": 7, "who": BOB}, {"id": 6, "club": 7, "who": 1}], ""),
        ("POST", "?columns=id,club,who", [{"id": 5, "club": 7, "who": BOB, "rank": 1}], ""),
        ("POST", "", {"id": 5, "club": 7, "who": BOB}, "resolution=merge-duplicates"),
        ("POST", "", {"id": 2, "club": 7, "who": BOB}, "resolution=merge-duplicates"),
        ("POST", "", {"id": 5, "club": 7, "who": BOB}, "resolution=ignore-duplicates"),
        ("POST", "", {"id": 5, "club": 7, "who": BOB}, "missing=default"),
        ("POST", "", {"id": 5, "club": 7, "who": BOB}, "tx=rollback"),
    ],
)  # fmt: skip
def test_bob_and_team_seven(world: Api, table: str, method: str, path: str, body: Any, prefer: str) -> None:
    """S1: nobody becomes a member because the row that makes them one is there already."""
    _reset(world, table, TEAM_SEVEN)
    reply = world._write(method, table + path, body, {"as_": "bob", "prefer": prefer or None})
    assert (403, "42501") == (reply.status, reply.code)
    assert TEAM_SEVEN == world.rows(f"{table}?order=id&select=id,club,who,rank")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded", b"id=5&club=7&who=2"),
        ("text/csv", b"id,club,who\n5,7,2\n"),
    ],
)
@pytest.mark.parametrize("prefer", [None, "resolution=merge-duplicates", "resolution=ignore-duplicates"])
def test_other_bodies(world: Api, kind: str, body: bytes, prefer: str | None) -> None:
    """S1: whatever the rows are written in."""
    _reset(world, "m_plain_in", TEAM_SEVEN)
    reply = world.send("POST", "m_plain_in", as_="bob", body=body, content_type=kind, prefer=prefer)
    assert (403, "42501") == (reply.status, reply.code)


@pytest.mark.parametrize(
    ("table", "method", "path", "body", "prefer"),
    [
        ("m_plain_in", "POST", "", {"id": 5, "club": 1, "who": 3}, ""),
        ("m_plain_in", "PATCH", "?id=eq.2", {"rank": 3}, ""),
        ("m_plain_in", "PUT", "?id=eq.2", {"id": 2, "club": 1, "who": BOB, "rank": 4}, ""),
        ("m_plain_in_or_own", "PATCH", "?id=eq.2", {"club": 7}, ""),
        ("m_not_plain_in", "POST", "", {"id": 5, "club": 7, "who": BOB}, ""),
        ("m_not_aliased_exists", "POST", "", {"id": 5, "club": 7, "who": BOB}, "resolution=merge-duplicates"),
        ("m_not_aliased_exists", "POST", "", [{"id": 5, "club": 3, "who": BOB}, {"id": 6, "club": 3, "who": BOB}], ""),
        ("m_aliased_count", "POST", "", [{"id": i, "club": 3, "who": BOB} for i in (5, 6, 7)], ""),
    ],
)
def test_what_is_right_is_not_refused(world: Api, table: str, method: str, path: str, body: Any, prefer: str) -> None:
    """S1: a member's own row, "not yet a member", and a bulk that each of whose rows was fine before it."""
    _reset(world, table, TEAM_SEVEN)
    reply = world._write(method, table + path, body, {"as_": "bob", "prefer": prefer or None})
    assert (201 if method == "POST" else 204) == reply.status, reply.body


@pytest.mark.parametrize("prefer", [None, "resolution=merge-duplicates", "resolution=ignore-duplicates"])
def test_a_refused_row_learns_nothing_of_constraints(world: Api, prefer: str | None) -> None:
    """S1: where everything that a rule asks for is sent, the row is judged before any constraint is asked."""
    _reset(world, "m_plain_in", TEAM_SEVEN)
    rows: list[Any] = [
        {"id": 5, "club": 7, "who": BOB},  # fine but for the rule
        {"id": 5, "club": 70, "who": BOB},  # no such club
        [{"id": 5, "club": 7, "who": BOB}, {"id": 6, "club": 70, "who": BOB}],
    ]
    rows += [] if prefer and "ignore" in prefer else [{"id": 1, "club": 7, "who": BOB}]  # taken
    replies = [world.post("m_plain_in", row, as_="bob", prefer=prefer) for row in rows]
    assert {403} == {reply.status for reply in replies}
    assert 1 == len({reply.body for reply in replies})
