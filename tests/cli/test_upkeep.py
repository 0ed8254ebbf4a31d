"""``backstay rotate-encryption`` and ``backstay reclean-html``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from backstay.cli.main import main

APP = """
from uuid import UUID, uuid4
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from backstay import Backstay, Encrypted, Html

class Model(DeclarativeBase):
    pass

class Note(Model):
    __tablename__ = "notes"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    text: Mapped[str] = mapped_column(Encrypted())
    html: Mapped[str] = mapped_column(Html())

app = Backstay(models=Model)

async def plain(scope, receive, send):
    pass
"""
OLD, NEW = "old:" + "0123456789abcdef" * 4, "new:" + "fedcba9876543210" * 4


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of an app, with nothing of it left behind in this process."""
    (tmp_path / "upkeep_app.py").write_text(APP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BACKSTAY_ACCOUNTS", "off")
    before = list(sys.path)
    yield tmp_path
    sys.path[:] = before
    sys.modules.pop("upkeep_app", None)


def run(command: str, target: str, keys: str) -> Any:
    sys.modules.pop("upkeep_app", None)
    environ = {"BACKSTAY_JWT_SECRET": "0123456789abcdef" * 2, "BACKSTAY_ENCRYPTION_KEYS": keys}
    return CliRunner().invoke(main, [command, target], env=environ)


def plant(folder: Path, keys: str) -> None:
    import asyncio
    import os

    os.environ["BACKSTAY_ENCRYPTION_KEYS"] = keys
    try:
        sys.path.insert(0, str(folder))
        sys.modules.pop("upkeep_app", None)
        import upkeep_app

        async def work() -> None:
            async with upkeep_app.app.session() as session:
                session.add(upkeep_app.Note(text="t", html="<b>x</b>"))

        asyncio.run(work())
    finally:
        del os.environ["BACKSTAY_ENCRYPTION_KEYS"]


def test_a_rotation_says_what_may_be_dropped(folder: Path) -> None:
    """EN2: one line for the rows, one for the keys; a second run has nothing to do."""
    plant(folder, OLD)
    first = run("rotate-encryption", "upkeep_app:app", f"{NEW},{OLD}")
    assert (0, "Rows encrypted anew: 1\nKeys that may be dropped now: old\n") == (first.exit_code, first.stdout)
    second = run("rotate-encryption", "upkeep_app:app", NEW)
    assert (0, "Rows encrypted anew: 0\n") == (second.exit_code, second.stdout)
    assert (2, True) == (
        (refused := run("rotate-encryption", "upkeep_app:app", OLD)).exit_code,
        "BST-E503" in refused.output,
    )


def test_cleaning_again_says_how_many_changed(folder: Path) -> None:
    """HT1: nothing, where the list has not changed."""
    plant(folder, OLD)
    result = run("reclean-html", "upkeep_app:app", OLD)
    assert (0, "Rows that have changed: 0\n") == (result.exit_code, result.stdout)


def test_another_asgi_app_is_refused(folder: Path) -> None:
    """The sentence names what is wanted."""
    result = run("reclean-html", "upkeep_app:plain", OLD)
    assert (2, True) == (result.exit_code, "BST-E412" in result.output)
