"""``backstay passwords import-hibp``."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from click.testing import CliRunner

from backstay.auth.blocklist import sha1
from backstay.auth.pwned import PwnedFile
from backstay.cli.main import main

LINES = sorted(
    f"{hashlib.sha1(password).hexdigest().upper()}:{count}" for password, count in ((b"hunter2", 9), (b"x", 1))
)


@pytest.fixture
def leaked(tmp_path: Path) -> Path:
    path = tmp_path / "hibp.txt"
    path.write_text("\n".join(LINES))
    return path


def test_a_list_is_made_where_it_is_asked_for(leaked: Path, tmp_path: Path) -> None:
    """PW5: and says how many passwords it has."""
    output = tmp_path / "pwned.bin"
    result = CliRunner().invoke(
        main, ["passwords", "import-hibp", str(leaked), "--output", str(output), "--least-count", "2"]
    )
    assert (0, f"{output}: 1 passwords\n") == (result.exit_code, result.output)
    found = PwnedFile(output)
    assert [True, False] == [sha1("hunter2") in found, sha1("x") in found]
    found.close()


def test_the_setting_says_where(leaked: Path, tmp_path: Path) -> None:
    """PW5: from stdin too."""
    output = tmp_path / "pwned.bin"
    result = CliRunner(env={"BACKSTAY_PASSWORD_BLOCKLIST": str(output)}).invoke(
        main, ["passwords", "import-hibp", "-"], input=leaked.read_text()
    )
    assert (0, f"{output}: 2 passwords\n") == (result.exit_code, result.output)


def test_faults_are_sentences(leaked: Path) -> None:
    """Exit code 2, and nothing is written."""
    nowhere = CliRunner(env={"BACKSTAY_PASSWORD_BLOCKLIST": ""}).invoke(main, ["passwords", "import-hibp", str(leaked)])
    assert 2 == nowhere.exit_code
    assert "--output" in nowhere.output
    leaked.write_text("\n".join(reversed(LINES)))
    unsorted = CliRunner().invoke(
        main, ["passwords", "import-hibp", str(leaked), "--output", str(leaked.with_suffix(".bin"))]
    )
    assert 2 == unsorted.exit_code
    assert "[BST-E222]" in unsorted.output
