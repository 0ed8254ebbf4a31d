"""``backstay user``, ``backstay key`` and ``backstay keys``: the admin API without a server."""

from __future__ import annotations

import asyncio
import inspect
import json
from dataclasses import fields
from hashlib import sha1
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import apsw
import pytest
from click.testing import CliRunner, Result

from backstay import Backstay, Settings
from backstay.auth.moment import utc_now
from backstay.auth.oauth.parties import Parties
from backstay.auth.office import Office
from backstay.auth.options import AuthOptions
from backstay.auth.pwned import PwnedFile, write_pwned
from backstay.cli.main import main
from backstay.crypt import Keyring
from tests.accounts.house import PASSWORD, SECRET, Base, Clock, House, make_app
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


#: A value for each setting of accounts that is not its default.
CHOSEN: dict[str, str] = {
    "BACKSTAY_SITE_URL": "https://app.example.org",
    "BACKSTAY_REDIRECT_URLS": "https://app.example.org/**",
    "BACKSTAY_WEBAUTHN_RP_ID": "example.org",
    "BACKSTAY_WEBAUTHN_ORIGINS": "https://app.example.org",
    "BACKSTAY_SIGNUP": "off",
    "BACKSTAY_EMAIL_CONFIRMATION": "on",
    "BACKSTAY_ANONYMOUS_SIGN_INS": "on",
    "BACKSTAY_PROVIDERS": '{"google": {"client_id": "x", "client_secret": "y"}}',
    "BACKSTAY_ACCESS_TOKEN_SECONDS": "700",
    "BACKSTAY_SESSION_IDLE_DAYS": "3",
    "BACKSTAY_SESSION_DAYS": "20",
    "BACKSTAY_RATE_LIMITS": '{"mail": "500/3600"}',
    "BACKSTAY_PASSWORD_MIN_LENGTH": "12",
    "BACKSTAY_PASSWORD_HASH": "m=20480,t=3,p=1",
    "BACKSTAY_MAX_ANSWER_BYTES": "100000",
    "BACKSTAY_CALLER_SHARE": "20",
}


def described(value: Any) -> Any:
    """What can be compared of an argument of `Office.open`."""
    if isinstance(value, Parties):
        return {name: provider.client_id for name, provider in value.providers.items()}
    if isinstance(value, PwnedFile):
        return len(value)
    return value.ids if isinstance(value, Keyring) else value


def test_commands_and_app_make_accounts_in_one_way(
    ask: Any, environ: dict[str, str | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S14: every argument but what only the app's code knows is the same, and none is left at its default."""
    write_pwned([sha1(b"correct horse battery staple").hexdigest().upper().encode() + b":9"], tmp_path / "pwned")
    environ |= CHOSEN | {"BACKSTAY_PASSWORD_BLOCKLIST": str(tmp_path / "pwned")}
    seen: list[dict[str, Any]] = []
    real = Office.open.__func__  # type: ignore[attr-defined]

    async def opened(cls: Any, *given: Any, **named: Any) -> Any:
        bound = inspect.signature(real).bind(cls, *given, **named)
        bound.apply_defaults()
        seen.append({name: described(value) for name, value in bound.arguments.items()})
        return await real(cls, *given, **named)

    monkeypatch.setattr(Office, "open", classmethod(opened))
    assert 0 == ask("user", "list").exit_code

    async def start() -> None:
        settings = Settings.load({name: value for name, value in environ.items() if value is not None})
        async with Backstay(models=Base, settings=settings).started():
            pass

    asyncio.run(start())
    command, app = seen
    of_the_code = {"cls", "store", "verifier", "credentials", "book", "posted", "now"}
    assert command.keys() == app.keys() > of_the_code
    assert {name: app[name] for name in app.keys() - of_the_code} == {
        name: command[name] for name in command.keys() - of_the_code
    }
    plain = inspect.signature(real).parameters
    same = {name for name in command.keys() - of_the_code if command[name] == plain[name].default}
    assert set() == same
    defaults = AuthOptions()
    chosen = {
        field.name
        for field in fields(AuthOptions)
        if getattr(command["options"], field.name) != getattr(defaults, field.name)
    }
    # What no setting says: the app's title, and numbers that are fixed.
    assert {
        "site_name",
        "manual_linking",
        "reuse_seconds",
        "recent",
        "otp_seconds",
    } == {field.name for field in fields(AuthOptions)} - chosen


def test_a_password_from_the_command_line_is_like_any_other(
    ask: Any, environ: dict[str, str | None], tmp_path: Path
) -> None:
    """S14, PW1, PW5: hashed at the cost of the settings, and refused where the operator's list has it."""
    write_pwned([sha1(b"an uncommon leaked phrase").hexdigest().upper().encode() + b":9"], tmp_path / "pwned")
    environ |= {"BACKSTAY_PASSWORD_HASH": "m=20480,t=3,p=1", "BACKSTAY_PASSWORD_BLOCKLIST": str(tmp_path / "pwned")}
    refused = ask("user", "create", "eve@example.org", "--password-stdin", input="an uncommon leaked phrase\n")
    assert (1, True) == (refused.exit_code, "weak_password" in refused.stderr)
    common = ask("user", "create", "eve@example.org", "--password-stdin", input="password123\n")
    assert (1, True) == (common.exit_code, "weak_password" in common.stderr)
    assert "" == ask("user", "list").stdout
    assert 0 == ask("user", "create", "ann@example.org", "--password-stdin", input=PASSWORD + "\n").exit_code
    (row,) = apsw.Connection(str(tmp_path / "app.db")).execute("SELECT password_hash FROM backstay_users")
    assert str(row[0]).startswith("$argon2id$v=19$m=20480,t=3,p=1$")


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


@pytest.mark.parametrize("command", [("grant", "cy@example.org", "editor"), ("create-admin", "cy@example.org")])
def test_a_command_empties_no_account_unasked(
    ask: Any, environ: dict[str, str | None], command: tuple[str, ...]
) -> None:
    """S4, A3: whoever signed up where addresses are not confirmed keeps the password; --empty says to drop it."""
    in_app(environ, lambda house: house.sign_up("cy@example.org"))
    refused = ask("user", *command)
    assert (1, "", True, True) == (
        refused.exit_code, refused.stdout, "[account_not_proved]" in refused.stderr, "--empty" in refused.stderr
    )  # fmt: skip
    in_app(environ, lambda house: house.sign_in("cy@example.org"))
    assert "" == ask("audit", "list", "--event", "account_emptied").stdout
    assert 0 == ask("user", *command, "--empty").exit_code
    body = {"email": "cy@example.org", "password": PASSWORD}
    assert 400 == in_app(environ, lambda house: house.post("token?grant_type=password", body).status)
    assert ["user_signedup", "account_emptied", "role_granted"] == [
        one["event"] for one in lines(ask("audit", "list", "--json")) if one["event"] in
        ("user_signedup", "account_emptied", "role_granted")
    ]  # fmt: skip


def test_where_the_link_of_the_first_admin_leads(ask: Any, environ: dict[str, str | None]) -> None:
    """SE3: the command says which setting decides the address, and takes another; and what to do without a page."""
    environ |= {"BACKSTAY_PUBLIC_URL": None, "BACKSTAY_PORT": "8201"}
    said = ask("user", "create-admin", "boss@example.org")
    assert said.stdout.startswith("http://127.0.0.1:8201/auth/v1/verify?")
    assert "BACKSTAY_PUBLIC_URL or BACKSTAY_PORT say that the API is at http://127.0.0.1:8201; --url" in said.stderr
    assert all(call in said.stderr for call in ("PUT /auth/v1/user", "POST /auth/v1/factors", "/challenge", "/verify"))
    told = ask("user", "create-admin", "boss@example.org", "--url", "http://127.0.0.1:8202")
    assert told.stdout.startswith("http://127.0.0.1:8202/auth/v1/verify?")
    assert told.stdout.rstrip().endswith("&redirect_to=http%3A%2F%2F127.0.0.1%3A8202")
    assert ("--url" in told.stderr, "no page is behind" in told.stderr) == (False, True)
    environ |= {"BACKSTAY_SITE_URL": "https://app.example.org"}
    there = ask("user", "create-admin", "boss@example.org", "--url", "https://api.example.org")
    assert ("", True) == (there.stderr, there.stdout.rstrip().endswith("=https%3A%2F%2Fapp.example.org"))
    wrong = ask("user", "create-admin", "boss@example.org", "--url", "nonsense")
    assert (2, True) == (wrong.exit_code, "[BST-E403]" in wrong.stderr)


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


def test_a_slip_is_no_role_at_the_command(ask: Any, environ: dict[str, str | None]) -> None:
    """S4, S14: the commands know the roles of the app's last start; what is none is refused with the near one."""
    assert 0 == ask("user", "create", "ann@example.org").exit_code
    for command in (("user", "grant", "ann@example.org", "editr"), ("key", "create", "x", "--role", "editr")):
        refused = ask(*command)
        assert (1, "") == (refused.exit_code, refused.stdout)
        assert "'editr' [validation_failed]\n  Did you mean 'editor'?  " in refused.stderr
    assert "" == ask("key", "list").stdout
    # An app that starts with other roles says so.
    started = make_app(environ["BACKSTAY_DATABASE"] or "")
    started._permissions["support"] = frozenset({"users:read"})

    async def start() -> None:
        async with started.started():
            pass

    assert 1 == ask("user", "grant", "ann@example.org", "support").exit_code
    asyncio.run(start())
    (held,) = lines(ask("user", "grant", "ann@example.org", "support", "--json"))
    assert [("support", ["users:read"])] == [(one["role"], one["permissions"]) for one in held["roles"]]
    asyncio.run(_start_again(environ))
    assert 1 == ask("user", "grant", "ann@example.org", "support").exit_code
    assert "\n" == ask("user", "revoke", "ann@example.org", "support").stdout


async def _start_again(environ: dict[str, str | None]) -> None:
    async with make_app(environ["BACKSTAY_DATABASE"] or "").started():
        pass


def test_lists_have_heads_and_roles(ask: Any) -> None:
    """S4: who has which role is seen in the list; heads are for people, and stdout for what reads it."""
    nobody = ask("user", "list")
    assert ("", "") == (nobody.stdout, nobody.stderr)
    for name in ("ann", "bob"):
        assert 0 == ask("user", "create", f"{name}@example.org").exit_code
    for role in ("editor", "admin"):
        assert 0 == ask("user", "grant", "ann@example.org", role).exit_code
    shown = ask("user", "list")
    assert ["ID", "ADDRESS", "ROLES", "MADE", "SIGNED", "IN", "STATE"] == shown.stderr.split()
    bob, ann = shown.stdout.splitlines()
    at = shown.stderr.index("ROLES")
    assert ["-", "admin, editor"] == [line[at:].split("  ")[0] for line in (bob, ann)]
    assert [["admin", "editor"]] == [one["roles"] for one in lines(ask("user", "list", "--filter", "an", "--json"))]
    assert 0 == ask("key", "create", "backup").exit_code
    assert ["ID", "KEY", "MAY", "ROLE", "NAME"] == ask("key", "list").stderr.split()[:5]
    assert ["KID", "STATE", "MADE", "CHANGED"] == ask("keys", "list").stderr.split()


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


def test_a_command_without_the_apps_keys(ask: Any, environ: dict[str, str | None]) -> None:
    """BST-E513: in production no keys are made up, so there must be those of the app."""
    environ |= {"BACKSTAY_PROFILE": "prod", "BACKSTAY_ENCRYPTION_KEYS": None}
    done = ask("user", "list")
    assert (2, True) == (done.exit_code, "[BST-E513]" in done.stderr)
