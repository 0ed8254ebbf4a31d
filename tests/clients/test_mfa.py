"""Second factors through the published JavaScript client, on a real server."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.examples.running import serving, token

HERE = Path(__file__).parent


@pytest.mark.usefixtures("node_modules")
def test_the_javascript_client_has_second_factors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``supabase.auth.mfa`` from enrolment to removal, its recovery codes, and the beginning of a passkey."""
    monkeypatch.setenv("BACKSTAY_ENCRYPTION_KEYS", "2026-11:" + "0123456789abcdef" * 4)
    database = f"sqlite:///{tmp_path / 'app.db'}"
    with serving(database, tmp_path / "log", app="tests.accounts.browser_app:app") as served:
        facts = json.dumps({"url": served.url, "anonKey": token("anon")})
        done = subprocess.run(
            ["node", "mfa.mjs", facts], cwd=HERE, capture_output=True, text=True, check=False, timeout=60
        )
    assert 0 == done.returncode, done.stderr[-3000:]
    seen = json.loads(done.stdout)
    methods = [entry["method"] for entry in seen["after"].pop("currentAuthenticationMethods")]
    seen["again"].pop("currentAuthenticationMethods")
    assert ["totp", "password"] == methods
    assert {
        "before": "aal1",
        "picture": seen["picture"],
        "wrong": "mfa_verification_failed",
        "after": {"currentLevel": "aal2", "nextLevel": "aal2"},
        "vault": 200,
        "listed": [[True, "Phone", "verified"]],
        "again": {"currentLevel": "aal1", "nextLevel": "aal2"},
        "refused": "insufficient_aal",
        "status": 9,
        "renewed": 10,
        "gone": 36,
        "removed": True,
        "passkey": ["challenge_id", "expires_at", "options"],
        "passkeys": [],
    } == seen
    assert seen["picture"].startswith("data:image/svg+xml;utf-8,<svg")
