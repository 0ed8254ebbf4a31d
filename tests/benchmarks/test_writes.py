"""The benchmark of writes runs, and says what it measured on what."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples.running import ROOT, new_database


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_it_runs(kind: str, tmp_path: Path) -> None:
    """Both contenders write both sizes, and the figures stand beside the machine's."""
    written = tmp_path / "found.json"
    with new_database(kind, tmp_path) as database:
        where = "sqlite" if kind == "sqlite" else database
        command = [sys.executable, "-m", "benchmarks.writes", "--database", where, "--rounds", "1", "--requests", "2"]
        command += ["--json", str(written)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert 0 == done.returncode, done.stderr[-3000:]
    assert "× floor" in done.stdout
    found = json.loads(written.read_text(encoding="utf-8"))
    assert {"cpu", "commit", "python"} <= set(found["machine"])
    assert {"1", "1000"} == set(found["results"])
    for one in found["results"].values():
        assert {"backstay", "floor"} == set(one)
        assert all(contender["wall_ms"] > 0 for contender in one.values())
