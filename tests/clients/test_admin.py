"""react-admin's published data provider for PostgREST, unmodified: lists, references, edits and deletions."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from tests.clients.expected import Expected
from tests.clients.harbour_app import ROWS, Boat, Fleet, Island, Port, plant
from tests.examples.running import missing, new_database, serving, token

HERE = Path(__file__).parent / "admin"

LERWICK, ULLAPOOL, HAMNAVOE = ROWS[Port]
ALMA, BRISK, CYGNET = ROWS[Boat]
HERRING, MACKEREL = ROWS[Fleet]
UNST, NAMELESS, FOULA, BRESSAY = ROWS[Island]


def watch(crew: int, sailor: int) -> dict[str, Any]:
    """A row with a compound key, and the one id that the provider makes of it."""
    return {"crew_id": crew, "sailor_id": sailor, "id": f"[{crew},{sailor}]"}


ANSWERS: Final[dict[str, Expected]] = {
    "list": Expected([HAMNAVOE, LERWICK], count=3),
    "list_second_page": Expected([ULLAPOOL], count=3),
    "list_filtered": Expected([ULLAPOOL], count=1),
    "list_or": Expected([LERWICK, HAMNAVOE], count=2),
    "list_nulls_last": Expected([BRESSAY, FOULA, UNST, NAMELESS], count=4),
    "list_embedded": Expected([{"id": 1, "name": "Alma", "fleets": HERRING}], count=3),
    "list_prefetched": Expected({"data": [ALMA, BRISK], "meta": {"prefetched": {"fleets": [HERRING]}}}, count=3),
    "list_compound": Expected([watch(1, 1), watch(2, 1), watch(2, 2)], count=3),
    "list_function": Expected([UNST, NAMELESS], count=4),
    "one": Expected(ULLAPOOL),
    "one_compound": Expected(watch(2, 1)),
    "one_missing": Expected(code="PGRST116", status=406),
    "many": Expected([LERWICK, HAMNAVOE]),
    "many_compound": Expected([watch(1, 1), watch(2, 2)]),
    "many_reference": Expected([BRISK], count=2),
    "create": Expected({"id": 21, "name": "Elver", "fleet_id": 2}),
    "create_refused": Expected(code="23505", status=409),
    "create_compound": Expected(watch(1, 3)),
    "update": Expected({"id": 21, "name": "Elver II", "fleet_id": 2}),
    "update_many": Expected([3, 21]),
    "delete": Expected({"id": 21, "name": "Same", "fleet_id": 2}),
    "delete_compound": Expected(watch(1, 3)),
    "delete_many": Expected([2, 3]),
    "deleted": Expected([UNST, BRESSAY], count=2),
}


@pytest.fixture(scope="module")
def provider() -> None:
    """The published provider, as locked; skips without Node, fails where CI=true."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        missing("node or npm is not installed")
    if not (HERE / "node_modules").is_dir():
        install = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(install, cwd=HERE, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode:
            missing(f"npm ci failed: {done.stderr.strip()[-500:]}")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def said(request: pytest.FixtureRequest, provider: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp(f"admin-{request.param}")
    with new_database(request.param, folder) as database:
        asyncio.run(plant(database))
        with serving(database, folder / "server.log", app="tests.clients.harbour_app:app") as harbour:
            facts = json.dumps({"url": harbour.url, "anonKey": token("anon")})
            command = ["node", "provider.mjs", facts]
            done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False, timeout=280)
    if done.returncode:
        pytest.fail(f"the provider failed:\n{done.stderr[-4000:]}")
    return {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}


def test_every_method_was_called(said: dict[str, Any]) -> None:
    """A call that the provider forgot would be a test that cannot fail."""
    assert set(ANSWERS) == set(said)


@pytest.mark.parametrize("name", ANSWERS)
def test_provider(name: str, said: dict[str, Any]) -> None:
    """A page of react-admin gets these records, this total, or this error."""
    answer, expected = said[name], ANSWERS[name]
    assert "threw" not in answer, answer["threw"]
    assert expected.code == (answer["error"] or {}).get("code"), answer
    assert (expected.data, expected.count, expected.status) == (answer["data"], answer["count"], answer["status"])
