"""Whatever runs in a transaction has its plans before it begins: in there, others would wait for them."""

from __future__ import annotations

import importlib
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from backstay.errors import RequestError
from backstay.pipeline import planner as planning
from backstay.pipeline.plans import Plans
from backstay.pipeline.request import Ahead, DataRequest
from backstay.plan.shape import USUAL_LIMITS
from backstay.policy import ANONYMOUS
from tests.http.api import Api, Reply, opened, quick_folder
from tests.http.desk_app import DESK, desk

BACK = {"prefer": "return=representation"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def opened_own_desk(request: pytest.FixtureRequest) -> Iterator[Api]:
    with quick_folder() as folder, opened(request.param, folder, desk, DESK, "foreseen") as api:
        yield api


@pytest.fixture
def notes(opened_own_desk: Api) -> Api:
    """A desk that has remembered nothing but what the tests of this file have asked for."""
    return opened_own_desk.clean()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """The plans that are made from now on: the thread, and whether their transaction has begun."""
    found: list[tuple[str, bool]] = []
    of = Plans.of

    def watched(self: Any, request: DataRequest, key: Any, make: Callable[[], Any]) -> Any:
        def making() -> Any:
            plan = make()
            begun = request.ahead is not None and request.ahead.begun
            found.append((threading.current_thread().name.partition("_")[0], begun))
            return plan

        return of(self, request, key, making)

    monkeypatch.setattr(Plans, "of", watched)
    return found


def send(api: Api, method: str, path: str, body: Any = None, **named: str) -> Reply:
    data = b"" if body is None else json.dumps(body).encode()
    return api.send(method, path, as_="ann", body=data, content_type="application/json", **named)


def post(path: str, body: Any, **more: Any) -> dict[str, Any]:
    return {"method": "POST", "path": path, "body": body, **more}


def patch(path: str, body: Any, **headers: str) -> dict[str, Any]:
    return {"method": "PATCH", "path": path, "body": body, "headers": headers}


NEW = {"owner_id": 1, "title": "n"}
#: Each begins with shapes that nobody has asked for: the columns of its select stand in an order of its own.
WAYS: dict[str, Callable[[Api], Reply]] = {
    "a precondition": lambda api: send(api, "PATCH", "notes/1?select=title,id", {"stars": 3}, if_match='"1"', prefer="return=representation"),
    "a precondition on rows": lambda api: send(api, "DELETE", "notes?stars=eq.2&id=eq.1", if_match="*"),
    "a put that makes a new row": lambda api: send(api, "PUT", "counters/new?select=total", {"name": "new", "total": 1}, if_none_match="*"),
    "a key": lambda api: send(api, "POST", "notes?select=stars,title", NEW, idempotency_key="k1", prefer="return=representation"),
    "a key with a precondition": lambda api: send(api, "PATCH", "notes/2?select=stars,id", {"stars": 1}, idempotency_key="k2", if_match="*"),
    "a key and relatives": lambda api: send(api, "POST", "notes?select=stars,id", {**NEW, "marks": [{"number": 1, "word": "w"}]}, idempotency_key="k3", prefer="return=representation"),
    "relatives below": lambda api: send(api, "POST", "folders?select=name,id", {"owner_id": 1, "name": "f", "notes": [{**NEW, "stars": 1, "marks": [{"word": "w", "number": 1}]}]}, prefer="return=representation"),
    "relatives above": lambda api: send(api, "POST", "notes?select=id,stars", {"title": "x", "owner_id": 1, "folder": {"name": "above", "owner_id": 1}}, prefer="return=representation"),
    "a function with a key": lambda api: send(api, "POST", "rpc/copy_note?select=title,id", {"id": 1, "title": "copy"}, idempotency_key="k4"),
    "a function": lambda api: send(api, "POST", "rpc/copy_note?select=id,title", {"id": 1, "title": "copy"}),
    "items of a batch": lambda api: send(api, "POST", "batch", [{"path": "notes/1?select=stars"}, patch("notes/2?select=owner_id", {"title": "t"}, prefer="return=representation"), {"method": "DELETE", "path": "notes/3"}]),
    "pages of a batch": lambda api: send(api, "POST", "batch", [{"path": f"notes?select=title&order={order}&limit=1", "headers": {"prefer": "page=keyset, count=exact"}} for order in ("title", "stars", "id.desc")] + [patch("notes?id=eq.2", {"title": "q"})]),
    "preconditions of a batch": lambda api: send(api, "POST", "batch", [patch("notes/2", {"title": "a", "stars": 4}, **{"if-match": '"1"'}), {"method": "DELETE", "path": "notes/4", "headers": {"if-match": "*"}}]),
    "relatives and references of a batch": lambda api: send(api, "POST", "batch", [post("folders?select=id", {"name": "g", "owner_id": 1, "notes": [{"title": "m", "owner_id": 1}]}, headers=BACK), post("notes?select=id", {"folder_id": {"$ref": "0.id"}, "owner_id": 1, "title": "z"}, headers=BACK), post("marks", [{"word": "x", "note_id": {"$ref": "1.id"}, "number": 1}])]),
    "functions of a batch": lambda api: send(api, "POST", "batch", [post("rpc/copy_note?select=stars", {"id": 1, "title": "c"}), {"path": "notes/1?select=folder_id"}, post("rpc/count_up", {"name": "hits"})]),
    "a batch with a key": lambda api: send(api, "POST", "batch", [{"path": "notes/1?select=version"}, patch("notes/1?select=version", {"stars": 1})], idempotency_key="k5"),
    "reads of a batch": lambda api: send(api, "POST", "batch", [{"path": "notes/1?select=owner_id,id"}, {"path": "folders?select=name,notes(id)"}]),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_no_plan_is_made_in_a_transaction(notes: Api, made: list[tuple[str, bool]], way: str) -> None:
    """S11: whatever needs one, and whatever is needed for it: in the planner's threads, before it begins."""
    reply = WAYS[way](notes)
    assert reply.status in (200, 201, 204), reply.body
    assert {("backstay-planner", False)} == set(made)
    # And once: what is asked for again has its plan.
    made.clear()
    notes.clean()
    WAYS[way](notes)
    assert [] == made


def test_plans_are_not_forgotten_before_they_are_used(notes: Api, made: list[tuple[str, bool]]) -> None:
    """S11: the plans of one large batch are more than is remembered of what nobody has asked for twice."""
    data = notes.app._kernel._data._inside._data  # type: ignore[union-attr]
    reads, writes = data._reads, data._writes
    forgetful = (reads._texts, reads._shapes._remembered, writes._works._scripts._remembered)
    kept = [remembered._most_bytes for remembered in forgetful]
    operations = [
        *({"path": f"notes/1?select=kept{number}:id"} for number in range(9)),
        *(patch(f"notes?id=eq.1&select=kept{n}:id", {"title": f"y{n}"}, prefer=BACK["prefer"]) for n in range(9)),
    ]
    for remembered in forgetful:
        remembered._most_bytes = (1, 1)
    try:
        reply = send(notes, "POST", "batch", operations)
    finally:
        for remembered, most in zip(forgetful, kept, strict=True):
            remembered._most_bytes = most
    assert 200 == reply.status, reply.body
    assert 18 <= len(made)
    assert not any(begun for _, begun in made)


def test_all_plans_of_one_request_have_an_end(notes: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """S11: what has too little in common is refused, in a batch and with relatives, and nothing is done.

    A few plans are made in any case, however long the machine stood still.
    """
    operations = [patch("notes?id=eq.1", {"title": "no"}), *({"path": f"notes/1?select=late{i}:id"} for i in range(3))]
    nested = {"owner_id": 1, "name": "no", "notes": [{**NEW, "title": "no", "version": None}]}
    with monkeypatch.context() as short:
        short.setattr(planning, "_PLANNING_SECONDS", -1.0)
        few = send(notes, "POST", "batch", [{"path": f"notes/1?select=few{i}:id"} for i in range(3)])
        assert 200 == few.status, few.body
        short.setattr(planning, "_FEW", 0)
        for path, body in (("batch", operations), ("folders?select=no:id", nested)):
            reply = send(notes, "POST", path, body)
            assert (413, "BST413") == (reply.status, reply.code), reply.body
    assert [] == notes.rows("notes?title=eq.no")


def test_what_only_a_row_tells_is_planned_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """S11: a plan that could not be foreseen is made in the transaction, but not as many as somebody likes."""
    request = DataRequest("GET", "x", b"", {}, b"", ANONYMOUS, ahead=Ahead())
    plans: Plans[int] = Plans(9, lambda _: 1)
    assert request.ahead is not None
    request.ahead.begun = True
    assert [0, 1, 2, 3] == [plans.of(request, number, lambda number=number: number) for number in range(4)]
    assert 3 == plans.of(request, 3, lambda: 0)
    with pytest.raises(RequestError, match="Too many different things"):
        plans.of(request, 4, lambda: 4)


def test_pages_of_all_sizes_share_few_plans(notes: Api, made: list[tuple[str, bool]]) -> None:
    """S11: a limit is a value: who asks for each of them does not fill what is remembered."""
    odd = [limit for limit in range(300, 340) if limit + 1 not in USUAL_LIMITS]
    for limit in (*odd, 3, 10, 999, 1000, 5000):
        reply = notes.get(f"notes?select=id&order=stars.desc&limit={limit}", as_="ann", prefer="page=keyset")
        assert (200, min(limit, 4)) == (reply.status, len(reply.json))
    assert 1 + 4 >= len(made) > 0


#: So long that nothing about it is tried on the event loop.
MANY = ",".join(("1", *(str(1_000_000 + number) for number in range(950))))
#: What reads, binds and encodes a request, once for each.
STEPS = {
    "backstay.pipeline.read.Reads": "_bound",
    "backstay.pipeline.write.Writes": "_work",
    "backstay.pipeline.call.Calls": "_call",
    "backstay.pipeline.keyset.Keysets": "_asked",
    "backstay.pipeline.conditional.Conditional": "_locking",
}


@pytest.fixture
def readied(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What is made of requests from now on: the thread, and what it is."""
    found: list[tuple[str, str]] = []
    for place, name in STEPS.items():
        module, _, owner = place.rpartition(".")
        kind = getattr(importlib.import_module(module), owner)

        monkeypatch.setattr(kind, name, watched(getattr(kind, name), name, found))
    return found


def watched(make: Callable[..., Any], name: str, found: list[tuple[str, str]]) -> Callable[..., Any]:
    def making(*given: Any) -> Any:
        found.append((threading.current_thread().name.partition("_")[0], name))
        return make(*given)

    return making


def test_nothing_of_a_batch_is_made_twice(notes: Api, readied: list[tuple[str, str]]) -> None:
    """S7: what was read, bound and encoded for it before its transaction travels into it, and so does what refuses it."""
    operations = [
        {"path": f"notes?id=in.({MANY})"},
        {"path": f"notes?id=in.({MANY})", "headers": {"prefer": "page=keyset"}},
        patch(f"notes?id=in.({MANY})&title=eq.nothing", {"title": "a"}),
        {"method": "DELETE", "path": f"notes?id=in.({MANY})&title=eq.nothing"},
        patch(f"notes?id=in.({MANY})&id=eq.1", {"title": "b"}, **{"if-match": "*"}),
        post("rpc/count_up", {"name": "hits"}),
        post("notes", {**NEW, "title": "c" * 20}),
    ]
    reply = send(notes, "POST", "batch", operations)
    assert 200 == reply.status, reply.body
    made = ["_bound", "_asked", "_work", "_work", "_locking", "_bound", "_work", "_call", "_work"]
    assert [("backstay-planner", name) for name in made] == readied
    readied.clear()
    refused = send(notes, "POST", "batch", [*operations[:5], patch(f"notes?id=in.({MANY})", {"stars": "many"})])
    assert (400, 5) == (refused.status, refused.json["details"]["operation"]), refused.body
    assert [("backstay-planner", name) for name in (*made[:7], "_work")] == readied


def test_what_comes_after_a_refusal_is_not_looked_at(notes: Api, readied: list[tuple[str, str]]) -> None:
    """S7: a hundred operations with names that nobody has are refused for the first of them."""
    strange = [post("notes", {f"column{number}x{at}": 1 for at in range(40)}) for number in range(100)]
    refused = send(notes, "POST", "batch", strange)
    assert (400, "PGRST204", 0) == (refused.status, refused.code, refused.json["details"]["operation"])
    assert [("backstay-planner", "_work")] == readied


def test_what_refers_to_others_does_not_end_the_look(notes: Api, made: list[tuple[str, bool]]) -> None:
    """S11: a reference is no value of its column, and nothing is known of it yet."""
    first = post("notes?select=id,title", {"title": "o", "owner_id": 1}, headers=BACK)
    refers = post("notes?select=title,id", {"title": "p", "owner_id": 1, "stars": {"$ref": "0.id"}}, headers=BACK)
    reply = send(notes, "POST", "batch", [first, refers, {"path": "notes?select=title,stars,id&title=eq.p"}])
    assert [201, 201, 200] == [one["status"] for one in reply.json], reply.body
    assert not any(begun for _, begun in made)


def test_functions_that_are_alike_share_no_arguments(notes: Api) -> None:
    """S7: what was made ahead is one operation's alone: a function may change what it was given."""
    operations = [post("rpc/count_up", {"name": "hits"}), post("rpc/count_up", {"name": "hits"})]
    first, second = (one["body"] for one in send(notes, "POST", "batch", operations).json)
    assert first + 1 == second


@pytest.mark.parametrize("title", ["m", {"$ref": "0.title"}])
def test_a_batch_has_as_many_nested_inserts_as_others(notes: Api, title: Any) -> None:
    """S11: that each looks at first like an insert with an unknown column is no plan made too late."""
    first = post("notes?select=title", {"title": "o", "owner_id": 1}, headers=BACK)
    tree = {"owner_id": 1, "notes": [{"owner_id": 1, "title": "n", "marks": [{"number": 1, "word": "w"}]}]}
    more = [post("folders", {**tree, "name": f"{number}"}) for number in range(8)]
    more += [post("notes", {"title": title, "owner_id": 1, "marks": [{"number": 1, "word": "w"}]}) for _ in range(8)]
    reply = send(notes, "POST", "batch", [first, *more])
    assert [201] * 17 == [one["status"] for one in reply.json], reply.body


def test_query_strings_of_a_batch_have_a_bound(notes: Api) -> None:
    """LM12, S7: a hundred of the longest are not one request."""
    long = "x" * (8192 - len("notesid=eq."))
    operations = [{"path": f"notes?id=eq.{long}"}] * 33
    refused = send(notes, "POST", "batch", operations)
    assert (413, "BST413", "The query strings of one batch are too long") == (
        refused.status,
        refused.code,
        refused.json["message"],
    )
    allowed = send(notes, "POST", "batch", operations[:32])
    assert (400, "22P02") == (allowed.status, allowed.code)
