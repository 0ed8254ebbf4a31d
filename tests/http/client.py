"""A client that speaks ASGI to an app in the same process, and the smallest real data plane."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backstay.pipeline import DataRequest
from backstay.response.reply import Reply

HOST = (b"host", b"api.example.org")


@dataclass(frozen=True)
class Answer:
    """What came back; *headers* as they were sent."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value.decode("latin-1") for key, value in self.headers if key == name.encode()]

    def one(self, name: str) -> str | None:
        """The only value of a header, or ``None``; a second one fails the test."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None

    @property
    def error(self) -> dict[str, Any]:
        value = json.loads(self.body)
        assert {"code", "message", "details", "hint"} == set(value)
        return dict(value)


@dataclass
class Client:
    """Sends one request at a time; *scope* entries replace what a server would say."""

    app: ASGIApp
    scope: Scope = field(default_factory=dict)

    async def send(
        self,
        method: str,
        url: str,
        headers: Iterable[tuple[bytes, bytes]] = (HOST,),
        chunks: Iterable[bytes] = (),
        *,
        gone: bool = False,
        **scope: Any,
    ) -> Answer | None:
        """Send a request whose body comes in *chunks*, and return the answer, or ``None`` if none was sent.

        With *gone* the client leaves after the last chunk, before the body is complete.
        """
        path, _, query = url.partition("?")
        parts = list(chunks)
        inbox: list[Message] = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
        if gone:
            inbox.append({"type": "http.disconnect"})
        else:
            inbox.append({"type": "http.request", "body": b"", "more_body": False})
        outbox: list[Message] = []

        async def receive() -> Message:
            if not inbox:
                await asyncio.Event().wait()  # the client stays
            return inbox.pop(0)

        async def collect(message: Message) -> None:
            outbox.append(message)

        await self.app(
            {
                "type": "http",
                "asgi": {"version": "3.0"},
                "http_version": "1.1",
                "method": method,
                "scheme": "http",
                "path": path,
                "raw_path": path.encode(),
                "query_string": query.encode(),
                "root_path": "",
                "headers": list(headers),
                **self.scope,
                **scope,
            },
            receive,
            collect,
        )
        if not outbox:
            return None
        assert ["http.response.start"] == [m["type"] for m in outbox[:1]]
        assert {"http.response.body"} == {m["type"] for m in outbox[1:]}
        start = outbox[0]
        return Answer(start["status"], list(start["headers"]), b"".join(m.get("body", b"") for m in outbox[1:]))

    async def ask(
        self, method: str, url: str, *headers: tuple[bytes, bytes], body: bytes = b"", **scope: Any
    ) -> Answer:
        """Send a request with a Host header and *headers*, its body in one piece, and return the answer."""
        answer = await self.send(method, url, (HOST, *headers), [body] if body else [], **scope)
        assert answer is not None
        return answer


EMPTY = Reply(200, (), b"[]")


@dataclass
class Plane:
    """A data plane that remembers its requests and answers with *reply*: a value, an exception or a function."""

    reply: Reply | Exception | Callable[[DataRequest], Awaitable[Reply]] = EMPTY
    asked: list[DataRequest] = field(default_factory=list)

    async def answer(self, request: DataRequest) -> Reply:
        self.asked.append(request)
        if isinstance(self.reply, Exception):
            raise self.reply
        if isinstance(self.reply, Reply):
            return self.reply
        return await self.reply(request)


async def teapot(scope: Scope, receive: Receive, send: Send) -> None:
    """An app to stand behind the kernel."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 418, "headers": [(b"x-made-by", b"behind")]})
    await send({"type": "http.response.body", "body": b"short and stout"})
