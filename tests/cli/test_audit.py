"""``backstay audit``."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import apsw
import pytest
from click.testing import CliRunner, Result

from backstay.adapters.load import open_store
from backstay.audit import audit_keys, record
from backstay.cli.main import main
from backstay.crypt import Keyring
from backstay.db.own import Own
from tests.audit.chains import ANN, event

RING = "k1:" + "0123456789abcdef" * 4
SETTINGS: dict[str, str | None] = {"BACKSTAY_JWT_SECRET": "s" * 32, "BACKSTAY_ENCRYPTION_KEYS": RING}


def ask(*arguments: str, **environ: str | None) -> Result:
    return CliRunner().invoke(main, ["audit", *arguments], env={**SETTINGS, **environ})


async def fill(path: Path, count: int) -> None:
    store = open_store(str(path))
    await store.database.open()
    await store.database.create_tables(Own.metadata)
    keys = audit_keys(Keyring.parse(RING))
    names = ("login", "logout")
    events = [event(names[number % 2], number, details={}) for number in range(count)]
    await store.transact(lambda transaction: record(transaction, keys, *events))
    await store.database.close()


def spoil(path: Path, *statements: str) -> None:
    connection = apsw.Connection(str(path))
    for name in ("update", "delete", "replace"):
        connection.execute(f"DROP TRIGGER backstay_audit_no_{name}")
    for statement in statements:
        connection.execute(statement)
    connection.close()


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database with five events, in the current folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "backstay.db"
    asyncio.run(fill(path, 5))
    return path


def test_a_whole_log(log: Path) -> None:
    """AU2: exit code 0, and how much was looked at."""
    assert (0, "Anchored row 5.\n") == ((done := ask("anchor")).exit_code, done.stdout)
    assert (0, "5 rows and 1 anchor: the log is whole.\n") == ((done := ask("verify")).exit_code, done.stdout)
    told = json.loads(ask("verify", "--json").stdout)
    assert {"rows": 5, "anchors": 1, "holds": True, "seq": None, "fault": None} == told


def test_torn_anchors_are_told(log: Path) -> None:
    """A11: the log is still looked through, and the line that says nothing is named."""
    assert 0 == ask("anchor").exit_code
    with (log.parent / ".backstay" / "audit-anchor").open("a") as file:
        file.write('{"seq": 9, "ha')
    assert (0, "Anchored row 5.\n") == ((done := ask("anchor")).exit_code, done.stdout)
    done = ask("verify")
    assert (0, "5 rows and 2 anchors: the log is whole.\n") == (done.exit_code, done.stdout)
    assert "Line 2 of the anchors is torn, and says nothing: was the disk full?\n" == done.stderr
    told = json.loads(ask("verify", "--json").stdout)
    assert {"rows": 5, "anchors": 2, "torn": [2], "holds": True, "seq": None, "fault": None} == told
    spoil(log, "UPDATE backstay_audit SET ip = '203.0.113.9' WHERE seq >= 3")
    assert 1 == ask("verify").exit_code


def test_an_altered_row_is_named(log: Path) -> None:
    """AU2: exit code 1 and the first bad row."""
    spoil(log, "UPDATE backstay_audit SET ip = '203.0.113.9' WHERE seq >= 3")
    done = ask("verify")
    assert (1, "", "Row 3 was altered.\nThe 2 rows before it hold.\n") == (done.exit_code, done.stdout, done.stderr)
    told = ask("verify", "--json")
    assert (1, 3, "was altered") == (told.exit_code, (value := json.loads(told.stdout))["seq"], value["fault"])


def test_a_lost_end_is_named_by_its_anchor(log: Path) -> None:
    """AU2: a log that is cut off and set back looks whole but for the anchor."""
    ask("anchor")
    spoil(
        log,
        "UPDATE backstay_audit_head SET seq = 2, hash = (SELECT hash FROM backstay_audit WHERE seq = 2)",
        "DELETE FROM backstay_audit WHERE seq > 2",
    )
    done = ask("verify")
    assert (1, True) == (done.exit_code, done.stderr.startswith("Row 3 is missing, and an anchor says"))


def test_rows_are_listed(log: Path) -> None:
    """The newest last, as a log is read; filtered on request."""
    lines = ask("list", "--limit", "2").stdout.splitlines()
    assert ["4", "5"] == [line.split()[0] for line in lines]
    assert str(ANN) in lines[0]
    rows: list[dict[str, Any]] = [
        json.loads(line) for line in ask("list", "--json", "--event", "logout").stdout.splitlines()
    ]
    assert [2, 4] == [row["seq"] for row in rows]
    assert [] == ask("list", "--since", "2030-01-01").stdout.splitlines()
    assert 5 == len(ask("list", "--actor", str(ANN), "--since", "2026-11-21T12:30:00").stdout.splitlines())


def test_an_unknown_event_is_a_usage_error(log: Path) -> None:
    """Nothing found would look like nothing happened."""
    done = ask("list", "--event", "log_in")
    assert (2, True) == (done.exit_code, "login_failed" in done.stderr)


def test_where_there_is_no_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """BST-E512: a file is not made by asking for it, and a database without the table is told of."""
    monkeypatch.chdir(tmp_path)
    missing = ask("verify")
    assert (2, True, []) == (missing.exit_code, "[BST-E512]" in missing.stderr, list(tmp_path.iterdir()))
    apsw.Connection("backstay.db").close()
    (tmp_path / "backstay.db").touch()
    assert "[BST-E512]" in ask("list").stderr


def test_without_keys_nothing_is_proved(log: Path) -> None:
    """BST-E510: production has no keys of its own making."""
    done = ask(
        "verify",
        BACKSTAY_PROFILE="prod",
        BACKSTAY_JWT_SECRET="0123456789abcdef0123456789abcdef",
        BACKSTAY_ENCRYPTION_KEYS=None,
    )
    assert (2, True) == (done.exit_code, "[BST-E510]" in done.stderr)


def test_a_forged_anchor_is_told_of(log: Path) -> None:
    """BST-E511: the file is not what this log has written."""
    ask("anchor")
    path = log.parent / ".backstay" / "audit-anchor"
    path.write_text(path.read_text().replace('"seq": 5', '"seq": 4'))
    done = ask("verify")
    assert (2, True) == (done.exit_code, "line 1 that was not made with the keys" in done.stderr)


def test_a_file_that_is_no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence, not a traceback."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "backstay.db").write_text("x" * 5000)
    done = ask("list")
    assert (2, True) == (done.exit_code, done.stderr.startswith("Error: "))
    assert "Traceback" not in done.stderr
