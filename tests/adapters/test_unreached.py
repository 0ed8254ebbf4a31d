"""U3: a database that cannot be had is told in words, with the one thing to do, and without a password."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from backstay.adapters.load import open_database, open_store, opened
from backstay.adapters.reflect import reflect
from backstay.errors import ConfigError
from tests.http.api import SERVER

PASSWORD = "an0ther-s3cret"


@contextmanager
def answering(reply: bytes | None) -> Iterator[int]:
    """A port where somebody answers with *reply*, or never does."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def answer() -> None:
            while True:
                try:
                    peer, _ = listening.accept()
                except OSError:
                    return
                with peer:
                    if reply is None:
                        peer.recv(1 << 16)
                        continue
                    # A client asks for TLS first; no PostgreSQL without one has a word for it but N.
                    if peer.recv(1 << 16)[4:8] == b"\x04\xd2\x16\x2f" and reply.startswith(b"E"):
                        peer.sendall(b"N")
                        peer.recv(1 << 16)
                    peer.sendall(reply)

        thread = threading.Thread(target=answer, daemon=True)
        if reply is not None:
            thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


def refusal(sqlstate: str, message: str) -> bytes:
    """An ErrorResponse of PostgreSQL's protocol."""
    fields = b"".join(
        kind + text.encode() + b"\0" for kind, text in ((b"S", "FATAL"), (b"C", sqlstate), (b"M", message))
    )
    return b"E" + (len(fields) + 5).to_bytes(4, "big") + fields + b"\0"


async def told(url: str) -> tuple[str, str]:
    """What the finding says and advises; nothing of it tells a password."""
    with pytest.raises(ConfigError) as caught:
        await opened(open_database(url, **({} if url.startswith("sqlite") else {"connect_seconds": 1.0})), url)
    fault = caught.value
    assert ("BST-E092" if url.startswith("sqlite") else "BST-E091") == fault.code
    assert PASSWORD not in f"{fault} {fault.hint} {fault.details}"
    return fault.message, str(fault.hint)


@pytest.mark.parametrize(
    ("sqlstate", "said", "message", "hint"),
    [
        ("28P01", 'password authentication failed for user "ann"', "refuses the password of ann", "user and password"),
        ("28000", 'role "ann" does not exist', "knows no user ann", "createuser ann"),
        ("28000", 'no pg_hba.conf entry for host "x"', "does not let ann in: no pg_hba.conf entry", "pg_hba.conf"),
        ("3D000", 'database "shop" does not exist', "has no database shop", "createdb shop"),
        ("42501", "permission denied for database", "ann may not connect to shop", "GRANT CONNECT"),
        ("42704", "unrecognized configuration parameter", "BACKSTAY_DATABASE cannot be read: unrec", "that part"),
        ("53300", "sorry, too many clients already", "has no connection left", "max_connections"),
        ("57P03", "the database system is starting up", "is not ready yet", "again"),
        ("XX000", "something else", "refuses the connection: something else", "BACKSTAY_DATABASE"),
    ],
)
async def test_what_a_server_refuses(sqlstate: str, said: str, message: str, hint: str) -> None:
    """U3: each cause in its own words."""
    with answering(refusal(sqlstate, said)) as port:
        found, advice = await told(f"postgresql://ann:{PASSWORD}@127.0.0.1:{port}/shop")
    assert message in found
    assert hint in advice


@pytest.mark.parametrize(
    ("url", "message", "hint"),
    [
        ("postgresql://ann:{p}@127.0.0.1:{free}/shop", "No PostgreSQL listens at 127.0.0.1:{free}", "Start it"),
        ("postgresql://ann:{p}@localhost:{free}/shop", "No PostgreSQL listens at localhost:{free}", "Start it"),
        ("postgres://ann:{p}@127.0.0.1:{free},127.0.0.1:{free}/shop", "No PostgreSQL listens at", "Start it"),
        ("postgresql://ann:{p}@nowhere.invalid/shop", "There is no host nowhere.invalid", "host"),
        ("postgresql://ann:{p}@/shop?host=/nowhere", "No PostgreSQL listens at this machine", "Start it"),
        ("postgresql://ann:{p}@127.0.0.1:{free}/shop?sslmode=foo", "`sslmode` parameter must be one of", "that part"),
        (
            "postgresql://ann:{p}@127.0.0.1:{free}/shop?sslmode=verify-ca&sslrootcert=/no",
            "a certificate or a key",
            "that",
        ),
        ("postgresql://ann:{p}@127.0.0.1:99999/shop", "BACKSTAY_DATABASE cannot be read", "that part"),
        ("postgresql://ann:x@127.0.0.1:{p}/shop", "its host or port is none", "%2F"),
        ("postgresql://ann:x/{p}@127.0.0.1/shop", "its host or port is none", "%2F"),
        ("postgresql://ann:12/{p}@127.0.0.1/shop", "its host or port is none", "%2F"),
        ("postgresql://ann:{p}@127.0.0.1:{http}/shop", "is not PostgreSQL", "host and port"),
        ("postgresql://ann:{p}@127.0.0.1:{no_tls}/shop?sslmode=require", "speaks no TLS", "sslmode"),
        ("postgresql://ann:{p}@127.0.0.1:{silent}/shop", "did not answer in time", "firewall"),
    ],
)
async def test_what_a_url_leads_to(url: str, message: str, hint: str) -> None:
    """U3: nobody, somebody else, and what cannot be read."""
    with (
        answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as http,
        answering(refusal("28000", "x")) as no_tls,
        answering(None) as silent,
        socket.socket() as bound,
    ):
        bound.bind(("127.0.0.1", 0))  # and does not listen
        ports = {"free": bound.getsockname()[1], "http": http, "no_tls": no_tls, "silent": silent, "p": PASSWORD}
        found, advice = await told(url.format(**ports))
    assert message.format(**ports) in found
    assert hint in advice


@pytest.mark.parametrize(
    ("path", "message", "hint"),
    [
        ("{tmp}/no/such/x.db", "There is no folder {tmp}/no/such", "Make it"),
        ("{tmp}", "is a folder", "Name a file"),
        ("{tmp}/text.db", "is no SQLite database", "another file"),
    ],
)
async def test_what_a_file_is(tmp_path: Path, path: str, message: str, hint: str) -> None:
    """U3's sibling: a file that cannot be opened."""
    (tmp_path / "text.db").write_text("no database, but a text that is long enough to be looked at as one" * 40)
    found, advice = await told(f"sqlite:///{path.format(tmp=tmp_path)}")
    assert message.format(tmp=tmp_path) in found
    assert hint in advice


async def test_the_real_server() -> None:
    """U3: what PostgreSQL itself says of a user and a database that it does not know; and reflection says the same."""
    parts = urlsplit(SERVER)
    try:
        await (await asyncpg.connect(SERVER, timeout=5)).close()
    except OSError:
        pytest.skip("no PostgreSQL")
    place = f"{parts.hostname}:{parts.port or 5432}"
    url = f"postgresql://{parts.username or 'postgres'}@{place}/no_such_database"
    assert "has no database no_such_database" in (await told(url))[0]
    with pytest.raises(ConfigError, match="BST-E091"):
        await reflect(url, ("public",))
    if parts.password is None:
        assert "knows no user no_such_user" in (await told(f"postgresql://no_such_user@{place}/postgres"))[0]
    assert open_store(SERVER).database.name == "postgresql"
    assert os.environ.get("BACKSTAY_DATABASE") is None
