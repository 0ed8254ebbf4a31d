"""Runs the code blocks of the documentation with `make test`.

``python`` blocks of one page share a namespace, from top to bottom.  ``console`` blocks run each line after ``$ `` in
a shell, in a folder of the page's own, and compare what it prints; a line ``...`` stands for any number of lines.
``sh`` blocks are for the reader alone: they install or serve.  `% skip: next if(...)` above a block is Sybil's.
"""

from __future__ import annotations

import doctest
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase
from sybil import Document, Example, Sybil
from sybil.parsers.myst import CodeBlockParser, PythonCodeBlockParser, SkipParser

import backstay
from backstay.catalog.model import NAMES

ROOT = Path(__file__).parent


def run_console(example: Example) -> str | None:
    """The difference between a console block and what really happens; ``None`` when there is none."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BACKSTAY_")}
    environment |= {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "80"}
    commands = [(head, rest) for head, _, rest in (part.partition("\n") for part in _split(example.parsed))]
    for command, expected in commands:
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=example.namespace["folder"].name,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        if not doctest.OutputChecker().check_output(expected, done.stdout, doctest.ELLIPSIS):
            return f"$ {command}\nexpected:\n{expected}\ngot:\n{done.stdout}"
    return None


def _split(block: str) -> list[str]:
    """The parts of a console block that start with ``$ ``, without that."""
    return [part if part.endswith("\n") else part + "\n" for part in f"\n{block}".split("\n$ ")[1:]]


def page_starts(namespace: dict[str, Any]) -> None:
    """*folder* is the page's own, and so is `backstay.Model`: two pages may call their tables alike."""
    namespace["folder"] = tempfile.TemporaryDirectory(prefix="backstay-docs-")
    namespace["model"] = backstay.Model
    backstay.Model = type(
        "Model",
        (DeclarativeBase,),
        {
            "__abstract__": True,
            "metadata": MetaData(naming_convention=NAMES),
            "type_annotation_map": backstay.Model.type_annotation_map,
        },
    )


def page_ends(namespace: dict[str, Any]) -> None:
    backstay.Model = namespace["model"]
    namespace["folder"].cleanup()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), CodeBlockParser("console", run_console), SkipParser()],
    path=str(ROOT),
    patterns=["docs/**/*.md", "README.md"],
    setup=page_starts,
    teardown=page_ends,
    document_types={".md": Document},
).pytest()

#: Programs that tests start; importing them, to look for doctests, would run them.
collect_ignore = [f"tests/clients/{name}.py" for name in ("calls", "documented", "accounts_calls")]


def fold_skips(reports: list[Any]) -> None:
    """Give skips with one reason one place, so that the summary tells a missing service in one line, not in 400."""
    for report in reports:
        if isinstance(report.longrepr, tuple):
            report.longrepr = (str(ROOT / "tests"), None, report.longrepr[2])


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Runs before pytest folds the skips by place and reason."""
    fold_skips(terminalreporter.stats.get("skipped", []))
