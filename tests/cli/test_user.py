"""``backstay user``, ``backstay key`` and ``backstay keys``: the admin API without a server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result

from backstay.auth.moment import utc_now
from backstay.cli.main import main
from tests.accounts.house import PASSWORD, SECRET, Clock, House, make_app
from tests.accounts.test_mails import claims, follow

RING = "2026-11:" + "0123456789abcdef" * 4


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """Settings of an app that was started once."""
    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{tmp_path / 'app.db'}"

    async def begin() -> None:
        async with make_app(url).started():
            pass

    asyncio.run(begin())
    return {
        "BACKSTAY_DATABASE": url,
        "BACKSTAY_JWT_SECRET": SECRET,
        "BACKSTAY_ENCRYPTION_KEYS": RING,
        "BACKSTAY_PUBLIC_URL": "https://api.example.org",
    }


@pytest.fixture
def ask(environ: dict[str, str | None]) -> Any:
    def run(*arguments: str, input: str | None = None) -> Result:
        return CliRunner().invoke(main, list(arguments), env=environ, input=input)

    return run


def lines(done: Result) -> list[Any]:
    assert 0 == done.exit_code, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def in_app(environ: dict[str, str | None], use: Any) -> Any:
    """What *use* makes of the app in this database, at the present time."""
    loop = asyncio.new_event_loop()
    app = make_app(environ["BACKSTAY_DATABASE"] or "")
    loop.run_until_complete(app._start())
    try:
        return use(House(app, loop, Clock(), "sqlite"))
    finally:
        loop.run_until_complete(app._stop())
        loop.close()


def test_accounts_from_the_command_line(ask: Any, environ: dict[str, str | None]) -> None:
    """Made, listed, banned, given roles, and deleted; each as the admin API does it."""
    (made,) = lines(ask("user", "create", "ann@example.org", "--password-stdin", "--json", input=PASSWORD + "\n"))
    assert "ann@example.org" == made["email"]
    assert made["id"] in ask("user", "list", "--filter", "an").stdout
    session = in_app(environ, lambda house: house.sign_in())
    (shown,) = lines(ask("user", "sessions", made["id"], "--json"))
    assert claims(session)["session_id"] == shown["id"]
    assert "192.0.2.7" in ask("user", "sessions", "ann@example.org").stdout
    assert [] == lines(ask("user", "sessions", "ann@example.org", "--end", shown["id"], "--json"))
    in_app(environ, lambda house: house.sign_in())
    assert [] == lines(ask("user", "sessions", "ann@example.org", "--end-all", "--json"))
    assert [["editor"]] == [
        [one["role"] for one in held["roles"]]
        for held in lines(ask("user", "grant", "ann@example.org", "editor", "--json"))
    ]
    assert "\n" == ask("user", "revoke", "ann@example.org", "editor").stdout
    assert "banned until" in ask("user", "ban", "ann@example.org", "--for", "24h").stdout
    assert "banned until" not in ask("user", "unban", "ann@example.org").stdout
    assert 0 == ask("user", "delete", "ann@example.org", "--soft").exit_code
    assert "" == ask("user", "list").stdout
    gone = ask("user", "delete", "ann@example.org")
    assert (1, True) == (gone.exit_code, "[user_not_found]" in gone.stderr)
    weak = ask("user", "create", "bob@example.org", "--password-stdin", input="short\n")
    assert (1, True) == (weak.exit_code, "[weak_password]" in weak.stderr)
    assert "[user_not_found]" in ask("user", "ban", "nobody").stderr


def test_the_first_admin(ask: Any, environ: dict[str, str | None]) -> None:
    """SE3: one link, once, for fifteen minutes; there is no account before it, and no password in it."""
    assert "" == ask("user", "list").stdout
    link = ask("user", "create-admin", "boss@example.org").stdout.strip()
    assert "https://api.example.org/auth/v1/verify" == link.partition("?")[0]
    assert "type=recovery" in urlsplit(link).query

    def enter(house: House) -> None:
        house.clock.at = utc_now()
        house.app._now = house.clock
        session = follow(house, link)
        assert ["admin"] == claims(session)["app_metadata"]["roles"]
        assert "otp_expired" == follow(house, link)["error_code"]
        # The role administers nothing before there is a second factor.
        assert 403 == house.get("admin/users", as_=session).status
        assert 422 == house.put("user", {"password": "only14letters!"}, as_=session).status
        assert 200 == house.put("user", {"password": PASSWORD}, as_=session).status

    in_app(environ, enter)
    (again,) = lines(ask("user", "create-admin", "boss@example.org", "--json"))
    assert 15 == again["minutes"]
    for refused in (
        ask("user", "revoke", "boss@example.org", "admin"),
        ask("user", "ban", "boss@example.org"),
        ask("user", "delete", "boss@example.org"),
    ):
        assert (1, True) == (refused.exit_code, "[conflict]" in refused.stderr)


def test_keys_from_the_command_line(ask: Any, environ: dict[str, str | None]) -> None:
    """TK9: printed once; and TK7: keys that sign are rotated and revoked, with a line in the log."""
    key = ask("key", "create", "backup", "--read-only", "--days", "30").stdout.strip()
    (listed,) = lines(ask("key", "list", "--json"))
    assert (["read"], "backup", True) == (listed["scopes"], listed["name"], key.startswith(listed["hint"]))
    assert key not in ask("key", "list").stdout
    (of_app,) = lines(ask("key", "create", "press", "--role", "editor", "--json"))
    assert "editor" == of_app["role"]
    assert 200 == in_app(environ, lambda house: house.get("admin/users", headers={"apikey": key}).status)
    assert 0 == ask("key", "revoke", listed["id"]).exit_code
    assert 1 == ask("key", "revoke", listed["id"]).exit_code
    assert 403 == in_app(environ, lambda house: house.get("admin/users", headers={"apikey": key}).status)

    before = lines(ask("keys", "list", "--json"))
    assert ["current", "standby"] == sorted(one["state"] for one in before)
    kid = ask("keys", "rotate").stdout.strip()
    after = {one["kid"]: one["state"] for one in lines(ask("keys", "list", "--json"))}
    assert ("current", 3) == (after[kid], len(after))
    (old,) = [name for name, state in after.items() if state == "previous"]
    refused = ask("keys", "revoke", kid)
    assert (1, True) == (refused.exit_code, "Rotate" in refused.stderr)
    assert 0 == ask("keys", "revoke", old).exit_code
    assert f"{old}  revoked" in ask("keys", "list").stdout
    told = ask("audit", "list", "--event", "signing_key_rotated", "--json")
    assert ["current", "revoked"] == [one["details"]["state"] for one in lines(told)]


def test_what_is_missing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str | None]
) -> None:
    """Exit code 2 and what to do; no database is made by a look for one."""
    monkeypatch.chdir(tmp_path)
    wrong = {**environ, "BACKSTAY_DATABASE": f"sqlite:///{tmp_path / 'none.db'}"}
    done = CliRunner().invoke(main, ["user", "list"], env=wrong)
    assert (2, True, False) == (done.exit_code, "[BST-E514]" in done.stderr, (tmp_path / "none.db").exists())
    other = {**environ, "BACKSTAY_ENCRYPTION_KEYS": "x:" + "fedcba9876543210" * 4}
    done = CliRunner().invoke(main, ["user", "list"], env=other)
    assert (2, True) == (done.exit_code, "[BST-E503]" in done.stderr)
    done = CliRunner().invoke(
        main, ["user", "list"], env={**environ, "BACKSTAY_ENCRYPTION_KEYS": None, "BACKSTAY_PROFILE": "prod"}
    )
    assert 2 == done.exit_code
