"""The way of a request through the kernel."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from backstay.errors import BackstayError, DatabaseError, Forbidden, PlanError, TokenError
from backstay.http import HttpLimits, Kernel
from backstay.pipeline import DataRequest
from backstay.policy.principal import ANONYMOUS, Principal
from backstay.response.reply import Reply
from tests.http.client import HOST, Client, Plane, teapot


def anybody(headers: Mapping[bytes, bytes]) -> Principal:
    """Believe whatever the test says."""
    name = headers.get(b"authorization")
    return ANONYMOUS if name is None else Principal("authenticated", name.decode())


def client(plane: Plane | None = None, limits: HttpLimits | None = None, **options: object) -> Client:
    """A client of a kernel in front of *plane*."""
    return Client(Kernel(plane or Plane(), anybody, teapot, limits=limits, **options))  # type: ignore[arg-type]


async def test_hands_the_data_plane_what_was_asked() -> None:
    """Method, path, raw query, joined headers, body and principal arrive as the contract says."""
    plane = Plane()
    await client(plane).ask(
        "POST",
        "/rest/v1/a b?select=%2A&x=+",
        (b"prefer", b"count=exact"),
        (b"prefer", b"return=minimal"),
        (b"authorization", b"ada"),
        body=b"{}",
    )
    headers = {b"host": b"api.example.org", b"prefer": b"count=exact, return=minimal", b"authorization": b"ada"}
    expected = DataRequest("POST", "a b", b"select=%2A&x=+", headers, b"{}", Principal("authenticated", "ada"))
    expected = expected._replace(raw_path=b"/rest/v1/a b")
    assert [expected] == plane.asked


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/rest/v1", [""]),
        ("/rest/v1/", [""]),
        ("/rest/v1/rpc/follow", ["rpc/follow"]),
        ("/rest/v1/a/b/c", ["a/b/c"]),
        ("/rest/v1//a", ["/a"]),
        ("/rest/v2/a", []),
        ("/rest/v1x", []),
        ("/REST/v1/a", []),
        ("/", []),
        ("//rest/v1/a", []),
    ],
)
async def test_only_its_own_prefix_is_data(path: str, asked: list[str]) -> None:
    """What does not begin with /rest/v1/ goes to the app behind, and nothing of it to the data plane."""
    plane = Plane()
    answer = await client(plane).ask("GET", path)
    assert asked == [request.path for request in plane.asked]
    assert (200 if asked else 418) == answer.status


async def test_mounted_under_a_prefix() -> None:
    """Inside another app, ASGI's root_path is taken off first."""
    plane = Plane()
    await client(plane).ask("GET", "/inner/rest/v1/posts", root_path="/inner")
    assert ["posts"] == [request.path for request in plane.asked]


async def test_answers_in_one_start_and_one_body() -> None:
    """A reply's status, headers and bytes go out as they are, with their length."""
    plane = Plane(Reply(206, ((b"content-range", b"0-0/3"),), b'[{"id":1}]'))
    answer = await client(plane).ask("GET", "/rest/v1/posts")
    assert (206, b'[{"id":1}]') == (answer.status, answer.body)
    assert ("0-0/3", "10") == (answer.one("content-range"), answer.one("content-length"))


@pytest.mark.parametrize(
    ("method", "status", "length", "body"),
    [
        ("GET", 200, "2", b"[]"),
        ("HEAD", 200, None, b""),
        ("HEAD", 206, None, b""),
        ("POST", 201, "2", b"[]"),
        ("PATCH", 204, None, b""),
        ("GET", 304, None, b""),
    ],
)
async def test_length_and_body_follow_method_and_status(
    method: str, status: int, length: str | None, body: bytes
) -> None:
    """HEAD, 204 and 304 have neither a body nor a Content-Length, whatever the reply holds (detail 38)."""
    answer = await client(Plane(Reply(status, (), b"[]"))).ask(method, "/rest/v1/posts")
    assert (status, length, body) == (answer.status, answer.one("content-length"), answer.body)


async def test_an_empty_created_answer_says_so() -> None:
    """A 201 without a body has Content-Length 0 and no Content-Type (detail 7)."""
    answer = await client(Plane(Reply(201))).ask("POST", "/rest/v1/posts", body=b"{}")
    assert ("0", None) == (answer.one("content-length"), answer.one("content-type"))


@pytest.mark.parametrize("principal", [None, "ada"])
async def test_data_answers_are_not_stored(principal: str | None) -> None:
    """WB4: what depends on the caller carries no-store, unless the data plane knows better."""
    who = [(b"authorization", principal.encode())] if principal else []
    answer = await client().ask("GET", "/rest/v1/posts", *who)
    assert "no-store" == answer.one("cache-control")
    known = Plane(Reply(200, ((b"cache-control", b"public, max-age=60"),), b"[]"))
    answer = await client(known).ask("GET", "/rest/v1/posts", *who)
    assert "public, max-age=60" == answer.one("cache-control")


async def test_health_is_answered_at_once() -> None:
    """LM11: /health needs neither the data plane nor a token, and takes GET and HEAD only."""
    plane = Plane()
    app = client(plane)
    answer = await app.ask("GET", "/health", (b"authorization", b"x"))
    assert (200, b'{"status":"ok"}') == (answer.status, answer.body)
    head = await app.ask("HEAD", "/health")
    assert (200, b"") == (head.status, head.body)
    post = await app.ask("POST", "/health", body=b"x")
    assert (405, "GET, HEAD") == (post.status, post.one("allow"))
    assert [] == plane.asked


async def test_health_can_be_the_apps() -> None:
    """An app that knows of a dead background task says it at /health."""
    answer = await client(health=lambda: Reply(503, (), b'{"status":"ill"}')).ask("GET", "/health")
    assert (503, b'{"status":"ill"}') == (answer.status, answer.body)


# Errors


async def test_an_error_is_an_answer() -> None:
    """ER1: status, four keys, Proxy-Status and the error's own headers."""
    error = PlanError("PGRST103", "Requested range not satisfiable", details="…", headers=(("Content-Range", "*/15"),))
    answer = await client(Plane(error)).ask("GET", "/rest/v1/posts")
    assert (416, "*/15") == (answer.status, answer.one("content-range"))
    assert {
        "code": "PGRST103",
        "message": "Requested range not satisfiable",
        "details": "…",
        "hint": None,
    } == answer.error
    assert "PostgREST; error=PGRST103" == answer.one("proxy-status")
    assert "application/json; charset=utf-8" == answer.one("content-type")
    assert "no-store" == answer.one("cache-control")


async def test_forbidden_means_sign_in_to_the_anonymous() -> None:
    """A 42501 is 401 with a challenge to nobody, and 403 without one to somebody (detail 18)."""
    app = client(Plane(Forbidden("42501", "no")))
    nobody = await app.ask("GET", "/rest/v1/posts")
    somebody = await app.ask("GET", "/rest/v1/posts", (b"authorization", b"ada"))
    assert (401, "Bearer") == (nobody.status, nobody.one("www-authenticate"))
    assert (403, None) == (somebody.status, somebody.one("www-authenticate"))


async def test_a_bad_token_never_reaches_the_data_plane() -> None:
    """A TokenError is 401 with RFC 6750's challenge."""

    def refuse(headers: Mapping[bytes, bytes]) -> Principal:
        raise TokenError("PGRST303", "JWT expired")

    plane = Plane()
    answer = await Client(Kernel(plane, refuse, teapot)).ask("GET", "/rest/v1/posts")
    assert (401, []) == (answer.status, plane.asked)
    assert 'Bearer error="invalid_token", error_description="JWT expired"' == answer.one("www-authenticate")


@pytest.mark.parametrize("code", ["BST503", "53300", "PGRST000", "PGRST001", "PGRST002", "PGRST003"])
async def test_what_passes_by_itself_says_when(code: str) -> None:
    """LM10: overload and lost connections carry Retry-After."""
    answer = await client(Plane(DatabaseError(code, "busy"))).ask("GET", "/rest/v1/posts")
    assert (504 if code == "PGRST003" else 503, "1") == (answer.status, answer.one("retry-after"))


async def test_a_bug_shows_an_id_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    """ER2: SQL, paths, values and secrets stay in the log, and the Authorization value not even there."""
    bug = RuntimeError("SELECT secret FROM /srv/app/data.db WHERE key = 'k3y'")
    app = client(Plane(bug))
    with caplog.at_level(logging.ERROR, "backstay.http"):
        answer = await app.ask("GET", "/rest/v1/posts?email=eq.ada@example.org", (b"authorization", b"t0psecret"))
    assert (500, "BST500") == (answer.status, answer.error["code"])
    id = answer.error["details"].removeprefix("Error id ")
    assert 16 == len(id)
    everything = answer.body + b"".join(name + value for name, value in answer.headers)
    for leak in (b"SELECT", b"data.db", b"k3y", b"RuntimeError", b"Traceback", b".py", b"python", b"uvicorn"):
        assert leak.lower() not in everything.lower()
    assert id in caplog.text
    assert "SELECT secret" in caplog.text  # whole, for the operator
    assert "t0psecret" not in caplog.text
    assert "ada@example.org" not in caplog.text


@pytest.mark.parametrize(
    ("code", "lines"), [("57014", 1), ("XX000", 1), ("PGRST003", 1), ("PGRST001", 0), ("23505", 0), ("42501", 0)]
)
async def test_the_operator_sees_what_the_client_cannot_mend(
    caplog: pytest.LogCaptureFixture, code: str, lines: int
) -> None:
    """Errors of the server's side are logged, refusals and overload are not."""
    await client(Plane(DatabaseError(code, "why"))).ask("GET", "/rest/v1/posts?email=eq.ada@example.org")
    assert lines == len(caplog.records)
    assert bool(lines) == (f"{code}: why" in caplog.text)
    assert "ada@example.org" not in caplog.text


async def test_the_next_request_after_a_bug_is_served() -> None:
    """AC16: a crash leaves no state in the kernel."""
    plane = Plane(RuntimeError("bug"))
    app = client(plane, HttpLimits(concurrent=1))
    for _ in range(3):
        assert 500 == (await app.ask("GET", "/rest/v1/posts")).status
    plane.reply = Reply(200, (), b"[]")
    assert 200 == (await app.ask("GET", "/rest/v1/posts")).status


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\0", b"\r\nset-cookie: a=b"])
async def test_data_cannot_write_headers(end: bytes) -> None:
    """A header value with a line break is a bug of ours, answered as one and not sent."""
    answer = await client(Plane(Reply(200, ((b"location", b"/posts?id=eq.1" + end),)))).ask("POST", "/rest/v1/posts")
    assert (500, None, None) == (answer.status, answer.one("location"), answer.one("set-cookie"))


async def test_two_interleaved_users_keep_their_own_names() -> None:
    """AC16: whoever waits longer still gets their own answer."""
    turn = asyncio.Event()

    async def echo(request: DataRequest) -> Reply:
        name = (request.principal.id or "nobody").encode()
        if name == b"ada":
            await turn.wait()
        else:
            turn.set()
        return Reply(200, (), name)

    app = client(Plane(echo))
    first, second = await asyncio.gather(
        app.ask("GET", "/rest/v1/me", (b"authorization", b"ada")), app.ask("GET", "/rest/v1/me")
    )
    assert (b"ada", b"nobody") == (first.body, second.body)


# Limits


async def test_concurrent_requests_are_bounded() -> None:
    """LM10: at the limit all are served; one more is told to come back, and later it is served."""
    entered, leave = asyncio.Semaphore(0), asyncio.Event()

    async def wait(request: DataRequest) -> Reply:
        entered.release()
        await leave.wait()
        return Reply(200, (), b"[]")

    app = client(Plane(wait), HttpLimits(concurrent=2))
    waiting = [asyncio.ensure_future(app.ask("GET", "/rest/v1/posts")) for _ in range(2)]
    for _ in waiting:
        await entered.acquire()
    refused = await app.ask("GET", "/rest/v1/posts")
    assert (503, "BST503", "1") == (refused.status, refused.error["code"], refused.one("retry-after"))
    assert 200 == (await app.ask("GET", "/health")).status
    leave.set()
    assert [200, 200] == [answer.status for answer in await asyncio.gather(*waiting)]
    assert 200 == (await app.ask("GET", "/rest/v1/posts")).status


@pytest.mark.parametrize(("extra", "status"), [(0, 200), (1, 414)])
async def test_url_length(extra: int, status: int) -> None:
    """LM4: path and query together are 8,192 bytes at most, counted as they were written."""
    path = "/rest/v1/posts"
    answer = await client().ask("GET", f"{path}?{'x' * (8192 - len(path) + extra)}")
    assert status == answer.status


async def test_url_length_counts_percent_encodings() -> None:
    """LM4: decoding must not make a URL short enough."""
    answer = await client().ask("GET", "/rest/v1/posts", raw_path=b"/rest/v1/" + b"%61" * 2800)
    assert (414, "BST414") == (answer.status, answer.error["code"])


@pytest.mark.parametrize(("size", "status"), [(1024 * 1024, 200), (1024 * 1024 + 1, 413)])
@pytest.mark.parametrize("content_type", [b"application/json", b"text/csv", b"application/x-www-form-urlencoded"])
@pytest.mark.parametrize("declared", [True, False])
async def test_body_length(size: int, status: int, content_type: bytes, declared: bool) -> None:
    """LM3, LM8: 1 MiB of any content type, with or without a Content-Length, before anybody is authenticated."""
    asked: list[bytes] = []

    def watch(headers: Mapping[bytes, bytes]) -> Principal:
        asked.append(b"authenticated")
        return ANONYMOUS

    plane = Plane()
    headers = [HOST, (b"content-type", content_type)]
    if declared:
        headers.append((b"content-length", str(size).encode()))
    chunks = [b"x" * 65536] * (size // 65536) + [b"x" * (size % 65536)]
    answer = await Client(Kernel(plane, watch, teapot)).send("POST", "/rest/v1/posts", headers, chunks)
    assert answer is not None
    assert status == answer.status
    if status == 413:
        assert ("BST413", []) == (answer.error["code"], asked)
    else:
        assert [size] == [len(request.body) for request in plane.asked]


async def test_limits_come_before_authentication() -> None:
    """LM: an unauthenticated flood costs no signature check."""

    def fail(headers: Mapping[bytes, bytes]) -> Principal:
        raise AssertionError("authenticated too early")

    app = Client(Kernel(Plane(), fail, teapot))
    many = [HOST] + [(b"x-%d" % n, b"") for n in range(100)]
    statuses = [
        await app.send("GET", "/rest/v1/a", many),
        await app.send("GET", "/rest/v1/a?" + "x" * 9000),
        await app.send("POST", "/rest/v1/a", [HOST, (b"content-encoding", b"gzip")], [b"x"]),
        await app.send("POST", "/rest/v1/a", [HOST, (b"content-length", b"9999999")], [b"x"]),
        await app.send("GET", "/rest/v1/a", [(b"host", b"a b")]),
    ]
    assert [431, 414, 415, 413, 400] == [answer.status for answer in statuses if answer]


# Hosts


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ([b"api.example.org"], 200),
        ([b"API.example.org:8443"], 200),
        ([b"deep.inner.example.net"], 200),
        ([b"example.net"], 400),
        ([b"api.example.org.evil.net"], 400),
        ([b"evil.net"], 400),
        ([b""], 400),
        ([], 400),
        ([b"api.example.org", b"api.example.org"], 400),
        ([b"api.example.org@evil.net"], 400),
        ([b"api.example.org, evil.net"], 400),
        ([b"api.example.org/x"], 400),
    ],
)
@pytest.mark.parametrize("path", ["/rest/v1/posts", "/docs"])
async def test_host_allow_list(host: list[bytes], status: int, path: str) -> None:
    """WB6: only listed names and suffixes are served, on both sides of the kernel."""
    app = client(hosts=frozenset({"api.example.org", ".example.net"}))
    answer = await app.send("GET", path, [(b"host", value) for value in host])
    assert answer is not None
    assert (418 if status == 200 and path == "/docs" else status) == answer.status


@pytest.mark.parametrize(
    ("host", "status"),
    [([b"10.0.0.7:8000"], 200), ([b"evil.net"], 200), ([b"a b"], 400), ([b"a", b"a"], 400), ([], 400)],
)
async def test_health_is_asked_by_address(host: list[bytes], status: int) -> None:
    """S12: who looks whether a machine is well knows its address only; what is malformed is refused there too."""
    app = client(hosts=frozenset({"api.example.org"}))
    answer = await app.send("GET", "/health", [(b"host", value) for value in host])
    assert answer is not None
    assert status == answer.status


@pytest.mark.parametrize("version", ["1", "1.0", "1.1", "2"])
@pytest.mark.parametrize("path", ["/rest/v1/posts", "/health", "/", "/auth/v1/settings"])
@pytest.mark.parametrize("host", [[], [(b"host", b"")]], ids=["none", "empty"])
async def test_a_missing_host(version: str, path: str, host: list[tuple[bytes, bytes]]) -> None:
    """WB6: whatever the version and the path, as the docs say; some servers pass an empty one on instead of none."""
    answer = await client().send("GET", path, host, http_version=version)
    assert answer is not None
    assert 400 == answer.status


# Clients that leave


async def test_a_body_that_breaks_off_does_nothing() -> None:
    """S10: a disconnect in the middle of a body is told to whoever may still be there, and never to the data plane."""
    plane = Plane()
    app = client(plane, HttpLimits(concurrent=1))
    for parts in ([b"{"], []):
        answer = await app.send("POST", "/rest/v1/posts", (HOST,), parts, gone=True)
        assert answer is not None
        assert 400 == answer.status
    assert [] == plane.asked
    assert 200 == (await app.ask("GET", "/rest/v1/posts")).status


async def test_a_cancelled_request_gives_its_place_back() -> None:
    """A server may cancel what it runs; the cancellation is passed on, and the kernel counts right after it."""
    entered = asyncio.Event()

    async def wait(request: DataRequest) -> Reply:
        entered.set()
        await asyncio.Event().wait()
        raise AssertionError

    plane = Plane(wait)
    app = client(plane, HttpLimits(concurrent=1))
    task = asyncio.ensure_future(app.ask("GET", "/rest/v1/posts"))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    plane.reply = Reply(200, (), b"[]")
    assert 200 == (await app.ask("GET", "/rest/v1/posts")).status


async def test_a_broken_pipe_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """A send() that fails because nobody listens is not logged as a fault."""

    async def receive() -> Message:
        raise AssertionError("a GET without a body is not read")

    async def send(message: Message) -> None:
        raise BrokenPipeError

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/rest/v1/posts",
        "query_string": b"",
        "headers": [HOST],
        "http_version": "1.1",
        "scheme": "http",
    }
    await Kernel(Plane(), anybody, teapot)(scope, receive, send)
    assert [] == [record for record in caplog.records if record.levelno >= logging.WARNING]


# The app behind


async def test_the_app_behind_gets_the_head_limits() -> None:
    """LM1, LM4: there is no second way in without limits."""
    app = client()
    many = [HOST] + [(b"x-%d" % n, b"") for n in range(100)]
    big = await app.send("GET", "/docs", many)
    long = await app.send("GET", "/docs?" + "x" * 9000)
    assert big is not None
    assert long is not None
    assert [(431, "BST431"), (414, "BST414")] == [(one.status, one.error["code"]) for one in (big, long)]


async def test_a_bug_behind_is_answered_with_an_id(caplog: pytest.LogCaptureFixture) -> None:
    """ER2 holds for mounted apps too."""

    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("SELECT 1")

    answer = await Client(Kernel(Plane(), anybody, broken)).ask("GET", "/docs")
    assert (500, "BST500") == (answer.status, answer.error["code"])
    assert b"SELECT" not in answer.body
    assert answer.error["details"].removeprefix("Error id ") in caplog.text


async def test_starlette_behind(caplog: pytest.LogCaptureFixture) -> None:
    """Starlette answers a bug with its own 500 and raises it again: it is logged with an id, and goes no further."""

    async def broken(request: Request) -> Response:
        raise RuntimeError("SELECT 1")

    app = Client(Kernel(Plane(), anybody, Starlette(routes=[Route("/broken", broken)])))
    answer = await app.ask("GET", "/broken")
    assert (500, False, "nosniff") == (
        answer.status,
        b"SELECT" in answer.body,
        answer.one("x-content-type-options"),
    )
    assert 1 == caplog.text.count("failed: GET '/broken'")
    assert 404 == (await app.ask("GET", "/missing")).status


async def test_half_an_answer_is_aborted() -> None:
    """When the app behind fails after it has begun, the server must cut the connection: the error goes on to it."""

    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError("bug")

    with pytest.raises(RuntimeError, match="bug"):
        await Client(Kernel(Plane(), anybody, broken)).ask("GET", "/docs")


async def test_sockets_and_lifespan_go_behind() -> None:
    """What is not HTTP is the app behind's, but for a WebSocket with a bad head, which is closed."""
    seen: list[str] = []

    async def note(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    app = Kernel(Plane(), anybody, note)
    socket = {"type": "websocket", "path": "/realtime/v1", "query_string": b"", "headers": [HOST]}
    await app(socket, receive, send)
    await app({"type": "lifespan"}, receive, send)
    assert (["websocket", "lifespan"], []) == (seen, sent)
    await app({**socket, "headers": [(b"host", b"a b")]}, receive, send)
    await app({**socket, "query_string": b"x" * 9000}, receive, send)
    assert (["websocket", "lifespan"], ["BST400", "BST414"]) == (seen, [message["reason"] for message in sent])


# CORS, as the kernel uses it


async def test_preflight_needs_no_token() -> None:
    """WB3: a preflight is answered before authentication; browsers send none with it."""

    def fail(headers: Mapping[bytes, bytes]) -> Principal:
        raise AssertionError("authenticated a preflight")

    answer = await Client(Kernel(Plane(), fail, teapot)).ask(
        "OPTIONS",
        "/rest/v1/posts",
        (b"origin", b"https://app.example"),
        (b"access-control-request-method", b"PATCH"),
        (b"access-control-request-headers", b"apikey,authorization,prefer"),
    )
    assert (204, b"", None) == (answer.status, answer.body, answer.one("content-length"))
    assert ("*", "86400") == (answer.one("access-control-allow-origin"), answer.one("access-control-max-age"))
    assert "PATCH" in (answer.one("access-control-allow-methods") or "")
    allowed = (answer.one("access-control-allow-headers") or "").split(", ")
    assert {"apikey", "authorization", "prefer", "x-client-info", "accept-profile", "content-profile"} <= set(allowed)


@pytest.mark.parametrize(
    "headers", [[], [(b"origin", b"https://app.example")], [(b"access-control-request-method", b"GET")]]
)
async def test_options_without_a_preflight_is_a_question_about_the_table(headers: list[tuple[bytes, bytes]]) -> None:
    """Detail 39: OPTIONS by itself is the data plane's."""
    plane = Plane(Reply(200, ((b"allow", b"OPTIONS,GET"),)))
    answer = await client(plane).ask("OPTIONS", "/rest/v1/posts", *headers)
    assert (200, "OPTIONS,GET", 1) == (answer.status, answer.one("allow"), len(plane.asked))


async def test_errors_are_readable_across_origins() -> None:
    """WB3: a page sees the code of a refusal, not a network error."""
    app = client(Plane(Forbidden("42501", "no")))
    answer = await app.ask("GET", "/rest/v1/posts", (b"origin", b"https://app.example"))
    assert "*" == answer.one("access-control-allow-origin")
    long = await app.ask("GET", "/rest/v1/posts?" + "x" * 9000, (b"origin", b"https://app.example"))
    assert (414, "*") == (long.status, long.one("access-control-allow-origin"))


async def test_body_is_json_for_any_message() -> None:
    """ER1: a lone surrogate or an odd value in an error's details cannot make the answer fail."""
    error = PlanError("PGRST205", "no \udcff", details={"a": {1, 2}})
    answer = await client(Plane(error)).ask("GET", "/rest/v1/posts")
    assert 404 == answer.status
    assert "PGRST205" == json.loads(answer.body)["code"]


async def test_a_header_that_nobody_joins_comes_once() -> None:
    """S12: whoever raised an error with headers of ours has not added a second one; others may repeat."""
    own = [("Content-Security-Policy", "sandbox"), ("X-Request-Id", "mine"), ("Content-Type", "x"), ("Vary", "Leaf")]

    async def refuse(request: DataRequest) -> Reply:
        raise BackstayError("PT418", "no", headers=(*own, ("X-Leaf", "1"), ("X-Leaf", "2")))

    answer = await client(Plane(refuse)).ask("GET", "/rest/v1/posts", (b"origin", b"https://page.example"))
    names = [name for name, _ in answer.headers]
    once = (b"content-security-policy", b"x-request-id", b"content-type")
    assert ([1, 1, 1], 2) == ([names.count(name) for name in once], names.count(b"x-leaf"))
    assert (b"content-security-policy", b"sandbox") in answer.headers
    assert (b"content-type", b"application/json; charset=utf-8") in answer.headers
    assert (b"x-request-id", b"mine") not in answer.headers
