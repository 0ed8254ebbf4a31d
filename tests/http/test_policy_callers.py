"""Callers do not meet: no identity outlives its request, and no request its budget."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backstay import Backstay, Settings
from tests.http.api import Api, opened
from tests.http.shop_app import FUNCTIONS, POLICIES, ROWS, SECRET, Model

OWN = {
    "ann": [1, 2],
    "bob": [3],
    "cy": [],
}


def test_two_users_interleaved(api: Api) -> None:
    """AC16: hundreds of requests of several callers at once, over shared plans and connections, each sees its own."""

    async def soak() -> list[Any]:
        asked = [(who, n) for n in range(80) for who in (*OWN, None)]
        return await asyncio.gather(*(one(who, n) for who, n in asked))

    async def one(who: str | None, n: int) -> tuple[str | None, int, Any]:
        path = ("addresses?select=id&order=id", "rpc/whoami", "orders?select=id,addresses!billing_id(id)")[n % 3]
        reply = await api.sending("GET", path, as_=who)
        return who, n % 3, reply.json

    ids = {"ann": "1", "bob": "2", "cy": "3", None: None}
    for who, kind, answer in api.loop.run_until_complete(soak()):
        match kind:
            case 0 if who is not None:
                assert OWN[who] == [row["id"] for row in answer]
            case 1:
                assert ids[who] == answer["id"]
            case 2 if who is not None:
                assert {"ann": 2, "bob": 1, "cy": 0}[who] == len(answer)
            case _:
                assert "PGRST205" == answer["code"]


def test_writers_interleaved(api: Api) -> None:
    """AC16, AC15: writes of several callers, grouped into one commit where the database does so, stay their own."""

    async def write(who: str, person: int, n: int) -> int:
        api.dirty = True
        body = f'{{"person_id":{person},"city":"{who}{n}"}}'.encode()
        reply = await api.sending("POST", "addresses", as_=who, body=body, content_type="application/json")
        return reply.status

    async def all_at_once() -> list[int]:
        own = [write(who, person, n) for n in range(10) for who, person in (("ann", 1), ("bob", 2))]
        forged = [write("ann", 2, 100 + n) for n in range(10)]
        return await asyncio.gather(*own, *forged)

    assert [201] * 20 + [403] * 10 == api.loop.run_until_complete(all_at_once())
    for row in api.rows("addresses?id=gt.3"):
        assert row["city"].startswith({1: "ann", 2: "bob"}[row["person_id"]])


def test_cached_answer_is_not_another_callers(api: Api) -> None:
    """AC16: the same text asked by callers of the same kind, one after the other, is answered for each."""
    path = "addresses?select=id&order=id"
    assert [[1, 2], [3], [1, 2], []] == [api.get(path, as_=who).ids for who in ("ann", "bob", "ann", "cy")]


@pytest.fixture(params=["sqlite", "postgresql"])
def hasty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Api]:
    """The shop with a budget for a statement that its tables are made in, and of bytes beyond what it makes in it."""

    def make(url: str) -> Backstay:
        seconds = 0.1 if url.startswith("sqlite") else 1
        settings = Settings(database=url, jwt_secret=SECRET, statement_timeout=seconds, max_answer_bytes=2**30)
        return Backstay(models=Model, policies=POLICIES, functions=FUNCTIONS, settings=settings)

    with opened(request.param, tmp_path, make, ROWS, "hasty") as found:
        yield found


def test_statement_budget(hasty: Api) -> None:
    """LM5: a statement beyond its budget ends with 57014, and the next request is served."""
    rows = [{"id": n, "name": "x" * 50, "parent_id": 1} for n in range(100, 1000)]
    assert 201 == hasty.post("categories", rows).status
    down, up = "categories!parent_id", "parent_id"
    deep = f"a:{down}(id,b:{up}(id,c:{down}(id,d:{up}(id,e:{down}(id)))))"
    reply = hasty.get(f"categories?select=id,{deep}", as_="svc")
    assert (504, "57014") == (reply.status, reply.code), reply.body[:200]
    assert [1] == hasty.get("categories?select=id&id=eq.1").ids
    assert 201 == hasty.post("samples", {"id": 10}).status


def test_single_use(api: Api) -> None:
    """ID4: of twenty parallel uses of one row by a conditional update, exactly one finds it."""

    async def use() -> list[Any]:
        body, prefer = b'{"flag":false}', "return=representation"
        path = "samples?id=eq.1&flag=is.true&select=id"
        asked = (
            api.sending("PATCH", path, body=body, content_type="application/json", prefer=prefer) for _ in range(20)
        )
        return [reply.json for reply in await asyncio.gather(*asked)]

    found = api.loop.run_until_complete(use())
    api.dirty = True
    assert [[]] * 19 + [[{"id": 1}]] == sorted(found, key=len)


def test_one_key_many_writers(api: Api) -> None:
    """ID4: of twenty parallel inserts of one key, exactly one is made; of twenty merges, none fails."""

    async def make(prefer: str | None) -> list[int]:
        body = b'{"id":50,"body":"x"}'
        asked = (
            api.sending("POST", "samples", body=body, content_type="application/json", prefer=prefer) for _ in range(20)
        )
        return sorted(reply.status for reply in await asyncio.gather(*asked))

    api.dirty = True
    assert [201] + [409] * 19 == api.loop.run_until_complete(make(None))
    assert {200} == set(api.loop.run_until_complete(make("resolution=merge-duplicates")))
