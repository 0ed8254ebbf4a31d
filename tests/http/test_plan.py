"""Accept: application/vnd.pgrst.plan: how the database answers, for the service role only (AC12)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.http.api import Api, opened, quick_folder
from tests.http.desk_app import DESK, desk

PLAN = "application/vnd.pgrst.plan"
JSON = f"{PLAN}+json"
ANALYZE = f"{JSON}; options=analyze"
NOTE = {"owner_id": 1, "title": "new"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def opened_open(request: pytest.FixtureRequest) -> Iterator[Api]:
    with quick_folder() as folder, opened(request.param, folder, partial(desk, plan_enabled=True), DESK, "plan") as api:
        yield api


@pytest.fixture
def planning(opened_open: Api) -> Api:
    """The desk, where the service role may ask for plans."""
    return opened_open.clean()


def names(planning: Api, plan: Any) -> bool:
    """Whether *plan* is one of the database's."""
    if planning.name == "postgresql":
        return bool(plan[0]["Plan"]["Node Type"])
    return bool(plan) and all({"id", "parent", "detail"} == step.keys() for step in plan)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "notes?select=id,folder(name)&title=eq.one&order=id&limit=1", None),
        ("POST", "notes", NOTE),
        ("POST", "notes", [NOTE, NOTE]),
        ("PATCH", "notes?id=eq.1", {"title": "x"}),
        ("PUT", "counters?name=eq.hits", {"name": "hits", "total": 5}),
        ("DELETE", "notes?id=eq.1", None),
        ("DELETE", "marks?note_id=eq.1", None),
    ],
)
@pytest.mark.parametrize("prefer", [None, "return=representation"])
def test_reads_and_writes_have_plans(planning: Api, method: str, path: str, body: Any, prefer: str | None) -> None:
    """The answer is 200 and the plan; nothing is done, even where it is analysed."""
    for accept in (JSON, ANALYZE):
        reply = planning._write(method, path, body, {"accept": accept, "prefer": prefer, "as_": "svc"})
        assert (200, True) == (reply.status, names(planning, reply.json)), reply.body
    assert (5, 2) == (len(planning.rows("notes?title=neq.x&deleted_at=is.null")), len(planning.rows("marks")))
    assert [{"total": 0}] == planning.rows("counters?select=total")


def test_the_filter_is_in_the_plan(planning: Api) -> None:
    """It is the plan of the very statement: a key is looked up by its index."""
    reply = planning.get("notes?id=eq.1", accept=PLAN, as_="svc")
    assert 'application/vnd.pgrst.plan+text; for="application/json"; charset=utf-8' == reply.one("content-type")
    assert ("cost=" if planning.name == "postgresql" else "SEARCH t1 USING INTEGER PRIMARY KEY") in reply.body.decode()


def test_text_shows_what_belongs_to_what(planning: Api) -> None:
    """Steps are indented under the step that they are a part of."""
    text = planning.get("notes?select=id,marks(word)", accept=PLAN, as_="svc").body.decode()
    assert any(line.startswith("  ") for line in text.splitlines())


def test_options_come_back_where_they_are_honoured(planning: Api) -> None:
    """PostgREST's order; SQLite has none."""
    accept = f'{JSON}; for="text/csv"; options=wal|analyze|nope|verbose|settings|buffers'
    reply = planning.get("notes", accept=accept, as_="svc")
    listed = "; options=analyze|verbose|settings|buffers|wal" if planning.name == "postgresql" else ""
    assert f'application/vnd.pgrst.plan+json; for="text/csv"{listed}; charset=utf-8' == reply.one("content-type")
    if planning.name == "postgresql":
        assert "Actual Rows" in reply.json[0]["Plan"]


def test_options_that_do_not_go_together_are_refused(planning: Api) -> None:
    """As the database says it: wal needs analyze."""
    reply = planning.get("notes", accept=f"{JSON}; options=wal", as_="svc")
    assert (200 if planning.name == "sqlite" else 400) == reply.status
    if planning.name == "postgresql":
        assert "22023" == reply.code


@pytest.mark.parametrize("who", [None, "ann"])
def test_nobody_else_is_told(planning: Api, who: str | None) -> None:
    """AC12: the answer is that to any unknown media type."""
    reply = planning.get("counters", accept=JSON, as_=who)
    nonsense = planning.get("counters", accept="application/vnd.pgrst.nonsense+json", as_=who)
    assert (406, "PGRST107") == (reply.status, reply.code)
    assert nonsense.body.replace(b"nonsense", b"plan") == reply.body


def test_it_is_off_by_default(notes: Api) -> None:
    """Not even the service role."""
    assert (406, "PGRST107") == ((reply := notes.get("notes", accept=JSON, as_="svc")).status, reply.code)


@pytest.mark.parametrize(
    ("method", "path", "body", "named"),
    [
        ("POST", "rpc/add", {"a": 1}, {}),
        ("GET", "notes/1", None, {}),
        ("GET", "notes?cursor=", None, {"prefer": "page=keyset"}),
        ("PATCH", "notes?id=eq.1", {"title": "x"}, {"if_match": "*"}),
        ("POST", "notes", NOTE, {"idempotency_key": "k"}),
        ("GET", "", None, {}),
        ("GET", "notes", None, {"accept": f'{JSON}; for="image/png"'}),
    ],
)
def test_what_has_no_plan_says_so(planning: Api, method: str, path: str, body: Any, named: dict[str, str]) -> None:
    """406, and nothing is done."""
    more = {"accept": JSON, **named, "as_": "svc"}
    reply = planning._write(method, path, body, more)
    assert (406, "PGRST107") == (reply.status, reply.code)
    assert [] == planning.rows("notes?title=in.(new,x)")


def test_several_statements_have_no_plan(planning: Api) -> None:
    """Rows with different keys are one statement for each set of keys; no row is none."""
    for body in ([NOTE, {**NOTE, "stars": 1}], []):
        reply = planning.post(
            "notes?columns=owner_id,title,stars", body, as_="svc", accept=JSON, prefer="missing=default"
        )
        assert (400, "PGRST127") == (reply.status, reply.code), reply.body
    operation = {"path": "notes", "headers": {"accept": JSON}}
    assert "PGRST107" == planning.post("batch", [operation], as_="svc").code


def test_head_has_a_type_and_no_body(planning: Api) -> None:
    """HEAD is GET without its body."""
    reply = planning.head("notes", accept=JSON, as_="svc")
    assert (200, b"") == (reply.status, reply.body)
