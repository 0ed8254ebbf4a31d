"""From a URL to an adapter."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from backstay.adapters.load import open_database
from backstay.db.statement import Statement
from backstay.errors import ConfigError


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("sqlite:///app.db", "sqlite"),
        ("sqlite+apsw:////srv/app.db", "sqlite"),
        ("sqlite://", "sqlite"),
        ("sqlite:///:memory:", "sqlite"),
        ("app.db", "sqlite"),
        ("/srv/my app.db", "sqlite"),
        ("postgresql://u:p@host:5432/db?sslmode=require", "postgresql"),
        ("postgres://host/db", "postgresql"),
        ("postgresql+asyncpg://host/db", "postgresql"),
    ],
)
def test_urls(url: str, name: str) -> None:
    """Each form that people write."""
    assert open_database(url).name == name


@pytest.mark.parametrize("url", ["mysql://host/db", "sqlite://host/app.db", "sqlite:///app.db?mode=ro", "redis://"])
def test_urls_that_are_not_understood(url: str) -> None:
    """BST-E103 with an example, and without the password that a URL may hold."""
    with pytest.raises(ConfigError) as caught:
        open_database(url)
    assert (caught.value.code, bool(caught.value.hint), "host" in str(caught.value)) == ("BST-E103", True, False)


def test_a_schema_is_postgresqls() -> None:
    """SQLite has none."""
    with pytest.raises(ConfigError):
        open_database("app.db", schema="api")


def test_a_missing_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """BST-E101 with the line that installs it."""
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    for name in ("database", "pool"):
        monkeypatch.delitem(sys.modules, f"backstay.adapters.postgresql.{name}", raising=False)
    with pytest.raises(ConfigError) as caught:
        open_database("postgresql://host/db")
    assert (caught.value.code, caught.value.hint) == ("BST-E101", "pip install 'backstay[postgres]'")


@pytest.mark.parametrize("form", ["sqlite:///{}", "{}"])
async def test_the_file_is_where_the_url_says(tmp_path: Path, form: str) -> None:
    """Also with a space in its name."""
    path = tmp_path / "my app.db"
    database = open_database(form.format(path))
    await database.open()
    assert tuple(await database.fetch(Statement("SELECT 1"))) == (1,)
    await database.close()
    assert path.exists()
