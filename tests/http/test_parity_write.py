"""Writes, preferences and functions of a reflected database answer as PostgREST's do, where a client can tell."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import apsw
import pytest

from backstay import Backstay, Settings
from tests.http.api import Api, database
from tests.http.shop_app import SECRET
from tests.http.test_parity import OBJECT, problem

TABLES: Final = """
CREATE TABLE kettles (
  id integer PRIMARY KEY, name text NOT NULL DEFAULT 'new', litres integer DEFAULT 2, half integer
  GENERATED ALWAYS AS (litres / 2) STORED);
CREATE TABLE "tea cups" (saucer text UNIQUE, "sugar-lumps" integer DEFAULT 1);
INSERT INTO kettles (id, name, litres) VALUES (1, 'red', 5), (2, 'blue', 7);
INSERT INTO "tea cups" VALUES ('oak', 4);
"""
DATABASE_OWN: Final = """
CREATE VIEW kettle_names AS SELECT id, name FROM kettles;
ALTER VIEW kettle_names ALTER COLUMN name SET DEFAULT 'nameless';
CREATE TABLE crumbs (id integer, part text);
INSERT INTO crumbs VALUES (1, 'a'), (2, 'b');
CREATE VIEW crumbled AS SELECT (SELECT id FROM crumbs) AS id;
"""


def served(
    kind: str, folder: Path, name: str, *, functions: str = "", options: Mapping[str, Any] = MappingProxyType({})
) -> Iterator[Api]:
    with closing(asyncio.new_event_loop()) as loop, database(kind, folder, loop, name) as url:
        if kind == "sqlite":
            connection = apsw.Connection(url.removeprefix("sqlite:///"))
            connection.execute(TABLES)
            connection.close()
        else:
            loop.run_until_complete(planted(url, functions))
        app = Backstay.reflect(url, schema="pantry", open_to="anon", settings=Settings(jwt_secret=SECRET), **options)
        started = app.started()
        loop.run_until_complete(started.__aenter__())
        yield Api(kind, app, loop, lambda: None)
        loop.run_until_complete(started.__aexit__(None, None, None))


async def planted(url: str, functions: str) -> None:
    import asyncpg

    own = await asyncpg.connect(url)
    await own.execute(f"CREATE SCHEMA pantry; SET search_path TO pantry; {TABLES} {DATABASE_OWN} {functions}")
    await own.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def pantry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Api]:
    yield from served(request.param, tmp_path, "pantry")


def test_a_merge_of_nothing_creates_nothing(pantry: Api) -> None:
    """An empty array is 201, but with merge-duplicates nothing was inserted: 200."""
    assert 201 == pantry.post("kettles", []).status
    for what, status in (("merge", 200), ("ignore", 201)):
        reply = pantry.post("kettles", [], headers={"prefer": f"return=representation, resolution={what}-duplicates"})
        assert (status, []) == (reply.status, reply.json)


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("kettles?id=eq.1&columns=name,litres", {"litres": 9}, {"id": 1, "name": "new", "litres": 9, "half": 4}),
        ("kettles?id=eq.1&columns=name,litres", {"name": "x"}, {"id": 1, "name": "x", "litres": 2, "half": 1}),
        ("kettles?id=eq.1&columns=litres", {"name": "x"}, {"id": 1, "name": "red", "litres": 2, "half": 1}),
        ("kettles?id=eq.1&columns=half", {"name": "x"}, {"id": 1, "name": "red", "litres": 5, "half": 2}),
        ("tea cups?columns=sugar-lumps,saucer", {"saucer": None}, {"saucer": None, "sugar-lumps": 1}),
        ("tea cups?columns=saucer", {"x": None}, {"saucer": None, "sugar-lumps": 4}),
    ],
)
def test_a_change_to_defaults(pantry: Api, path: str, body: Any, expected: dict[str, Any]) -> None:
    """With missing=default, a PATCH gives what ``columns`` announces and the body lacks its default."""
    reply = pantry.patch(path.replace(" ", "%20"), body, headers={"prefer": "return=representation, missing=default"})
    assert (200, [expected]) == (reply.status, reply.json)
    assert "missing=default, return=representation" == reply.one("preference-applied")


def test_a_change_to_the_default_of_nothing(pantry: Api) -> None:
    """A column that is not there has no default."""
    reply = pantry.patch("kettles?columns=nome", {"x": 1}, headers={"prefer": "missing=default"})
    assert problem("PGRST204", "Could not find the 'nome' column of 'kettles' in the schema cache") == reply.json


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Api]:
    yield from served("postgresql", tmp_path, "whole_pantry")


def test_defaults_of_views(whole: Api) -> None:
    """A view may have defaults of its own."""
    asked = {"prefer": "return=representation, missing=default"}
    reply = whole.patch("kettle_names?id=eq.1&columns=name", {"x": 1}, headers=asked)
    assert [{"id": 1, "name": "nameless"}] == reply.json


def test_a_view_that_cannot_be_read(whole: Api) -> None:
    """A sub-query with too many rows is the view's fault, and a key that comes twice the client's."""
    reply = whole.get("crumbled")
    assert (500, "21000") == (reply.status, reply.code)
    twice = whole.post("kettles", [{"id": 5}, {"id": 5}], headers={"prefer": "resolution=merge-duplicates"})
    assert (400, "21000") == (twice.status, twice.code)


def test_pages_of_other_origins(pantry: Api) -> None:
    """Preflights, exposed headers and OPTIONS are PostgREST's."""
    page = {"origin": "https://a.example"}
    asked = {**page, "access-control-request-method": "PATCH", "access-control-request-headers": "X-Spoon,X-Fork"}
    reply = pantry.options("kettles", headers=asked)
    assert (200, b"") == (reply.status, reply.body)
    assert "Authorization, X-Spoon, X-Fork, Accept, Accept-Language, Content-Language" == reply.one(
        "access-control-allow-headers"
    )
    exposed = pantry.get("kettles", headers=page).one("access-control-expose-headers")
    assert exposed is not None
    assert "Content-Range, Content-Type, Date" in exposed
    for headers in ({}, page):
        assert "*" == pantry.options("kettles", headers=headers).one("access-control-allow-origin")


FUNCTIONS: Final = """
CREATE TYPE dose AS (grams integer, name text);
CREATE DOMAIN checked AS dose;
CREATE DOMAIN kettle AS kettles;
CREATE FUNCTION many(litres integer) RETURNS SETOF kettles LANGUAGE sql STABLE
  AS 'SELECT * FROM kettles WHERE kettles.litres >= $1 ORDER BY id';
CREATE FUNCTION smash() RETURNS SETOF kettles LANGUAGE sql AS 'DELETE FROM pantry.kettles RETURNING *';
CREATE FUNCTION smash_quietly() RETURNS void LANGUAGE sql AS 'DELETE FROM pantry.kettles';
CREATE FUNCTION as_domain() RETURNS SETOF kettle LANGUAGE sql STABLE
  AS 'SELECT k::pantry.kettle FROM pantry.kettles k ORDER BY id';
CREATE FUNCTION one_dose() RETURNS checked LANGUAGE sql STABLE AS $$ SELECT row(3, 'oolong')::pantry.checked $$;
CREATE FUNCTION records() RETURNS SETOF record LANGUAGE sql STABLE AS $$ VALUES (1, 'a'), (2, 'b') $$;
CREATE FUNCTION join_all(VARIADIC parts text[] DEFAULT '{}') RETURNS text LANGUAGE sql STABLE
  AS $$ SELECT array_to_string(parts, '+') $$;
CREATE FUNCTION pick(a integer, b integer) RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'numbers' $$;
CREATE FUNCTION pick(json) RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'json ' || $1::text $$;
CREATE FUNCTION pick(text) RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'text ' || $1 $$;
CREATE FUNCTION pick(bytea) RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'bytes ' || length($1) $$;
CREATE FUNCTION unreachable(integer) RETURNS integer LANGUAGE sql STABLE AS 'SELECT 1';
CREATE FUNCTION same(v integer) RETURNS integer LANGUAGE sql STABLE AS 'SELECT v';
CREATE FUNCTION same(v timestamptz) RETURNS text LANGUAGE sql STABLE AS 'SELECT v::text';
CREATE FUNCTION told(what text) RETURNS text LANGUAGE sql STABLE AS 'SELECT current_setting(what, true)';
CREATE FUNCTION told_of(what text, key text) RETURNS text LANGUAGE sql STABLE
  AS 'SELECT current_setting(what, true)::json ->> key';
CREATE FUNCTION answer(head text, state text) RETURNS SETOF integer LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('response.headers', head, true), set_config('response.status', state, true);
  RETURN QUERY VALUES (1), (2);
END $$;
CREATE FUNCTION twice() RETURNS void LANGUAGE sql AS $$ INSERT INTO pantry."tea cups" VALUES ('oak', 1) $$;
CREATE TABLE pots (id integer PRIMARY KEY);
CREATE FUNCTION shout() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  RAISE SQLSTATE 'PGRST' USING message = '{"code": "TEA1", "message": "Too hot", "hint": "Blow"}',
    detail = '{"status": 430, "headers": {"X-Steam": "yes"}}';
END $$;
"""
NAMES: Final = (
    "many smash smash_quietly as_domain one_dose records join_all pick unreachable same told told_of answer twice shout"
)


@pytest.fixture(scope="module")
def stove(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The pantry on PostgreSQL with functions, none of which keeps a change in these tests."""
    folder = tmp_path_factory.mktemp("stove")
    yield from served("postgresql", folder, "stove", functions=FUNCTIONS, options={"functions": NAMES.split()})


FORM: Final = "application/x-www-form-urlencoded"
STRICT: Final = "handling=strict, max-affected="


@pytest.mark.parametrize(
    ("path", "headers", "status", "expected", "shown"),
    [
        ("rpc/many?litres=1&select=id", {"range": "1-1"}, 200, [{"id": 2}], "1-1/*"),
        ("rpc/many?litres=1&select=id", {"range": "1-1", "prefer": "count=exact"}, 206, [{"id": 2}], "1-1/2"),
        ("rpc/many?litres=1&litres=gt.5&select=id", {}, 200, [{"id": 2}], "0-0/*"),
        ("rpc/many?litres=1&litres=6&select=id", {}, 200, [{"id": 2}], "0-0/*"),
        ("rpc/as_domain?select=id,name", {}, 200, [{"id": 1, "name": "red"}, {"id": 2, "name": "blue"}], "0-1/*"),
        ("rpc/one_dose", {}, 200, {"grams": 3, "name": "oolong"}, "0-0/*"),
        ("rpc/records", {}, 200, [{"column1": 1, "column2": "a"}, {"column1": 2, "column2": "b"}], "0-1/*"),
        ("rpc/join_all", {}, 200, "", "0-0/*"),
        ("rpc/join_all?parts=a", {}, 200, "a", "0-0/*"),
        ("rpc/join_all?parts=a&parts=b,c", {}, 200, "a+b,c", "0-0/*"),
        ("rpc/told?what=request.method", {}, 200, "GET", "0-0/*"),
        ("rpc/told?what=request.path", {}, 200, "/rpc/told", "0-0/*"),
        ("rpc/told_of?what=request.headers&key=x-cup", {"x-cup": "blue"}, 200, "blue", "0-0/*"),
        ("rpc/told_of?what=request.cookies&key=b", {"cookie": "a=1; b=2"}, 200, "2", "0-0/*"),
        ("rpc/told_of?what=request.cookies&key=b", {"cookie": "=;[=b"}, 200, None, "0-0/*"),
        ("rpc/told_of?what=request.jwt.claims&key=role", {}, 200, "anon", "0-0/*"),
    ],
)
def test_calls_by_get(stove: Api, path: str, headers: dict[str, str], status: int, expected: Any, shown: str) -> None:
    """Pages, filters that are called like arguments, domains, records and what the request is can all be had."""
    reply = stove.get(path, headers=headers)
    assert (status, expected, shown) == (reply.status, reply.json, reply.range)


def test_the_token_stays_here(stove: Api) -> None:
    """TK: a function learns what a token proves, and not the token."""
    told = stove.get("rpc/told_of?what=request.jwt.claims&key=sub", as_="ann")
    assert ("1", None) == (
        told.json,
        stove.get("rpc/told_of?what=request.headers&key=authorization", as_="ann").json,
    )


@pytest.mark.parametrize(
    ("path", "body", "kind", "status", "expected"),
    [
        ("rpc/pick", b'{"a": 1, "b": 2}', "application/json", 200, "numbers"),
        ("rpc/pick", b'[{"a": 1, "b": 2}, {"a": 3, "b": 4}]', "application/json", 200, "numbers"),
        ("rpc/pick?columns=a,b", b'{"a": 1, "b": 2, "c": 3}', "application/json", 200, "numbers"),
        ("rpc/pick", b"a,b\n1,2", "text/csv", 200, "numbers"),
        ("rpc/pick", b"a=1&b=2", FORM, 200, "numbers"),
        ("rpc/pick", b'{"c": [1]}', "application/json", 200, 'json {"c": [1]}'),
        ("rpc/pick", b"hello", "text/plain", 200, "text hello"),
        ("rpc/pick", b"\x00\x01\xff", "application/octet-stream", 200, "bytes 3"),
        ("rpc/pick", b"<a/>", "text/xml", 404, "PGRST202"),
        ("rpc/join_all", b"parts=a&parts=b", FORM, 200, "a+b"),
        ("rpc/join_all", b'{"parts": ["a", "b"]}', "application/json", 200, "a+b"),
        ("rpc/unreachable", b"{}", "application/json", 404, "PGRST202"),
        ("rpc/same", b'{"v": 1}', "application/json", 300, "PGRST203"),
        ("rpc/pick/more", b"{}", "application/json", 404, "PGRST125"),
    ],
)
def test_calls_by_post(stove: Api, path: str, body: bytes, kind: str, status: int, expected: str) -> None:
    """Names choose among functions, and else the type of the body."""
    reply = stove.send("POST", path, body=body, content_type=kind)
    assert (status, expected) == (reply.status, reply.code or reply.json)


@pytest.mark.parametrize(
    ("path", "headers", "status", "expected"),
    [
        ("rpc/smash", {"prefer": f"{STRICT}1"}, 400, "PGRST124"),
        ("rpc/smash", {"accept": OBJECT}, 406, "PGRST116"),
        ("rpc/smash_quietly", {"prefer": f"{STRICT}9"}, 400, "PGRST128"),
        ("rpc/answer", {}, 404, "PGRST202"),
    ],
)
def test_a_refused_call_changes_nothing(
    stove: Api, path: str, headers: dict[str, str], status: int, expected: str
) -> None:
    """Too many rows for what was asked undo what the function did."""
    reply = stove.post(path, {}, headers=headers)
    assert (status, expected) == (reply.status, reply.code)
    assert 2 == len(stove.get("kettles").json)


def test_an_allowed_number_of_rows(tmp_path: Path) -> None:
    """``max-affected`` that is kept is reported as applied."""
    for api in served("postgresql", tmp_path, "smashed", functions=FUNCTIONS, options={"functions": ["smash"]}):
        reply = api.post("rpc/smash?select=id", {}, headers={"prefer": f"{STRICT}2"})
        assert (200, [{"id": 1}, {"id": 2}]) == (reply.status, reply.json)
        assert "handling=strict, max-affected=2" == reply.one("preference-applied")


@pytest.mark.parametrize(
    ("head", "state", "status", "leaf", "code"),
    [
        ('[{"X-Leaf": "green"}]', "", 200, "green", None),
        ("", "203", 203, None, None),
        ('{"X-Leaf": "green"}', "", 500, None, "PGRST111"),
        ("", "tea", 500, None, "PGRST112"),
    ],
)
def test_functions_say_how_they_are_answered(
    stove: Api, head: str, state: str, status: int, leaf: str | None, code: str | None
) -> None:
    """``response.headers`` and ``response.status`` are sent, and what cannot be sent is PGRST111 or PGRST112."""
    reply = stove.post("rpc/answer", {"head": head, "state": state})
    assert (status, leaf, code) == (reply.status, reply.one("x-leaf"), reply.code)
    assert code is not None or [1, 2] == reply.json
    assert None is stove.get("rpc/many?litres=1").one("x-leaf")


def test_errors_of_functions(stove: Api) -> None:
    """A broken key is told to who sees the table, and a function may write the whole error."""
    twice = problem(
        "23505",
        'duplicate key value violates unique constraint "tea cups_saucer_key"',
        "Key (saucer)=(oak) already exists.",
    )
    assert (409, twice) == ((reply := stove.post("rpc/twice", {})).status, reply.json)
    shouted = stove.post("rpc/shout", {})
    assert (430, problem("TEA1", "Too hot", None, "Blow")) == (shouted.status, shouted.json)
    assert ("yes", "PostgREST; error=TEA1") == (shouted.one("x-steam"), shouted.one("proxy-status"))


def test_unknown_functions(pantry: Api) -> None:
    """Where a database is served as it is, a missing function is told as PostgREST tells it."""
    expected = problem(
        "PGRST202",
        "Could not find the function pantry.stir(spoon) in the schema cache",
        "Searched for the function pantry.stir with parameter spoon or with a single unnamed json/jsonb parameter, "
        "but no matches were found in the schema cache.",
    )
    assert (404, expected) == ((reply := pantry.post("rpc/stir", {"spoon": 1})).status, reply.json)
    assert (404, "PGRST202") == ((reply := pantry.options("rpc/stir")).status, reply.code)
    assert (405, "PGRST101") == ((reply := pantry.delete("rpc/stir")).status, reply.code)
