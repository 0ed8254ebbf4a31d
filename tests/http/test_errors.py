"""Errors: four keys, a status, and words that clients know."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.api import Api


@pytest.mark.parametrize("path", ["nope", "products?nope=eq.1", "products?id=eq.x", "products?id=x", "rpc/nope"])
def test_shape(api: Api, path: str) -> None:
    """PostgREST detail 15: four keys, JSON with a charset, and Proxy-Status with the code."""
    reply = api.get(path)
    assert {"code", "message", "details", "hint"} == set(reply.json)
    assert "application/json; charset=utf-8" == reply.one("content-type")
    assert f"PostgREST; error={reply.code}" == reply.one("proxy-status")


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "message"),
    [
        ("GET", "nope", 404, "PGRST205", "Could not find the table 'public.nope' in the schema cache"),
        ("POST", "nope", 404, "PGRST205", "Could not find the table 'public.nope' in the schema cache"),
        ("GET", "vault", 404, "PGRST205", "Could not find the table 'public.vault' in the schema cache"),
        ("GET", "products/1/2", 404, "PGRST125", "Invalid path specified in request URL"),
        ("GET", "products?select=nope", 400, "42703", "column products.nope does not exist"),
        ("GET", "products?nope=eq.1", 400, "42703", "column products.nope does not exist"),
        ("GET", "products?order=nope", 400, "42703", "column products.nope does not exist"),
        ("GET", "products?id=eq.x", 400, "22P02", 'invalid input syntax for type bigint: "x"'),
        ("TRACE", "products", 405, "PGRST117", "Unsupported HTTP method: TRACE"),
        ("GET", "products?select=id,nope(id)&order=x", 400, "PGRST200", None),
    ],
)
def test_words(api: Api, method: str, path: str, status: int, code: str, message: str | None) -> None:
    """PostgREST details 16, 17: texts that clients compare."""
    reply = api.send(method, path)
    assert (status, code) == (reply.status, reply.code)
    if message is not None:
        assert message == reply.json["message"]


def test_parse_errors_point_at_the_place(api: Api) -> None:
    """PostgREST detail 19: PGRST100 quotes the text and names the column where it stops making sense."""
    assert {
        "code": "PGRST100",
        "message": '"failed to parse filter (noop.0)" (line 1, column 1)',
    }.items() <= api.get("products?id=noop.0").json.items()


@pytest.mark.parametrize(
    "path", ["products?select=id&select=id", "products?order=id&order=id", "products?limit=1&limit=1"]
)
def test_repeated_parameters(api: Api, path: str) -> None:
    """LM4: a reserved parameter that stands twice is refused."""
    assert (400, "PGRST100") == (lambda r: (r.status, r.code))(api.get(path))


@pytest.mark.parametrize(
    ("headers", "status", "code", "message"),
    [
        ({"accept_profile": "private"}, 406, "PGRST106", "Invalid schema: private"),
        ({"prefer": "handling=strict, nope, count=odd"}, 400, "PGRST122", None),
        ({"authorization": "Bearer nope"}, 401, "PGRST301", None),
    ],
)
def test_headers(api: Api, headers: dict[str, Any], status: int, code: str, message: str | None) -> None:
    """PostgREST details 13, 40: schemas, strict preferences, tokens."""
    reply = api.get("products", **headers)
    assert (status, code) == (reply.status, reply.code), reply.body
    if message is not None:
        assert message == reply.json["message"]
    if code == "PGRST122":
        assert "Invalid preferences: nope, count=odd" == reply.json["details"]


def test_own_schema_is_echoed(api: Api) -> None:
    """The served schema may be named, and is echoed."""
    assert "public" == api.get("products", accept_profile="public").one("content-profile")
    full = api.post("samples", {"id": 10}, content_profile="public", prefer="return=representation")
    assert "public" == full.one("content-profile")
    # Without a body there is nothing that a profile could be of, as in PostgREST.
    assert None is api.post("samples", {"id": 11}, content_profile="public").one("content-profile")


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("count=exact", "count=exact"),
        (["count=exact", "handling=lenient"], "count=exact, handling=lenient"),
        ("nope, count=exact", "count=exact"),
        ("handling=strict, count=exact", "count=exact, handling=strict"),
        ("nope", None),
    ],
)
def test_preferences(api: Api, prefer: Any, applied: str | None) -> None:
    """PostgREST details 11, 13: several headers or one, in a fixed order; unknown ones are passed over."""
    assert applied == api.get("products", prefer=prefer).one("preference-applied")


def test_write_preferences(api: Api) -> None:
    """PostgREST detail 11: the order of what was applied."""
    asked = "handling=strict, max-affected=5, count=exact, return=minimal, missing=default, resolution=merge-duplicates"
    reply = api.post("samples", {"id": 10}, prefer=asked)
    assert 201 == reply.status
    applied = "resolution=merge-duplicates, missing=default, return=minimal, count=exact, handling=strict"
    assert applied == reply.one("preference-applied")
