"""The database's files are their owner's (S11)."""

from __future__ import annotations

import logging
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from backstay.adapters.load import open_database
from backstay.adapters.sqlite import connection
from backstay.secret import own_secret

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
CREATED = "CREATE TABLE t (a); INSERT INTO t VALUES (1)"


@pytest.fixture
def careless() -> Iterator[None]:
    """No umask at all."""
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    return {path.name: f"{stat.S_IMODE(path.stat().st_mode):04o}" for path in folder.iterdir()}


@pytest.mark.usefixtures("careless")
async def test_all_files_are_their_owners(tmp_path: Path) -> None:
    """S11: the database, its log and its shared memory, whatever the umask."""
    database = open_database(f"sqlite:///{tmp_path}/app.db")
    await database.open()
    try:
        async with database.session():
            pass
        assert {"app.db": "0600", "app.db-wal": "0600", "app.db-shm": "0600"} == modes(tmp_path)
    finally:
        await database.close()


@pytest.mark.usefixtures("careless")
def test_from_the_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """S11: SQLite never sees the file before it is private; a link is followed first."""
    seen: list[dict[str, str]] = []
    real = apsw.Connection

    def spy(name: str, **options: Any) -> apsw.Connection:
        seen.append(modes(tmp_path / "real"))
        return real(name, **options)

    (tmp_path / "real").mkdir()
    (tmp_path / "link.db").symlink_to(tmp_path / "real" / "app.db")
    monkeypatch.setattr(connection.apsw, "Connection", spy)
    connection.connect(connection.Location.at(str(tmp_path / "link.db")), "owner").close()
    assert [{"app.db": "0600"}] == seen


@pytest.mark.usefixtures("careless")
@pytest.mark.parametrize(
    ("mode", "narrows", "after", "said"),
    [
        (0o644, True, "0600", "now its owner can"),
        (0o666, True, "0600", "now its owner can"),
        (0o604, True, "0600", "now its owner can"),
        (0o640, True, "0640", "can be read by others"),
        (0o660, True, "0660", "can be read by others"),
        (0o600, True, "0600", ""),
        (0o644, False, "0644", "can be read by others"),
        (0o600, False, "0600", ""),
    ],
)
async def test_what_was_there_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, narrows: bool, after: str, said: str
) -> None:
    """S11: what everybody could read is narrowed and said; what a group shares, or was only reflected, is said."""
    caplog.set_level(logging.WARNING)
    made = apsw.Connection(str(tmp_path / "old.db"))
    made.pragma("journal_mode", "wal")
    made.execute(CREATED)
    for path in tmp_path.iterdir():
        path.chmod(mode)
    database = open_database(f"sqlite:///{tmp_path}/old.db", narrows=narrows)
    await database.open()
    try:
        assert {"old.db": after, "old.db-wal": after, "old.db-shm": after} == modes(tmp_path)
        assert (said in caplog.text, bool(said)) == (True, bool(caplog.messages))
    finally:
        await database.close()
        made.close()


def test_another_process_makes_them_so(tmp_path: Path) -> None:
    """S11: a program that starts with the usual umask, and is killed in the middle, leaves nothing that others read."""
    program = f"""
import os, sys, asyncio
os.umask(0o022)
from backstay import Backstay, Model, Settings
from sqlalchemy.orm import Mapped, mapped_column
class Note(Model):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
async def main():
    os.environ["BACKSTAY_DATABASE"] = "sqlite:///{tmp_path}/app.db"
    async with Backstay(models=Model).started() as app:
        async with app.session() as session:
            session.add(Note())
        os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False, capture_output=True, timeout=120)
    assert -9 == done.returncode, done.stderr
    found = modes(tmp_path) | modes(tmp_path / ".backstay")
    assert "0700" == found.pop(".backstay")
    assert {"app.db", "app.db-wal", "app.db-shm", "secret", "encryption_keys"} <= found.keys()
    assert {"0600"} == set(found.values())


def test_the_folder_of_secrets_is_narrowed(tmp_path: Path) -> None:
    """S11: a folder that was made by hand is taken from others before a secret stands in it."""
    folder = tmp_path / ".backstay"
    folder.mkdir()
    folder.chmod(0o755)
    own_secret(folder)
    assert 0o700 == stat.S_IMODE(folder.stat().st_mode)


async def test_a_database_in_memory_has_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """S11: nothing is made for it."""
    monkeypatch.chdir(tmp_path)
    database = open_database("sqlite://")
    await database.open()
    await database.close()
    assert [] == list(tmp_path.iterdir())
