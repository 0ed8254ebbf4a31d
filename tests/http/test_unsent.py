"""Answers that there is no room for: a request that was done is never told to come again (S10, LM10)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backstay import Backstay, Settings, allow, function
from backstay.errors import BackstayError
from backstay.http.kernel import Beside
from backstay.http.unsent import CHUNK_BYTES, Unsent
from backstay.pipeline import planner
from backstay.response.reply import Reply
from backstay.response.written import without_rows
from tests.http import test_kernel
from tests.http.api import Api, opened, quick_folder
from tests.http.client import Plane
from tests.http.shop_app import SECRET

JSON: Final = (b"content-type", b"application/json; charset=utf-8")
SHOWN: Final = (b"preference-applied", b"missing=default, return=representation")
MINIMAL: Final = (b"preference-applied", b"missing=default, return=minimal")
RANGE: Final = (b"content-range", b"*/*")
LARGE: Final = b"[" + b" " * CHUNK_BYTES + b"]"


class Model(DeclarativeBase):
    """A base of its own."""

    metadata = sa.MetaData()


class Leaf(Model):
    __tablename__ = "leaves"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


@allow("read", "create", "update", "delete", Leaf)
def everything(_: Any) -> bool:
    """Anybody's."""
    return True


@function(to="anon")
async def grow(db: AsyncSession, id: int) -> str:
    """It leaves a trace, and says much."""
    db.add(Leaf(id=id, text="grown"))
    return "@" * (CHUNK_BYTES + 1)


def make(url: str) -> Backstay:
    settings = Settings(database=url, jwt_secret=SECRET)
    return Backstay(models=Model, policies=[everything], functions=[grow], settings=settings)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def opened_leaves(request: pytest.FixtureRequest) -> Iterator[Api]:
    rows: dict[str, list[dict[str, Any]]] = {"leaves": [{"id": 1, "text": "@"}]}
    with quick_folder() as folder, opened(request.param, folder, make, rows, "unsent") as api:
        yield api


@pytest.fixture
def api(opened_leaves: Api) -> Api:
    return opened_leaves.clean()


def crowd(monkeypatch: pytest.MonkeyPatch, kernel: object, left: int) -> None:
    """Let so much wait to be taken that there is room for *left* bytes."""
    unsent = Unsent(1 << 20, 0)
    assert unsent.begin("somebody else", (1 << 20) - left)
    monkeypatch.setattr(kernel, "_unsent", unsent)


@pytest.mark.parametrize(
    ("method", "reply", "expected"),
    [
        ("POST", Reply(201, (JSON, RANGE, SHOWN), LARGE), Reply(201, (RANGE, MINIMAL))),
        ("POST", Reply(200, (JSON, RANGE, SHOWN), LARGE), Reply(200, (RANGE, MINIMAL))),
        ("PATCH", Reply(200, (JSON, RANGE, SHOWN), LARGE), Reply(204, (RANGE, MINIMAL))),
        ("DELETE", Reply(200, (JSON, RANGE, SHOWN, (b"content-profile", b"api")), LARGE), Reply(204, (RANGE, MINIMAL))),
        ("PUT", Reply(201, (JSON, SHOWN), LARGE), Reply(201, (MINIMAL,))),
        ("POST", Reply(200, (JSON,), LARGE), None),
        ("POST", Reply(200, (JSON, (b"preference-applied", b"count=exact")), LARGE), None),
    ],
)
def test_a_write_without_its_rows(method: str, reply: Reply, expected: Reply | None) -> None:
    """S10: it is what the same write answers to who asked for no rows."""
    assert expected == without_rows(method, reply)


@pytest.mark.parametrize(
    ("method", "path", "headers", "reply", "status", "retry"),
    [
        ("GET", "leaves", (), Reply(200, (JSON,), LARGE), 503, "1"),
        ("HEAD", "leaves", (), Reply(200, (JSON,), LARGE), 200, None),
        ("POST", "leaves", (), Reply(201, (JSON, SHOWN), LARGE), 201, None),
        ("DELETE", "leaves", (), Reply(200, (JSON, SHOWN), LARGE), 204, None),
        ("POST", "rpc/grow", (), Reply(200, (JSON,), LARGE), 507, None),
        ("POST", "batch", (), Reply(200, (JSON,), LARGE), 507, None),
        ("POST", "leaves", (), Reply(400, (JSON,), LARGE), 503, "1"),
    ],
)
async def test_what_is_answered_without_room(
    method: str,
    path: str,
    headers: Any,
    reply: Reply,
    status: int,
    retry: str | None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """S10: who reads comes again, who wrote does not; and the access log says what was sent."""
    client = test_kernel.client(Plane(reply), access_log=True)
    crowd(monkeypatch, client.app, CHUNK_BYTES + 1)
    with caplog.at_level(logging.INFO, "backstay.access"):
        answer = await client.ask(method, f"/rest/v1/{path}", *headers)
    assert (status, retry) == (answer.status, answer.one("retry-after"))
    assert len(answer.body) < CHUNK_BYTES
    assert f"/rest/v1/{path}' {status} " in caplog.text


@pytest.mark.parametrize(
    ("method", "path", "prefer", "asked"),
    [
        ("GET", "leaves", "", True),
        ("POST", "leaves", "return=minimal", True),
        ("DELETE", "leaves", "", True),
        ("POST", "leaves", "tx=commit, return=representation", False),
        ("PATCH", "leaves", "return=representation", False),
        ("POST", "rpc/grow", "", False),
        ("POST", "batch", "", False),
    ],
)
async def test_a_full_room_is_seen_before_the_work(
    method: str, path: str, prefer: str, asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S10: what may have a large answer is refused before anything is done; what has none is done."""
    plane = Plane()
    client = test_kernel.client(plane)
    crowd(monkeypatch, client.app, CHUNK_BYTES)
    answer = await client.ask(method, f"/rest/v1/{path}", (b"prefer", prefer.encode()))
    assert ([200, None] if asked else [503, "1"]) == [answer.status, answer.one("retry-after")]
    assert asked == bool(plane.asked)


async def test_the_accounts_say_it_their_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """ER1: a refusal for want of room has the shape of the API that it comes from."""
    plane = Plane(Reply(200, (JSON,), LARGE))

    def told(error: BackstayError, _: object) -> Reply:
        return Reply(error.status, (), error.code.encode())

    client = test_kernel.client(beside=(Beside("/auth/v1/", plane, told),))
    crowd(monkeypatch, client.app, CHUNK_BYTES)
    answers = [await client.ask(method, "/auth/v1/user") for method in ("GET", "PUT")]
    assert [(503, b"BST503"), (507, b"BST5071")] == [(answer.status, answer.body) for answer in answers]


def ids(api: Api) -> list[Any]:
    return api.get("leaves?order=id").ids


TEXT: Final = "@" * (CHUNK_BYTES + 1)
TOLD: Final = {"prefer": "return=representation"}
WRITES: Final[dict[str, Callable[[Api], Any]]] = {
    "insert": lambda api: api.post("leaves", {"id": 2, "text": TEXT}, headers=TOLD),
    "function": lambda api: api.post("rpc/grow", {"id": 2}),
}


@pytest.mark.parametrize(("write", "status"), [("insert", 201), ("function", 507)])
def test_a_committed_write_is_not_told_to_come_again(
    api: Api, write: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S10: a client that obeys its answer has written once."""
    crowd(monkeypatch, api.app._kernel, CHUNK_BYTES + 1)
    reply = WRITES[write](api)
    monkeypatch.undo()
    assert (status, None, [1, 2]) == (reply.status, reply.one("retry-after"), ids(api))


@pytest.mark.parametrize("write", WRITES)
def test_who_is_told_to_come_again_has_written_nothing(api: Api, write: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """S10: 503 comes before the work."""
    crowd(monkeypatch, api.app._kernel, CHUNK_BYTES)
    reply = WRITES[write](api)
    monkeypatch.undo()
    assert (503, "1", [1]) == (reply.status, reply.one("retry-after"), ids(api))


def test_an_answer_that_cannot_be_made_now_is_left_out(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """S11, LM10: the rows of a committed write wait for a thread to be made; where too many wait, they stay away."""

    def insert(id: int) -> Any:
        return api.post("leaves", {"id": id, "text": "@" * 20_000}, headers=TOLD, accept="text/csv")

    assert 201 == insert(2).status

    async def crowded(self: planner.Planner, make: object) -> Any:
        raise planner._too_many()

    monkeypatch.setattr(planner.Planner, "_in_thread", crowded)
    reply = insert(3)
    assert (201, "return=minimal", b"") == (reply.status, reply.one("preference-applied"), reply.body)
    monkeypatch.undo()
    assert [1, 2, 3] == ids(api)
