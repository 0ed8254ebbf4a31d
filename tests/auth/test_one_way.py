"""A4: there is one way to a session, as the source says."""

from __future__ import annotations

import ast
from pathlib import Path

import backstay

_SOURCE = Path(backstay.__file__).parent


def _calls() -> list[tuple[str, str, str, ast.Call]]:
    """Every call in the package: file, the function it stands in, and whom it calls."""
    found = []
    for path in sorted(_SOURCE.rglob("*.py")):
        for outer in ast.walk(ast.parse(path.read_text())):
            if not isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for inner in ast.walk(outer):
                if isinstance(inner, ast.Call):
                    name = ast.unparse(inner.func).rpartition(".")[2]
                    found.append((str(path.relative_to(_SOURCE)), outer.name, name, inner))
    return found


def test_one_statement_writes_sessions() -> None:
    """A4: one insert, in one query, which one function runs, behind the condition on the account's row."""
    inserts = {
        (file, function)
        for file, function, name, call in _calls()
        if name in ("insert", "Session") and call.args and ast.unparse(call.args[0]) in ("Session", "tables.Session")
    }
    assert {("auth/session.py", "_add_session")} == inserts
    users = {(file, function) for file, function, name, _ in _calls() if name == "_add_session"}
    assert {("auth/session.py", "start_session")} == users
    texts = [
        path
        for path in _SOURCE.rglob("*.py")
        if "insert into backstay_sessions" in " ".join(path.read_text().lower().split())
    ]
    assert [] == texts


def test_the_account_decides_first() -> None:
    """A4: `start_session` asks the account's row before it writes anything."""
    tree = ast.parse((_SOURCE / "auth/session.py").read_text())
    (start,) = (node for node in tree.body if isinstance(node, ast.AsyncFunctionDef) and node.name == "start_session")
    # The docstring, and then the condition.
    assert "_admit" in ast.unparse(start.body[1]).splitlines()[0]
