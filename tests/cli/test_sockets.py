"""Connections that are held, under the servers that apps are shipped with, over real sockets (LM2).

Deadlines are short here, and every test waits for what must happen: the connection ends.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from backstay.cli.limits import SocketLimits
from backstay.cli.server import refuse_open_door
from backstay.cli.sockets import Door, Guarded
from backstay.errors import ConfigError
from backstay.proxies import Proxies
from backstay.settings import Settings
from tests.cli.test_serve import SERVERS, serving

ROOT = Path(__file__).parents[2]
TARGET = f"{Path(__file__).parent / 'wire_app.py'}:app"
#: Longer than any deadline below, and than a busy machine takes to keep it.
PATIENCE = 60
SOCKETS = 20
GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
LARGE = b"GET /rest/v1/rpc/fill?size=9000000 HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module", params=SERVERS)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int, int]]:
    """The name of a server, its port and its process."""
    folder = tmp_path_factory.mktemp("served")
    with serving(
        folder,
        "--server",
        request.param,
        target=(TARGET,),
        BACKSTAY_HEAD_TIMEOUT="0.5",
        BACKSTAY_IDLE_TIMEOUT="0.5",
        BACKSTAY_BODY_TIMEOUT="0.5",
        BACKSTAY_SEND_TIMEOUT="0.5",
        BACKSTAY_MAX_ANSWER_BYTES=str(16 << 20),
        BACKSTAY_SOCKETS_PER_ADDRESS=str(SOCKETS),
    ) as (process, port):
        assert b"200 OK" in answered(port, GET)
        yield request.param, port, process.pid


@contextmanager
def connected(port: int, *, takes: int | None = None) -> Iterator[socket.socket]:
    """A connection; *takes* bytes wait in its own buffer at most."""
    with socket.socket() as sock:
        if takes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, takes)
        sock.settimeout(PATIENCE)
        sock.connect(("127.0.0.1", port))
        yield sock


def until_closed(sock: socket.socket) -> bytes:
    """What comes until the server ends the connection; a connection that stays fails the test."""
    found = b""
    with suppress(ConnectionError):
        while piece := sock.recv(1 << 20):
            found += piece
    return found


def answered(port: int, request: bytes) -> bytes:
    with connected(port) as sock:
        sock.sendall(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        return until_closed(sock)


def drip(sock: socket.socket, text: bytes, stop: threading.Event) -> None:
    """Send *text* byte by byte until the server has had enough."""
    with suppress(OSError):
        for number in range(len(text)):
            sock.sendall(text[number : number + 1])
            if stop.wait(0.1):
                return


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"G",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: ",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\r\n\r\n",
        GET + b"GET /hea",
    ],
)
def test_half_a_head_does_not_stay(served: tuple[str, int, int], head: bytes) -> None:
    """S10, LM2: no byte, one byte, half a head, another protocol's, or half of a second one."""
    with connected(served[1]) as sock:
        sock.sendall(head)
        until_closed(sock)


@pytest.mark.parametrize(
    "text",
    [
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"a" * 10_000,
        b"POST /rest/v1/notes HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000\r\n\r\n" + b"a" * 10_000,
        b"POST /beside/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000\r\n\r\n" + b"a" * 10_000,
    ],
    ids=["head", "body", "a body that nobody reads"],
)
def test_a_byte_now_and_then_is_not_enough(served: tuple[str, int, int], text: bytes) -> None:
    """S10, LM2: a deadline is for the whole, and is not begun again by each byte."""
    stop = threading.Event()
    with connected(served[1]) as sock:
        sender = threading.Thread(target=drip, args=(sock, text, stop))
        sender.start()
        until_closed(sock)
        stop.set()
        sender.join()


@pytest.mark.parametrize("path", [b"/rest/v1/notes", b"/rest/v1/rpc/fill", b"/auth/v1/signup"])
@pytest.mark.parametrize(
    "framing", [b"Content-Length: 100\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"]
)
def test_half_a_body_is_answered_and_does_not_stay(served: tuple[str, int, int], path: bytes, framing: bytes) -> None:
    """LM2: 408, and the connection ends: nobody holds what was read of the body, nor the wait for its rest."""
    with connected(served[1]) as sock:
        sock.sendall(b"POST " + path + b" HTTP/1.1\r\nHost: localhost\r\n" + framing)
        assert b"HTTP/1.1 408 " == sock.recv(len(b"HTTP/1.1 408 "), socket.MSG_WAITALL)
        until_closed(sock)


def test_an_idle_connection_is_closed(served: tuple[str, int, int]) -> None:
    """S10: after its answer, which it had whole."""
    with connected(served[1]) as sock:
        sock.sendall(GET + GET)
        assert 2 == until_closed(sock).count(b"200 OK")


def test_garbage_is_refused(served: tuple[str, int, int]) -> None:
    """Also in the pipeline behind a good request."""
    for text in (b"\x00\x01\x02\r\n\r\n", GET + b"\x00\x01\x02\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"):
        with connected(served[1]) as sock:
            sock.sendall(text)
            found = until_closed(sock)
        if served[0] == "uvicorn":
            assert b"\r\n\r\n{" in found


@pytest.mark.parametrize("method", [b"FOO", b"TRACE", b"PROPFIND", b"get"])
@pytest.mark.parametrize("path", [b"/rest/v1/notes", b"/rest/v1/", b"/rest/v1/rpc/fill", b"/health"])
def test_a_method_that_nobody_has(served: tuple[str, int, int], method: bytes, path: bytes) -> None:
    """LM1: 405 with Allow and a body of JSON, also where the server's parser knows no such method."""
    head, _, body = answered(served[1], method + b" " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n").partition(
        b"\r\n\r\n"
    )
    assert head.startswith(b"HTTP/1.1 405 ")
    assert b"\r\nallow: " in head
    assert b'"code":"PGRST1' in body


def test_no_tunnel(served: tuple[str, int, int]) -> None:
    """LM1: CONNECT leads nowhere, whatever it asks for."""
    for target in (b"localhost:80", b"/health", b"/beside/x"):
        found = answered(served[1], b"CONNECT " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert found.split(b" ")[1] in (b"400", b"405"), found
        assert b'{"code":"' in found


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
@pytest.mark.parametrize("path", [b"/health", b"/rest/v1/notes", b"/", b"/auth/v1/settings"])
def test_who_names_no_host(served: tuple[str, int, int], version: bytes, path: bytes) -> None:
    """WB6: 400 under both servers, as the docs say; Granian passes an empty one on for none."""
    found = answered(served[1], b"GET " + path + b" HTTP/" + version + b"\r\n\r\n")
    assert b" 400 " in found.partition(b"\r\n")[0]
    assert b"The Host header is missing" in found


def _only_uvicorn(name: str) -> None:
    """Granian keeps such a connection, though not its answer, and tells nobody of one: `refuse_open_door` is for that."""
    if name == "granian":
        pytest.skip("Granian gives an app no way to end a connection; the start refuses to be reached from elsewhere")


@pytest.mark.parametrize("request_", [LARGE, GET * 50], ids=["a large answer", "many small ones"])
def test_who_takes_nothing_is_cut_off(served: tuple[str, int, int], request_: bytes) -> None:
    """S10: the server ends the connection while its client has read nothing."""
    name, port, _ = served
    if request_ == LARGE:
        _only_uvicorn(name)
    with connected(port, takes=4096) as sock:
        sock.sendall(request_)
        _until_gone(port, sock.getsockname()[1])


def test_who_takes_a_byte_now_and_then_is_cut_off(served: tuple[str, int, int]) -> None:
    """S10: reading something is not enough either."""
    name, port, _ = served
    _only_uvicorn(name)
    stop = threading.Event()

    def sip(sock: socket.socket) -> None:
        with suppress(OSError):
            while not stop.wait(0.1):
                sock.recv(1)

    with connected(port, takes=4096) as sock:
        sock.sendall(LARGE)
        reader = threading.Thread(target=sip, args=(sock,))
        reader.start()
        _until_gone(port, sock.getsockname()[1])
        stop.set()
        reader.join()


def test_who_reads_has_all_of_it(served: tuple[str, int, int]) -> None:
    """A large answer in pieces is the same answer."""
    head, _, body = answered(served[1], LARGE).partition(b"\r\n\r\n")
    assert (True, b'"' + b"x" * 9_000_000 + b'"') == (b"content-length: 9000002" in head.lower(), body)


def test_large_answers_that_wait_are_few(served: tuple[str, int, int]) -> None:
    """S10: clients that take nothing hold no more than a share of 64 MiB, whatever their number."""
    _, port, pid = served
    with ExitStack() as stack:
        before = _memory(pid)
        for _ in range(SOCKETS - 2):
            stack.enter_context(connected(port, takes=4096)).sendall(LARGE)
        end = threading.Event()
        highest = 0
        for _ in range(20):
            highest = max(highest, _memory(pid))
            end.wait(0.05)
    # 18 of them are 162 MB; three may wait, and each is made, checked and sent.
    assert highest - before < 110 << 20
    assert b"200 OK" in answered(port, GET)


def test_what_is_not_taken_is_let_go(served: tuple[str, int, int]) -> None:
    """S10: under both servers, the answers of clients that take nothing are dropped, and there is room for others."""
    port = served[1]
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(connected(port, takes=4096)).sendall(LARGE)
        wait = threading.Event()
        for _ in range(PATIENCE * 10):
            if b"200 OK" in answered(port, LARGE)[:200]:
                return
            wait.wait(0.1)
    raise AssertionError("their answers are still there")


def test_resets_leave_nothing(served: tuple[str, int, int]) -> None:
    """S10: a storm of connections that end at once, in the middle of anything."""
    port = served[1]
    for number in range(200):
        with connected(port) as sock:
            sock.sendall((b"", GET[:20], GET, LARGE, b"POST /rest/v1/notes HTTP/1.1\r\nHost: x\r\n")[number % 5])
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert b"200 OK" in answered(port, GET)
    with connected(port) as sock:
        sock.sendall(GET)
        sock.shutdown(socket.SHUT_WR)
        until_closed(sock)


def test_one_address_has_so_many_connections(served: tuple[str, int, int]) -> None:
    """LM2: one more is cut off at once, and when one goes another may come."""
    name, port, _ = served
    _only_uvicorn(name)
    large = b"POST /rest/v1/notes HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
    with ExitStack() as stack:
        held = [stack.enter_context(connected(port)) for _ in range(SOCKETS)]
        for sock in held:
            sock.sendall(large)
        with connected(port) as one_more:
            with suppress(OSError):
                one_more.sendall(GET)
            assert b"" == until_closed(one_more)
    assert b"200 OK" in answered(port, GET)


@pytest.mark.parametrize(
    "line",
    [
        b"Host: other",
        b"Authorization: a\r\nAuthorization: b",
        b"apikey: a\r\napikey: b",
        b"X_Forwarded_For: 1.2.3.4",
        b"Content-Length: 0\r\nContent_Length: 4",
        b"Transfer_Encoding: chunked",
    ],
)
def test_a_head_is_read_one_way_only(served: tuple[str, int, int], line: bytes) -> None:
    """LM1: a second line, or a twin with an underscore, of a header that decides something is 400 under both."""
    first = answered(served[1], b"GET /rest/v1/notes HTTP/1.1\r\nHost: localhost\r\n" + line + b"\r\n\r\n")
    assert b" 400 " in first.partition(b"\r\n")[0]


CALL = b"POST /rest/v1/rpc/fill HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNK = b'a\r\n{"size":3}\r\n'


@pytest.mark.parametrize(
    "trailer",
    [
        b"X-Forwarded-For: 198.51.100.1",
        b"Authorization: Bearer x",
        b"apikey: x",
        b"Host: other",
        b"Content-Type: text/csv",
        b"Idempotency-Key: x",
        b"Prefer: tx=rollback",
        b"Cookie: a=b",
        b"Connection: upgrade\r\nUpgrade: websocket",
    ],
)
def test_a_trailer_is_no_header(served: tuple[str, int, int], trailer: bytes) -> None:
    """S10, TH7: nobody in front has looked at it, and a client would say who it is and from where."""
    name = trailer.partition(b":")[0].lower()
    head = b"POST /heard/x HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + CHUNKED + b"\r\n"
    lines = answered(served[1], head + CHUNK + b"0\r\n" + trailer + b"\r\n\r\n").partition(b"\r\n\r\n")[2].split(b"\n")
    assert [] == [
        line for line in lines if line.startswith(name + b": ") and line.endswith(trailer.partition(b": ")[2])
    ]
    assert b"host: localhost" in lines
    found = answered(served[1], CALL + CHUNKED + b"\r\n" + CHUNK + b"0\r\n" + trailer + b"\r\n\r\n")
    assert (b"HTTP/1.1 200 OK", b'"xxx"') == (found.partition(b"\r\n")[0], found[-5:])


def test_a_trailer_is_no_header_of_the_next_request(served: tuple[str, int, int]) -> None:
    """S10: nor where one stands behind it, in the same read."""
    next_ = b"GET /heard/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with connected(served[1]) as sock:
        sock.sendall(CALL + CHUNKED + b"\r\n" + CHUNK + b"0\r\nX-Forwarded-For: 1.2.3.4\r\nX-Real: \r\n\r\n" + next_)
        found = until_closed(sock)
    assert (2, True, False) == (found.count(b" 200 OK"), b"host: localhost\n" in found, b"1.2.3.4" in found)


@pytest.mark.parametrize("protocol", [b"h2c", b"x", b"websocket"])
@pytest.mark.parametrize("framing", [b"Content-Length: 100\r\n", CHUNKED], ids=["length", "chunks"])
def test_a_body_is_no_request(served: tuple[str, int, int], protocol: bytes, framing: bytes) -> None:
    """S10: nor where the head asks for another protocol: what is not that protocol's is the body that it says it is."""
    inner = b"GET /heard/smuggled HTTP/1.1\r\nHost: inner\r\nConnection: close\r\n\r\n".ljust(100)
    wait = threading.Event()
    with connected(served[1]) as sock, suppress(ConnectionError):
        sock.sendall(
            b"POST /heard/x HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: " + protocol + b"\r\n"
        )
        sock.sendall(framing + b"\r\n")
        # In a read of its own, where uvicorn's parser would take it for the next head.
        wait.wait(0.1)
        sock.sendall(inner if framing != CHUNKED else b"64\r\n" + inner + b"\r\n0\r\n\r\n")
        found = until_closed(sock)
    assert (1, False) == (found.count(b"HTTP/1.1 "), b"host: inner" in found)
    # Granian refuses what would be a WebSocket by its headers.
    assert b" 200 OK" in found or (served[0], protocol) == ("granian", b"websocket")


def test_who_asks_for_another_protocol_is_answered_in_this_one(served: tuple[str, int, int]) -> None:
    """LM1: with the arguments of its body, as clients of HTTP/2 send it before they know."""
    upgrade = b"Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nContent-Length: 10\r\n\r\n"
    with connected(served[1]) as sock:
        sock.sendall(CALL + upgrade + b'{"size":3}')
        found = until_closed(sock)
    assert (b"HTTP/1.1 200 OK", b'"xxx"') == (found.partition(b"\r\n")[0], found[-5:])


def test_an_upgrade_behind_another_request(served: tuple[str, int, int]) -> None:
    """S10: a connection is not handed on while an answer is on its way; many such heads in one read cost one refusal."""
    upgrade = b"GET /heard/x HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    with connected(served[1]) as sock, suppress(ConnectionError):
        sock.sendall(LARGE + upgrade * 500)
        until_closed(sock)
    assert b"200 OK" in answered(served[1], GET)


@pytest.mark.parametrize(
    "line",
    [
        b"X-A: a\r\n b",
        b"X-A: a\r\n Authorization: Bearer x",
        b"X-A : a",
        b"X-A",
        b": a",
        b"X-A: a\rb",
        b"X-A: a\0b",
        b"Content-Length: 1\r\nContent-Length: 2",
        b"Content-Length: 1, 1",
        b"Content-Length: +1",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: identity",
        b"Transfer-Encoding: gzip, chunked",
        b"Content-Type: text/csv",
        b"Idempotency-Key: a\r\nIdempotency-Key: b",
    ],
)
def test_a_head_that_could_be_read_in_two_ways(served: tuple[str, int, int], line: bytes) -> None:
    """LM1: folded lines, odd names, other framings and second lines of what decides are refused by both servers."""
    found = answered(served[1], CALL + line + b"\r\n\r\n" + CHUNK + b"0\r\n\r\n")
    assert found.split(b" ")[1] in ((b"415",) if b"gzip" in line else (b"400",)), found


def test_chunks_are_not_of_the_older_version(served: tuple[str, int, int]) -> None:
    """LM1: whoever stands in front may not know them (RFC 9112 §6.1)."""
    found = answered(served[1], CALL.replace(b"/1.1", b"/1.0") + CHUNKED + b"\r\n" + CHUNK + b"0\r\n\r\n")
    assert b"400" == found.split(b" ")[1]


@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\n" + CHUNK,
        b"f" * 20 + b"\r\n" + CHUNK,
        b'a\r\n{"size":3}xx0\r\n\r\n',
        CHUNK + b"0\r\na b\r\n\r\n",
        CHUNK + b"0\r\nA: b\r\n c\r\n\r\n",
    ],
    ids=["size", "large", "end", "trailer", "folded"],
)
def test_malformed_chunks(served: tuple[str, int, int], body: bytes) -> None:
    """LM1: 400 in our words, also under Granian, which says of them that the client has left."""
    found = answered(served[1], CALL + CHUNKED + b"\r\n" + body)
    assert (b"400", True) == (found.split(b" ")[1], b'{"code":"BST400"' in found)


@pytest.mark.parametrize(
    "body",
    [
        CHUNK + b"0\r\n" + b"".join(b"X-%d: %b\r\n" % (n, b"a" * 900) for n in range(60)) + b"\r\n",
        CHUNK + b"0\r\n" + b"X: 1\r\n" * 5_000 + b"\r\n",
        b"a;" + b"x" * 20_000 + CHUNK[1:] + b"0\r\n\r\n",
    ],
    ids=["long trailers", "many trailers", "extensions"],
)
def test_large_framing_is_the_client_s_fault(served: tuple[str, int, int], body: bytes) -> None:
    """LM1: what is beyond Granian's bounds is 400 and not 500; uvicorn passes over as much."""
    found = answered(served[1], CALL + CHUNKED + b"\r\n" + body)
    assert (b"200" if served[0] == "uvicorn" else b"400") == found.split(b" ")[1]


def test_who_leaves_in_a_body_leaves_nothing(served: tuple[str, int, int]) -> None:
    """S10: an answer to nobody fails nobody."""
    for _ in range(20):
        with connected(served[1]) as sock:
            sock.sendall(CALL + b"Content-Length: 100\r\n\r\nabc")
    assert b"200 OK" in answered(served[1], GET)


def _memory(pid: int) -> int:
    """Bytes of a process and of those that it has started."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        with suppress(OSError):
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
            if str(pid) in (lines["Pid"].strip(), lines["PPid"].strip()):
                total += int(lines.get("VmRSS", "0 kB").split()[0]) << 10
    return total


def _is_held(port: int, client: int) -> bool:
    """Whether a process has the server's end of a connection, or will take it: an orphan of the kernel has no inode."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        cells = line.split()
        ends = [int(cell.partition(":")[2], 16) for cell in cells[1:3]]
        if ends == [port, client] and (cells[9] != "0" or cells[3] == "01"):
            return True
    return False


def _until_gone(port: int, client: int) -> None:
    """Wait until the server has let go of the connection to *client*."""
    wait = threading.Event()
    for _ in range(PATIENCE * 20):
        if not _is_held(port, client):
            return
        wait.wait(0.05)
    raise AssertionError("the connection is still there")


@pytest.mark.parametrize(
    ("host", "more", "refused"),
    [
        ("0.0.0.0", {}, True),
        ("::", {}, True),
        ("192.0.2.1", {}, True),
        ("127.0.0.1", {}, False),
        ("127.0.0.2", {}, False),
        ("::1", {}, False),
        ("localhost", {}, False),
        ("0.0.0.0", {"server": "uvicorn"}, False),
        ("0.0.0.0", {"trusted_proxies": Proxies.parse("10.0.0.0/8")}, False),
        ("0.0.0.0", {"trusted_proxies": Proxies.parse("1")}, False),
        ("0.0.0.0", {"trusted_proxies": Proxies.parse("fd00::/8")}, False),
        ("::", {"trusted_proxies": Proxies.parse("2001:db8::7")}, False),
        ("0.0.0.0", {"trusted_proxies": Proxies.parse("unix,10.0.0.1")}, False),
        ("0.0.0.0", {"trusted_proxies": Proxies.parse("127.0.0.1,10.0.0.1")}, False),
        ("0.0.0.0", {"trusted_proxies": Proxies.parse("unix")}, True),
        ("::", {"trusted_proxies": Proxies.parse("unix")}, True),
        ("192.0.2.1", {"trusted_proxies": Proxies.parse("unix")}, True),
        ("127.0.0.1", {"trusted_proxies": Proxies.parse("unix")}, False),
        ("0.0.0.0", {"trusted_proxies": Proxies.parse("127.0.0.1")}, True),
        ("0.0.0.0", {"trusted_proxies": Proxies.parse("127.0.0.0/8,::1,unix")}, True),
        ("0.0.0.0", {"trusted_proxies": Proxies.parse("0")}, True),
        ("0", {}, True),
        ("::ffff:0.0.0.0", {}, True),
        ("::ffff:127.0.0.1", {}, False),
        ("127.1", {}, False),
        ("0.0.0.0", {"sockets_per_address": 0}, False),
    ],
)
def test_a_server_that_cannot_count_is_not_reached_from_elsewhere(
    host: str, more: dict[str, object], refused: bool
) -> None:
    """S10, LM2: the start says so, and what to do."""
    settings = Settings(host=host, **more)  # type: ignore[arg-type]
    if not refused:
        refuse_open_door(settings)
        return
    with pytest.raises(ConfigError) as caught:
        refuse_open_door(settings)
    assert ("BST-E070", True) == (caught.value.code, "--server uvicorn" in str(caught.value.hint))


async def _all_of_it(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the number of bytes."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    text = b"%d bytes" % size
    head = [(b"content-length", b"%d" % len(text)), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": text})


async def _sent(*pieces: bytes) -> bytes:
    """What a server of this process answers to a body in *pieces*; nothing where it cuts the connection off."""
    config = Config(_all_of_it, lifespan="off", log_config=None, interface="asgi3")
    config.load()
    limits = SocketLimits(head_seconds=600, idle_seconds=600, body_seconds=600, send_seconds=600, per_address=9)
    door, state = Door(limits, Proxies()), ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Guarded(config, state, {}, loop, door=door), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        writer.write(b"POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        with suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
        with suppress(ConnectionError):
            return await reader.read()
        return b""
    finally:
        writer.close()
        server.close()


@pytest.mark.parametrize(
    "pieces",
    [
        [b"1\r\na\r\n" * 900, b"0\r\n\r\n"],
        [b"400;name=value\r\n" + b"a" * 1024 + b"\r\n"] * 900 + [b"0\r\n\r\n"],
        [b"10\r\nsixteen letters.\r\n" * 4_000] * 9 + [b"0\r\n\r\n"],
    ],
    ids=["few bytes", "extensions", "small chunks"],
)
async def test_a_body_in_chunks_is_read(pieces: list[bytes]) -> None:
    """S10: whoever sends what comes, in chunks as small as lines are, has its answer."""
    assert (await _sent(*pieces)).endswith(b" bytes")


@pytest.mark.parametrize(
    "piece",
    [b"1\r\na\r\n" * 10_000, b"1;" + b"x" * 60_000 + b"\r\na\r\n", b"4\r\nfour\r\n" * 6_000],
    ids=["bytes", "extensions", "words"],
)
async def test_a_body_that_is_mostly_framing_is_cut_off(piece: bytes) -> None:
    """S10, S7: bytes one by one, and what may stand beside them, which no limit on bodies counts."""
    assert b"" == await _sent(*[piece] * 40, b"0\r\n\r\n")
