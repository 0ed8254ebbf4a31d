"""Several schemas behind one address, with tables of the same names: rules and refusals keep them apart."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from backstay import Backstay, Me, Settings, allow
from backstay.errors import ConfigError
from tests.http.api import Api, database
from tests.http.shop_app import SECRET

TABLES = """
CREATE SCHEMA api; CREATE SCHEMA internal;
CREATE TABLE internal.users (id int PRIMARY KEY, name text UNIQUE, secret text);
CREATE TABLE api.users (id int PRIMARY KEY, name text UNIQUE);
CREATE TABLE api.posts (id int PRIMARY KEY, user_id int REFERENCES internal.users);
CREATE TABLE api.notes (id int PRIMARY KEY, name text);
CREATE TABLE internal.logs (id int PRIMARY KEY);
INSERT INTO internal.users VALUES (1, 'root', 'hidden'); INSERT INTO api.users VALUES (1, 'ann');
INSERT INTO internal.logs VALUES (1);
CREATE FUNCTION internal.copied() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO internal.users VALUES (new.id, new.name, 'x'); RETURN new; END $$;
CREATE TRIGGER copied BEFORE INSERT ON api.notes FOR EACH ROW EXECUTE FUNCTION internal.copied();
"""
OTHER = {"accept_profile": "internal", "content_profile": "internal"}


@allow("read", "create", "users", "posts", "notes")
def everybody(me: Me) -> Any:
    """The first schema's."""
    return True


@allow("read", "internal.logs", to="staff")
@allow("read", "internal.users", to="clerk", columns=["id", "name"])
def insiders(me: Me, rows: Any) -> Any:
    """The other's, some of it."""
    return rows.id > 0


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    import asyncpg

    async def plant(url: str) -> None:
        own = await asyncpg.connect(url)
        await own.execute(TABLES)
        await own.close()

    folder = tmp_path_factory.mktemp("schemas")
    with closing(asyncio.new_event_loop()) as loop, database("postgresql", folder, loop, "schemas") as url:
        loop.run_until_complete(plant(url))
        settings = Settings(jwt_secret=SECRET)
        app = Backstay.reflect(url, schema=["api", "internal"], policies=[everybody, insiders], settings=settings)
        started = app.started()
        loop.run_until_complete(started.__aenter__())
        yield Api("postgresql", app, loop, lambda: None)
        loop.run_until_complete(started.__aexit__(None, None, None))


SEEN = [
    ("users?order=id", {}, None, (200, [{"id": 1, "name": "ann"}])),
    ("users", OTHER, None, (404, "PGRST205")),
    ("users", OTHER, "ann", (404, "PGRST205")),
    ("users", OTHER, "dee", (404, "PGRST205")),
    ("users", OTHER, "cleo", (200, [{"id": 1, "name": "root"}])),
    ("users?select=secret", OTHER, "cleo", (400, "42703")),
    ("logs", OTHER, None, (404, "PGRST205")),
    ("logs", OTHER, "cleo", (404, "PGRST205")),
    ("logs", OTHER, "dee", (200, [{"id": 1}])),
    ("logs", {}, "dee", (404, "PGRST205")),
    ("posts", OTHER, None, (404, "PGRST205")),
    ("posts", {}, None, (200, [])),
]


@pytest.mark.parametrize(("path", "profile", "who", "answer"), SEEN)
def test_a_rule_is_of_one_schema(
    schemas: Api, path: str, profile: dict[str, str], who: str | None, answer: tuple[int, Any]
) -> None:
    """S13: a name without a schema is the first's, ``internal.users`` that one's; each caller sees its own."""
    reply = schemas.get(path, as_=who, **profile)
    assert answer == (reply.status, reply.json if reply.status == 200 else reply.code)


def test_a_namesake_is_not_written(schemas: Api) -> None:
    """S13: the right to create ``users`` is not one to create ``internal.users``."""
    reply = schemas.post("users", {"id": 9, "name": "x"}, **OTHER)
    assert (404, "PGRST205") == (reply.status, reply.code)
    assert [{"id": 1}] == schemas.get("users?select=id", as_="svc", **OTHER).json


def test_a_refusal_of_a_namesake_tells_nothing(schemas: Api) -> None:
    """S13: a constraint of ``internal.users`` is not told as one of ``users``, which the caller may read."""
    reply = schemas.post("notes", {"id": 2, "name": "root"})
    assert (409, "23505", None) == (reply.status, reply.code, reply.json["details"])
    assert "users_name_key" not in reply.json["message"]
    reply = schemas.post("posts", {"id": 1, "user_id": 7})
    assert (409, "23503", None) == (reply.status, reply.code, reply.json["details"])
    assert "users" not in reply.json["message"]
    own = schemas.post("users", {"id": 1, "name": "x"})
    assert (409, "23505", "Key (id)=(1) already exists.") == (own.status, own.code, own.json["details"])


REFUSED = [
    ("logs", "Write 'internal.logs'."),
    ("internal.log", "Did you mean 'internal.logs'?"),
    ("zzz", "Name a table that is there."),
    ("other.users", "Did you mean"),
]


@pytest.mark.parametrize(("name", "advice"), REFUSED)
def test_a_name_that_is_none_of_the_first_ends_the_start(schemas: Api, name: str, advice: str) -> None:
    """S13: BST-E022, and how to write it."""

    @allow("read", name)
    def policy(me: Me) -> Any:
        return True

    url = schemas.app._reflection.url  # type: ignore[union-attr]
    app = Backstay.reflect(url, schema=["api", "internal"], policies=[policy], settings=Settings(jwt_secret=SECRET))
    with pytest.raises(ConfigError) as refused:
        schemas.loop.run_until_complete(app.started().__aenter__())
    assert ("BST-E022", True) == (refused.value.code, advice in (refused.value.hint or "")), refused.value.hint
