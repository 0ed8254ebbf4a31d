"""Headers that every answer carries."""

from __future__ import annotations

import pytest
from starlette.types import Receive, Scope, Send

from backstay.errors import RequestError
from backstay.http import Kernel
from backstay.policy.principal import ANONYMOUS
from backstay.response.reply import Reply
from tests.http.client import Answer, Client, Plane, teapot

EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def shown(answer: Answer) -> dict[str, str | None]:
    return {name: answer.one(name) for name in EVERYWHERE}


@pytest.mark.parametrize(
    ("reply", "method", "url"),
    [
        (Reply(200, (), b"[]"), "GET", "/rest/v1/posts"),
        (Reply(304), "GET", "/rest/v1/posts"),
        (Reply(204), "PATCH", "/rest/v1/posts"),
        (RequestError("PGRST100", "no"), "GET", "/rest/v1/posts"),
        (RuntimeError("bug"), "GET", "/rest/v1/posts"),
        (Reply(200), "GET", "/rest/v1/posts?" + "x" * 9000),
        (Reply(200), "GET", "/health"),
    ],
)
async def test_every_answer_of_the_kernel(reply: Reply | Exception, method: str, url: str) -> None:
    """WB4: successes, errors, bugs and 304s carry the same headers, and API bodies may load nothing."""
    app = Client(Kernel(Plane(reply), lambda headers: ANONYMOUS, teapot))
    answer = await app.ask(method, url)
    assert EVERYWHERE == shown(answer)
    assert "default-src 'none'; frame-ancestors 'none'" == answer.one("content-security-policy")
    assert answer.one("strict-transport-security") is None
    safe = await app.ask(method, url, scheme="https")
    assert "max-age=31536000; includeSubDomains" == safe.one("strict-transport-security")


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_every_answer_from_behind(scheme: str) -> None:
    """WB4: a mounted app that says nothing is protected all the same, and its answer is otherwise untouched."""
    app = Client(Kernel(Plane(), lambda headers: ANONYMOUS, teapot))
    answer = await app.ask("GET", "/docs", scheme=scheme)
    assert (418, b"short and stout", "behind") == (answer.status, answer.body, answer.one("x-made-by"))
    assert EVERYWHERE == shown(answer)
    assert "frame-ancestors 'none'" == answer.one("content-security-policy")
    assert (scheme == "https") == (answer.one("strict-transport-security") is not None)


async def test_the_app_behind_knows_better() -> None:
    """A header that the app behind sets, in any case, is kept and not doubled."""
    own = [(b"Content-Security-Policy", b"default-src 'self'"), (b"cross-origin-resource-policy", b"cross-origin")]

    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": own})
        await send({"type": "http.response.body"})

    answer = await Client(Kernel(Plane(), lambda headers: ANONYMOUS, page)).ask("GET", "/docs")
    assert answer.headers[:2] == own
    names = [name.lower() for name, _ in answer.headers]
    assert len(names) == len(set(names))


async def test_connection_stays_out_of_http2() -> None:
    """RFC 9113 §8.2.2: ``connection`` is for HTTP/1 only."""
    plane = Plane(Reply(200, ((b"connection", b"close"),)))
    app = Client(Kernel(plane, lambda headers: ANONYMOUS, teapot))
    assert "close" == (await app.ask("GET", "/rest/v1/a")).one("connection")
    assert (await app.ask("GET", "/rest/v1/a", http_version="2")).one("connection") is None


@pytest.mark.parametrize("url", ["/rest/v1/posts", "/health", "/pot"])
async def test_behind_a_proxy_that_ends_tls(url: str) -> None:
    """The operator's word makes it https, whatever the hop to the server is (WB4)."""
    app = Client(Kernel(Plane(Reply(200)), lambda headers: ANONYMOUS, teapot, tls=True))
    answer = await app.ask("GET", url)
    assert answer.one("strict-transport-security") is not None
