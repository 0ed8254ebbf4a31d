"""U3, U4: every command that opens the app or its database ends with one finding, before anything is served."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from backstay.cli.main import main
from tests.cli.test_serve import SERVERS, run

APP = """
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from backstay import Backstay

class Base(DeclarativeBase): ...

class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)

app = Backstay(models=Base)
"""
RING = "2026-11:" + "0123456789abcdef" * 4
OF_THE_APP = (("rotate-encryption", "app.py:app"), ("reclean-html", "app.py:app"))
OF_THE_DATABASE = (
    ("user", "list"),
    ("user", "create", "ann@example.org"),
    ("user", "create-admin", "ann@example.org"),
    ("user", "ban", "ann@example.org"),
    ("user", "unban", "ann@example.org"),
    ("user", "delete", "ann@example.org"),
    ("user", "grant", "ann@example.org", "admin"),
    ("user", "revoke", "ann@example.org", "admin"),
    ("user", "sessions", "ann@example.org"),
    ("key", "list"),
    ("key", "create", "x"),
    ("key", "revoke", "x"),
    ("keys", "list"),
    ("keys", "rotate"),
    ("keys", "revoke", "x"),
    ("audit", "list"),
    ("audit", "verify"),
    ("audit", "anchor"),
)


@pytest.fixture
def nobody() -> Iterator[str]:
    """The URL of a port where nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"postgresql://ann:s3cret@127.0.0.1:{bound.getsockname()[1]}/shop"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "broken.py").write_text("import json\n\njson.loads('{')\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ask(url: str, *arguments: str) -> Any:
    environ = {"BACKSTAY_DATABASE": url, "BACKSTAY_JWT_SECRET": "s" * 32, "BACKSTAY_ENCRYPTION_KEYS": RING}
    return CliRunner().invoke(main, list(arguments), env=environ)


@pytest.mark.parametrize("arguments", [*OF_THE_APP, *OF_THE_DATABASE], ids=" ".join)
def test_a_command_says_why_there_is_no_database(folder: Path, nobody: str, arguments: tuple[str, ...]) -> None:
    """U3: exit code 2, the cause and what to do; no traceback, and no password."""
    done = ask(nobody, *arguments)
    assert (2, "") == (done.exit_code, done.stdout)
    assert "Error: No PostgreSQL listens at 127.0.0.1:" in done.stderr
    assert "[BST-E091]\n  Start it" in done.stderr
    assert "s3cret" not in done.stderr


@pytest.mark.parametrize("arguments", [("serve",), ("rotate-encryption",), ("reclean-html",)], ids=" ".join)
def test_a_command_says_what_is_wrong_with_the_app(folder: Path, arguments: tuple[str, ...]) -> None:
    """U4: exit code 2, the place, the author's own line, and what to do."""
    done = ask("sqlite:///x.db", *arguments, "broken.py:app")
    assert 2 == done.exit_code
    assert [
        "Error: broken.py:3: json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes:"
        " line 1 column 2 (char 1) [BST-E090]",
        "  broken.py:3 in <module>: json.loads('{')",
        "  Correct the last of these lines.",
    ] == done.stderr.splitlines()


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(
    ("what", "code", "first"),
    [
        (("app.py:app",), "BST-E091", "Error: No PostgreSQL listens at "),
        (("--reflect",), "BST-E091", "Error: No PostgreSQL listens at "),
        (("broken.py:app",), "BST-E090", "Error: broken.py:3: json.decoder.JSONDecodeError"),
    ],
)
def test_serve_says_so_before_it_serves(
    folder: Path, nobody: str, server: str, what: tuple[str, ...], code: str, first: str
) -> None:
    """U3, U4: under both servers nothing has been announced, and the exit code is 2."""
    url = nobody.replace(":s3cret", "")
    arguments = (*what, url) if what == ("--reflect",) else (*what, "--database", url)
    done = run(folder, *arguments, "--server", server)
    assert 2 == done.returncode, done.stderr
    # Before it stands at most what the app itself warns of.
    assert f"\n{first}" in f"\n{done.stderr}"
    assert f"[{code}]" in done.stderr
    assert not {"Serving", "Traceback"} & set(done.stderr.split())


@pytest.mark.parametrize("server", SERVERS)
def test_serve_says_what_a_file_is(folder: Path, server: str) -> None:
    """U3's sibling: a file of another kind."""
    done = run(folder, "app.py:app", "--database", "broken.py", "--server", server)
    assert (2, True) == (done.returncode, "broken.py is no SQLite database, or is damaged [BST-E092]" in done.stderr)
    assert "Serving" not in done.stderr
