"""``backstay serve``, as a real process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest

from backstay.adapters.reflect import reflect
from backstay.errors import ConfigError

TARGET = f"{Path(__file__).parent / 'app_for_tests.py'}:app"
SERVERS = ["granian", "uvicorn"]
#: Seconds that a process may take to start or to stop on a busy machine.
PATIENCE = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "backstay.cli", "serve", *arguments]


def environment(folder: Path, **values: str) -> dict[str, str]:
    """Ours without the BACKSTAY_ variables that the tests themselves may have been started with."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BACKSTAY_")}
    return kept | {"BACKSTAY_JWT_SECRET": "s" * 32} | values


def fetch(port: int) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as reply:
        return json.load(reply)


@contextmanager
def serving(
    folder: Path, *arguments: str, target: tuple[str, ...] = (TARGET,), **values: str
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A started server and its port."""
    port = free_port()
    process = subprocess.Popen(
        command(*target, "--port", str(port), *arguments),
        cwd=folder,
        env=environment(folder, **values),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that its workers can be ended with it
    )
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                fetch(port)
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    os.killpg(process.pid, signal.SIGKILL)
                    pytest.fail(f"the server did not start: {process.communicate()}")
                time.sleep(0.05)
        yield process, port
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def run(folder: Path, *arguments: str, **values: str) -> subprocess.CompletedProcess[str]:
    """A command that is expected to end by itself."""
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        env=environment(folder, **values),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(tmp_path: Path, server: str, number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM let the app shut down and end with exit code 0, without a traceback."""
    with serving(tmp_path, "--server", server) as (process, _):
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)
    assert (0, ["startup", "shutdown"]) == (process.returncode, out.split())
    assert "Traceback" not in err
    assert 1 == len(err.splitlines())


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("host", ["localhost", "127.1", "127.0.0.1"])
def test_a_host_is_a_name_or_an_address(tmp_path: Path, server: str, host: str) -> None:
    """Both servers listen on what the machine calls so."""
    with serving(tmp_path, "--server", server, "--host", host) as (process, _):
        assert process.poll() is None


@pytest.mark.parametrize("server", SERVERS)
def test_options_reach_the_app_as_settings(tmp_path: Path, server: str) -> None:
    """The app reads the environment in its worker; an option wins over the variable."""
    with serving(
        tmp_path, "--server", server, "--database", "sqlite:///chosen.db", BACKSTAY_DATABASE="sqlite:///other.db"
    ) as (_, port):
        told = fetch(port)
    assert ("sqlite:///chosen.db", server, str(port)) == (
        told["BACKSTAY_DATABASE"],
        told["BACKSTAY_SERVER"],
        told["BACKSTAY_PORT"],
    )


@pytest.mark.parametrize("server", SERVERS)
def test_two_workers_are_two_processes(tmp_path: Path, server: str) -> None:
    """PostgreSQL takes any number of workers, and each of them answers."""
    with serving(tmp_path, "--server", server, "--workers", "2", "--database", "postgresql://db/x") as (process, port):
        deadline = time.monotonic() + PATIENCE
        seen: set[int] = set()
        while len(seen) < 2 and time.monotonic() < deadline:
            seen.add(fetch(port)["pid"])
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)
    assert (2, 0) == (len(seen), process.returncode)


def test_several_workers_on_sqlite_are_refused(tmp_path: Path) -> None:
    """A SQLite file has one writer: a second process would wait for locks instead of sharing commits."""
    done = run(tmp_path, TARGET, "--workers", "2")
    assert 2 == done.returncode
    assert "one worker [BST-E408]" in done.stderr


@pytest.mark.parametrize("server", SERVERS)
def test_a_taken_port_names_a_way_out(tmp_path: Path, server: str) -> None:
    """Neither a traceback nor, as with SO_REUSEPORT, two servers that share the requests."""
    with serving(tmp_path, "--server", "granian") as (_, port):
        done = run(tmp_path, TARGET, "--port", str(port), "--server", server)
    assert 2 == done.returncode
    assert [
        f"Error: Port {port} of 127.0.0.1 is taken [BST-E413]",
        f"  Stop what listens there, or choose another: --port {port + 1}",
    ] == done.stderr.splitlines()


def test_what_cannot_be_served_is_said_in_two_lines(tmp_path: Path) -> None:
    """A missing module is the operator's typing error, not a crash of ours."""
    done = run(tmp_path, "nowhere:app")
    assert (2, "") == (done.returncode, done.stdout)
    assert ["Error: There is no module nowhere [BST-E410]", f"  Looked in {tmp_path} and on PYTHONPATH."] == (
        done.stderr.splitlines()
    )


def test_a_host_that_is_not_here_is_refused(tmp_path: Path) -> None:
    """192.0.2.1 is an address of nobody (RFC 5737)."""
    done = run(tmp_path, TARGET, "--server", "uvicorn", "--host", "192.0.2.1", "--port", str(free_port()))
    assert 2 == done.returncode
    assert "[BST-E413]" in done.stderr
    assert "--host 127.0.0.1" in done.stderr


def test_a_password_in_the_arguments_is_warned_of(tmp_path: Path) -> None:
    """SE2: arguments are public on a machine; production refuses them, and neither repeats the password."""
    url = "postgresql://ann:hunter2@db/x"
    warned = run(tmp_path, "nowhere:app", "--database", url)
    refused = run(
        tmp_path, "nowhere:app", "--database", url, BACKSTAY_PROFILE="prod", BACKSTAY_JWT_SECRET="k3J9x" * 8 + "QzW"
    )
    assert warned.stderr.startswith("warning: --database has a password")
    assert "[BST-E410]" in warned.stderr
    assert "[BST-E409]" in refused.stderr
    assert "hunter2" not in warned.stderr + refused.stderr


@pytest.mark.parametrize("server", SERVERS)
def test_a_database_is_reflected(tmp_path: Path, server: str) -> None:
    """`--reflect` serves a database without an app, to the role it is opened to, and says so loudly."""
    connection = apsw.Connection(str(tmp_path / "found.db"))
    connection.execute(
        "CREATE TABLE finds (id INTEGER PRIMARY KEY, what TEXT); INSERT INTO finds (what) VALUES ('x'), ('y')"
    )
    connection.close()
    options = ("--open-to", "anon", "--allow-aggregates", "--max-rows", "1", "--server", server)
    with serving(tmp_path, "--reflect", "sqlite:///found.db", *options, target=()) as (process, port):
        for query, expected in (("select=id", [{"id": 1}]), ("select=id.sum()", [{"sum": 3}])):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/rest/v1/finds?{query}", timeout=60) as reply:
                assert expected == json.load(reply)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=PATIENCE)
    assert "EVERYTHING IS OPEN: anon may read and write all 1 tables and views of public" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Name an app as MODULE:ATTR, or a database with --reflect URL"),
        ((TARGET, "--reflect", "x.db"), "one of them"),
        ((TARGET, "--open-to", "anon"), "go with --reflect URL"),
    ],
)
def test_an_app_or_a_database(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    """One of both is served, and options of the one are refused for the other."""
    done = run(tmp_path, *arguments)
    assert 2 == done.returncode
    assert words in done.stderr


def test_a_missing_file_is_not_made(tmp_path: Path) -> None:
    """BST-E105: what is not there cannot be reflected, and is not created by asking for it."""
    with pytest.raises(ConfigError) as caught:
        asyncio.run(reflect(str(tmp_path / "gone.db"), ["public"]))
    assert "BST-E105" == caught.value.code
    assert [] == list(tmp_path.iterdir())
