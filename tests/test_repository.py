"""The repository itself: locks, floors, the Makefile, the changelog, and what code may name."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parent.parent
LOCKS = ["run", "build", "test", "lint", "docs", "bench"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SOURCES = sorted((ROOT / "src" / "backstay").rglob("*.py"))


def entries(lock: str) -> list[tuple[Requirement, list[str]]]:
    """Each requirement of a lock with its hashes."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text().replace("\\\n", " ")
    lines = [line.split(" --hash=") for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(Requirement(first.strip()), [each.strip() for each in hashes]) for first, *hashes in lines]


def pinned(requirement: Requirement) -> Version:
    (specifier,) = requirement.specifier
    assert "==" == specifier.operator
    return Version(specifier.version)


def named(lines: list[str]) -> dict[str, Requirement]:
    return {(requirement := Requirement(line)).name.lower(): requirement for line in lines}


def floors() -> dict[str, Requirement]:
    text = (ROOT / "requirements" / "floors.txt").read_text()
    return named([line for line in text.splitlines() if line.strip() and not line.startswith("#")])


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_and_hashes_everything_and_names_no_host(lock: str) -> None:
    """SC1: pip takes the files from wherever the reader's pip looks, and only the right ones."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    assert None is re.search(r"://|--(extra-)?index|--find-links|--trusted|^-i |@ ", text, re.MULTILINE)
    assert entries(lock)
    for requirement, hashes in entries(lock):
        assert requirement.url is None
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), requirement
        pinned(requirement)


@pytest.mark.parametrize("folder", ["", "generated", "admin"])
def test_the_node_locks_name_no_host(folder: str) -> None:
    """Integrity hashes stay, download addresses do not."""
    path = ROOT / "tests" / "clients" / folder / "package-lock.json"

    def keys(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inner in value.items():
                yield key
                yield from keys(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from keys(inner)

    found = set(keys(json.loads(path.read_text())))
    assert "integrity" in found
    assert "resolved" not in found


def test_the_locks_fit_into_one_environment() -> None:
    """One package has one version for one Python and platform, whatever was installed before."""
    versions: dict[tuple[str, str], set[Version]] = {}
    for lock in LOCKS:
        for requirement, _ in entries(lock):
            versions.setdefault((requirement.name, str(requirement.marker)), set()).add(pinned(requirement))
    assert {} == {key: found for key, found in versions.items() if len(found) > 1}


def test_the_run_lock_is_what_the_project_asks_for() -> None:
    """Every dependency is in the lock at a version that pyproject.toml allows; there are at most 25 (SC1)."""
    locked = {requirement.name: pinned(requirement) for requirement, _ in entries("run")}
    for name, asked in named(PROJECT["project"]["dependencies"]).items():
        assert name in locked
        assert asked.specifier.contains(locked[name])
    assert len(PROJECT["project"]["dependencies"]) <= 25
    # What those bring with them, and only for accounts: cffi, certifi, markupsafe and their like.
    assert len(locked) <= 40


@pytest.mark.parametrize(("group", "lock"), [(name, name) for name in LOCKS if name != "run"])
def test_a_group_is_what_its_lock_holds(group: str, lock: str) -> None:
    """Whoever edits a dependency group runs `make lock` too."""
    locked = {requirement.name.lower(): pinned(requirement) for requirement, _ in entries(lock)}
    for name, asked in named(PROJECT["dependency-groups"][group]).items():
        assert name in locked
        assert asked.specifier.contains(locked[name])


def test_extras_are_in_the_test_lock() -> None:
    """Each technology that an extra reaches is tested."""
    locked = {requirement.name.lower() for requirement, _ in entries("test")}
    for lines in PROJECT["project"]["optional-dependencies"].values():
        assert set(named(lines)) <= locked


def test_security_floors_hold_everywhere() -> None:
    """No lock goes below a floor, and pyproject.toml does not allow it to a user either."""
    for lock in LOCKS:
        for requirement, _ in entries(lock):
            if requirement.name in floors():
                assert floors()[requirement.name].specifier.contains(pinned(requirement)), requirement
    for name, asked in named(PROJECT["project"]["dependencies"]).items():
        if name in floors():
            (floor,) = floors()[name].specifier
            lowest = max(Version(each.version) for each in asked.specifier if each.operator == ">=")
            assert lowest >= Version(floor.version), name


def test_each_floor_has_its_reason() -> None:
    """A comment stands right above each requirement."""
    lines = (ROOT / "requirements" / "floors.txt").read_text().splitlines()
    for above, line in pairwise(lines):
        if line and not line.startswith("#"):
            assert above.startswith("# "), line


def test_make_alone_lists_the_targets() -> None:
    """Each target has one line of help, and nothing is done."""
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True, env=clean())
    found = re.findall(r"^  make (\w+)\t\S.*$", done.stdout, re.MULTILINE)
    assert ["demo", "test", "smoke", "proof", "check", "docs", "bench", "lock"] == found


def test_smoke_names_what_is_there() -> None:
    """A file that was renamed would be left out of `make smoke`."""
    variable = re.search(r"^SMOKE = ((?:.*\\\n)*.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert variable is not None
    named = variable[1].replace("\\\n", " ").split()
    assert "tests/http/test_parity.py" in named
    assert [] == [path for path in named if not (ROOT / path).exists()]


def clean(**values: str) -> dict[str, str]:
    """The environment without what an outer make leaves in it."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "PYTHON"))} | values


@pytest.mark.parametrize(
    ("interpreter", "says"),
    [
        ("exit 1", "is not a Python of version 3.11 or newer"),
        ('case "$2" in *ensurepip*) exit 1;; esac', "install the package python3-venv"),
    ],
)
def test_a_python_that_will_not_do_is_said_in_a_sentence(tmp_path: Path, interpreter: str, says: str) -> None:
    """Too old, or without venv: the reader learns what to install."""
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "install.sh", tmp_path / "tools")
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{interpreter}\n")
    python.chmod(0o755)
    done = subprocess.run(
        ["sh", "tools/install.sh", "run"], cwd=tmp_path, capture_output=True, text=True, env=clean(PYTHON=str(python))
    )
    assert 1 == done.returncode
    assert says in done.stderr
    assert not (tmp_path / ".venv").exists()


def changelog() -> Any:
    specification = importlib.util.spec_from_file_location("changelog", ROOT / "tools" / "changelog.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_changelog_fragments_are_one_sentence_each() -> None:
    """A reader of the changelog gets sentences, sorted by kind."""
    tool = changelog()
    assert [] == [
        fault
        for path in tool.fragments(ROOT / "changelog.d")
        for fault in tool.faults(path.name, path.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize(
    ("name", "text", "count"),
    [
        ("7.fixed.md", "Fixed `a.b`.\n", 0),
        ("7.fixed.2.md", "Fixed version 1.2 of `a.b`,\nwhich failed.\n", 0),
        ("7.improved.md", "Fixed `a.b`.", 1),
        ("7.fixed.md", "Fixed `a.b`", 1),
        ("7.fixed.md", "Fixed one. Fixed two.", 1),
        ("7.fixed.md", "x" * 400 + ".", 1),
        ("fixed.md", "", 2),
    ],
)
def test_a_fragment_is_checked(name: str, text: str, count: int) -> None:
    """Each rule finds what breaks it."""
    assert count == len(changelog().faults(name, text))


def test_a_release_folds_fragments_above_the_last_one() -> None:
    """Newest first, by kind; what stood there stays."""
    before = "# Changelog\n\nWords.\n\n## 0.1.0 (2026-01-01)\n\n### Added\n\n- A.\n"
    after = changelog().fold(before, "0.2.0", "2026-02-01", [("fixed", "B."), ("added", "C.")])
    assert (
        "# Changelog\n\nWords.\n\n## 0.2.0 (2026-02-01)\n\n### Added\n\n- C.\n\n### Fixed\n\n- B.\n\n"
        "## 0.1.0 (2026-01-01)\n\n### Added\n\n- A.\n"
    ) == after


def names_in(path: Path) -> set[str]:
    """Every name, attribute and imported name that a module uses."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Name():
                found.add(node.id)
            case ast.Attribute():
                found.add(node.attr)
            case ast.alias():
                found.update(node.name.split("."))
            case ast.ImportFrom():
                found.update((node.module or "").split("."))
    return found


def offenders(forbidden: set[str], *, allowed: tuple[str, ...]) -> list[str]:
    """Modules, relative to the package, that use a *forbidden* name outside the *allowed* places."""
    package = ROOT / "src" / "backstay"
    relative = {str(path.relative_to(package)): path for path in SOURCES}
    return [name for name, path in relative.items() if not name.startswith(allowed) and names_in(path) & forbidden]


def test_engines_stop_at_the_database_rooms() -> None:
    """Expressions travel; whatever can open a connection does not (the import rules cannot see inside SQLAlchemy)."""
    makers = {"create_engine", "create_async_engine", "sessionmaker", "async_sessionmaker", "AsyncEngine", "Engine"}
    assert [] == offenders(makers, allowed=("db/", "adapters/", "testing/"))


def test_only_settings_read_the_environment() -> None:
    """The command line writes it and hands it to Settings, and so does app.py; nobody else knows that it is there."""
    assert [] == offenders({"environ", "getenv"}, allowed=("settings.py", "cli/", "app.py"))


def test_rooms_have_names() -> None:
    """If a function has no room, its name is the thing to find."""
    nameless = {"utils", "util", "helpers", "common", "base", "manager", "misc"}
    assert [] == [str(path) for path in SOURCES if nameless & {path.stem, path.parent.name}]


def test_no_group_is_repeated_possessively() -> None:
    """`(...)*+` goes wrong in the Python 3.11.2 of Debian 12: after a failed round it keeps what that round consumed.

    The fault is python/cpython#106052, mended in 3.11.5; `x*+` of one character or class is sound everywhere.
    """
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in SOURCES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(r"\)([*+?]|\{[0-9,]+\})\+", line)
    ]
    assert [] == found
