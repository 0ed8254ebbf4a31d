"""The published clients, unmodified, and the accounts of real servers: sessions, mails, second factors, administration.

Two servers stand beside each other: one takes addresses as they are given, the other one has them confirmed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.clients.accounts_expected import CALLS, IN_PYTHON
from tests.clients.conftest import HERE
from tests.examples.running import new_database, serving, token

APP: Final = "tests.clients.accounts_app:app"
#: Two clients come from one address and make more accounts in a minute than people do.
SETTINGS: Final = {"BACKSTAY_RATE_LIMITS": "off", "BACKSTAY_ANONYMOUS_SIGN_INS": "on", "BACKSTAY_MAIL_PAGE": "open"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def told(request: pytest.FixtureRequest, language: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each call came to, by its name."""
    open_, careful = (tmp_path_factory.mktemp(f"{language}-{name}") for name in ("open", "careful"))
    command = ["node", "accounts.mjs"] if language == "javascript" else [sys.executable, "accounts_calls.py"]
    with (
        new_database(request.param, open_) as first,
        new_database(request.param, careful) as second,
        _served(first, open_) as here,
        _served(second, careful, BACKSTAY_EMAIL_CONFIRMATION="on") as there,
    ):
        keys = {"anonKey": token("anon"), "serviceKey": token("service_role")}
        facts = json.dumps({"open": here.url, "careful": there.url, **keys})
        done = subprocess.run([*command, facts], cwd=HERE, capture_output=True, text=True, check=False, timeout=280)
    if done.returncode:
        pytest.fail(f"{command} failed:\n{done.stderr[-4000:]}")
    return {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}


def _served(database: str, folder: Path, **more: str) -> Any:
    return serving(database, folder / "server.log", app=APP, settings=SETTINGS | more)


def test_every_call_was_made(told: dict[str, Any]) -> None:
    """A call that a client forgot would be a test that cannot fail."""
    assert list(CALLS) == list(told)


@pytest.mark.parametrize("name", CALLS)
def test_call(name: str, told: dict[str, Any], language: str) -> None:
    """The client hands its user exactly this session, this account, or this error."""
    assert "threw" not in told[name], told[name]["threw"]
    expected = CALLS[name] if language == "javascript" else IN_PYTHON.get(name, CALLS[name])
    assert expected == told[name]["value"]
