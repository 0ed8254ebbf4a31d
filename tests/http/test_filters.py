"""Horizontal filtering: which rows.  Tables of (query, ids) on both databases."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.http.api import Api

COMPARISONS = [
    ("id=eq.1", [1]),
    ("id=neq.1", [2, 3, 4]),
    ("id=gt.2", [3, 4]),
    ("id=gte.2", [2, 3, 4]),
    ("id=lt.2", [1]),
    ("id=lte.2", [1, 2]),
    ("id=gt.1&id=lt.4", [2, 3]),
    ("id=not.eq.1", [2, 3, 4]),
    ("id=not.gt.2", [1, 2]),
    ("name=eq.Ball", [2]),
    ("name=eq.ball", []),
    ("name=gt.Hammer", [3, 4]),
    ("price=eq.3", [2]),
    ("price=eq.3.000", [2]),
    ("price=gt.9.99", [3, 4]),
    ("price=gte.9.99", [1, 3, 4]),
    ("price=lt.100", [1, 2, 3]),
    ("active=eq.true", [1, 2, 3, 4]),
    ("active=eq.f", []),
    ("active=is.true", [1, 2, 3, 4]),
    ("active=not.is.true", []),
    ("active=is.unknown", []),
    ("kind=eq.tool", [1]),
    ("kind=neq.tool", [2, 3]),
    ("kind=in.(tool,toy)", [1, 2]),
    ("added=eq.2024-01-01", [1]),
    ("added=lt.2024-01-01", [4]),
    ("added=not.lt.2024-01-01", [1, 2]),
    ("cost=is.null", "42703"),
]

NULLS = [
    ("kind=is.null", [4]),
    ("kind=is.NULL", [4]),
    ("kind=is.not_null", [1, 2, 3]),
    ("kind=not.is.null", [1, 2, 3]),
    ("kind=not.is.not_null", [4]),
    ("kind=isdistinct.tool", [2, 3, 4]),
    ("kind=not.isdistinct.tool", [1]),
    ("kind=not.eq.tool", [2, 3]),
    ("kind=not.in.(tool)", [2, 3]),
    ("details=is.null", []),  # row 3 holds the JSON value null, which is a value
    ("details->w=is.null", [3]),
    ("details->>w=is.null", [3, 4]),
]

PATTERNS = [
    ("name=like.H*", [1]),
    ("name=like.H%25", [1]),
    ("name=like.*mm*", [1, 4]),
    ("name=like._all", [2]),
    ("name=like.Hammer", [1]),
    ("name=like.ham", []),
    ("name=not.like.H*", [2, 3, 4]),
    ("name=ilike.h*", [1, 4]),
    ("name=ilike.*MM*", [1, 4]),
    ("name=ilike.ä*", [3]),
    ("name=ilike.Ä*", [3]),
    ("name=like.ä*", []),
    ("name=like.*[x]*", []),
    ("name=like.*?", []),
    ("name=like.*(long)*", [3]),
    ("name=like.*\\_*", []),
    ("name=like.\\H*", [1]),
    ("name=match.^H", [1]),
    ("name=match.(er|ll)$", [1, 2]),
    ("name=imatch.^h", [1, 4]),
    ("name=not.match.m", [2]),
    ("name=like(any).{H*,B*}", [1, 2]),
    ("name=like(all).{H*,*r}", [1]),
    ("name=ilike(any).{h*,b*}", [1, 2, 4]),
    ("name=not.like(any).{H*,B*}", [3, 4]),
    ("name=match(any).{^H,^B}", [1, 2]),
]

LISTS = [
    ("id=in.(1,3)", [1, 3]),
    ("id=in.(1)", [1]),
    ("id=in.(1,1,9)", [1]),
    ("id=in.()", []),
    ("id=not.in.()", [1, 2, 3, 4]),
    ("id=not.in.(1,2)", [3, 4]),
    ('name=in.("Ärmel, a (long) story",Ball)', [2, 3]),
    ('name=in.("Ball","Ham\\"mer")', [2]),
    ("name=in.( Ball )", []),
    ("price=in.(3,9.990)", [1, 2]),
    ("id=eq(any).{1,2}", [1, 2]),
    ("id=gt(all).{1,2}", [3, 4]),
    ("id=lte(any).{1,2}", [1, 2]),
    ("id=eq(any).{}", []),
    ("id=eq(all).{}", [1, 2, 3, 4]),
    ("kind=eq(any).{tool,toy}", [1, 2]),
]

SETS = [
    ("tags=cs.{wood}", [1, 3]),
    ("tags=cs.{}", [1, 2, 3]),
    ('tags=cs.{"a b"}', [3]),
    ("tags=cd.{wood,iron}", [1, 2]),
    ("tags=ov.{iron,x}", [1]),
    ("tags=ov.{}", []),
    ("tags=eq.{iron,wood}", [1]),
    ("tags=eq.{}", [2]),
    ("tags=not.cs.{wood}", [2]),
    ('details=cs.{"w":50}', [2]),
    ('details=cs.{"maker":{"name":"Acme"}}', [1]),
    ('details=cd.{"w":null,"x":1}', [4]),
    ('details->colours=cs.["red"]', [2]),
    ('details->colours=cs."red"', [2]),
]

JSON_PATHS = [
    ("details->>w=eq.50", [2]),
    ("details->w=eq.50", [2]),
    ("details->w=gt.60", [1]),
    ("details->w=gte.50", [1, 2]),
    ("details->>w=gt.5", [1, 2]),  # text: '50' and '500' come after '5'
    ("details->maker->>name=eq.Acme", [1]),
    ("details->maker->>name=like.A*", [1]),
    ("details->colours->>0=eq.red", [2]),
    ("details->colours->>-1=eq.blue", [2]),
    ("details->colours->>0=in.(red,green)", [2]),
    ("details->>w=not.is.null", [1, 2]),
]

LOGIC = [
    ("or=(id.eq.1,id.eq.3)", [1, 3]),
    ("or=(id.eq.1, id.eq.3)", [1, 3]),
    ("and=(id.gt.1,id.lt.4)", [2, 3]),
    ("or=(id.eq.1,and(id.gt.2,kind.not.is.null))", [1, 3]),
    ("or=(id.eq.1,not.and(id.gt.2,kind.is.null))", [1, 2, 3]),
    ("not.or=(id.eq.1,id.eq.3)", [2, 4]),
    ("not.and=(id.gt.1,id.lt.4)", [1, 4]),
    ("or=(id.eq.1,id.in.(2,3))", [1, 2, 3]),
    ('or=(name.eq.Ball,name.eq."Ärmel, a (long) story")', [2, 3]),
    ("or=(tags.cs.{iron,wood},id.eq.4)", [1, 4]),
    ("or=(name.like.H*,name.ilike(any).{b*,x*})", [1, 2]),
    ("or=(id.eq.1)&or=(id.eq.2)", []),
    ("or=(kind.is.null,details->>w.eq.50)", [2, 4]),
    ("or=(id.not.gt.1,id.isdistinct.3)", [1, 2, 4]),
    ("and=()", "PGRST100"),
]


@pytest.mark.parametrize(
    ("query", "ids"), [*COMPARISONS, *NULLS, *PATTERNS, *LISTS, *SETS, *JSON_PATHS, *LOGIC]
)  # fmt: skip
def test_rows(api: Api, query: str, ids: Any) -> None:
    """PostgREST details 21, 22, 23: each operator, negated, quantified, listed, in logic."""
    reply = api.get(f"products?select=id&order=id&{query}")
    expected = ids if isinstance(ids, list) else [ids]
    assert expected == reply.ids


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("id=abc.1", 400, "PGRST100"),
        ("id=1", 400, "PGRST100"),
        ("id=eq", 400, "PGRST100"),
        ("id=", 400, "PGRST100"),
        ("id=is.maybe", 400, "PGRST100"),
        ("id=in.1,2", 400, "PGRST100"),
        ("id=in.(1", 400, "PGRST100"),
        ("id=not.not.eq.1", 400, "PGRST100"),
        ("id=neq(any).{1}", 400, "PGRST100"),
        ("or=(id.eq.1", 400, "PGRST100"),
        ("or=id.eq.1", 400, "PGRST100"),
        ("or=(id.eq.1))x", 400, "PGRST100"),
        ("nope=eq.1", 400, "42703"),
        ("or=(nope.eq.1,id.eq.1)", 400, "42703"),
        ("nope.id=eq.1", 400, "PGRST108"),
        ("id=eq.abc", 400, "22P02"),
        ("id=eq.1.5", 400, "22P02"),
        ("id=in.(1,x)", 400, "22P02"),
        ("id=eq.99999999999999999999", 400, "22003"),
        ("stock=eq.3000000000", 400, "22003"),
        ("active=eq.maybe", 400, "22P02"),
        ("kind=eq.nope", 400, "22P02"),
        ("added=eq.yesterday-ish", 400, "22007"),
        ("added=eq.2024-13-01", 400, "22008"),
        ("price=eq.cheap", 400, "22P02"),
        ("tags=cs.wood", 400, "22P02"),
        ("details=cs.{w", 400, "22P02"),
        ("id=like.1*", 404, "42883"),
        ("price=ilike.1*", 404, "42883"),
        ("name=cs.{a}", 404, "42883"),
        ("name=is.true", 400, "42804"),
        ("name=like.abc\\", 400, "22025"),
        ("name=match.(", 400, "2201B"),
        ("name=eq.%00", 400, "PGRST100"),
    ],
)
def test_refusals(api: Api, query: str, status: int, code: str) -> None:
    """PostgREST details 17, 18, 19: the same status and SQLSTATE from both databases."""
    reply = api.get(f"products?select=id&{query}")
    assert (status, code) == (reply.status, reply.code), reply.body


def test_words_of_the_grammar_as_columns(api: Api) -> None:
    """PostgREST details 23: a column may be called ``and``; in a logic tree it is a column where a dot follows."""
    assert [2] == api.get('odd%20names?select=id&or=(and.eq.2,"a.b".eq.77)').ids


@pytest.mark.parametrize(("text", "found"), [("a b", "a+b"), ("100%", "100%25"), ("ü&=", "%C3%BC%26%3D")])
def test_percent_and_plus(api: Api, text: str, found: str) -> None:
    """A plus sign in the query string is a space; anything else may be percent-encoded."""
    assert 201 == api.post("samples", {"id": 10, "body": text}).status
    assert [10] == api.get(f"samples?select=id&body=eq.{found}").ids


@pytest.mark.parametrize("text", ["", " ", "null", "NULL", '"', "\\", "a,b", "(x)", "{}", "%", "_", "*", "日本", "é"])
def test_values_are_values(api: Api, text: str) -> None:
    """SQ1: whatever a text is, it is compared as it is."""
    assert 201 == api.post("samples", {"id": 10, "body": text}).status
    assert [10] == api.get(f"samples?select=id&body=eq.{quote(text, safe='')}").ids
    listed = quote('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"', safe="")
    assert [10] == api.get(f"samples?select=id&body=in.({listed})").ids
    assert [10] == api.get(f"samples?select=id&or=(body.eq.{listed},id.eq.-1)").ids


@pytest.mark.parametrize(
    ("count", "query", "status"),
    [
        (50, "id=gt.0", 200),
        (51, "id=gt.0", 400),
    ],
)
def test_limit_of_filters(api: Api, count: int, query: str, status: int) -> None:
    """LM4: 50 filters are served, 51 refused."""
    assert status == api.get("products?" + "&".join([query] * count)).status


@pytest.mark.parametrize(("count", "status"), [(1000, 200), (1001, 400)])
def test_limit_of_lists(api: Api, count: int, status: int) -> None:
    """LM4: a list of 1,000 values is served, of 1,001 refused."""
    assert status == api.get(f"products?id=in.({','.join(map(str, range(count)))})").status


@pytest.mark.parametrize(("depth", "status"), [(5, 200), (6, 400)])
def test_limit_of_logic_depth(api: Api, depth: int, status: int) -> None:
    """LM4: logic nests five deep, not six."""
    tree = "id.eq.1"
    for _ in range(depth - 1):
        tree = f"and({tree},id.eq.1)"
    assert status == api.get(f"products?or=({tree})").status


@pytest.mark.parametrize(("operator", "text"), [("sl", "[1,2]"), ("adj", "[1,2]")])
def test_range_operators_need_ranges(api: Api, operator: str, text: str) -> None:
    """A range operator on what is no range does not exist, on either database."""
    reply = api.get(f"products?id={operator}.{text}")
    assert (404, "42883") == (reply.status, reply.code)


@pytest.mark.parametrize("operator", ["fts", "plfts", "phfts", "wfts", "fts(english)"])
def test_full_text_search(api: Api, operator: str) -> None:
    """PostgreSQL searches any text; SQLite says that it cannot."""
    reply = api.get(f"products?select=id&name={operator}.ball")
    if api.name == "postgresql":
        assert [2] == reply.ids
    else:
        assert (400, "PGRST127") == (reply.status, reply.code)


@pytest.mark.parametrize("key", ["a'b", "a;--", "$", "[0]", "a]b", "*", "ü", "a b"])
def test_json_keys_are_values(api: Api, key: str) -> None:
    """SQ3: a step of a JSON path is one key, whatever it holds."""
    assert 201 == api.post("samples", {"id": 10, "data": {key: "x", "other": "y"}}).status
    step = quote('"' + key + '"', safe="")
    assert [10] == api.get(f"samples?select=id&data->>{step}=eq.x").ids
    assert ["x"] == [row["v"] for row in api.get(f"samples?select=v:data->>{step}&id=eq.10").json]


@pytest.mark.parametrize("key", ['a"b', "a\\b"])
def test_json_keys_with_quotes(api: Api, key: str) -> None:
    """SQ3: SQLite's paths cannot quote a quote: it says so rather than look elsewhere."""
    assert 201 == api.post("samples", {"id": 10, "data": {key: "x"}}).status
    step = quote('"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"', safe="")
    reply = api.get(f"samples?select=id&data->>{step}=eq.x")
    if api.name == "postgresql":
        assert [10] == reply.ids
    else:
        assert (400, "PGRST127") == (reply.status, reply.code)
