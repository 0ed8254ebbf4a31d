"""Every call that the clients' reference documentation shows, against a real server with data of our own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.clients.documented_expected import DOCUMENTED, JAVASCRIPT_ONLY, NO_RANGES, ORDERED, RANGES
from tests.clients.harbour_app import plant
from tests.examples.running import new_database, serving, token

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Run:
    """One client that has made all its calls on one database."""

    language: str
    database: str
    answers: dict[str, Any]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def run(request: pytest.FixtureRequest, language: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp(f"documented-{language}-{request.param}")
    command = ["node", "documented.mjs"] if language == "javascript" else [sys.executable, "documented.py"]
    with new_database(request.param, folder) as database, pytest.MonkeyPatch.context() as environment:
        # What `rollback()` needs, as the reference says.
        environment.setenv("BACKSTAY_TX_END", "commit-allow-override")
        asyncio.run(plant(database))
        with serving(database, folder / "server.log", app="tests.clients.harbour_app:app") as harbour:
            facts = json.dumps({"url": harbour.url, "anonKey": token("anon")})
            done = subprocess.run([*command, facts], cwd=HERE, capture_output=True, text=True, check=False, timeout=280)
    if done.returncode:
        pytest.fail(f"{command} failed:\n{done.stderr[-4000:]}")
    answers = {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}
    return Run(language, request.param, answers)


def test_every_documented_call_was_made(run: Run) -> None:
    """A call that a client forgot would be a test that cannot fail."""
    left_out = frozenset() if run.language == "javascript" else JAVASCRIPT_ONLY
    assert set(DOCUMENTED) - left_out == set(run.answers)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_documented_call(name: str, run: Run) -> None:
    """The client hands its user what the documentation says, or says why not."""
    if name in JAVASCRIPT_ONLY and run.language != "javascript":
        return
    answer = run.answers[name]
    expected = NO_RANGES if name in RANGES and run.database == "sqlite" else DOCUMENTED[name]
    assert "threw" not in answer, answer["threw"]
    if expected.code is not None:
        assert expected.code == (answer["error"] or {}).get("code"), answer
        assert {"code", "message", "details", "hint"} <= set(answer["error"])
    else:
        assert answer["error"] is None
        ordered = name in ORDERED
        assert _comparable(expected.data, ordered) == _comparable(_data(answer["data"], expected.data), ordered)
        assert expected.count == answer["count"]
    if run.language == "javascript":
        assert expected.status == answer["status"]


def _data(data: Any, expected: Any) -> Any:
    """Python's client shows an empty list where JavaScript's shows nothing."""
    return None if expected is None and data == [] else data


def _comparable(value: Any, ordered: bool) -> Any:
    """*value*, with the lists in it in an order of their own unless their order was asked for."""
    if isinstance(value, dict):
        return {key: _comparable(item, ordered) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    items = [_comparable(item, ordered) for item in value]
    return items if ordered else sorted(items, key=json.dumps)
