"""A stock generator makes a typed client from the description; the client compiles, and its calls work."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.running import get, missing, serving, token
from tests.http.zoo import OWNER, plant

HERE = Path(__file__).parent / "generated"


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=280)
    assert 0 == done.returncode, f"{command[:3]}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sources and the tools as locked; skips without Node, fails where CI=true."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        missing("node or npm is not installed")
    if not (HERE / "node_modules").is_dir():
        install = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(install, cwd=HERE, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode:
            missing(f"npm ci failed: {done.stderr.strip()[-500:]}")
    folder = tmp_path_factory.mktemp("generated")
    for name in ("package.json", "tsconfig.json", "call.ts", "node.d.ts"):
        shutil.copy(HERE / name, folder)
    (folder / "node_modules").symlink_to(HERE / "node_modules")
    return folder


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("zoo")
    database = f"sqlite:///{folder / 'zoo.db'}"
    asyncio.run(plant(database))
    with serving(database, folder / "server.log", app="tests.http.zoo:app") as zoo:
        yield zoo.url


def test_generated_client_compiles_and_calls(workshop: Path, url: str) -> None:
    """openapi-typescript and tsc --strict accept the description, and the typed client does all kinds of things."""
    user = token("authenticated", str(OWNER))
    described = workshop / "openapi.json"
    described.write_bytes(get(f"{url}/openapi.json", Authorization=f"Bearer {user}"))
    tools = workshop / "node_modules" / ".bin"
    _run([str(tools / "openapi-typescript"), "openapi.json", "-o", "api.d.ts"], workshop)
    _run([str(tools / "tsc"), "-p", "."], workshop)
    facts = json.dumps({"url": url, "token": user, "keeper": str(OWNER)})
    said = json.loads(_run(["node", "built/call.js", facts], workshop))
    expected = {
        "name": "Mo",
        "weight": None,
        "animals": 4,
        "total": 1,
        "code": "22P02",
        "changed": 204,
        "item": [True, "Mo", 4],
        "known": 304,
        "stale": [412, "BST412"],
        "waved": [[204, None], [204, "true"]],
        "batch": [201, 201, 200],
        "day": [{"day": "2024-05-01"}],
    }
    assert expected == said
