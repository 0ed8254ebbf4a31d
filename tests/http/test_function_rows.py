"""A1: rows that functions of the database give pass the rules of their table, whatever is asked of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import sqlalchemy as sa

from backstay import Backstay, Settings, allow
from backstay.errors import ConfigError
from tests.http.api import Api, database
from tests.http.shop_app import SECRET

SCHEMA = """
CREATE TABLE clubs (id integer PRIMARY KEY, name text);
CREATE TABLE secret (id integer PRIMARY KEY, owner integer, body text, club integer REFERENCES clubs (id));
CREATE TABLE members (id integer PRIMARY KEY, club integer REFERENCES clubs (id), who integer);
CREATE TABLE pages (id integer PRIMARY KEY, club integer REFERENCES clubs (id), body text);
CREATE VIEW plain AS SELECT id, owner FROM secret;
INSERT INTO clubs VALUES (1, 'one'), (7, 'seven');
INSERT INTO secret VALUES (1, 1, 'of ann', 1), (2, 2, 'of bob', 1), (3, 1, 'of ann too', 7), (4, 2, 'of bob too', 7);
INSERT INTO members VALUES (1, 7, 1), (2, 1, 2);
INSERT INTO pages VALUES (1, 1, 'first'), (2, 7, 'second');
CREATE FUNCTION leak() RETURNS SETOF secret LANGUAGE sql STABLE AS 'SELECT * FROM secret';
CREATE FUNCTION definer() RETURNS SETOF secret LANGUAGE sql STABLE SECURITY DEFINER AS 'SELECT * FROM secret';
CREATE FUNCTION leak_one(wanted integer) RETURNS secret LANGUAGE sql STABLE AS 'SELECT * FROM secret WHERE id = wanted';
CREATE FUNCTION seen() RETURNS SETOF plain LANGUAGE sql STABLE AS 'SELECT * FROM plain';
CREATE FUNCTION same() RETURNS SETOF secret LANGUAGE sql STABLE AS 'SELECT * FROM secret';
CREATE FUNCTION same(lowest integer) RETURNS SETOF secret LANGUAGE sql STABLE AS 'SELECT * FROM secret WHERE id >= lowest';
CREATE FUNCTION written() RETURNS SETOF pages LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO members VALUES (9, 7, 2) ON CONFLICT DO NOTHING; RETURN QUERY SELECT * FROM pages; END $$;
CREATE FUNCTION clubs_of() RETURNS SETOF clubs LANGUAGE sql STABLE AS 'SELECT * FROM clubs';
CREATE FUNCTION own() RETURNS TABLE (word text) LANGUAGE sql STABLE AS 'SELECT body FROM secret WHERE owner = 2';
"""
LISTED = ["leak", "definer", "leak_one", "seen", "same", "written", "clubs_of", "own"]


@allow("read", "secret", "plain")
def own_rows(me: Any, rows: Any) -> Any:
    return rows.owner == me.id


@allow("read", "clubs", "members")
def everything(me: Any) -> Any:
    return True


@allow("read", "pages")
def of_my_clubs(me: Any, rows: Any) -> Any:
    members = sa.table("members", sa.column("club", sa.Integer), sa.column("who", sa.Integer), schema="public")
    return rows.club.in_(sa.select(members.c.club).where(members.c.who == me.id))


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Api, str]]:
    import asyncpg

    folder = tmp_path_factory.mktemp("vault")
    with closing(asyncio.new_event_loop()) as loop, database("postgresql", folder, loop, "function_rows") as url:

        async def run() -> None:
            own = await asyncpg.connect(url)
            await own.execute(SCHEMA)
            await own.close()

        loop.run_until_complete(run())
        settings = Settings(jwt_secret=SECRET)
        policies = [own_rows, everything, of_my_clubs]
        app = Backstay.reflect(url, policies=policies, functions=LISTED, settings=settings)
        started = app.started()
        loop.run_until_complete(started.__aenter__())
        yield Api("postgresql", app, loop, lambda: None), url
        loop.run_until_complete(started.__aexit__(None, None, None))


@pytest.fixture
def api(vault: tuple[Api, str]) -> Api:
    return vault[0]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("leak?order=id", [2, 4]),
        ("leak?order=id.desc", [4, 2]),
        ("leak?id=gt.2", [4]),
        ("leak?body=like.*ann*", []),
        ("leak?or=(owner.eq.1,id.eq.2)", [2]),
        ("leak?select=id,owner&order=id&limit=1", [2]),
        ("leak?select=id,clubs(id)&order=id", [2, 4]),
        ("leak?select=id,clubs!inner(id)&clubs.id=eq.7", [4]),
        ("leak?select=id,clubs(id)&order=clubs(id).desc", [4, 2]),
        ("definer?order=id", [2, 4]),
        ("seen?order=id", [2, 4]),
        ("same?order=id", [2, 4]),
        ("same?lowest=3&order=id", [4]),
    ],
)
def test_only_own_rows(api: Api, method: str, call: str, expected: list[int]) -> None:
    """A1: a function's rows are those of a table, and pass its rules: filtered, ordered, embedded, overloaded."""
    if method == "POST" and "lowest" in call:
        reply = api.post("rpc/same?order=id", {"lowest": 3}, as_="bob")
    else:
        reply = api.send(method, f"rpc/{call}", as_="bob", body=b"{}" if method == "POST" else b"")
    assert (200, expected) == (reply.status, reply.ids)


def test_counts(api: Api) -> None:
    """A1: hidden rows do not count, in headers and in embeds."""
    reply = api.get("rpc/leak?limit=1", as_="bob", prefer="count=exact")
    assert "0-0/2" == reply.range
    reply = api.get("rpc/clubs_of?select=id,secret(id)&order=id", as_="bob")
    assert [{"id": 1, "secret": [{"id": 2}]}, {"id": 7, "secret": [{"id": 4}]}] == reply.json


def test_one_row(api: Api) -> None:
    """A1: one row that is hidden is none."""
    assert 2 == api.get("rpc/leak_one?wanted=2", as_="bob").json["id"]
    hidden, missing = api.get("rpc/leak_one?wanted=1", as_="bob"), api.get("rpc/leak_one?wanted=99", as_="bob")
    assert (200, None) == (hidden.status, hidden.json)
    assert b"of ann" not in hidden.body
    assert hidden.status == missing.status


def test_without_rules(api: Api) -> None:
    """A1: who has no rule for the table has none of its rows."""
    reply = api.get("rpc/leak")
    assert b"of" not in reply.body


def test_own_rows_are_the_functions_to_give(api: Api) -> None:
    """Rows that a function makes itself are not a table's."""
    assert [{"word": "of bob"}, {"word": "of bob too"}] == api.get("rpc/own").json


def test_a_call_is_judged_on_the_state_before_it(api: Api) -> None:
    """S1: a function that makes the caller a member does not show them what members see, not until the next call."""
    first = api.post("rpc/written", {}, as_="bob")
    assert (200, [1]) == (first.status, first.ids)
    assert [1, 2] == sorted(api.post("rpc/written", {}, as_="bob").ids)


HIDDEN = """
DROP SCHEMA IF EXISTS hidden CASCADE; CREATE SCHEMA hidden;
CREATE TABLE hidden.vault (id integer PRIMARY KEY, body text);
CREATE VIEW hidden.seen AS TABLE hidden.vault;
CREATE TYPE hidden.holder AS (id integer, held hidden.vault);
CREATE DOMAIN hidden.named AS hidden.vault;
DROP FUNCTION IF EXISTS given();
"""


@pytest.mark.parametrize(
    "returns",
    [
        "SETOF hidden.vault", "hidden.vault", "hidden.vault[]", "SETOF hidden.vault[]", "TABLE (id integer, v hidden.vault)",
        "TABLE (v hidden.vault[])", "hidden.holder", "SETOF hidden.holder", "hidden.named", "hidden.seen", "secret[]",
    ],
)  # fmt: skip
def test_rows_without_rules_are_refused(vault: tuple[Api, str], returns: str) -> None:
    """A1: a function whose result holds whole rows of a table, where no rule can be asked, ends the start."""
    import asyncpg

    api, url = vault

    body = "BEGIN RETURN; END" if returns.startswith(("SETOF", "TABLE")) else "BEGIN RETURN NULL; END"

    async def run() -> None:
        own = await asyncpg.connect(url)
        await own.execute(HIDDEN + f"CREATE FUNCTION given() RETURNS {returns} LANGUAGE plpgsql AS '{body}'")
        await own.close()
        app = Backstay.reflect(url, policies=[own_rows], functions=["given"], settings=Settings(jwt_secret=SECRET))
        async with app.started():
            pass

    with pytest.raises(ConfigError) as refused:
        api.loop.run_until_complete(run())
    assert "BST-E052" == refused.value.code
