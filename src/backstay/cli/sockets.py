"""Sockets under uvicorn: each has so long for its first request, its next one and taking its answer (LM2).

Rules of this file:

1. One look a second over all connections, and none for each: what a request costs does not change.
2. Whoever is late is cut off (``abort``): an orderly close waits for a peer that takes nothing for ever.
3. A body is cut off where what frames it is far more than the body: chunks of a byte, and what may stand beside them.
4. A request is what its head says: no trailer and no byte of a body becomes a header, or another request.
5. What a request needs to be refused properly is not our business here: a body that is late is answered 408 above.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from ipaddress import ip_address
from typing import Any, Final

from httptools import HttpParserInvalidMethodError, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from backstay.cli.limits import SocketLimits
from backstay.proxies import Proxies

#: Bytes less in a buffer that count as progress.
_PROGRESS: Final = 16 << 10
#: Seconds between two looks, at most.
_LOOK_SECONDS: Final = 1.0
#: Seconds that a late body is given to be answered before its connection is cut off.
_GRACE: Final = 5.0
#: Chunks of any body, and bytes that they have on average beyond; bytes around them of any body, beside as many as it.
_CHUNKS: Final = 1_000
_CHUNK_BYTES: Final = 16
_FRAMING_BYTES: Final = 64 << 10


def _refusal(status: bytes, body: bytes, more: bytes = b"") -> bytes:
    length = b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body)
    return b"HTTP/1.1 " + status + b"\r\ncontent-type: application/json; charset=utf-8\r\n" + more + length + body


_NO_REQUEST: Final = _refusal(
    b"400 Bad Request", b'{"code":"BST400","message":"This is no HTTP request","details":null,"hint":null}'
)
_UNKNOWN_METHOD: Final = _refusal(
    b"405 Method Not Allowed",
    b'{"code":"PGRST117","message":"Unsupported HTTP method","details":null,"hint":null}',
    b"allow: OPTIONS, GET, HEAD, POST, PUT, PATCH, DELETE\r\n",
)


class Door:
    """All connections of a process: how many an address has, and which of them are late.

    A *trusted* proxy has as many as it needs: its clients are not told apart here.
    """

    def __init__(self, limits: SocketLimits, trusted: Proxies) -> None:
        self.limits = limits
        self._trusted = trusted
        self._of: Counter[str] = Counter()
        self._inside: set[Guarded] = set()
        self._looking = False

    def enter(self, connection: Guarded, address: str) -> bool:
        """Whether *connection* may stay; then it must `leave`."""
        if address and not self._may_have_any_number(address) and self._of[address] >= self.limits.per_address:
            return False
        self._of[address] += 1
        self._inside.add(connection)
        if not self._looking:
            self._looking = True
            self._look_later()
        return True

    def leave(self, connection: Guarded, address: str) -> None:
        """*connection* is no more, or speaks another protocol."""
        if connection in self._inside:
            self._inside.discard(connection)
            self._of[address] -= 1
            if not self._of[address]:
                del self._of[address]

    def _may_have_any_number(self, address: str) -> bool:
        if not self.limits.per_address or self._trusted.count:
            return True
        return bool(self._trusted.networks) and self._trusted.trusts(ip_address(address.partition("%")[0]))

    def _look_later(self) -> None:
        limits = self.limits
        seconds = min(_LOOK_SECONDS, limits.head_seconds / 4, limits.send_seconds / 4)
        asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in tuple(self._inside):
            connection.look(now)
        if self._inside:
            self._look_later()
        else:
            self._looking = False


class Guarded(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, door: Door, **named: Any) -> None:
        super().__init__(*args, **named)
        self._door = door
        self._address = ""
        #: Since when a head is awaited, or its end; ``None`` while a request is answered, and between two.
        self._awaiting: float | None = None
        #: Bytes of that head so far.
        self._head = 0
        #: The request whose body is awaited, and since when.
        self._body: tuple[Any, float] | None = None
        #: Of the body that arrives: its bytes, the chunks of them, and all bytes that have come for it.
        self._carried = self._chunks = self._arrived = 0
        self._begins = False
        #: Where a body begins, of a request for another protocol that is answered as if it asked for none.
        self._unread: int | None = None
        #: What was in the buffer, and when, since the client last took something.
        self._unsent: tuple[int, float] | None = None
        self.timeout_keep_alive = door.limits.idle_seconds  # type: ignore[assignment]  # call_later takes any number

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        self._awaiting = self.loop.time()
        if not self._door.enter(self, self._address):
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._door.leave(self, self._address)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._unread is not None:
            # Its parser takes no body of such a request, and what comes of it later for the next request.
            data, self._unread = self._plain_head() + data[self._unread :], None
            self.parser = HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._awaiting, self._head = None, 0
            # With its head there may have come what was before it.
            self._arrived = self._carried if self._begins else self._arrived + len(data)
            self._begins = False
            if self.cycle.more_body and self._is_mostly_framing():
                self.transport.abort()
            return
        # Half a head, or what is left of a body that nobody reads.
        if self._awaiting is None:
            self._awaiting = self.loop.time()
        self._head += len(data)
        if self._head > self._door.limits.head_bytes:
            self.transport.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        # Trailers come the same way, behind a head that has a method, and nobody in front has looked at them: they are
        # dropped, as Granian does (RFC 9110 §6.5.1).
        if "method" not in self.scope:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._carried = self._chunks = self._arrived = 0
        self._begins = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._carried += len(body)
        self._chunks += 1
        super().on_body(body)

    def _is_mostly_framing(self) -> bool:
        around = self._arrived - self._carried
        return around > _FRAMING_BYTES + self._carried or self._chunks > _CHUNKS + self._carried // _CHUNK_BYTES

    def send_400_response(self, msg: str) -> None:
        """What its parser does not take, in our words: it knows no app, and of methods only those that have names."""
        unknown = isinstance(sys.exc_info()[1], HttpParserInvalidMethodError)
        self.transport.write(_UNKNOWN_METHOD if unknown else _NO_REQUEST)
        self.transport.close()

    def _should_upgrade(self) -> bool:
        return self.scope["method"] != "CONNECT"

    def handle_websocket_upgrade(self) -> None:
        """Let go of a connection that is a WebSocket's from now on; any other request to upgrade is a plain one."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.send_400_response("")
        elif self._opens_websocket():
            self._door.leave(self, self._address)
            super().handle_websocket_upgrade()
        else:
            self._unread = sys.exc_info()[1].args[0]  # type: ignore[union-attr]  # it is called where this is caught

    def _opens_websocket(self) -> bool:
        bodiless = {b"content-length", b"transfer-encoding"}.isdisjoint(name for name, _ in self.headers)
        return self.scope["method"] == "GET" and bodiless and super()._should_upgrade()

    def _plain_head(self) -> bytes:
        lines = [b"%b %b HTTP/%b" % (self.scope["method"].encode(), self.url, self.scope["http_version"].encode())]
        lines += [b"%b: %b" % line for line in self.headers if line[0] != b"upgrade"]
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def resume_writing(self) -> None:
        self._unsent = None
        super().resume_writing()

    def look(self, now: float) -> None:
        """Cut the connection off where it is late."""
        if self._is_late(now):
            self.transport.abort()

    def _is_late(self, now: float) -> bool:
        limits = self._door.limits
        if self._awaiting is not None and now - self._awaiting > limits.head_seconds:
            return True
        unsent = self.transport.get_write_buffer_size()
        if not unsent:
            self._unsent = None
        elif self._unsent is None or unsent <= self._unsent[0] - _PROGRESS:
            self._unsent = (unsent, now)
        elif now - self._unsent[1] > limits.send_seconds:
            return True
        if self.cycle is None or self.cycle.response_complete or not self.cycle.more_body:
            self._body = None
        elif self._body is None or self._body[0] is not self.cycle:
            self._body = (self.cycle, now)
        else:
            return now - self._body[1] > limits.body_seconds + _GRACE
        return False
