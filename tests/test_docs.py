"""The documentation names every setting, error and command.  (conftest.py at the top runs its code blocks.)"""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import click
import pytest

from backstay.auth.limits import LIMITS
from backstay.auth.refusal import AUTH_STATUS
from backstay.cli.main import COMMANDS, main
from backstay.errors import SQLSTATE_STATUS, STATUS
from backstay.settings import Settings, variable

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference"
PAGES = sorted((ROOT / "docs").rglob("*.md"))


def rows(section: str) -> dict[str, list[str]]:
    """The table under a heading of errors.md: first cell → the other cells."""
    text = (REFERENCE / "errors.md").read_text(encoding="utf-8")
    body = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines() if line.startswith("| `")
    ]
    assert len(cells) == len({first for first, *_ in cells}), "a code has two rows"
    return {first.strip("`"): rest for first, *rest in cells}


def test_each_error_code_has_its_row() -> None:
    """docs/reference/errors.md and errors.STATUS are one table."""
    assert dict(STATUS) == {code: int(status) for code, (status, _, _) in rows("Of a request").items()}


@pytest.mark.parametrize("code", sorted(STATUS))
def test_each_error_code_occurs_in_a_test(code: str) -> None:
    """Or its row says why it cannot occur, and then nothing raises it."""
    meaning = rows("Of a request")[code][1]
    if meaning.startswith("Does not occur: "):
        source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
        assert None is re.search(rf'(Error|Forbidden)\(\s*"{code}"', source)
        return
    tests = (path for path in (ROOT / "tests").rglob("test_*.py") if path.name != "test_docs.py")
    assert any(re.search(rf'"{code}"', path.read_text(encoding="utf-8")) for path in tests)


def test_each_code_of_accounts_has_its_row() -> None:
    """docs/reference/errors.md and auth.refusal.AUTH_STATUS are one table."""
    assert dict(AUTH_STATUS) == {code: int(status) for code, (status, _, _) in rows("Of accounts").items()}


def test_each_sqlstate_has_its_row() -> None:
    """docs/reference/errors.md and errors.SQLSTATE_STATUS are one table."""
    assert dict(SQLSTATE_STATUS) == {code: int(status) for code, (status, _) in rows("Of the database").items()}


def test_each_fault_of_a_start_has_its_row() -> None:
    """Every BST-E and BST-W code in the source is on the page, and no other."""
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    assert set(re.findall(r'"(BST-E\d{3})"', source)) == set(rows("Of a start"))
    assert set(re.findall(r"\[(BST-W\d{3})\]", source)) == set(rows("Told by a start"))


def test_rows_say_what_to_do() -> None:
    """Meaning and advice are sentences."""
    for section in ("Of a request", "Of accounts", "Of a start"):
        for code, cells in rows(section).items():
            assert all(cell.endswith(".") for cell in cells[-2:]), code


@pytest.mark.parametrize("name", [spec.name for spec in fields(Settings)])
def test_each_setting_is_documented(name: str) -> None:
    """By the name of its variable."""
    assert f"`{variable(name)}`" in (REFERENCE / "settings.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_each_command_and_option_is_documented(name: str) -> None:
    """The page shows `backstay NAME --help`, which the code blocks compare with the real one."""
    page = (REFERENCE / "cli.md").read_text(encoding="utf-8")
    assert f"$ backstay {name} --help\n" in page
    command = main.get_command(click.Context(main), name)
    assert command is not None
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.opts[-1] in page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_line_holds_one_sentence(page: Path) -> None:
    """House rule: a change to a sentence is a change to a line."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    prose = [line for line in text.splitlines() if not line.startswith("|")]
    assert [] == [line for line in prose if re.search(r"[a-z`)]\. [A-Z`]", line)]


def test_each_limit_of_accounts_is_documented() -> None:
    """docs/reference/limits.md and limits.LIMITS name the same limits, with their numbers, scopes and codes."""
    text = (REFERENCE / "limits.md").read_text(encoding="utf-8").partition("\n## Accounts\n")[2]
    found = {
        row[0]: row[1:] for row in re.findall(r"^\| `(\w+)` \| (\d+) .* \| (.*) \| `(\w+)` \|$", text, re.MULTILINE)
    }
    scopes = {"ip": "address", "project": "project", "identifier": "mail address"}
    assert {name: (str(limit.count), scopes[limit.scope], limit.code) for name, limit in LIMITS.items()} == found
