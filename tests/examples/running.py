"""A running chirp: real server, real socket, one database of its own."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

ROOT: Final = Path(__file__).parents[2]
#: The command that was installed beside the Python that runs the tests.
BACKSTAY: Final = str(Path(sys.executable).with_name("backstay"))
SECRET: Final = "a secret that signs nothing but test tokens"
POSTGRESQL: Final = os.environ.get("BACKSTAY_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")


def missing(what: str) -> None:
    """Skip a test for want of *what*; where ``CI=true`` nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what}, and CI=true requires it")
    pytest.skip(what)


def token(role: str, subject: str | None = None) -> str:
    claims: dict[str, object] = {"role": role, "exp": int(time.time()) + 3600}
    if subject is not None:
        claims |= {"sub": subject, "aud": "authenticated"}
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET))


_PORTS: Final = itertools.count(random.Random(f"{os.getpid()} {time.time_ns()}").randrange(12_000))


def free_port() -> int:
    """A port that nobody listens on, and that the kernel gives to nobody else for the asking.

    One from below its own range: granian shares a port with whoever else listens on it, so two tests that were given
    the same one would answer each other's requests.
    """
    for number in _PORTS:
        port = 20_000 + number % 12_000
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("no port is free")


async def _postgresql(url: str, statement: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(url, timeout=60)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@contextmanager
def new_postgresql() -> Iterator[str]:
    """URL of an empty database, dropped at the end.  Skips where no server answers."""
    name = f"chirp_test_{os.getpid()}_{free_port()}"
    # Texts sort by code point, as on SQLite, so that one table of answers holds for both.
    create = f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'"
    try:
        asyncio.run(_postgresql(POSTGRESQL, create))
    except (OSError, ImportError, TimeoutError) as fault:
        missing(f"no PostgreSQL at BACKSTAY_TEST_POSTGRES ({fault})")
    try:
        yield f"{POSTGRESQL.rpartition('/')[0]}/{name}"
    finally:
        asyncio.run(_postgresql(POSTGRESQL, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))


@contextmanager
def new_database(kind: str, folder: Path) -> Iterator[str]:
    """URL of an empty database of this kind: ``sqlite`` (in *folder*) or ``postgresql``."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'chirp.db'}"
    else:
        with new_postgresql() as url:
            yield url


@dataclass(frozen=True, slots=True)
class Chirp:
    """Where it listens, and the process that serves it."""

    url: str
    process: subprocess.Popen[str]


def wait_until_open(process: subprocess.Popen[str], port: int, log: Path | None = None) -> None:
    """Return when *port* is open; fail with what the process said (on its pipe, or in *log*) when it ends first."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            probe.settimeout(0.5)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    process.kill()
    said = process.communicate()[0] if log is None else log.read_text(encoding="utf-8")
    pytest.fail(f"the server did not start:\n{said}")


def stop(process: subprocess.Popen[str]) -> int:
    """Ctrl-C, then the exit status; killed after ten seconds.  May be called again."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        return process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return -signal.SIGKILL
    finally:
        if process.stdout is not None:
            process.stdout.close()


def _environment(database: str) -> dict[str, str]:
    return {
        **os.environ,
        "BACKSTAY_DATABASE": database,
        "BACKSTAY_JWT_SECRET": SECRET,
        "BACKSTAY_ENCRYPTION_KEYS": f"tests:{'0123456789abcdef' * 4}",
        # Beside no other app's: each run has a database, and so a log, of its own.
        "BACKSTAY_AUDIT_ANCHOR": os.devnull,
    }


def plant(database: str) -> None:
    """Create chirp's tables and rows."""
    command = [sys.executable, "-m", "examples.chirp.seed"]
    done = subprocess.run(
        command, cwd=ROOT, env=_environment(database), capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode:
        pytest.fail(f"chirp could not be planted:\n{done.stderr}")


@contextmanager
def serving(
    database: str,
    log: Path,
    *options: str,
    app: str = "examples.chirp.app:app",
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Chirp]:
    """*app* served on *database* by the command that an operator would use, in a process group of its own.

    *settings* are further variables of its environment.
    """
    port = free_port()
    command = [BACKSTAY, "serve", app, "--port", str(port), *options]
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=_environment(database) | settings,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            wait_until_open(process, port, log)
            yield Chirp(f"http://127.0.0.1:{port}", process)
        finally:
            stop(process)
    said = log.read_text(encoding="utf-8")
    # A traceback in the server's log is a bug even where the client saw a polite 500.
    assert "Traceback" not in said, said[-4000:]


@contextmanager
def running(database: str, log: Path, *options: str) -> Iterator[Chirp]:
    """`plant`, then `serving`."""
    plant(database)
    with serving(database, log, *options) as chirp:
        yield chirp


def get(url: str, **headers: str) -> bytes:
    """One plain GET."""
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as reply:
        return bytes(reply.read())
