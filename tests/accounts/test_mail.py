"""From a change of an account to the mail that tells of it: outbox, delivery, server or page."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backstay import Backstay, ConfigError, Settings
from backstay.crypt import Keyring
from backstay.db.statement import Statement
from backstay.http.mail import address_of
from backstay.mail import Letter
from tests.accounts.house import KEYRING, PASSWORD, SECRET, House
from tests.adapters.smtp.server import serving
from tests.http.client import Client

OTHER = Keyring.parse("2026-12:" + "00112233445566778899aabbccddeeff" * 2)


class Base(DeclarativeBase):
    """Of an app of its own."""


class Thing(Base):
    """Something."""

    __tablename__ = "mail_things"
    id: Mapped[int] = mapped_column(primary_key=True)


def make_app(folder: Path, **settings: Any) -> Backstay:
    given: dict[str, Any] = {"jwt_secret": SECRET, "encryption_keys": KEYRING} | settings
    return Backstay(models=Base, settings=Settings(database=f"sqlite:///{folder}/app.db", **given), title="House")


async def put(app: Backstay, to: str = "ann@example.org") -> None:
    """A letter in the outbox, as a flow puts it there."""
    office: Any = app._office
    letter = Letter(to, "account_exists", "de", {})
    await office.accounts.store.transact(lambda tx: office.accounts.send(tx, letter))
    office.accounts.posted()


async def empty(app: Backstay) -> None:
    """Wait until all that is due is sent."""
    assert app._deliverer is not None
    await app._deliverer.stop()
    await app._deliverer.deliver_due()


async def waiting(app: Backstay) -> int:
    rows = await app.database.fetch_all(Statement("SELECT kind FROM backstay_mail"))
    return len(rows)


def test_a_new_password_is_told_by_mail(house: House) -> None:
    """PW8: on a desk, the notice stands at /_mail/ for this machine, and in the outbox no longer."""
    session = house.sign_up()
    assert 200 == house.put("user", {"password": "another long passphrase"}, as_=session).status
    house.run(empty(house.app))
    local = Client(house.app, {"client": ("127.0.0.1", 5)})
    path = address_of("/_mail/messages.json", house.app._mail_secret)

    async def read(host: bytes, path: str = path) -> Any:
        return await local.send("GET", path, [(b"host", host)], [])

    reply = house.run(read(b"localhost:8000"))
    assert b'"password_changed"' in reply.body
    assert b'"ann@example.org"' in reply.body
    assert 404 == house.run(read(b"api.example.org")).status
    assert 404 == house.run(read(b"localhost:8000", "/_mail/messages.json")).status
    assert 0 == house.run(waiting(house.app))


async def test_the_address_is_printed_and_not_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """S9: each start has another secret; whoever began the server is told, and no log ever holds it."""
    caplog.set_level(logging.DEBUG)
    printed = []
    for start in ("one", "two"):
        (tmp_path / start).mkdir()
        app = make_app(tmp_path / start, access_log=True)
        told: list[Any] = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
        sent: list[Any] = []

        async def receive(app: Any = app, told: list[Any] = told) -> Any:
            if len(told) == 1:
                local = Client(app, {"client": ("127.0.0.1", 5)})
                page = await local.send("GET", address_of("/_mail/", app._mail_secret), [(b"host", b"localhost")], [])
                assert page is not None
                assert 200 == page.status
                await put(app)
                await empty(app)
            return told.pop(0)

        async def send(message: Any, sent: list[Any] = sent) -> None:
            sent.append(message["type"])

        await app({"type": "lifespan"}, receive, send)
        assert ["lifespan.startup.complete", "lifespan.shutdown.complete"] == sent
        (line,) = [line for line in capsys.readouterr().err.splitlines() if "/_mail/" in line and "secret=" in line]
        secret = line.rpartition("secret=")[2]
        assert (app._mail_secret, 43) == (secret, len(secret))
        assert secret not in caplog.text
        printed.append(secret)
    assert "/_mail/" in caplog.text
    assert 2 == len(set(printed))


@pytest.mark.parametrize("email", ["=?utf-8?q?=0d=0aBcc=3aeve=40example.org?=@example.org", "=?@example.org"])
def test_an_address_that_is_a_header_gets_no_account(house: House, email: str) -> None:
    """SQ7: what passes every address check, and is two headers to Python's email package, is refused at the door."""
    reply = house.post("signup", {"email": email, "password": PASSWORD})
    assert (400, "email_address_invalid") == (reply.status, reply.json["code"])


async def test_mail_goes_to_the_server(tmp_path: Path) -> None:
    """With a mail server there is no page, and the mail is on its way at once."""
    async with serving() as post:
        app = make_app(
            tmp_path, smtp_url=f"smtp://127.0.0.1:{post.port}?starttls=off", mail_from="House <post@example.org>"
        )
        async with app.started():
            await put(app)
            await empty(app)
            page = await Client(app, {"client": ("127.0.0.1", 5)}).send(
                "GET", "/_mail/", [(b"host", b"localhost:8000")], []
            )
            assert (404, 0) == (getattr(page, "status", None), await waiting(app))
    message = post.message()
    assert ("House <post@example.org>", "ann@example.org") == (message["From"], message["To"])
    assert "Sie haben schon ein Konto bei House" == message["Subject"]


async def test_production_without_a_server_keeps_mail_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is lost, nobody sees it, and there is no page, whatever is set."""
    caplog.set_level(logging.WARNING)
    app = make_app(tmp_path, profile="prod", mail_page="open")
    async with app.started():
        await put(app)
        page = await Client(app, {"client": ("127.0.0.1", 5)}).send("GET", "/_mail/", [(b"host", b"localhost")], [])
        assert (404, 1) == (getattr(page, "status", None), await waiting(app))
    assert "BACKSTAY_SMTP_URL is not set: mails wait in the outbox" in caplog.text


async def test_a_restart_sends_what_waited(tmp_path: Path) -> None:
    """DU1: the outbox outlives the process; a mail server that is set later gets it all."""
    async with make_app(tmp_path, profile="prod").started() as app:
        await put(app)
    async with serving() as post:
        url = f"smtp://127.0.0.1:{post.port}?starttls=off"
        app = make_app(tmp_path, profile="prod", smtp_url=url, mail_from="post@example.org")
        async with app.started():
            await empty(app)
    assert "ann@example.org" == post.message()["To"]


async def test_a_lost_key_keeps_the_letter_and_is_seen(tmp_path: Path) -> None:
    """DU6: the operator brings the key back, and the letters go out; until then /health says so."""
    async with make_app(tmp_path, profile="prod").started() as app:
        for _ in range(3):
            await put(app)
    wrong = make_app(tmp_path, encryption_keys=OTHER)
    async with _opened_without_accounts(wrong) as health:
        assert b'{"status":"degraded","failing":["mail"]}' == health
    async with make_app(tmp_path).started() as app:
        await empty(app)
        assert 3 == await waiting(app)  # they wait their turn


def _opened_without_accounts(app: Backstay) -> Any:
    """*app* with its mail alone: accounts do not open with the wrong keys."""
    from contextlib import asynccontextmanager

    from backstay.adapters.load import sql_dialect
    from backstay.db.store import Store
    from backstay.http.health import health_of

    @asynccontextmanager
    async def opened() -> Any:
        settings = app._given
        assert settings is not None
        assert settings.encryption_keys is not None
        database, _ = app._modelled(settings)
        await database.open()
        try:
            app._opened_mail(settings, Store(database, sql_dialect(database.name).compiler), settings.encryption_keys)
            app._database = database
            await empty(app)
            yield health_of({"mail": app._mail_fault})().body
        finally:
            await app._close_office()
            await database.close()

    return opened()


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"smtp_url": "smtp://mail.example.org"}, "BST-E601"),
        ({"smtp_url": "http://mail.example.org", "mail_from": "a@example.org"}, "BST-E403"),
        ({"smtp_url": "smtp://u:s3cret@mail.example.org?starttls=off", "mail_from": "a@example.org"}, "BST-E403"),
        ({"smtp_url": "smtp://mail.example.org", "mail_from": "nobody"}, "BST-E403"),
        ({"mail_page": "everybody"}, "BST-E403"),
        ({"mail_templates": "/nothing/here"}, "BST-E602"),
        ({"smtp_url": "smtp://mail.example.org?ca=/nothing", "mail_from": "a@example.org"}, "BST-E603"),
    ],
)
async def test_settings_that_cannot_work_stop_the_start(tmp_path: Path, settings: dict[str, Any], code: str) -> None:
    """SE4: with a code, and without a password."""
    with pytest.raises(ConfigError) as refused:
        async with make_app(tmp_path, **settings).started():
            pass
    assert code == refused.value.code
    assert "s3cret" not in str(refused.value)
    assert [] == [task for task in asyncio.all_tasks() if task.get_name() == "backstay-mail"]


def test_the_password_of_a_mail_server_is_not_shown() -> None:
    """SE4: nor in a dump of the settings."""
    made = Settings(jwt_secret=SECRET, smtp_url="smtp://shop:s3cret@mail.example.org", mail_from="a@example.org")
    assert "smtp://shop:***@mail.example.org" == made.redacted()["smtp_url"]
    assert "s3cret" not in repr(made)
    assert "s3cret" in made.secrets()
