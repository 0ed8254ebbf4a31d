"""The group of commands."""

from __future__ import annotations

import subprocess
import sys

from click.testing import CliRunner

from backstay.cli.main import COMMANDS, main


def test_help_names_every_command() -> None:
    """Each command has its line."""
    result = CliRunner().invoke(main, ["--help"])
    assert 0 == result.exit_code
    for command in COMMANDS:
        assert f"\n  {command} " in result.output


def test_help_imports_nothing_heavy() -> None:
    """The price of --help is what it imports, so SQLAlchemy, a server or cryptography must not be among it."""
    script = (
        "import sys; sys.argv = ['backstay', '--help']\n"
        "from backstay.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'sqlalchemy', 'starlette', 'granian', 'uvicorn', 'cryptography', 'joserfc', 'apsw', 'msgspec'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.splitlines()[-1]


def test_an_unknown_command_is_a_usage_error() -> None:
    """Exit code 2, and what there is can be found with --help."""
    result = CliRunner().invoke(main, ["sevre"])
    assert 2 == result.exit_code
    assert "--help" in result.output


def test_the_version_is_the_package_s() -> None:
    """One place knows the version."""
    result = CliRunner().invoke(main, ["--version"])
    assert "backstay 0.1.0\n" == result.output
