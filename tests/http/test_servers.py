"""The kernel under the servers that it is shipped with, over raw sockets."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h11
import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = {
    "granian": ["-m", "granian", "--interface", "asgi", "--no-ws", "--host", "127.0.0.1", "--port"],
    "uvicorn": ["-m", "uvicorn", "--no-access-log", "--host", "127.0.0.1", "--port"],
}


@pytest.fixture(scope="module", params=sorted(COMMANDS))
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server that serves `tests.http.served`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, *COMMANDS[request.param], str(number), "tests.http.served:app"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        end = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", number), timeout=60).close()
                break
            except OSError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.05)
        yield number
    finally:
        process.terminate()
        process.wait(15)


class Wire:
    """One connection; writes raw bytes and reads answers with h11, which refuses what is not HTTP."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.reader = h11.Connection(h11.CLIENT)

    def write(self, *lines: bytes, body: bytes = b"") -> None:
        """Send a request: its first line, a Host, *lines* and *body*."""
        first, *rest = lines
        self.sock.sendall(b"\r\n".join([first, b"Host: api.example.org", *rest, b"", b""]) + body)

    def read(self, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        """The next answer, to a request of *method*."""
        # h11 must know what was asked to know where the answer ends.
        self.reader.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
        self.reader.send(h11.EndOfMessage())
        body = b""
        while True:
            event = self.reader.next_event()
            if event is h11.NEED_DATA:
                self.reader.receive_data(self.sock.recv(65536))
            elif isinstance(event, h11.Response):
                status = event.status_code
                pairs = [(name.decode(), value.decode("latin-1")) for name, value in event.headers]
                assert len(pairs) == len(dict(pairs)), f"a header came twice: {pairs}"
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                raise AssertionError(event)
        if self.reader.our_state is h11.DONE and self.reader.their_state is h11.DONE:
            self.reader.start_next_cycle()
        return status, dict(pairs), body


@contextmanager
def connected(port: int) -> Iterator[Wire]:
    """A connection that fails the test rather than wait for ever."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
        yield Wire(sock)


def test_one_connection_outlives_errors(port: int) -> None:
    """Answers of every kind, asked for at once on one connection, come back in order and whole."""
    with connected(port) as wire:
        wire.write(b"GET /rest/v1/a%20b?x=%2A+ HTTP/1.1", b"Prefer: count=exact", b"Prefer: return=minimal")
        wire.write(b"GET /rest/v1/nope HTTP/1.1")
        wire.write(b"HEAD /rest/v1/posts HTTP/1.1")
        wire.write(b"GET /rest/v1/bug HTTP/1.1")
        wire.write(b"PATCH /rest/v1/posts HTTP/1.1", b"Content-Length: 2", body=b"{}")
        wire.write(b"HEAD /rest/v1/nope HTTP/1.1")
        wire.write(b"GET /rest/v1/posts HTTP/1.1", b"Authorization: Bearer a.b")
        wire.write(b"GET /docs HTTP/1.1")
        wire.write(
            b"POST /rest/v1/posts HTTP/1.1", b"Transfer-Encoding: chunked", body=b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
        )
        wire.write(b"GET /health HTTP/1.1")

        status, headers, body = wire.read()
        said = {"path": "a b", "query": "x=%2A+", "bytes": 0, "prefer": "count=exact, return=minimal"}
        assert (200, said, str(len(body))) == (status, json.loads(body), headers["content-length"])

        status, headers, body = wire.read()
        assert (404, "PGRST205") == (status, json.loads(body)["code"])
        assert "PostgREST; error=PGRST205" == headers["proxy-status"]

        status, headers, body = wire.read("HEAD")
        assert (200, b"") == (status, body)
        assert {"content-length", "transfer-encoding"}.isdisjoint(headers)  # detail 38

        status, headers, body = wire.read()
        assert (500, "BST500") == (status, json.loads(body)["code"])
        assert b"secrets" not in body  # ER2

        status, headers, body = wire.read("PATCH")
        assert (204, b"") == (status, body)
        assert {"content-length", "content-type", "transfer-encoding"}.isdisjoint(headers)  # detail 8

        status, headers, body = wire.read("HEAD")
        assert (404, b"") == (status, body)

        status, headers, body = wire.read()
        assert (401, "Expected 3 parts in JWT; got 2") == (status, json.loads(body)["message"])
        assert headers["www-authenticate"].startswith('Bearer error="invalid_token"')

        status, headers, body = wire.read()
        assert (418, b"short and stout", "nosniff") == (status, body, headers["x-content-type-options"])

        status, headers, body = wire.read("POST")
        assert (200, 3) == (status, json.loads(body)["bytes"])

        assert (200, b'{"status":"ok"}') == wire.read()[::2]


@pytest.mark.parametrize(
    "lines",
    [
        [b"Host: api.example.org"],
        [b"Host: evil.example"],
        [b"Content-Length: 3", b"Content-Length: 4"],
        [b"Authorization: Bearer a.b.c", b"Authorization: Bearer d.e.f"],
        [b"apikey: a.b.c", b"APIKEY: d.e.f"],
        [b"Content-Length: 3", b"Content_Length: 4"],
        [b"X_Forwarded_For: 10.0.0.1"],
    ],
)
def test_smuggled_headers(port: int, lines: list[bytes]) -> None:
    """LM1: server or kernel, one of the two refuses every ambiguous head with 400."""
    with connected(port) as wire:
        wire.write(b"POST /rest/v1/posts HTTP/1.1", *lines, body=b"0\r\n\r\n")
        assert wire.read("POST")[0] == 400


@pytest.mark.parametrize(
    "request_", [b"GET /rest/v1/posts HTTP/1.1\r\n\r\n", b"GET /docs HTTP/1.1\r\nHost: a b\r\n\r\n"]
)
def test_bad_hosts(port: int, request_: bytes) -> None:
    """WB6: a missing or malformed Host is 400 whichever server is in front."""
    with connected(port) as wire:
        wire.sock.sendall(request_)
        assert wire.read()[0] == 400


@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_over_the_limit(port: int, chunked: bool) -> None:
    """LM3: the client reads its 413 though it is still sending, and the server serves on."""
    with connected(port) as wire:
        if chunked:
            wire.write(b"POST /rest/v1/posts HTTP/1.1", b"Transfer-Encoding: chunked")
            for _ in range(17):
                wire.sock.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        else:
            wire.write(b"POST /rest/v1/posts HTTP/1.1", b"Content-Length: 2000000")
        status, _, body = wire.read("POST")
        assert (413, "BST413") == (status, json.loads(body)["code"])
    with connected(port) as wire:
        wire.write(b"GET /health HTTP/1.1")
        assert wire.read()[0] == 200


def test_a_body_at_the_limit(port: int) -> None:
    """LM3: one mebibyte passes through either server."""
    with connected(port) as wire:
        wire.write(b"POST /rest/v1/posts HTTP/1.1", b"Content-Length: 1048576", body=b"x" * 1048576)
        status, _, body = wire.read("POST")
        assert (200, 1048576) == (status, json.loads(body)["bytes"])


def test_leaving_in_the_middle(port: int) -> None:
    """A client that leaves before its body is complete does no harm to the next one."""
    for _ in range(3):
        with connected(port) as wire:
            wire.write(b"POST /rest/v1/posts HTTP/1.1", b"Content-Length: 100", body=b"half")
    with connected(port) as wire:
        wire.write(b"GET /rest/v1/posts HTTP/1.1")
        assert wire.read()[0] == 200


def test_a_stream_arrives_whole(port: int) -> None:
    """A stream has no length, and its end is told from its breaking off."""
    with connected(port) as connection:
        connection.write(b"GET /rest/v1/stream?40 HTTP/1.1")
        status, headers, body = connection.read()
    assert (200, 40 * 65_536) == (status, len(body))
    assert "content-length" not in headers


def test_a_stream_that_fails_is_broken_off(port: int) -> None:
    """After the status is out, only an aborted connection says that not all rows came."""
    with connected(port) as connection:
        connection.write(b"GET /rest/v1/stream?-1 HTTP/1.1")
        with pytest.raises((h11.RemoteProtocolError, ConnectionError)):
            connection.read()


def test_a_client_that_leaves_ends_its_stream(port: int) -> None:
    """What nobody reads is not made: neither for a client that has gone, nor ahead of one that is slow."""
    with connected(port) as connection:
        connection.write(b"GET /rest/v1/stream?1000000 HTTP/1.1")
        assert connection.sock.recv(1000)
        time.sleep(0.3)
        slow = _streams(port)
    end = time.monotonic() + 60
    while (after := _streams(port))["open"]:
        assert time.monotonic() < end, "the stream goes on without its client"
        time.sleep(0.05)
    assert slow["chunks"] < 1000
    assert after["chunks"] < 2000


def _streams(port: int) -> dict[str, int]:
    with connected(port) as connection:
        connection.write(b"GET /rest/v1/streams HTTP/1.1")
        found: dict[str, int] = json.loads(connection.read()[2])
    return found
