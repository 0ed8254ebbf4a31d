"""``supabase.auth.admin`` of the published clients, on a real server, with an opaque key and with one in the old form."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from supabase_auth import SyncGoTrueAdminAPI
from supabase_auth.errors import AuthApiError

from backstay.cli.main import main
from tests.examples.running import SECRET, serving, token

HERE = Path(__file__).parent
#: As `serving` sets it.
RING = "tests:" + "0123456789abcdef" * 4


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An app with accounts, and the key of a script."""
    monkeypatch.setenv("BACKSTAY_ENCRYPTION_KEYS", RING)
    database = f"sqlite:///{tmp_path / 'app.db'}"
    with serving(database, tmp_path / "log", app="tests.accounts.browser_app:app") as server:
        environ = {"BACKSTAY_DATABASE": database, "BACKSTAY_JWT_SECRET": SECRET}
        made = CliRunner().invoke(main, ["key", "create", "script"], env=environ)
        assert 0 == made.exit_code, made.stderr
        yield server.url, made.stdout.strip()


@pytest.mark.usefixtures("node_modules")
def test_the_javascript_client_administers(served: tuple[str, str]) -> None:
    """Accounts are made, listed, changed, banned, invited and deleted with a key that the running server was not
    started with."""
    url, key = served
    facts = json.dumps({"url": url, "anonKey": token("anon"), "serviceKey": key})
    done = subprocess.run(
        ["node", "accounts_admin.mjs", facts], cwd=HERE, capture_output=True, text=True, check=False, timeout=60
    )
    assert 0 == done.returncode, done.stderr[-3000:]
    assert {
        "plan": "pro",
        "page": [2, 3, 2, 2],
        "got": "ann@example.org",
        "changed": "Ann",
        "taken": "email_exists",
        "banned": True,
        "refused": "user_banned",
        "signedOut": None,
        "gone": "AuthSessionMissingError",
        "link": ["magiclink", "bob@example.org", True],
        "entered": "bob@example.org",
        "invited": 1,
        "factors": [],
        "noFactor": "mfa_factor_not_found",
        "left": ["ann@example.org", "dora@example.org"],
        "notAdmin": 401,
        "session": "string",
    } == json.loads(done.stdout)


def test_the_python_client_administers(served: tuple[str, str]) -> None:
    """The same by Python, with a key in the old form."""
    url, _ = served
    bearer = {"Authorization": f"Bearer {token('service_role')}"}
    with httpx.Client(timeout=60) as http:
        admin = SyncGoTrueAdminAPI(url=f"{url}/auth/v1", headers=bearer, http_client=http)
        made = admin.create_user(
            {"email": "ann@example.org", "password": "correct horse battery", "email_confirm": True}
        )
        assert made.user is not None
        id = made.user.id
        assert ["ann@example.org"] == [user.email for user in admin.list_users(page=1, per_page=10)]
        assert id == admin.get_user_by_id(id).user.id
        changed = admin.update_user_by_id(id, {"app_metadata": {"plan": "pro"}, "ban_duration": "24h"})
        assert "pro" == changed.user.app_metadata["plan"]
        admin.update_user_by_id(id, {"ban_duration": "none"})
        link = admin.generate_link({"type": "recovery", "email": "ann@example.org"})
        assert ("recovery", 6) == (link.properties.verification_type, len(link.properties.email_otp))
        assert "bob@example.org" == admin.invite_user_by_email("bob@example.org").user.email
        admin.delete_user(id)
        with pytest.raises(AuthApiError) as refused:
            admin.get_user_by_id(id)
        assert "user_not_found" == refused.value.code
