"""NDJSON: large results as a stream, a row a line."""

from __future__ import annotations

import asyncio
import gc
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from starlette.types import Message

from backstay import Backstay, Me, Settings, allow
from backstay import Model as Base
from backstay.db.export import MAX_STREAMS
from tests.http.api import Api, database, token
from tests.http.client import HOST
from tests.http.shop_app import SECRET

ROWS = 50_000
NDJSON = (b"accept", b"application/x-ndjson")


class Model(DeclarativeBase):
    """A base and registry of its own: other apps of the tests have classes of the same names."""

    type_annotation_map = Base.type_annotation_map
    metadata = sa.MetaData(naming_convention=Base.metadata.naming_convention)


class Entry(Model):
    __tablename__ = "entries"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    public: Mapped[bool]
    data: Mapped[Any] = mapped_column(sa.JSON())
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("entries.id"))
    children: Mapped[list[Entry]] = relationship()


@allow("read", Entry)
def public_entries(me: Me) -> Any:
    """Everybody reads what is public."""
    return Entry.public


async def plant(app: Backstay) -> None:
    async with app.session() as session:
        for start in range(0, ROWS, 5000):
            rows = [
                {
                    "id": n,
                    "text": f"line {n}\n" + "x" * 400,
                    "public": n % 10 != 0,
                    "data": {"n": n},
                    "parent_id": 1 if 1 < n < 5 else None,
                }
                for n in range(start + 1, start + 5001)
            ]
            await session.execute(sa.insert(Entry), rows)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def entries(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Fifty thousand rows of about half a kilobyte."""
    loop = asyncio.new_event_loop()
    try:
        with database(request.param, tmp_path_factory.mktemp("entries"), loop, "entries") as url:
            app = Backstay(models=Model, policies=[public_entries], settings=Settings(database=url, jwt_secret=SECRET))
            started = app.started()
            loop.run_until_complete(started.__aenter__())
            try:
                loop.run_until_complete(plant(app))
                yield Api(request.param, app, loop, lambda: None)
            finally:
                loop.run_until_complete(started.__aexit__(None, None, None))
    finally:
        loop.close()


class Reader:
    """A client that takes one chunk after the other; *leave_after* chunks it goes."""

    def __init__(self, api: Api, leave_after: int | None = None) -> None:
        self.api = api
        self.leave_after = leave_after
        self.chunks = 0
        self.bytes = 0
        self.lines = 0
        self.highest = 0
        self.ended = False
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.gone = asyncio.Event()

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
            return
        body: bytes = message.get("body", b"")
        self.chunks += 1
        self.bytes += len(body)
        self.lines += body.count(b"\n")
        self.highest = max(self.highest, rss())
        self.ended = not message.get("more_body", False)
        if self.chunks == self.leave_after:
            self.gone.set()
        await asyncio.sleep(0)

    async def ask(self, query: str, who: str = "svc") -> Reader:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/rest/v1/entries",
            "raw_path": b"/rest/v1/entries",
            "query_string": query.encode(),
            "root_path": "",
            "headers": [HOST, NDJSON, (b"authorization", token(who))],
        }
        await self.api.app(scope, self.receive, self.send)
        return self


def rss() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_rows(entries: Api) -> None:
    """Each line is the row that JSON would have, in the order asked for, also where a text holds line breaks."""
    path = "entries?select=id,text,data,public&order=id.desc&limit=3&id=lt.100"
    reply = entries.get(path, accept="application/x-ndjson")
    assert (200, "application/x-ndjson; charset=utf-8") == (reply.status, reply.one("content-type"))
    assert entries.get(path).json == [json.loads(line) for line in reply.body.splitlines()]
    assert reply.body.endswith(b"\n")
    assert None is reply.one("content-length")


def test_policies_filters_and_embeds(entries: Api) -> None:
    """What holds for a read holds for an export."""
    path = "entries?select=id,children:entries!entries_parent_id_fkey(id)&id=in.(1,10,11)&order=id"
    found = entries.get(path, accept="application/x-ndjson").body.splitlines()
    assert [
        {"id": 1, "children": [{"id": 2}, {"id": 3}, {"id": 4}]},
        {"id": 11, "children": []},
    ] == [json.loads(line) for line in found]
    assert b"" == entries.get("entries?id=eq.10", accept="application/x-ndjson").body
    assert "42703" == entries.get("entries?nope=eq.1", accept="application/x-ndjson").code
    assert "22P02" == entries.get("entries?id=eq.x", accept="application/x-ndjson").code


def test_head(entries: Api) -> None:
    """HEAD reads nothing and answers as GET would."""
    reply = entries.head("entries", accept="application/x-ndjson")
    assert (200, b"", "application/x-ndjson; charset=utf-8") == (reply.status, reply.body, reply.one("content-type"))


def test_writes_do_not_stream(entries: Api) -> None:
    """Only a read has this representation."""
    reply = entries.patch(
        "entries?id=eq.1", {"text": "x"}, as_="svc", accept="application/x-ndjson", prefer="return=representation"
    )
    assert "PGRST107" == reply.code


def test_memory_is_bounded(entries: Api) -> None:
    """All rows go out, more than `max_rows`, and memory grows by less than 30 MB while they do."""

    async def run() -> Reader:
        await Reader(entries).ask("limit=2000")  # imports and buffers that stay
        gc.collect()
        return await Reader(entries).ask("order=text")

    before = rss()
    reader = entries.loop.run_until_complete(run())
    assert (200, ROWS, True) == (reader.status, reader.lines, reader.ended)
    assert reader.bytes > 20_000_000
    assert reader.chunks > 40
    assert reader.highest - before < 30_000_000


def test_a_limit_is_kept(entries: Api) -> None:
    """`limit` and policies cut the rows, `max_rows` does not."""
    anonymous = entries.loop.run_until_complete(Reader(entries).ask("select=id&limit=7777", "ann"))
    assert (7777, True) == (anonymous.lines, anonymous.ended)
    everything = entries.loop.run_until_complete(Reader(entries).ask("select=id", "ann"))
    assert ROWS * 9 // 10 == everything.lines


def test_client_leaves(entries: Api) -> None:
    """A client that goes ends the reading; the connection and its place are free again."""
    for _ in range(MAX_STREAMS * 3):
        reader = entries.loop.run_until_complete(Reader(entries, leave_after=2).ask("select=*"))
        assert (False, True) == (reader.ended, reader.chunks < 10)
    assert [1] == entries.get("entries?select=id&id=eq.1").ids
    assert 0 == entries.app.database._exports.running  # type: ignore[attr-defined]


def test_too_many(entries: Api) -> None:
    """S6, S11: one caller has half of the places and half of the queue; what is more is refused, the rest ends well."""
    served = MAX_STREAMS // 2 + MAX_STREAMS

    async def run() -> list[Reader]:
        return await asyncio.gather(*(Reader(entries).ask("select=id,text&limit=3000") for _ in range(served + 2)))

    readers = entries.loop.run_until_complete(run())
    assert [200] * served + [503] * 2 == sorted(reader.status for reader in readers)
    assert served == sum(reader.lines == 3000 and reader.ended for reader in readers)


def test_writes_go_on_meanwhile(entries: Api) -> None:
    """An export sees one state of the data, and a write need not wait for it."""

    class Writing(Reader):
        async def send(self, message: Message) -> None:
            if self.chunks == 1:
                reply = await entries.sending(
                    "PATCH",
                    "entries?id=eq.40000",
                    as_="svc",
                    body=b'{"text": "changed"}',
                    content_type="application/json",
                )
                assert 204 == reply.status
            if b"changed" in message.get("body", b""):
                self.leave_after = -1
            await super().send(message)

    reader = entries.loop.run_until_complete(Writing(entries).ask("order=id"))
    assert (ROWS, None) == (reader.lines, reader.leave_after)


def test_cap(tmp_path: Path) -> None:
    """`max_export_rows` is the most that any export has."""
    loop = asyncio.new_event_loop()
    settings = Settings(database=f"sqlite:///{tmp_path}/a.db", jwt_secret=SECRET, max_export_rows=7000)
    app = Backstay(models=Model, policies=[public_entries], settings=settings)
    started = app.started()
    loop.run_until_complete(started.__aenter__())
    try:
        loop.run_until_complete(plant(app))
        api = Api("sqlite", app, loop, lambda: None)
        for query in ("select=id", "select=id&limit=9000"):
            assert 7000 == loop.run_until_complete(Reader(api).ask(query)).lines
    finally:
        loop.run_until_complete(started.__aexit__(None, None, None))
        loop.close()
