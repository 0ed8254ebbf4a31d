"""What ``backstay serve`` writes to stderr, from both servers."""

from __future__ import annotations

import json
import signal
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.cli.test_serve import PATIENCE, SERVERS, serving

APP = (f"{Path(__file__).parent / 'logging_app.py'}:app",)
PASSWORD = "hunter22-and-more"


def ask(port: int, path: str, id: str) -> tuple[str, bytes]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"X-Request-Id": id})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
            return reply.headers["X-Request-Id"], reply.read()
    except urllib.error.HTTPError as reply:
        return reply.headers["X-Request-Id"], reply.read()


def logged(err: str) -> list[str]:
    """The lines of the log: those behind what the start says to whoever sits before it."""
    mails, serving, *lines = err.splitlines()
    assert (True, True) == (mails.startswith("Mails are not sent, but kept at "), serving.startswith("Serving "))
    return lines


@pytest.mark.parametrize("server", SERVERS)
def test_lines_of_json(tmp_path: Path, server: str) -> None:
    """LG1, LG2, AC16: every line is JSON, of its own request, and shows no secret, also in a traceback."""
    forged = quote(f"\r\nforged {PASSWORD} \x1b[31m token=abcdef")
    values = {"BACKSTAY_LOG_FORMAT": "json", "BACKSTAY_ACCESS_LOG": "on", "BACKSTAY_JWT_SECRET": PASSWORD * 2}
    with serving(tmp_path, "--server", server, target=APP, **values) as (process, port):
        with ThreadPoolExecutor() as threads:
            met = list(threads.map(lambda id: ask(port, "/app/meet", id), ["one", "two"]))
        assert [("one", {"id": "one"}), ("two", {"id": "two"})] == [(id, json.loads(body)) for id, body in met]
        ask(port, f"/app/say?what={forged}{PASSWORD * 2}", "three")
        ask(port, f"/app/fail?what={forged}{PASSWORD * 2}", "four")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=PATIENCE)
    assert PASSWORD * 2 not in out + err
    assert "abcdef" not in out + err
    lines = [json.loads(line) for line in logged(err)]
    said = next(line for line in lines if line["logger"] == "logging_app")
    assert ("warning", "three") == (said["level"], said["request_id"])
    failed = next(line for line in lines if "trace" in line)
    assert ("error", "four", True) == (failed["level"], failed["request_id"], "RuntimeError" in failed["trace"])
    access = {line["request_id"]: line["message"] for line in lines if line["logger"] == "backstay.access"}
    assert "GET '/app/meet' 200" == " ".join(access["one"].split()[:3])
    assert "GET '/app/fail' 500" == " ".join(access["four"].split()[:3])


@pytest.mark.parametrize("server", SERVERS)
def test_lines_for_people(tmp_path: Path, server: str) -> None:
    """The same in one line of text, which a client cannot break."""
    with serving(tmp_path, "--server", server, target=APP) as (process, port):
        ask(port, f"/app/say?what={quote(chr(10))}forged", "three")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=PATIENCE)
    (line,) = logged(err)
    assert line.endswith("WARNING logging_app [three] said \\nforged")
