"""LG3: twelve planted secrets come out nowhere: no log, error, audit row or output of a process."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import sqlalchemy as sa
from joserfc import jwt
from joserfc.jwk import OctKey
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backstay import Backstay, Me, allow, function
from backstay.adapters.load import open_store
from backstay.audit import EVENTS, Actor, Event, audit_keys, record
from backstay.audit.read import Wanted, newest, shown
from backstay.db.own import Own
from backstay.settings import Settings
from tests.audit.chains import AT
from tests.canary import SECRETS, Canary, environment, everything_in, lines, name_of
from tests.http.client import HOST, Answer, Client


class Base(DeclarativeBase):
    pass


class Paper(Base):
    __tablename__ = "canary_papers"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(unique=True)


@allow("read", "create", "update", "delete", Paper)
def anybody(me: Me) -> Any:
    return sa.true()


@function(to="anon")
async def crash(session: AsyncSession, me: Me, what: str) -> int:
    """A bug, and the driver's own words about it."""
    logging.getLogger("app").warning("about to fail with %s", what)
    raise RuntimeError(f"cannot go on: {what}")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(environment(f"sqlite:///{tmp_path / 'data.db'}"), folder=tmp_path)


def requests() -> list[tuple[str, str, Mapping[bytes, bytes], bytes]]:
    """Every place of a request that a client puts a secret in, well formed or not."""
    found: list[tuple[str, str, Mapping[bytes, bytes], bytes]] = []
    as_json = {b"content-type": b"application/json"}
    form = {b"content-type": b"application/x-www-form-urlencoded"}
    for name, secret in SECRETS.items():
        key, raw = name_of(name), secret.encode()
        for path in ("/rest/v1/canary_papers", "/rest/v1/nothing", "/health", "/behind/", "/auth/v1/token"):
            found += [
                ("GET", f"{path}?{key}={quote(secret)}", {}, b""),
                ("GET", path, {b"authorization": b"Bearer " + raw}, b""),
                ("GET", path, {b"authorization": b"Basic " + raw}, b""),
                ("GET", path, {b"apikey": raw}, b""),
                ("GET", path, {b"cookie": b"session=" + raw}, b""),
                ("POST", path, as_json, json.dumps({key: secret}).encode()),
                ("POST", path, as_json, json.dumps([{"title": "x", key: secret}, {key: secret}]).encode()),
                ("POST", path, as_json, json.dumps({key: secret}).encode()[:-2]),
                ("POST", path, form, urlencode({key: secret}).encode()),
                ("POST", path, {b"content-type": b"text/csv"}, f"{key}\n{secret}\n".encode()),
                ("POST", path, {b"content-type": b"image/png"}, raw),
                ("PUT", path, {b"content-type": b"application/json", b"authorization": b"Bearer " + raw}, b"{"),
            ]
        for message in (f"{key}={secret}", f"{{'{key}': '{secret}'}}", f'{{"{key}": "{secret}"}}', f"{key}: {secret}"):
            found.append(("POST", "/rest/v1/rpc/crash", as_json, json.dumps({"what": message}).encode()))
        url = f"postgresql://ann:{secret}@db/x"
        found.append(("POST", "/rest/v1/rpc/crash", as_json, json.dumps({"what": url}).encode()))
    for secret in (SECRETS["signing_key"], SECRETS["encryption_key"], SECRETS["access_token"], SECRETS["api_key"]):
        # By value and by form: nothing says what it is.
        found.append(("POST", "/rest/v1/rpc/crash", as_json, json.dumps({"what": f"it is {secret}."}).encode()))
    return found


async def test_requests_leave_no_secret(settings: Settings, tmp_path: Path) -> None:
    """LG3: neither in an answer nor in the log of it, at any level; the database keeps none that was refused."""
    canary = Canary()

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        token = headers.get(b"authorization", b"").decode()
        raise RuntimeError(f"mounted apps fail too: authorization={token} {scope['query_string'].decode()}")

    app = Backstay(models=Base, policies=[anybody], functions=[crash], settings=settings)
    app.mount("/behind", behind)
    asked = requests()
    with lines(settings) as log:
        async with app.started():
            client = Client(app)
            for method, url, headers, body in asked:
                path = url.partition("?")[0]
                length = {b"content-length": str(len(body)).encode()} if body else {}
                answer = await client.send(method, url, [HOST, *{**headers, **length}.items()], [body], path=path)
                assert answer is not None
                where = f"{method} {path} {answer.status}"
                canary.look(where, answer.body)
                canary.look(where, b"\n".join(b": ".join(pair) for pair in answer.headers))
            canary.look("the database", everything_in(tmp_path / "data.db"))
    assert log.records > 60
    canary.look("the log", log.text)
    canary.assert_silent()


async def test_a_real_token_is_in_no_log(settings: Settings) -> None:
    """LG3: one that is accepted, with a crash behind it."""
    key = OctKey.import_key(SECRETS["signing_key"])
    token = jwt.encode({"alg": "HS256"}, {"role": "anon", "exp": 4102444800}, key)
    app = Backstay(models=Base, policies=[anybody], functions=[crash], settings=settings)
    with lines(settings) as log:
        async with app.started():
            body = json.dumps({"what": f"the token {token}"}).encode()
            headers = [HOST, (b"authorization", f"Bearer {token}".encode()), (b"content-type", b"application/json")]
            answer = await Client(app).send("POST", "/rest/v1/rpc/crash", headers, [body])
    assert answer is not None
    assert 500 == answer.status
    assert "cannot go on" in log.text
    for part in token.split("."):
        assert part not in log.text
        assert part.encode() not in answer.body


async def test_accounts_leave_no_secret(tmp_path: Path) -> None:
    """LG3: a password that is taken, refused and mistyped; the tokens of the session that it opened."""
    canary = Canary()
    settings = Settings.load(environment(f"sqlite:///{tmp_path / 'data.db'}"), folder=tmp_path)
    app = Backstay(models=Base, policies=[anybody], settings=settings)
    client = Client(app, {"client": ("192.0.2.7", 4711)})

    async def post(path: str, body: Mapping[str, Any]) -> Answer:
        raw = json.dumps(body).encode()
        headers = [HOST, (b"content-type", b"application/json"), (b"content-length", str(len(raw)).encode())]
        answer = await client.send(
            "POST", f"/auth/v1/{path}", headers, [raw], path=f"/auth/v1/{path.partition('?')[0]}"
        )
        assert answer is not None
        return answer

    who = {"email": "ann@example.org", "password": SECRETS["password"]}
    wrong = {"email": "ann@example.org", "password": SECRETS["provider_token"]}
    stale = {"refresh_token": SECRETS["refresh_token"]}
    with lines(settings) as log:
        async with app.started():
            opened = await post("signup", who)
            refused = [
                await post("signup", who),
                await post("signup", {**wrong, "email": SECRETS["password"]}),
                await post("token?grant_type=password", wrong),
                await post("token?grant_type=password", {**who, "email": SECRETS["password"]}),
                await post("token?grant_type=refresh_token", stale),
                await post("token?grant_type=pkce", {"auth_code": SECRETS["access_token"], "code_verifier": "x" * 50}),
                await post("verify", {"type": "email", "email": who["email"], "token": SECRETS["otp"]}),
            ]
            session = json.loads(opened.body)
            again = json.loads((await post("token?grant_type=refresh_token", session)).body)
            kept = everything_in(tmp_path / "data.db")
    assert (200, False) == (opened.status, any(answer.status < 400 for answer in refused))
    for answer in refused:
        canary.look("a refusal", answer.body)
    canary.look("the log", log.text)
    canary.look("the database", kept)
    canary.assert_silent()
    for found in (session, again):
        for token in (found["access_token"], found["refresh_token"]):
            assert token not in log.text
            assert token.encode() not in kept


async def test_audit_rows_hold_no_secret(settings: Settings, tmp_path: Path) -> None:
    """LG3, AU3: whatever text an event is given, in each kind and each detail."""
    canary = Canary()
    assert settings.encryption_keys is not None
    keys = audit_keys(settings.encryption_keys)
    events = [
        Event(
            kind,
            AT,
            Actor("user", ip="192.0.2.7", request_id="r"),
            subject=f"{name_of(name)}={secret}",
            details={key: f'{{"{name_of(name)}": "{secret}"}}' for key in sorted(EVENTS[kind].details)},
        )
        for kind in EVENTS
        for name, secret in SECRETS.items()
    ]
    store = open_store(settings.database)
    await store.database.open()
    try:
        await store.database.create_tables(Own.metadata)
        await store.transact(lambda transaction: record(transaction, keys, *events))
        rows = await newest(store, Wanted(), len(events) + 1)
    finally:
        await store.database.close()
    assert len(events) == len(rows)
    for row in rows:
        canary.look("a row", json.dumps(shown(row)))
    canary.look("the database", everything_in(tmp_path / "data.db"))
    canary.assert_silent()


def test_settings_show_no_secret(settings: Settings) -> None:
    """LG3, SE4: neither printed nor in an error."""
    canary = Canary()
    url = f"postgresql://ann:{SECRETS['database_password']}@db/x?password={SECRETS['database_password']}"
    values = Settings.load(environment(url))
    for text in (repr(values), str(values), repr(values.encryption_keys), repr(vars(type(values)))):
        canary.look("settings", text)
    canary.assert_silent()


@pytest.mark.parametrize(
    "arguments",
    [
        ("serve", "app:app", "--port", "1"),
        ("serve", "nothing:app"),
        ("serve", "--reflect", "sqlite:///missing.db"),
        ("config", "show"),
        ("config", "show", "--json"),
        ("audit", "verify"),
        ("audit", "list"),
        ("token",),
    ],
    ids=" ".join,
)
def test_commands_print_no_secret(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """LG3: with a database that does not answer, whose URL has a password; stdout, stderr and files."""
    canary = Canary()
    url = f"postgresql://ann:{SECRETS['database_password']}@127.0.0.1:1/x"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BACKSTAY_")}
    (tmp_path / "app.py").write_text(
        "from sqlalchemy import MetaData\nimport backstay\napp = backstay.Backstay(models=MetaData())\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "backstay.cli", *arguments],
        cwd=tmp_path,
        env={**kept, **environment(url), "BACKSTAY_LOG_LEVEL": "debug"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    canary.look("stdout and stderr", done.stdout + done.stderr)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            canary.look(path.name, path.read_bytes())
    canary.assert_silent()


def test_the_canary_sings() -> None:
    """A look that could find nothing would prove nothing: every secret, in every form."""
    for name, secret in SECRETS.items():
        for text in (secret, quote(secret), json.dumps([secret]), secret.encode().hex()):
            canary = Canary()
            canary.look("here", text)
            assert [("here", name)] == canary.found
