"""HEAD, OPTIONS, and the headers of every read."""

from __future__ import annotations

import pytest

from tests.http.api import Api


@pytest.mark.parametrize("path", ["products?select=id", "products?id=eq.77", "nope", "rpc/add?a=1", "products?id=eq.x"])
def test_head_is_get_without_a_body(api: Api, path: str) -> None:
    """PostgREST detail 38: the same status and headers, and no body."""
    got, head = api.get(path, prefer="count=exact"), api.head(path, prefer="count=exact")
    assert (got.status, b"") == (head.status, head.body)
    left_out = {b"content-length", b"date", b"x-request-id"}
    assert [h for h in got.headers if h[0] not in left_out] == [h for h in head.headers if h[0] not in left_out]


def test_content_location_and_vary(api: Api) -> None:
    """PostgREST detail 38: sorted parameters, and what the answer depends on."""
    reply = api.get("products?select=id,name&limit=1&id=eq.1")
    assert "/products?id=eq.1&limit=1&select=id%2Cname" == reply.one("content-location")
    vary = ", ".join(reply.all("vary"))
    assert all(name in vary for name in ("Accept", "Prefer", "Range"))


@pytest.mark.parametrize(
    ("table", "allow"),
    [
        ("products", "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"),
        ("readings", "OPTIONS,GET,HEAD,POST,PATCH,DELETE"),
    ],
)
def test_options(api: Api, table: str, allow: str) -> None:
    """PostgREST detail 39: what a table takes; PUT only where it has a primary key."""
    reply = api.options(table)
    assert (200, allow) == (reply.status, reply.one("allow"))


def test_options_of_nothing(api: Api) -> None:
    """AC1: a table without a policy has no options."""
    assert (404, 404) == (api.options("vault").status, api.options("nope").status)


def test_read_is_not_stored(api: Api) -> None:
    """WB4: an answer that depends on who asks is for nobody else."""
    reply = api.get("people", as_="ann")
    assert "no-store" in (reply.one("cache-control") or "") or "authorization" in ", ".join(reply.all("vary")).lower()
