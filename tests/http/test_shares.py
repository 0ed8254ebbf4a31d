"""Fair shares: no caller keeps the others from the database, and none works for a client who has gone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.types import Message

from backstay.db.caller import CALLER, HOUSE, Caller
from backstay.errors import PlanError
from backstay.http import HttpLimits, Kernel
from backstay.http.client import addressing
from backstay.http.kernel import Beside
from backstay.pipeline import DataRequest
from backstay.policy.principal import ANONYMOUS, Principal
from backstay.proxies import Proxies
from backstay.response.reply import Reply
from tests.http.api import Api
from tests.http.client import EMPTY, HOST, Client, Plane, teapot

BACK = {"prefer": "return=representation"}


def anybody(headers: Mapping[bytes, bytes]) -> Principal:
    name = headers.get(b"authorization")
    return ANONYMOUS if name is None else Principal("authenticated", name.decode())


@asynccontextmanager
async def _plugged(api: Api) -> AsyncIterator[None]:
    """Nobody else may write meanwhile: on SQLite the writer is lent, on PostgreSQL there is no such thing."""
    writer = getattr(api.app.database, "writer", None)
    if writer is None:
        yield
        return
    async with writer.lend():
        yield


@pytest.mark.parametrize("headers", [{}, {"idempotency-key": "0123456789abcdef"}, {"prefer": "tx=commit"}])
def test_a_batch_of_reads_waits_for_no_writer(notes: Api, headers: dict[str, str]) -> None:
    """S6: whatever else it asks for, and with the answers that it always had."""
    operations = [{"path": "notes?select=id&order=id"}, {"path": "folders"}, {"path": "notes/1"}]

    async def ask() -> Any:
        async with _plugged(notes), asyncio.timeout(60):
            return await notes.sending(
                "POST",
                "batch",
                as_="ann",
                body=json.dumps(operations).encode(),
                headers={**headers, "content-type": "application/json"},
            )

    reply = notes.loop.run_until_complete(ask())
    assert (200, [200, 200, 200]) == (reply.status, [each["status"] for each in reply.json])
    assert notes.get("notes?select=id&order=id", as_="ann").json == reply.json[0]["body"]


def test_a_batch_of_reads_sees_one_state(notes: Api) -> None:
    """S6: a refused operation refuses all of it, as ever, and says which."""
    reply = notes.post("batch", [{"path": "notes"}, {"path": "nope"}], as_="ann")
    assert (404, "PGRST205", 1) == (reply.status, reply.code, reply.json["details"]["operation"])


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not done():
            await asyncio.sleep(0)


class Line:
    """A client that leaves when it is told to; *sent* is what it got."""

    def __init__(self, app: Any, path: str = "/rest/v1/posts", peer: str = "192.0.2.1", *more: tuple[bytes, bytes]):
        self.sent: list[Message] = []
        self.gone = asyncio.Event()
        self._begun = False
        self.task = asyncio.create_task(
            app(
                {
                    "type": "http",
                    "asgi": {"version": "3.0"},
                    "http_version": "1.1",
                    "method": "GET",
                    "scheme": "http",
                    "path": path,
                    "raw_path": path.encode(),
                    "query_string": b"",
                    "root_path": "",
                    "headers": [HOST, *more],
                    "client": (peer, 1),
                },
                self._receive,
                self._send,
            )
        )

    async def _receive(self) -> Message:
        if not self._begun:
            self._begun = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])


async def test_work_for_a_client_who_left_ends() -> None:
    """S6: what is done for it is cancelled, nothing is sent, nothing is counted any more, and it is no fault."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def answer(request: DataRequest) -> Reply:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return EMPTY

    kernel = Kernel(Plane(answer), anybody, teapot, share=50)
    line = Line(kernel)
    await begun.wait()
    line.gone.set()
    async with asyncio.timeout(60):
        await line.task
    assert (True, [], 0, {}) == (ended.is_set(), line.sent, kernel._running, dict(kernel._running_of))


async def test_an_answer_that_is_slow_arrives() -> None:
    """Looking whether the client is there takes nothing from it."""
    go_on = asyncio.Event()

    async def answer(request: DataRequest) -> Reply:
        await go_on.wait()
        return EMPTY

    line = Line(Kernel(Plane(answer), anybody, teapot))
    await _until(lambda: line._begun)
    go_on.set()
    await line.task
    assert 200 == line.status


async def test_a_flow_of_accounts_goes_on_to_its_end() -> None:
    """S6: what was tried is counted, also for a client who left before it was."""
    begun, go_on, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def answer(request: DataRequest) -> Reply:
        begun.set()
        await go_on.wait()
        ended.set()
        return EMPTY

    beside = Beside("/auth/v1/", Plane(answer), lambda error, headers: EMPTY)
    line = Line(Kernel(Plane(), anybody, teapot, beside=(beside,)), "/auth/v1/token")
    await begun.wait()
    line.gone.set()
    go_on.set()
    await line.task
    assert ended.is_set()


async def test_who_is_counted() -> None:
    """S6: the account, else the address by TH7, in each role by itself; accounts' own API comes first; nobody after."""
    seen: list[Caller] = []

    async def answer(request: DataRequest) -> Reply:
        seen.append(CALLER.get())
        return EMPTY

    beside = Beside("/auth/v1/", Plane(answer), lambda error, headers: EMPTY)
    kernel = Kernel(
        Plane(answer), anybody, teapot, beside=(beside,), address=addressing(Proxies.parse("10.0.0.0/8")), share=50
    )
    forwarded = (b"x-forwarded-for", b"203.0.113.9, 198.51.100.7")
    for line in (
        Line(kernel, peer="192.0.2.1"),
        Line(kernel, "/rest/v1/posts", "192.0.2.1", forwarded),  # says so itself
        Line(kernel, "/rest/v1/posts", "10.0.0.1", forwarded),
        Line(kernel, "/rest/v1/posts", "2001:db8::1"),
        Line(kernel, "/rest/v1/posts", "192.0.2.1", (b"authorization", b"7")),
        Line(kernel, "/auth/v1/user", "192.0.2.1"),
    ):
        await line.task
    assert [
        Caller("anon 192.0.2.1"),
        Caller("anon 192.0.2.1"),
        Caller("anon 198.51.100.7"),
        Caller("anon 2001:db8::/64"),
        Caller("account 7"),
        Caller("accounts 192.0.2.1", first=True),
    ] == seen
    assert HOUSE == CALLER.get()


async def test_one_address_has_a_share_of_what_runs() -> None:
    """S6: past it that address is told to come again, and others are served."""
    go_on = asyncio.Event()

    async def answer(request: DataRequest) -> Reply:
        await go_on.wait()
        return EMPTY

    plane = Plane(answer)
    kernel = Kernel(plane, anybody, teapot, limits=HttpLimits(concurrent=8), share=50)
    flood = [Line(kernel) for _ in range(6)]
    other = Line(kernel, peer="192.0.2.2")
    await _until(lambda: len(plane.asked) == 5)
    go_on.set()
    await asyncio.gather(*(line.task for line in (*flood, other)))
    assert [200] * 4 + [503] * 2 + [200] == [line.status for line in (*flood, other)]
    assert (b"Retry-After", b"1") in [(name.title(), value) for name, value in flood[-1].sent[0]["headers"]]
    assert {} == dict(kernel._running_of)


async def test_one_address_has_a_share_of_unfinished_bodies() -> None:
    """S6: large bodies that never end keep only their own sender from sending more."""
    kernel = Kernel(Plane(), anybody, teapot, limits=HttpLimits(unfinished_bytes=1000), share=50)
    waiting = asyncio.Event()

    async def hold() -> None:
        sent = [b"x" * 400]

        async def receive() -> Message:
            if sent:
                return {"type": "http.request", "body": sent.pop(), "more_body": True}
            waiting.set()
            await asyncio.Event().wait()
            raise AssertionError

        await kernel(
            {**_SCOPE, "client": ("192.0.2.1", 1)},
            receive,
            _ignore,
        )

    holding = asyncio.create_task(hold())
    await waiting.wait()
    statuses = []
    for peer in ("192.0.2.1", "192.0.2.2"):
        answer = await Client(kernel, {"client": (peer, 1)}).send("POST", "/rest/v1/posts", (HOST,), [b"x" * 150, b"x"])
        assert answer is not None
        statuses.append(answer.status)
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)
    assert [503, 200] == statuses
    assert (0, {}) == (kernel._body.unfinished, dict(kernel._body._unfinished_of))


_SCOPE = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "method": "POST",
    "scheme": "http",
    "path": "/rest/v1/posts",
    "raw_path": b"/rest/v1/posts",
    "query_string": b"",
    "root_path": "",
    "headers": [HOST],
}


async def _ignore(message: Message) -> None:
    pass


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_read_with_a_body_of_unknown_length_is_read(method: str) -> None:
    """A GET that announces chunks and no length has a body all the same: it is counted, and not left on the wire."""
    plane = Plane()
    answer = await Client(Kernel(plane, anybody, teapot, limits=HttpLimits(body_bytes=3))).send(
        method, "/rest/v1/posts", (HOST, (b"transfer-encoding", b"chunked")), [b"1234"]
    )
    assert answer is not None
    assert (413, []) == (answer.status, plane.asked)


@pytest.mark.parametrize(("status", "logged"), [(500, True), (501, True), (503, False), (404, False)])
async def test_a_fault_that_only_the_operator_can_mend_is_logged(
    caplog: pytest.LogCaptureFixture, status: int, logged: bool
) -> None:
    """ER2: from 500 on, but for load, which a line for each would add to."""
    fault = PlanError("BST500", "no", status=status)
    answer = await Client(Kernel(Plane(fault), anybody, teapot)).ask("GET", "/rest/v1/posts")
    assert (status, logged) == (answer.status, bool(caplog.records))
