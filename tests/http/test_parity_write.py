"""Writes, preferences and functions of a reflected database answer as PostgREST's do, where a client can tell."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import apsw
import pytest

from backstay import Backstay, Settings
from tests.http.api import Api, database
from tests.http.shop_app import SECRET
from tests.http.test_parity import problem

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


def served(kind: str, folder: Path, name: str, *, functions: str = "", **options: Any) -> Iterator[Api]:
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
