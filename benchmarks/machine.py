"""What was measured, on what: without it a number says nothing."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import apsw

_PACKAGES: Final = (
    *("backstay", "granian", "uvloop", "sqlalchemy", "apsw", "asyncpg", "msgspec", "joserfc"),
    *("fastapi", "pydantic", "aiosqlite", "pyjwt"),
)


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _git(*words: str) -> str:
    asked = subprocess.run(["git", *words], capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    return asked.stdout.strip() if asked.returncode == 0 else "unknown"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def describe(database_server: str) -> dict[str, Any]:
    """Machine, versions and commit, ready for JSON.  *database_server* is what the database says of itself."""
    dirty = bool(_git("status", "--porcelain", "--untracked-files=no"))
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        # What else the machine was doing: ratios of interleaved rounds bear it, absolute numbers do not.
        "load_average": round(os.getloadavg()[0], 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "commit": _git("rev-parse", "--short=12", "HEAD") + ("+changes" if dirty else ""),
        "database": database_server,
        "sqlite": apsw.sqlite_lib_version(),
        "packages": {package: _version(package) for package in _PACKAGES},
    }
