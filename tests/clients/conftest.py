"""Each client, on each database, makes all its calls once; the tests look at the answers one by one."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.clients.expected import WORLD
from tests.examples.running import SECRET, missing, new_database, running, token

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def node_modules() -> None:
    """The published client, as locked, from whatever registry this machine is set to use."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        missing("node or npm is not installed")
    if not (HERE / "node_modules").is_dir():
        install = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(install, cwd=HERE, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode:
            missing(f"npm ci failed: {done.stderr.strip()[-500:]}")


def _calls(command: list[str], url: str) -> dict[str, Any]:
    facts = WORLD.facts | {
        "url": url,
        "anonKey": token("anon"),
        "userToken": token("authenticated", WORLD.facts["userId"]),
        "otherToken": token("authenticated", WORLD.facts["otherId"]),
    }
    done = subprocess.run(
        [*command, json.dumps(facts)], cwd=HERE, capture_output=True, text=True, check=False, timeout=280
    )
    if done.returncode:
        pytest.fail(f"{command} failed:\n{done.stderr[-4000:]}")
    return {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}


@pytest.fixture(scope="session", params=["javascript", "python"])
def language(request: pytest.FixtureRequest) -> str:
    if request.param == "javascript":
        request.getfixturevalue("node_modules")
    else:
        pytest.importorskip("supabase")
    return str(request.param)


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def answers(request: pytest.FixtureRequest, language: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Answer by call name: ``data``, ``count``, ``status`` (JavaScript only), ``error``."""
    folder = tmp_path_factory.mktemp(f"{language}-{request.param}")
    command = ["node", "calls.mjs"] if language == "javascript" else [sys.executable, "calls.py"]
    assert len(SECRET) >= 32
    with new_database(request.param, folder) as database, running(database, folder / "server.log") as chirp:
        return _calls(command, chirp.url)
