"""An app whose people have accounts, and a client of its accounts API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import unquote
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy import Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backstay import Backstay, Me, Settings, allow
from backstay.auth.hashing import HashCost
from backstay.auth.tables import User
from backstay.crypt import Keyring
from backstay.db.own import Own
from backstay.db.statement import Statement
from backstay.db.store import Store
from backstay.mail import Letter
from backstay.mail.outbox import Outgoing, read_letter
from backstay.pipeline import idempotency
from backstay.sql.query import query
from tests.accounts.transactions import Watch
from tests.http.api import Reply, database, quick_folder
from tests.http.client import Client
from tests.stores import EMPTY, empty_copy, make_tables

SECRET = "a-secret-of-the-tests-that-has-32-bytes-and-more"
KEYRING = Keyring.parse("2026-11:" + "0123456789abcdef" * 4)
PASSWORD = "correct horse battery staple"
VERSION = "2024-01-01"
#: What passwords cost where nobody says it, for the settings of a test.
COSTLY = str(HashCost())


class Base(DeclarativeBase):
    pass


class Secret(Base):
    """A note that only its owner reads."""

    __tablename__ = "secrets"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    owner_id: Mapped[UUID]
    text: Mapped[str] = mapped_column(Text)


class Vault(Base):
    """What takes a second factor."""

    __tablename__ = "vaults"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    owner_id: Mapped[UUID]


class Notice(Base):
    """What editors read."""

    __tablename__ = "notices"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    text: Mapped[str] = mapped_column(Text)


@allow("read", "create", "update", "delete", Secret)
def own_secrets(me: Me) -> Any:
    """People keep their own notes."""
    return Secret.owner_id == me.id


@allow("read", "create", Vault)
def own_vaults(me: Me) -> Any:
    """A vault opens to its owner's second factor."""
    return (Vault.owner_id == me.id) & (me.aal == "aal2")


@allow("read", Notice, to=("authenticated", "press"))
def editors_read_notices(me: Me) -> Any:
    """Editors read notices."""
    return me.has_role("editor")


@query
def _take_letters() -> Any:
    return sa.delete(Outgoing).returning(Outgoing.made_at, Outgoing.sealed)


@query
def _proved(email: str, now: datetime) -> Any:
    return sa.update(User).where(User.email == email).values(email_proved_at=now)


class Clock:
    """The time of day; tests turn it."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def turn(self, **more: float) -> None:
        self.at += timedelta(**more)


@dataclass(eq=False)
class House:
    """*app* open in *loop*: ``house.post("signup", {"email": …})`` asks ``/auth/v1/signup``."""

    app: Backstay
    loop: asyncio.AbstractEventLoop
    clock: Clock
    kind: str
    client: Client = field(init=False)
    watch: Watch = field(init=False)

    def __post_init__(self) -> None:
        self.client = Client(self.app, {"client": ("192.0.2.7", 4711)})
        self.watch = Watch(self.office.accounts)

    @property
    def office(self) -> Any:
        return self.app._office

    @property
    def store(self) -> Store:
        store: Store = self.office.accounts.store
        return store

    def run(self, waiting: Any) -> Any:
        return self.loop.run_until_complete(waiting)

    async def sending(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        as_: str | Mapping[str, Any] | None = None,
        under: str = "/auth/v1/",
        headers: Mapping[str, str] | None = None,
        **scope: Any,
    ) -> Reply:
        """Send one request.  *as_* is an access token, or the session that has one."""
        # Of its own choice, so that answers can be compared.
        given = [(b"x-supabase-api-version", VERSION.encode()), (b"x-request-id", b"of-the-tests")]
        if as_ is not None:
            token = as_ if isinstance(as_, str) else as_["access_token"]
            given.append((b"authorization", b"Bearer " + token.encode()))
        for name, value in (headers or {}).items():
            given = [pair for pair in given if pair[0] != name.lower().encode()]
            given.append((name.lower().encode(), value.encode()))
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        if method not in ("GET", "HEAD", "OPTIONS"):
            given.append((b"content-length", str(len(raw)).encode()))
            if not any(name == b"content-type" for name, _ in given):
                given.append((b"content-type", b"application/json"))
        place = unquote(under + path.partition("?")[0])
        with self.watch.request():
            found = await self.client.ask(method, under + path, *given, body=raw, path=place, **scope)
        return Reply(found.status, found.headers, found.body)

    def send(self, method: str, path: str, body: Any = None, **named: Any) -> Reply:
        reply: Reply = self.run(self.sending(method, path, body, **named))
        return reply

    def get(self, path: str, **named: Any) -> Reply:
        return self.send("GET", path, **named)

    def post(self, path: str, body: Any = None, **named: Any) -> Reply:
        return self.send("POST", path, body, **named)

    def put(self, path: str, body: Any = None, **named: Any) -> Reply:
        return self.send("PUT", path, body, **named)

    def delete(self, path: str, body: Any = None, **named: Any) -> Reply:
        return self.send("DELETE", path, body, **named)

    def rest(self, method: str, path: str, body: Any = None, **named: Any) -> Reply:
        """A request to ``/rest/v1/``."""
        return self.send(method, path, body, under="/rest/v1/", **named)

    def sign_up(self, email: str = "ann@example.org", password: str = PASSWORD, **more: Any) -> dict[str, Any]:
        """A new account; its session."""
        reply = self.post("signup", {"email": email, "password": password, **more})
        assert 200 == reply.status, reply.body
        return dict(reply.json)

    def sign_in(self, email: str = "ann@example.org", password: str = PASSWORD) -> dict[str, Any]:
        reply = self.post("token?grant_type=password", {"email": email, "password": password})
        assert 200 == reply.status, reply.body
        return dict(reply.json)

    def letters(self, kind: str | None = None) -> list[Letter]:
        """What waits in the outbox, the oldest first, and take it out."""

        async def taken(tx: Any) -> list[Any]:
            return list(await tx.all(_take_letters()))

        rows = sorted(self.run(self.store.transact(taken)), key=lambda row: row.made_at)
        found = [read_letter(KEYRING.open_sealed(row.sealed, purpose="mail", context="")) for row in rows]
        return [letter for letter in found if kind in (None, letter.kind)]

    def letter(self, kind: str) -> Letter:
        """The one letter of this kind that waits; all others are dropped."""
        (found,) = self.letters(kind)
        return found

    def prove(self, email: str = "ann@example.org") -> None:
        """Have the account of *email* proved already: what is in it stays at the next link or code."""
        self.run(self.store.transact(lambda tx: tx.run(_proved(email, self.clock()))))

    def refresh(self, token: str) -> Reply:
        return self.post("token?grant_type=refresh_token", {"refresh_token": token})


def make_app(url: str, **settings: Any) -> Backstay:
    """The app, with *settings* beside those of every test."""
    return Backstay(
        models=Base,
        policies=[own_secrets, own_vaults, editors_read_notices],
        settings=_settings(url, **settings),
        title="House",
    )


def _settings(url: str, **more: Any) -> Settings:
    return Settings(
        database=url, jwt_secret=SECRET, encryption_keys=KEYRING, public_url="https://api.example.org", **more
    )


#: An app is not what its settings say before it starts: all houses of one loop are one app, that starts again.
_app_of_loop = cache(lambda loop: make_app("sqlite:///never-opened.db"))


def _cheap() -> HashCost:
    """A cost far below the floor, which no setting can say."""
    cost = object.__new__(HashCost)
    for name in ("memory_kib", "passes", "lanes"):
        object.__setattr__(cost, name, {"memory_kib": 8}.get(name, 1))
    return cost


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def accounts_url(request: pytest.FixtureRequest) -> Iterator[tuple[str, str, asyncio.AbstractEventLoop]]:
    """Which database, its URL, and the loop of its tests."""
    loop = asyncio.new_event_loop()
    try:
        with quick_folder() as folder, database(request.param, folder, loop, "accounts") as url:
            loop.run_until_complete(make_tables(url, Base.metadata, idempotency.TABLES, Own.metadata))
            yield request.param, url, loop
    finally:
        loop.close()


@pytest.fixture
def house(accounts_url: tuple[str, str, asyncio.AbstractEventLoop], request: pytest.FixtureRequest) -> Iterator[House]:
    """The app with no accounts yet; ``@pytest.mark.settings(signup=False)`` gives it other settings.

    Passwords cost next to nothing, unless the settings say their ``password_hash``: `COSTLY` is for tests of that.
    """
    kind, url, loop = accounts_url
    marker = request.node.get_closest_marker("settings")
    settings = {} if marker is None else marker.kwargs
    app = _app_of_loop(loop)
    app._given = _settings(url if kind == "postgresql" else empty_copy(url), **settings)
    clock = Clock()
    app._now = clock
    loop.run_until_complete(app._start())
    if app._deliverer is not None:
        # What was sent is read in the outbox: `House.letters`.
        loop.run_until_complete(app._deliverer.stop())
    if "password_hash" not in settings and app._office is not None:
        app._office.accounts.passwords._cost = _cheap()
    try:
        yield House(app, loop, clock, kind)
        if kind == "postgresql":
            loop.run_until_complete(app.database.fetch(Statement(EMPTY)))
    finally:
        loop.run_until_complete(app._stop())
