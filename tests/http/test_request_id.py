"""``X-Request-Id``: in the answer whoever makes it, and in what is logged meanwhile."""

from __future__ import annotations

import logging

import pytest
from starlette.types import Receive, Scope, Send

from backstay.errors import DatabaseError
from backstay.http import Kernel
from backstay.observe import REQUEST_ID
from backstay.pipeline import DataRequest
from backstay.response.reply import Reply
from tests.http.client import Client
from tests.http.test_kernel import HOST, Plane, anybody, client, teapot


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/rest/v1/posts", 200),
        ("GET", "/health", 200),
        ("POST", "/health", 405),
        ("GET", "/docs", 418),
        ("GET", "/rest/v1/posts?" + "x" * 9000, 414),
        ("GET", "/docs?" + "x" * 9000, 414),
    ],
)
async def test_every_answer_has_one(method: str, path: str, status: int) -> None:
    """LG1: the client's own comes back, and another is made where there is none or a bad one."""
    app = client(Plane(Reply(200, (), b"[]")))
    own = await app.ask(method, path, (b"x-request-id", b"trace-1"))
    assert (status, "trace-1") == (own.status, own.one("x-request-id"))
    for headers in ((), ((b"x-request-id", b"a b"),), ((b"x-request-id", b"a"), (b"x-request-id", b"b"))):
        made = (await app.ask(method, path, *headers)).one("x-request-id")
        assert made is not None
        assert 16 == len(made)


async def test_a_head_that_is_refused_has_one() -> None:
    """LG1: before a header could be read."""
    answer = await client().send("GET", "/rest/v1/posts", [HOST, HOST, (b"x-request-id", b"trace-1")])
    assert answer is not None
    assert (400, 16) == (answer.status, len(answer.one("x-request-id") or ""))
    behind = await client().send("GET", "/docs", [HOST, HOST])
    assert behind is not None
    assert (400, 16) == (behind.status, len(behind.one("x-request-id") or ""))


async def test_the_app_behind_may_say_its_own() -> None:
    """A header that it sets is left as it is."""

    async def own(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"X-Request-Id", b"mine")]})
        await send({"type": "http.response.body", "body": b""})

    answer = await Client(Kernel(Plane(), anybody, own)).ask("GET", "/docs")
    assert ["mine"] == [value.decode() for name, value in answer.headers if name.lower() == b"x-request-id"]


async def test_what_is_logged_meanwhile_knows_it() -> None:
    """LG1: the data plane, and everything under it, sees the id."""
    seen: list[str | None] = []

    async def look(request: DataRequest) -> Reply:
        seen.append(REQUEST_ID.get())
        return Reply(200, (), b"[]")

    answer = await client(Plane(look)).ask("GET", "/rest/v1/posts", (b"x-request-id", b"trace-2"))
    assert (["trace-2"], "trace-2") == (seen, answer.one("x-request-id"))


async def test_pages_may_read_and_send_it() -> None:
    """WB3: across origins too."""
    app = client(Plane(Reply(200, (), b"[]")))
    answer = await app.ask("GET", "/rest/v1/posts", (b"origin", b"https://a.example"))
    assert "X-Request-Id" in (answer.one("access-control-expose-headers") or "")
    asked = (b"access-control-request-method", b"GET")
    preflight = await app.ask("OPTIONS", "/rest/v1/posts", (b"origin", b"https://a.example"), asked)
    assert "x-request-id" in (preflight.one("access-control-allow-headers") or "")


async def test_the_access_log(caplog: pytest.LogCaptureFixture) -> None:
    """A line for each request where it is asked for; no query string, no header, no second line."""
    caplog.set_level(logging.INFO, "backstay.access")
    plane = Plane(Reply(200, (), b"[]"))
    app = Client(Kernel(plane, anybody, teapot, access_log=True))
    await app.ask("GET", "/rest/v1/posts?email=eq.ann@example.org&apikey=k3y")
    await app.ask("GET", "/docs?k3y")
    await app.ask("GET", "/docs?" + "k3y" * 3000)
    plane.reply = DatabaseError("23505", "no")
    await app.ask("POST", "/rest/v1/posts")
    lines = [r.getMessage() for r in caplog.records if r.name == "backstay.access"]
    starts = [line.rpartition(" ms")[0].rpartition(" ")[0] for line in lines]
    assert ["GET '/rest/v1/posts' 200", "GET '/docs' 418", "GET '/docs' 414", "POST '/rest/v1/posts' 409"] == starts
    assert "k3y" not in caplog.text
    assert "ann@" not in caplog.text


async def test_by_default_there_is_no_access_log(caplog: pytest.LogCaptureFixture) -> None:
    """It costs time, and whoever stands in front has one."""
    caplog.set_level(logging.INFO, "backstay.access")
    await client().ask("GET", "/health")
    assert [] == caplog.records
