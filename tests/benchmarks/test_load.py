"""The load generator counts what it says it counts."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.examples.running import ROOT

pytest.importorskip("httptools", reason="httptools, of the requirements of `make bench`, is not installed")


class Answering(BaseHTTPRequestHandler):
    """200 with a body in two writes, 503, or nothing at all, by path."""

    protocol_version = "HTTP/1.1"
    answered = 0

    def do_GET(self) -> None:
        if self.path == "/hang-up":
            self.close_connection = True
            return
        Answering.answered += 1
        self.send_response(200 if self.path == "/" else 503)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"abc")
        self.wfile.flush()
        self.wfile.write(b"def")

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    Answering.answered = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def load(port: int, path: str, folder: Path) -> dict[str, Any]:
    request = folder / "request.http"
    request.write_bytes(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    command = [sys.executable, "-m", "benchmarks.load", "--port", str(port), "--request", str(request)]
    command += ["--connections", "3", "--warm-seconds", "0.1", "--seconds", "0.3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=30)
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


def test_counts_whole_answers(port: int, tmp_path: Path) -> None:
    """Every answer that the server gave is counted by status; those of the warm-up are not timed."""
    outcome = load(port, "/", tmp_path)
    assert {"200": Answering.answered} == outcome["statuses"]
    assert 0 < outcome["requests"] < Answering.answered
    assert 0 < outcome["p50_ms"] <= outcome["p99_ms"]
    assert 0.29 <= outcome["seconds"] < 1.0


def test_errors_are_seen(port: int, tmp_path: Path) -> None:
    """Answers that are no successes are counted apart, so that nobody measures how fast a server fails."""
    outcome = load(port, "/busy", tmp_path)
    assert Answering.answered > 0
    assert {"503": Answering.answered} == outcome["statuses"]


def test_hanging_up_is_seen(port: int, tmp_path: Path) -> None:
    """A connection that the server closes without an answer is status 0, one for each connection."""
    assert {"0": 3} == load(port, "/hang-up", tmp_path)["statuses"]
