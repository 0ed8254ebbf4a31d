"""The app as a whole: any models, any ASGI app beside it, with and without a server's lifespan."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from sqlalchemy import MetaData, String, Table
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from backstay import Backstay, ConfigError, Me, Settings, allow, function

SECRET = "a secret of at least thirty-two bytes"


class Base(DeclarativeBase):
    """A declarative base that knows nothing of Backstay."""


class Note(Base):
    """A note."""

    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str]
    body: Mapped[str] = mapped_column(String(20))


@allow("read", "create", "update", "delete", Note)
def own_notes(me: Me) -> Any:
    """People read and write their own notes."""
    return Note.owner == me.id


@function(read_only=True)
def shout(text: str, times: int = 1) -> str:
    """Louder."""
    return text.upper() * times


@function
def whoami(me: Me) -> str:
    """Who asks."""
    return "nobody" if me.is_anonymous else str(me.id)


def token(**claims: Any) -> str:
    """A token that the app believes."""
    return jwt.encode({"alg": "HS256"}, {"exp": int(time.time()) + 600, **claims}, OctKey.import_key(SECRET))


def bearer(**claims: Any) -> dict[str, str]:
    """The header that carries such a token."""
    return {"Authorization": f"Bearer {token(**claims)}"}


@pytest.fixture
def app(tmp_path: Path) -> Backstay:
    """An app over a foreign declarative base, on SQLite."""
    settings = Settings(database=f"sqlite:///{tmp_path}/app.db", jwt_secret=SECRET)
    return Backstay(models=Base, policies=[own_notes], functions=[shout, whoami], settings=settings, title="Notes")


@pytest.fixture
def client(app: Backstay) -> Iterator[TestClient]:
    """A client of the started app."""
    with TestClient(app) as started:
        yield started


def test_any_declarative_base_is_served(client: TestClient) -> None:
    """Models of a base that is not ours are read and written like ours."""
    made = client.post(
        "/rest/v1/notes",
        json={"owner": "ann", "body": "hi"},
        headers=bearer(sub="ann") | {"Prefer": "return=representation"},
    )

    assert (201, [{"id": 1, "owner": "ann", "body": "hi"}]) == (made.status_code, made.json())
    assert [] == client.get("/rest/v1/notes", headers=bearer(sub="bob")).json()


@pytest.mark.parametrize("models", [Base.metadata, [Note], Base], ids=["metadata", "classes", "base"])
def test_models_may_be_named_in_three_ways(models: Any, tmp_path: Path) -> None:
    """A base, its classes and its MetaData mean the same tables."""
    settings = Settings(database=f"sqlite:///{tmp_path}/app.db", jwt_secret=SECRET)
    with TestClient(Backstay(models=models, policies=[own_notes], settings=settings)) as started:
        assert 200 == started.get("/rest/v1/notes", headers=bearer(sub="ann")).status_code


@pytest.mark.parametrize("models", [42, [], [Note, MetaData()]])
def test_models_that_are_none_are_refused(models: Any) -> None:
    """What is no model is a ConfigError at once, not a fault of the first request."""
    with pytest.raises(ConfigError) as refused:
        Backstay(models=models)

    assert "BST-E001" == refused.value.code


def test_the_first_request_starts_an_app_without_a_lifespan(app: Backstay) -> None:
    """A server that runs no lifespan still finds the database open."""
    assert 200 == TestClient(app).get("/rest/v1/notes", headers=bearer(sub="ann")).status_code


def test_apps_are_mounted_beside(app: Backstay) -> None:
    """Other ASGI apps are served beside the API, with their own lifespan, started and stopped once."""
    told: list[str] = []

    @asynccontextmanager
    async def lifespan(_: Starlette) -> Any:
        told.append("started")
        yield
        told.append("stopped")

    async def hello(_: Any) -> PlainTextResponse:
        return PlainTextResponse("hello")

    async def bare(scope: Any, receive: Any, send: Any) -> None:
        assert "http" == scope["type"]  # it has no lifespan, and says so by raising
        await PlainTextResponse("bare")(scope, receive, send)

    app.mount("/plain", Starlette(routes=[Route("/hello", hello)], lifespan=lifespan))
    app.mount("/bare", bare)
    with TestClient(app) as started:
        assert "hello" == started.get("/plain/hello").text
        assert "bare" == started.get("/bare/x").text
        assert 404 == started.get("/nothing").status_code
        assert 200 == started.get("/rest/v1/notes", headers=bearer(sub="ann")).status_code

    assert ["started", "stopped"] == told


def test_the_root_says_where_things_are(client: TestClient) -> None:
    """The page at / names the surfaces and the app."""
    assert "Notes" == client.get("/").json()["name"]
    assert {"status": "ok"} == client.get("/health").json()


def test_functions_are_called(client: TestClient) -> None:
    """A typed function is an endpoint: POST, and GET where it only reads; its arguments are checked."""
    assert "HIHI" == client.post("/rest/v1/rpc/shout", json={"text": "hi", "times": 2}).json()
    assert "HI" == client.get("/rest/v1/rpc/shout?text=hi").json()
    assert 405 == client.get("/rest/v1/rpc/whoami").status_code
    assert 400 == client.post("/rest/v1/rpc/shout", json={"text": 1}).status_code
    assert 404 == client.post("/rest/v1/rpc/shout", json={"tekst": "hi"}).status_code
    assert "nobody" == client.post("/rest/v1/rpc/whoami").json()
    assert "ann" == client.post("/rest/v1/rpc/whoami", headers=bearer(sub="ann")).json()


def test_a_session_of_the_app_is_a_transaction(app: Backstay) -> None:
    """`Backstay.session` commits when its block ends, and opens the app where no server has."""
    import asyncio

    async def write_and_read() -> list[str]:
        async with app.session() as db:
            db.add(Note(owner="ann", body="x"))
        async with app.session(read_only=True) as db:
            found = await db.scalars(Table("notes", Base.metadata).select())
            return [str(row) for row in found]

    assert ["1"] == asyncio.run(write_and_read())
