"""``backstay config show``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from backstay.cli.main import main

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def show(*arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(
        main, ["config", "show", *arguments], env={f"BACKSTAY_{name}": value for name, value in environ.items()}
    )


def test_every_setting_has_its_source(folder: Path) -> None:
    """SE4: environment, file or default; what a first start has made stands in a file."""
    (folder / "url").write_text("postgresql://ann:hunter22@db/shop")
    (folder / "url").chmod(0o600)
    told = json.loads(show("--json", DATABASE_FILE=str(folder / "url"), PORT="9000").stdout)
    assert {"value": "postgresql://ann:***@db/shop", "source": "file"} == told["database"]
    assert {"value": 9000, "source": "environment"} == told["port"]
    assert {"value": "***", "source": "file"} == told["jwt_secret"]
    assert {"value": ["*"], "source": "default"} == told["cors_origins"]
    assert "file" == told["encryption_keys"]["source"]


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_no_secret_is_shown(arguments: tuple[str, ...]) -> None:
    """SE4: neither the database's password, nor the signing secret, nor an encryption key."""
    hex = "fedcba9876543210" * 4
    done = show(
        *arguments,
        DATABASE="postgresql://ann:hunter22@db/shop?password=hunter33",
        JWT_SECRET=SECRET,
        ENCRYPTION_KEYS=f"k1:{hex}",
    )
    assert 0 == done.exit_code
    for secret in ("hunter22", "hunter33", SECRET, hex):
        assert secret not in done.output
    assert "k1:***" in done.output


def test_lines_are_for_reading() -> None:
    """A setting on each line, with its value and its source."""
    done = show(JWT_SECRET=SECRET, CORS_ORIGINS="https://a.example,https://b.example", ACCESS_LOG="on")
    lines = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}
    assert ["https://a.example,", "https://b.example", "environment"] == lines["cors_origins"]
    assert ["on", "environment"] == lines["access_log"]
    assert ["text", "default"] == lines["log_format"]
    assert ["-", "default"] == lines["jwks"]


def test_production_logs_json() -> None:
    """What is in force is shown, not what was written."""
    told = json.loads(show("--json", PROFILE="prod", JWT_SECRET=SECRET).stdout)
    assert ("json", None, "default") == (
        told["log_format"]["value"],
        told["encryption_keys"]["value"],
        told["encryption_keys"]["source"],
    )


def test_a_mistake_is_told_of() -> None:
    """As at a start."""
    done = show(PORT="0")
    assert (2, True) == (done.exit_code, "[BST-E403]" in done.stderr)
