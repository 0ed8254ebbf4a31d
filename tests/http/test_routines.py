"""Functions of a reflected PostgreSQL database, when they are listed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from backstay import Backstay, Settings
from tests.http.api import Api, database
from tests.http.harbour import FUNCTIONS, PORTABLE
from tests.http.shop_app import SECRET

SHAPES = """
CREATE FUNCTION gaps() RETURNS SETOF text LANGUAGE sql STABLE AS $$ SELECT unnest(array['a, b', null]) $$;
CREATE FUNCTION nobody() RETURNS SETOF text LANGUAGE sql STABLE AS $$ SELECT 'x' WHERE false $$;
CREATE FUNCTION papers() RETURNS SETOF json LANGUAGE sql STABLE AS $$ VALUES ('{"a":1,"b":null}'::json), ('{"c":2}') $$;
CREATE FUNCTION box() RETURNS json LANGUAGE sql STABLE AS $$ SELECT '{"a":1,"b":null}'::json $$;
CREATE FUNCTION list_of() RETURNS integer[] LANGUAGE sql STABLE AS $$ SELECT array[1, null] $$;
CREATE FUNCTION nothing() RETURNS text LANGUAGE sql STABLE AS $$ SELECT null::text $$;
CREATE FUNCTION labelled() RETURNS integer LANGUAGE sql STABLE AS $$
  SELECT set_config('response.headers', '[{"Content-Security-Policy": "sandbox"}, {"X-Request-Id": "mine"},
    {"ETag": "a"}, {"ETag": "b"}, {"Access-Control-Allow-Origin": "x"}, {"X-Leaf": "1"}, {"X-Leaf": "2"}]', true);
  SELECT 1 $$;
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    import asyncpg

    folder = tmp_path_factory.mktemp("port")
    with closing(asyncio.new_event_loop()) as loop, database("postgresql", folder, loop, "routines") as url:

        async def run() -> None:
            own = await asyncpg.connect(url)
            await own.execute(f"CREATE SCHEMA harbour; SET search_path TO harbour; {PORTABLE} {FUNCTIONS} {SHAPES}")
            await own.close()

        loop.run_until_complete(run())
        names = ["gaps", "nobody", "papers", "box", "list_of", "nothing", "labelled"]
        names += ["add", "ships_of", "tides", "words", "hush", "rename", "rename_all", "either", "posted"]
        settings = Settings(jwt_secret=SECRET, tx_end="commit-allow-override", plan_enabled=True)
        app = Backstay.reflect(url, schema="harbour", open_to="anon", functions=names, settings=settings)
        started = app.started()
        loop.run_until_complete(started.__aenter__())
        yield Api("postgresql", app, loop, lambda: None)
        loop.run_until_complete(started.__aexit__(None, None, None))


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "expected"),
    [
        ("POST", "rpc/add", {"a": 1}, 200, 3),
        ("POST", "rpc/add", {"a": 1, "b": "5"}, 200, 6),
        ("GET", "rpc/add?a=4&b=7", None, 200, 11),
        (
            "GET",
            "rpc/ships_of?owner=1&select=id,owners(name)&order=id.desc&limit=1",
            None,
            200,
            [{"id": 2, "owners": {"name": "Ann"}}],
        ),
        ("POST", "rpc/ships_of?id=gt.1&select=id", {"owner": 1}, 200, [{"id": 2}]),
        ("GET", "rpc/tides?hour=gt.1", None, 200, [{"hour": 7, "metres": 3.2}]),
        ("GET", "rpc/words?list={a,b}", None, 200, ["a", "b"]),
        ("POST", "rpc/words", {"list": ["a", "c d"]}, 200, ["a", "c d"]),
        ("POST", "rpc/rename", {"id": 1, "name": "Kingston"}, 200, {"id": 1, "name": "Kingston"}),
        ("POST", "rpc/hush", {}, 204, None),
    ],
)
def test_calls(port: Api, method: str, path: str, body: Any, status: int, expected: Any) -> None:
    """Values, sets, tables and nothing come back, and rows take a query."""
    reply = port._write(method, path, body, {}) if method == "POST" else port.get(path)
    assert (status, expected) == (reply.status, json.loads(reply.body) if reply.body else None)


def test_a_call_is_rolled_back_on_demand(port: Api) -> None:
    """Prefer: tx=rollback, on functions and tables of a reflected database, which takes it from the settings too."""
    for reply in (
        port.post("rpc/rename", {"id": 2, "name": "x"}, prefer="tx=rollback"),
        port.patch("ports?id=eq.2", {"name": "x"}, prefer="tx=rollback, return=representation"),
    ):
        assert (200, True) == (reply.status, b'"x"' in reply.body)
        assert "tx=rollback" in (reply.one("preference-applied") or "")
    assert [] == port.get("ports?name=eq.x").json


def test_several_that_fit_are_told(port: Api) -> None:
    """300 with both, since neither is the better one."""
    reply = port.post("rpc/either", {"a": 1})
    assert (300, "PGRST203") == (reply.status, reply.code)
    assert "harbour.either(a => integer), harbour.either(a => text)" in reply.json["message"]


def test_max_affected_limits_what_is_given(port: Api) -> None:
    """With handling=strict: more rows are PGRST124, no set at all is PGRST128."""
    for most, code in ((1, "PGRST124"), (2, None)):
        reply = port.post("rpc/ships_of", {"owner": 1}, prefer=f"handling=strict, max-affected={most}")
        assert code == reply.code
    assert "handling=strict, max-affected=2" == reply.one("preference-applied")
    assert "PGRST128" == port.post("rpc/add", {"a": 1}, prefer="handling=strict, max-affected=1").code


def test_a_call_has_a_plan(port: Api) -> None:
    """For the service role; analysed, it is rolled back, and a reading call cannot write."""
    accept = "application/vnd.pgrst.plan+json; options=analyze"
    assert "Plan" in port.get("rpc/ships_of?owner=1", accept=accept, as_="svc").json[0]
    assert "Plan" in port.post("rpc/rename", {"id": 2, "name": "x"}, accept=accept, as_="svc").json[0]
    assert "25006" == port.get("rpc/rename?id=2&name=x", accept=accept, as_="svc").code
    assert "PGRST107" == port.get("rpc/ships_of?owner=1", accept=accept).code
    assert [] == port.get("ports?name=eq.x").json


def test_an_analysed_call_sees_its_request(port: Api) -> None:
    """What the function asks about the request is there while its plan is made, as it is when it is called."""
    accept = "application/vnd.pgrst.plan+json; options=analyze"
    assert "Plan" in port.post("rpc/posted", {}, accept=accept, as_="svc").json[0]
    assert "22012" == port.get("rpc/posted", accept=accept, as_="svc").code
    assert (1, "22012") == (port.post("rpc/posted", {}).json, port.get("rpc/posted").code)


def test_pages_of_calls(port: Api) -> None:
    """A reading call takes a ``Range``, and says which rows these are."""
    one = port.get("rpc/ships_of?owner=1&select=id&order=id", range="1-1")
    assert (200, [{"id": 2}], "1-1/*") == (one.status, one.json, one.range)
    far = port.get("rpc/ships_of?owner=1", range="5-9", prefer="count=exact")
    assert (416, "PGRST103", "*/2") == (far.status, far.code, far.range)
    assert (416, "PGRST103") == ((reply := port.get("rpc/ships_of?owner=1", range="3-1")).status, reply.code)


def test_one_row_of_a_call(port: Api) -> None:
    """A call that was to give one row and gives another number has done nothing."""
    single = {"accept": "application/vnd.pgrst.object+json"}
    before = port.rows("ports")
    reply = port.post("rpc/rename_all", {"name": "x"}, headers=single)
    assert (406, "PGRST116", "The result contains 2 rows") == (reply.status, reply.code, reply.json["details"])
    assert before == port.rows("ports")
    assert {"id": 1} == port.post("rpc/ships_of?id=eq.1&select=id", {"owner": 1}, headers=single).json
    assert 3 == port.post("rpc/add", {"a": 1}, headers=single).json


def test_refused_calls(port: Api) -> None:
    """SQ6: what is not listed is not there; reading calls cannot write; arguments are checked."""
    assert (404, "PGRST202") == ((reply := port.post("rpc/unlisted", {})).status, reply.code)
    wrong = port.post("rpc/add", {"a": 1, "c": 1}).json
    assert "Could not find the function harbour.add(a, c) in the schema cache" == wrong["message"]
    assert "Perhaps you meant to call the function harbour.add(a, b)" == wrong["hint"]
    assert (405, "25006") == ((reply := port.get("rpc/rename?id=2&name=x")).status, reply.code)
    assert [{"name": "Oslo"}] == port.get("ports?id=eq.2&select=name").json
    assert (400, "22P02") == ((reply := port.post("rpc/add", {"a": "x"})).status, reply.code)
    assert (405, "PGRST101") == ((reply := port.delete("rpc/add")).status, reply.code)
    assert "OPTIONS,GET,HEAD,POST" == port.options("rpc/add").one("allow")
    assert "OPTIONS,POST" == port.options("rpc/rename").one("allow")


OBJECT = "application/vnd.pgrst.object+json"
ARRAY = "application/vnd.pgrst.array+json"
ACCEPTS = ("application/json", "text/csv", OBJECT, ARRAY + ";nulls=stripped", OBJECT + ";nulls=stripped")


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("add?a=1", ("3", "pgrst_scalar\n3", "3", "3", "3")),
        ("nothing", ("null", "pgrst_scalar\n", "null", "null", "null")),
        (
            "box",
            ('{"a":1,"b":null}', "a,b\n1,", '{"a":1,"b":null}', '{"a":1}', '{"a":1}'),
        ),
        ("list_of", ("[1,null]", 'pgrst_scalar\n"[1,null]"', "[1,null]", "[1,null]", "[1,null]")),
        ("gaps", ('["a, b", null]', 'pgrst_scalar\n"a, b"\n', None, '["a, b",null]', None)),
        ("nobody", ("[]", "\n", None, "[]", None)),
        (
            "papers",
            ('[{"a":1,"b":null}, {"c":2}]', "a,b,c\n1,,\n,,2", None, '[{"a":1},{"c":2}]', None),
        ),
        (
            "tides?hour=eq.1",
            (
                '[{"hour":1,"metres":0.5}]',
                "hour,metres\n1,0.5",
                '{"hour":1,"metres":0.5}',
                '[{"hour":1,"metres":0.5}]',
                '{"hour":1,"metres":0.5}',
            ),
        ),
    ],
)
def test_each_result_in_each_representation(port: Api, call: str, expected: tuple[str | None, ...]) -> None:
    """S12: no shape of a result is a fault in any form; a set that is not of one value is no object."""
    for accept, text in zip(ACCEPTS, expected, strict=True):
        reply = port.get(f"rpc/{call}", accept=accept)
        told = (406, "PGRST116") if text is None else (200, None)
        assert (accept, *told) == (accept, reply.status, reply.code)
        if text is not None:
            same = reply.body if "csv" in accept else json.loads(reply.body)
            assert (accept, text.encode() if "csv" in accept else json.loads(text)) == (accept, same)


def test_a_call_of_nothing_has_no_form(port: Api) -> None:
    """S12: whatever is asked for, nothing comes."""
    for accept in ACCEPTS:
        assert (204, b"") == ((reply := port.post("rpc/hush", {}, headers={"accept": accept})).status, reply.body)


def test_headers_of_a_function_come_once(port: Api) -> None:
    """S12: it may say another policy, and nobody has to guess which of two counts; the id of a request is ours."""
    reply = port.get("rpc/labelled", origin="https://page.example")
    assert ("sandbox", "a") == (reply.one("content-security-policy"), reply.one("etag"))
    assert reply.one("x-request-id") not in (None, "mine")
    assert "x" == reply.one("access-control-allow-origin")
    assert ["1", "2"] == reply.all("x-leaf")
