"""The one ASGI callable: data requests go straight through, everything else to the app behind.

Rules of this file:

1. Limits come before authentication, authentication before the data plane (LM, first line).
2. Errors are caught here, once.  `BackstayError` is an answer; anything else is a 500 with an id (ER2).
3. One ``http.response.start`` and one ``http.response.body`` per data request, but for streams (``stream.py``), and
   nothing of the request survives it (AC16): the kernel's only state is its counters.
4. The same head checks and security headers hold for the app behind: there is no second way in.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Final, NamedTuple, Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backstay.db.caller import CALLER, Caller
from backstay.db.failures import RETRY
from backstay.db.turns import share_of
from backstay.errors import BackstayError, Forbidden, RequestError, TokenError
from backstay.http.body import BodyReader
from backstay.http.client import addressing
from backstay.http.cors import CorsPolicy
from backstay.http.departure import ClientGone, Departure
from backstay.http.headers import check_framing, check_host, read_headers
from backstay.http.limits import HttpLimits
from backstay.http.nowhere import NEVER, is_spelled, no_method, told_at
from backstay.http.problem import crash, problem, untold
from backstay.http.shield import API, API_TLS, NO_STORE, Shield
from backstay.http.stream import stream
from backstay.http.unsent import CHUNK_BYTES, Unsent, may_weigh, send_pieces, too_much_unsent, weightless
from backstay.observe import RequestIds
from backstay.pipeline import DataPlane, DataRequest
from backstay.policy.principal import ANONYMOUS, Principal
from backstay.proxies import Proxies
from backstay.response.reply import Headers, Reply
from backstay.response.size import check_size

_LOG: Final = logging.getLogger("backstay.http")
_ACCESS: Final = logging.getLogger("backstay.access")

_ROOT: Final = "/rest/v1"
_PREFIX: Final = "/rest/v1/"
_CALLS: Final = "/rest/v1/rpc/"
_HEALTH: Final = "/health"
_DESCRIPTION: Final = "/openapi.json"

_SECURE: Final = {"http": "https", "websocket": "wss"}
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_WITHOUT_BODY: Final = frozenset({"GET", "HEAD", "OPTIONS"})
#: Statuses that have no content, and so no Content-Length (RFC 9110 §8.6, §15.3.5, §15.4.5).
_EMPTY_STATUSES: Final = frozenset({204, 304})

#: What a function may say of its answer too, and what comes once (RFC 9110 §5.3).
_ONCE: Final = frozenset(name for name, _ in (*API_TLS, *NO_STORE)) | {
    b"access-control-allow-credentials",
    b"access-control-allow-origin",
    b"content-disposition",
    b"content-location",
    b"content-range",
    b"content-type",
    b"etag",
    b"location",
    b"retry-after",
    b"x-request-id",
}

_HEALTHY: Final = Reply(200, ((b"content-type", b"application/json"),), b'{"status":"ok"}')


class Guard(Protocol):
    """What is known of revoked sessions and keys, and must not be old: `backstay.auth.Trust`."""

    @property
    def is_stale(self) -> bool: ...

    async def refresh(self) -> None: ...

    async def look_again(self) -> bool: ...


class Beside(NamedTuple):
    """Another API beside the data plane: it authenticates by itself, and says its errors its own way."""

    prefix: str
    plane: DataPlane
    problem: Callable[[BackstayError, Mapping[bytes, bytes]], Reply]


class Kernel:
    """Backstay as an ASGI app.

    Args:
        data: answers what comes to ``/rest/v1``, and ``/openapi.json`` as the root of it.
        authenticate: headers to principal; raises `TokenError`.  Called once per data request.
        behind: gets every other request, WebSockets and the lifespan.  Its own body limits are its business.
        limits: see `HttpLimits`.
        cors: see `CorsPolicy`; for the data plane and ``/health`` only.
        hosts: names that a Host header may carry, ``.suffix`` for all under it; ``None``: any well-formed one (WB6).
            ``/health`` takes any: who looks whether a machine is well asks by its address.
        health: answers ``/health``; must be O(1) and without I/O (LM11).
        guard: is made fresh before *authenticate* is asked (TK5).
        beside: the APIs that are not the data plane's.
        tls: whether clients reach it by https although a proxy in front speaks http with it (WB4).
        access_log: log a line for each request.
        address: the socket's peer and the headers to the client's address and what it is counted by (TH7).
        share: the percentage of what runs at one time that one address may have; 0: no limit.
    """

    def __init__(
        self,
        data: DataPlane,
        authenticate: Callable[[Mapping[bytes, bytes]], Principal],
        behind: ASGIApp,
        *,
        limits: HttpLimits | None = None,
        cors: CorsPolicy | None = None,
        hosts: frozenset[str] | None = None,
        health: Callable[[], Reply] = lambda: _HEALTHY,
        guard: Guard | None = None,
        beside: tuple[Beside, ...] = (),
        access_log: bool = False,
        tls: bool = False,
        address: Callable[[str, Mapping[bytes, bytes]], tuple[str, str]] | None = None,
        share: int = 0,
    ) -> None:
        self._data = data
        self._authenticate = authenticate
        self._behind = behind
        self._limits = limits or HttpLimits()
        self._cors = cors or CorsPolicy()
        self._hosts = None if hosts is None else frozenset(host.lower() for host in hosts)
        self._health = health
        self._guard = guard
        self._beside = beside
        self._prefixes = (_CALLS, _PREFIX, *(one.prefix for one in beside))
        self._address = address or addressing(Proxies())
        self._body = BodyReader(self._limits, share)
        self._running = 0
        #: What runs by address, and the most of it.
        self._running_of: Counter[str] = Counter()
        self._most_of = share_of(self._limits.concurrent, share)
        self._unsent = Unsent(self._limits.unsent_bytes, share)
        self._ids = RequestIds()
        self._access_log = access_log
        self._tls = tls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._tls and scope["type"] in _SECURE:
            # The operator says so, whatever the hop from the proxy to here is: no header is believed for it.
            scope = {**scope, "scheme": _SECURE[scope["type"]]}
        if scope["type"] == "http":
            root, path = scope.get("root_path", ""), _inner(scope)
            raw: bytes = scope.get("raw_path") or b""
            if b"%" in raw and not _is_spelled(raw, root, path, self._prefixes):
                await self._pass_on(scope, receive, send)
            elif path.startswith(_PREFIX):
                await self._serve(scope, receive, send, path[9:])
            elif path in (_ROOT, _DESCRIPTION):
                await self._serve(scope, receive, send, "")
            elif path == _HEALTH:
                await self._serve(scope, receive, send, None)
            else:
                for one in self._beside:
                    if path.startswith(one.prefix):
                        await self._serve(scope, receive, send, path[len(one.prefix) :], one)
                        return
                await self._pass_on(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._pass_on_socket(scope, receive, send)
        else:
            await self._behind(scope, receive, send)

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, path: str | None, beside: Beside | None = None
    ) -> None:
        """Answer a request for *path* to the data plane or to *beside* it; ``/health`` when *path* is ``None``."""
        method: str = scope["method"]
        principal: Principal | None = None
        cors: Headers = ()
        headers: Mapping[bytes, bytes] = {}
        began = time.perf_counter() if self._access_log else 0.0
        id: bytes | None = None
        peer: str = (scope.get("client") or ("",))[0]
        counted: str | None = None
        called = None
        self._running += 1
        try:
            headers = read_headers(scope["headers"], self._limits)
            id = self._ids.begin(headers.get(b"x-request-id"))
            origin = headers.get(b"origin")
            cors = self._cors.headers(origin, method)
            self._check_head(scope, headers, None if path is None else self._hosts)
            if method == "OPTIONS" and origin is not None and b"access-control-request-method" in headers:
                asked = headers.get(b"access-control-request-headers")
                reply, cors = self._cors.preflight(origin, asked), ()
            elif path is None:
                if method not in ("GET", "HEAD"):
                    raise no_method(method, "GET, HEAD")
                reply = self._health()
            else:
                counted = self._address(peer, headers)[1]
                self._running_of[counted] += 1
                if self._running > self._limits.concurrent or self._running_of[counted] > self._most_of:
                    raise RequestError(
                        "BST503", "Too many requests at once", hint="Try again in a second.", headers=RETRY
                    )
                # A GET without a length is known to have no body: not asking saves a turn of receive().
                if method in _WITHOUT_BODY and b"content-length" not in headers and b"transfer-encoding" not in headers:
                    body = b""
                else:
                    body = await self._body.read(receive, headers, counted)
                if beside is None and may_weigh(method, path, headers) and not self._unsent.has_room(counted):
                    raise too_much_unsent()
                if self._guard is not None and self._guard.is_stale:
                    await self._guard.refresh()
                principal = ANONYMOUS if beside is not None else await self._caller(headers)
                if principal.read_only and method not in _READING:
                    # RB5: here, so that no way to write can forget it; whatever GET calls reads only.
                    raise Forbidden("42501", "The API key may only read", hint="Use a key with the scope write.")
                request = DataRequest(
                    method,
                    path,
                    scope["query_string"],
                    headers,
                    body,
                    principal,
                    scope.get("root_path", ""),
                    scope.get("raw_path") or b"",
                    peer,
                )
                called = CALLER.set(_caller(principal, counted, to_accounts=beside is not None))
                if beside is not None:
                    # A flow that ends half-way could be one that was tried and not counted: it goes on to its end.
                    # It bounds its lists itself; what an effect is told by is small, and not refused behind it.
                    reply = await beside.plane.answer(request)
                else:
                    with Departure(receive):
                        reply = await self._data.answer(request)
                    check_size(len(reply.body), self._limits.answer_bytes)
            _refuse_line_breaks(reply)
        except BackstayError as error:
            id = id or self._ids.begin(None)
            told = untold(error, method, scope["path"])
            reply = problem(told, principal) if beside is None else beside.problem(told, headers)
            if told is error and reply.status >= 500 and reply.status != 503:
                # The client cannot mend it, so the operator must see it.  503 is load: a line for each adds to it.
                _LOG.warning("%s %.200r was answered %s", method, scope["path"], error.code, exc_info=error)
            # Its frames hold the wait for a body: while they live, Granian reads on, and closes no connection behind
            # the answer (LM2).
            error.__traceback__ = None
        except ClientGone:
            return
        except Exception as error:
            id = id or self._ids.begin(None)
            fault = crash(error, method, scope["path"])
            reply = problem(fault, None) if beside is None else beside.problem(fault, headers)
        finally:
            self._running -= 1
            if called is not None:
                CALLER.reset(called)
            if counted is not None:
                self._running_of[counted] -= 1
                if self._running_of[counted] <= 0:
                    del self._running_of[counted]
        if reply.stream is None:

            def tell(error: BackstayError) -> Reply:
                return problem(error, principal) if beside is None else beside.problem(error, headers)

            reply = await self._respond(scope, send, reply, cors, id, counted or "", tell)
        else:
            headers_out = _all_headers(scope, reply, cors, id)
            await stream(scope, receive, send, reply, headers_out, seconds=self._limits.send_seconds)
        if self._access_log:
            _log_access(scope, reply.status, began)

    async def _respond(
        self,
        scope: Scope,
        send: Send,
        reply: Reply,
        cors: Headers,
        id: bytes,
        address: str = "",
        tell: Callable[[BackstayError], Reply] = lambda error: problem(error, None),
    ) -> Reply:
        """Send *reply* to a client at *address*, or what *tell* makes of a refusal to; what was sent.

        Content-Length is made here and nowhere else.
        """
        headers, body = _framed(scope, reply, cors, id)
        size = len(body)
        if size > CHUNK_BYTES:
            if self._unsent.begin(address, size):
                try:
                    await self._respond_slowly(send, reply.status, headers, body)
                finally:
                    self._unsent.end(address, size)
                return reply
            reply = weightless(scope["method"], reply, tell)
            headers, body = _framed(scope, reply, cors, id)
        try:
            await send({"type": "http.response.start", "status": reply.status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        except OSError:
            # ASGI: what send() raises when the client has gone.  A write that was acknowledged to nobody stays
            # committed.
            _LOG.debug("the client left before its answer")
        return reply

    async def _respond_slowly(self, send: Send, status: int, headers: Headers, body: bytes) -> None:
        start: Message = {"type": "http.response.start", "status": status, "headers": headers}
        try:
            await send_pieces(send, start, body, self._limits.send_seconds)
        except TimeoutError:
            raise  # half an answer is out: only an abort tells the client that it is not a whole one
        except OSError:
            _LOG.debug("the client left during its answer")

    async def _caller(self, headers: Mapping[bytes, bytes]) -> Principal:
        try:
            return self._authenticate(headers)
        except TokenError:
            # Another process may have made the key a moment ago.
            if self._guard is None or not await self._guard.look_again():
                raise
            return self._authenticate(headers)

    def _check_head(self, scope: Scope, headers: Mapping[bytes, bytes], hosts: frozenset[str] | None) -> None:
        check_host(headers.get(b"host"), hosts)
        if b"transfer-encoding" in headers:
            check_framing(headers, scope["http_version"])
        raw_path = scope.get("raw_path")
        # The decoded path is never longer than the raw one, which not every server passes on.
        length = len(scope["path"] if raw_path is None else raw_path) + len(scope["query_string"])
        if length > self._limits.url_bytes:
            raise RequestError(
                "BST414",
                f"The URL is longer than {self._limits.url_bytes} bytes",
                hint="Use fewer or shorter filters, or call a function by POST.",
            )

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the app behind answer, within the head limits and under the security headers."""
        began = time.perf_counter() if self._access_log else 0.0
        shield = Shield(send, tls=scope["scheme"] == "https")
        headers: Mapping[bytes, bytes] = {}
        try:
            headers = read_headers(scope["headers"], self._limits)
            shield.request_id = self._ids.begin(headers.get(b"x-request-id"))
            self._check_head(scope, headers, self._hosts)
            if scope["method"] in NEVER:
                raise no_method(scope["method"])
            await self._behind(scope, receive, shield)
            if self._access_log:
                _log_access(scope, shield.status, began)
            return
        except BackstayError as error:
            reply = told_at(_inner(scope), error, headers)
        except Exception as error:
            reply = told_at(_inner(scope), crash(error, scope["method"], scope["path"]), headers)
            if shield.started and not shield.ended:
                # Half an answer is out: only an abort tells the client that it is not a whole one.
                raise
        if not shield.started:
            await self._respond(scope, send, reply, (), shield.request_id or self._ids.begin(None))
        if self._access_log:
            _log_access(scope, shield.status or reply.status, began)

    async def _pass_on_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._check_head(scope, read_headers(scope["headers"], self._limits), self._hosts)
        except RequestError as error:
            await receive()  # websocket.connect; a close in answer to it becomes a 403.
            await send({"type": "websocket.close", "code": 1008, "reason": error.code})
            return
        await self._behind(scope, receive, send)


def _inner(scope: Scope) -> str:
    """The path under the prefix that the app is mounted under: ASGI's includes it."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path.removeprefix(root) if root else path


def _is_spelled(raw: bytes, root: str, path: str, prefixes: Iterable[str]) -> bool:
    """Whether the surface that the decoded *path* leads to was named by its own slashes."""
    prefix = next((prefix for prefix in prefixes if path.startswith(prefix) or f"{path}/" == prefix), "/")
    # Not every server's raw path has the prefix that it is mounted under.
    return is_spelled(raw, root + prefix) or is_spelled(raw, prefix)


def _caller(principal: Principal, address: str, *, to_accounts: bool) -> Caller:
    """Who is counted: the account, else the address, in each role by itself."""
    if to_accounts:
        return Caller(f"accounts {address}", first=True)
    if principal.id is not None:
        return Caller(f"account {principal.id}")
    return Caller(f"{principal.role} {address}")


def _framed(scope: Scope, reply: Reply, cors: Headers, id: bytes) -> tuple[Headers, bytes]:
    """All headers of *reply*, and what of its body is sent."""
    headers = _all_headers(scope, reply, cors, id)
    if scope["method"] == "HEAD" or reply.status in _EMPTY_STATUSES:
        return headers, b""
    return (*headers, (b"content-length", b"%d" % len(reply.body))), reply.body


def _refuse_line_breaks(reply: Reply) -> None:
    # Data in a header value must not write headers of its own, and not every server looks.  One join and three
    # memchr cost 0.6 µs, a loop over the pairs 0.8.
    text = b"".join(chain.from_iterable(reply.headers))
    if b"\n" in text or b"\r" in text or b"\0" in text:
        raise ValueError("a header value of the reply has a line break")


def _log_access(scope: Scope, status: int, began: float) -> None:
    """One line: method, path, status, milliseconds.  No query string, which holds keys and values of rows."""
    _ACCESS.info("%s %.200r %s %.1f ms", scope["method"], scope["path"], status, (time.perf_counter() - began) * 1000)


def _once(headers: Headers) -> Headers:
    """*headers* with one line each of those that nobody joins: the first, which is the reply's own, and our id."""
    kept: dict[bytes, tuple[bytes, bytes]] = {}
    for pair in headers:
        kept.setdefault(pair[0], pair)
    kept[b"x-request-id"] = headers[-1]
    return tuple(pair for pair in headers if pair[0] not in _ONCE or pair is kept[pair[0]])


def _all_headers(scope: Scope, reply: Reply, cors: Headers, id: bytes) -> Headers:
    fixed = API_TLS if scope["scheme"] == "https" else API
    headers = (*reply.headers, *cors, *fixed, (b"x-request-id", id))
    names = dict(headers)
    if len(names) != len(headers):
        headers = _once(headers)
    if b"cache-control" not in names:
        headers += NO_STORE
    if b"connection" in names and not scope["http_version"].startswith("1"):
        headers = tuple(pair for pair in headers if pair[0] != b"connection")
    return headers
