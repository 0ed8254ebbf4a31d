"""One guarded request, against servers of the test's own."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from backstay.adapters.httpx2.fetch import Fetcher, resolved
from backstay.adapters.httpx2.guard import Address
from backstay.adapters.load import outbound
from backstay.outbound import Call, OutboundError, nowhere

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def serving(answer: bytes, *, context: ssl.SSLContext | None = None) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that sends *answer* to every request and keeps open what has no end: its port, and what it was sent."""
    seen: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
            )
            seen.append(head + await reader.readexactly(length))
            writer.write(answer)
            await writer.drain()
            if b"wait" in answer:
                await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1], seen


def resolver(*answers: str) -> tuple[Callable[[str, int], object], list[str]]:
    """One answer for each question, the last one for all that follow; and the questions."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[Address]:
        asked.append(host)
        text = answers[min(len(asked), len(answers)) - 1]
        return tuple(ip_address(part) for part in text.split())

    return resolve, asked


def reply(body: bytes, status: str = "200 OK", *more: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *more, "", ""]
    return "\r\n".join(lines).encode() + body


async def test_a_request_and_its_answer() -> None:
    """A form is posted, headers are ours, and the body comes back whatever its status."""
    async with serving(reply(b'{"a":1}', "400 Bad Request")) as (port, seen):
        call = Call(f"http://localhost:{port}/token?x=1", "POST", {"authorization": "Basic x"}, {"a": "b c"})
        answered = await outbound(loopback=True)(call)
    assert (400, b'{"a":1}') == (answered.status, answered.body)
    (sent,) = seen
    assert sent.startswith(b"POST /token?x=1 HTTP/1.1\r\n")
    assert f"host: localhost:{port}".encode() in sent.lower()
    assert b"accept-encoding: identity" in sent.lower()
    assert sent.endswith(b"a=b+c")
    assert "Call(POST ***)" == repr(call)


async def test_a_rebinding_resolver_is_asked_once() -> None:
    """The address that was judged is the one that is asked: a second answer would have been private (SR1)."""
    resolve, asked = resolver("127.0.0.1", "10.0.0.1")
    async with serving(reply(b"ok")) as (port, _):
        answered = await Fetcher(loopback=True, resolve=resolve)(Call(f"http://localhost:{port}/"))  # type: ignore[arg-type]
        assert b"ok" == answered.body
        assert ["localhost"] == asked
        with pytest.raises(OutboundError, match="not public"):
            await Fetcher(loopback=True, resolve=resolve)(Call(f"http://localhost:{port}/"))  # type: ignore[arg-type]
    for answers in ("10.0.0.1", "8.8.8.8 127.0.0.1", "::ffff:127.0.0.1", "169.254.169.254", "64:ff9b::7f00:1"):
        resolve, asked = resolver(answers)
        with pytest.raises(OutboundError, match="not public"):
            await Fetcher(resolve=resolve)(Call("https://rebind.example.org/"))  # type: ignore[arg-type]
        assert ["rebind.example.org"] == asked


async def test_no_redirect_is_followed() -> None:
    """Where it would lead was not judged (SR1)."""
    async with serving(reply(b"", "302 Found", "Location: http://169.254.169.254/")) as (port, seen):
        answered = await Fetcher(loopback=True)(Call(f"http://127.0.0.1:{port}/"))
    assert (302, 1) == (answered.status, len(seen))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(reply(b"x" * 2001), id="too long"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2001, id="too long without a length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nwait", id="never ends"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: wait", id="no end of headers"),
        pytest.param(b"garbage\r\n\r\n", id="no HTTP"),
        pytest.param(b"", id="nothing"),
    ],
)
async def test_bad_answers(answer: bytes) -> None:
    """Too much, too late, or not HTTP: an `OutboundError`, and nothing hangs (SR1)."""
    async with serving(answer) as (port, _):
        with pytest.raises(OutboundError):
            await Fetcher(loopback=True, seconds=0.5, max_bytes=2000)(Call(f"http://127.0.0.1:{port}/"))


async def test_nobody_there() -> None:
    """Neither a listener, nor a name, nor an app that makes requests."""
    async with serving(b"") as (port, _):
        pass
    for fetch, url in (
        (Fetcher(loopback=True), f"http://127.0.0.1:{port}/"),
        (Fetcher(), "https://name.invalid/"),
        (nowhere, "https://login.example.org/"),
    ):
        with pytest.raises(OutboundError):
            await fetch(Call(url))


async def test_a_certificate_is_for_the_name(tmp_path: Path) -> None:
    """The connection goes to an address, and the certificate is checked for the host's name (SR1)."""
    server, trust = certificate(tmp_path, "login.example.org")
    resolve, _ = resolver("127.0.0.1")
    async with serving(reply(b"ok"), context=server) as (port, seen):
        fetch = Fetcher(resolve=resolve, trust=trust)  # type: ignore[arg-type]
        answered = await fetch(Call(f"https://login.example.org:{port}/", private=True))
        assert b"ok" == answered.body
        assert f"host: login.example.org:{port}".encode() in seen[0].lower()
        with pytest.raises(OutboundError):
            await fetch(Call(f"https://other.example.org:{port}/", private=True))
        with pytest.raises(OutboundError):
            await Fetcher(resolve=resolve)(Call(f"https://login.example.org:{port}/", private=True))  # type: ignore[arg-type]
        with pytest.raises(OutboundError, match="port"):
            await fetch(Call(f"https://login.example.org:{port}/"))


def certificate(folder: Path, host: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for *host*, and a client's that believes it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = made.public_bytes(serialization.Encoding.PEM)
    pem.write_bytes(private + public)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cadata=public.decode())


async def test_names_that_hang_hold_up_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """S6: look-ups that never end keep later ones waiting, up to their time, and no thread that others use."""
    answers, asked = threading.Event(), threading.Semaphore(0)

    def hang(*arguments: object, **named: object) -> list[object]:
        asked.release()
        answers.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        hanging = [asyncio.create_task(resolved(f"{number}.example.org", 443)) for number in range(40)]
        for _ in range(4):
            await asyncio.to_thread(asked.acquire)
        assert 7 == await asyncio.to_thread(lambda: 7)
        assert not asked.acquire(blocking=False)
        with pytest.raises(OutboundError, match="no answer in time"):
            await Fetcher(seconds=0.01)(Call("https://login.example.org/"))
        for task in hanging:
            task.cancel()
    finally:
        answers.set()
    await asyncio.gather(*hanging, return_exceptions=True)
    # Whoever gave up while it waited is never looked for; the next one is.
    assert () == await resolved("login.example.org", 443)
