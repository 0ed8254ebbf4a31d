"""S1, S2, AC3: who waits for a row to write it is judged by what holds when the wait is over, of other rows too."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any, Final
from unittest import mock

import pytest
import sqlalchemy as sa
from sqlalchemy import ForeignKey
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backstay import Backstay, Me, Settings, allow, function
from backstay import Model as Base
from tests.http.api import Api, Reply, opened, quick_folder
from tests.http.shop_app import SECRET

BINDERS: Final = [{"id": 1, "owner_id": 1}, {"id": 2, "owner_id": 2}]
SHEETS: Final = [{"id": 1, "binder_id": 1, "marks": 1}, {"id": 2, "binder_id": 2, "marks": 1}]


class Model(DeclarativeBase):
    metadata = sa.MetaData(naming_convention=Base.metadata.naming_convention)


class Binder(Model):
    __tablename__ = "binders"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    owner_id: Mapped[int]


class Sheet(Model):
    __tablename__ = "sheets"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    binder_id: Mapped[int] = mapped_column(ForeignKey("binders.id"))
    marks: Mapped[int]


@allow("read", Sheet)
def everybody(me: Me) -> Any:
    """Sheets are for all to see."""
    return True


@allow("create", "update", "delete", Sheet)
def in_own_binders(me: Me) -> Any:
    """The sheets of one's own binders."""
    return sa.exists().where(Binder.id == Sheet.binder_id, Binder.owner_id == me.id)


@allow("read", "update", "delete", Binder)
def own_binders(me: Me) -> Any:
    """One's own binders."""
    return Binder.owner_id == me.id


@function()
async def count_sheets(db: AsyncSession) -> int:
    """How many there are."""
    return int(await db.scalar(sa.select(sa.func.count()).select_from(Sheet)) or 0)


def shelf(url: str) -> Backstay:
    return Backstay(
        models=Model,
        policies=[everybody, in_own_binders, own_binders],
        functions=[count_sheets],
        settings=Settings(database=url, jwt_secret=SECRET),
    )


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def opened_shelf(request: pytest.FixtureRequest) -> Iterator[Api]:
    with quick_folder() as folder, opened(request.param, folder, shelf, {}, "waits") as api:
        yield api


@pytest.fixture
def api(opened_shelf: Api) -> Api:
    async def plant() -> None:
        async with opened_shelf.app.session() as session:
            await session.execute(sa.delete(Sheet))
            await session.execute(sa.delete(Binder))
            await session.execute(sa.insert(Binder), BINDERS)
            await session.execute(sa.insert(Sheet), SHEETS)

    opened_shelf.loop.run_until_complete(plant())
    return opened_shelf


Sent = tuple[str, str, Any, dict[str, Any]]


async def _send(api: Api, sent: Sent) -> Reply:
    method, path, body, headers = sent
    told = {"content_type": "application/json"} if body is not None else {}
    return await api.sending(
        method, path, as_="ann", body=b"" if body is None else json.dumps(body).encode(), **told, **headers
    )


async def _waits(api: Api, task: asyncio.Task[Reply]) -> None:
    """Until *task* waits for a lock; on SQLite everybody waits for the one who writes."""
    if api.name == "sqlite":
        return
    blocked = sa.text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0"
    )
    found = 0
    while not task.done() and not found:
        # A transaction sees one state of the server's activity.
        async with api.app.session() as session:
            found = await session.scalar(blocked)


def _meanwhile(api: Api, sent: Sent, *changes: Any) -> Reply:
    """The answer to what was *sent* while a transaction that makes *changes* held the row."""

    async def run() -> Reply:
        async with api.app.session() as session:
            for change in changes:
                await session.execute(change)
            task = asyncio.create_task(_send(api, sent))
            await _waits(api, task)
            assert not task.done()
        return await task

    return api.loop.run_until_complete(run())


TOUCHED: Final = sa.update(Sheet).where(Sheet.id == 1).values(marks=7)
GIVEN_AWAY: Final = sa.update(Binder).where(Binder.id == 1).values(owner_id=2)

SHOWN: Final = {"prefer": "return=representation"}
CHANGE: Final = {"marks": 99}
WHOLE: Final = {"id": 1, "binder_id": 1, "marks": 99}
MERGED: Final = {"prefer": "resolution=merge-duplicates"}
PATCHED: Final = {"method": "PATCH", "path": "sheets?id=eq.1", "body": CHANGE}
WAYS: Final[dict[str, Sent]] = {
    "patch": ("PATCH", "sheets?binder_id=eq.1", CHANGE, {}),
    "patch shown": ("PATCH", "sheets?id=eq.1", CHANGE, SHOWN),
    "item": ("PATCH", "sheets/1", CHANGE, {}),
    "conditional": ("PATCH", "sheets/1", CHANGE, {"if_match": "*"}),
    "delete": ("DELETE", "sheets?binder_id=eq.1", None, {}),
    "delete shown": ("DELETE", "sheets?id=eq.1", None, SHOWN),
    "delete item": ("DELETE", "sheets/1", None, {}),
    "put": ("PUT", "sheets?id=eq.1", WHOLE, {}),
    "put item": ("PUT", "sheets/1", WHOLE, SHOWN),
    "merge": ("POST", "sheets", [WHOLE], MERGED),
    "merge shown": ("POST", "sheets", [WHOLE], {"prefer": "resolution=merge-duplicates,return=representation"}),
    "batch": ("POST", "batch", [{"method": "GET", "path": "binders"}, PATCHED], {}),
    "batch that refers": (
        "POST",
        "batch",
        [{"method": "GET", "path": "sheets?id=eq.1"}, {**PATCHED, "body": {"marks": {"$ref": "0.id"}}}],
        {},
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_right_that_was_lost_while_waiting_is_lost(api: Api, way: str) -> None:
    """S1: the answer is the one that is given afterwards, and nothing is written."""
    sent = WAYS[way]
    held = _meanwhile(api, sent, GIVEN_AWAY, TOUCHED)
    there = api.rows("sheets?id=eq.1")
    again = api.loop.run_until_complete(_send(api, sent))
    assert [{"id": 1, "binder_id": 1, "marks": 7}] == there
    assert (held.status, _told(held)) == (again.status, _told(again))


def _told(reply: Reply) -> Any:
    """What *reply* says, without what numbers a request."""
    return [{**one, "headers": None} for one in reply.json] if reply.body.startswith(b"[{") else reply.body


@pytest.mark.parametrize("way", ["patch", "item", "conditional", "put", "merge", "batch"])
def test_a_right_that_was_kept_while_waiting_is_kept(api: Api, way: str) -> None:
    """S1: a row that another has changed is written all the same."""
    assert _meanwhile(api, WAYS[way], TOUCHED).status < 300
    assert [{"id": 1, "binder_id": 1, "marks": 99}] == api.rows("sheets?id=eq.1")


def test_a_right_that_was_won_while_waiting_is_won(api: Api) -> None:
    """S1: what was refused by what held before is not refused afterwards."""
    won = sa.update(Binder).where(Binder.id == 2).values(owner_id=1)
    sent: Sent = ("PATCH", "sheets?order=id", CHANGE, SHOWN)
    reply = _meanwhile(api, sent, won, sa.update(Sheet).values(marks=7))
    assert [1, 2] == reply.ids


def test_the_row_itself_is_judged_when_the_wait_is_over(api: Api) -> None:
    """S1: a rule that looks at nothing else needs no transaction of its own kind."""
    with mock.patch("backstay.adapters.postgresql.database._ISOLATED", "not to be had"):
        reply = _meanwhile(api, ("PATCH", "binders?id=eq.1", {"id": 5}, SHOWN), GIVEN_AWAY)
    assert (200, []) == (reply.status, reply.json)


def test_many_write_one_row(api: Api) -> None:
    """S1: all get through, one after the other."""

    async def run() -> list[Reply]:
        return await asyncio.gather(*(_send(api, ("PATCH", "sheets?id=eq.1", {"marks": n}, {})) for n in range(8)))

    assert [204] * 8 == [reply.status for reply in api.loop.run_until_complete(run())]


def test_a_function_is_not_run_again(api: Api) -> None:
    """S1: with a function in it a batch is refused where another has changed its row: who knows what it has done."""
    operations = [{"method": "POST", "path": "rpc/count_sheets"}, PATCHED]
    reply = _meanwhile(api, ("POST", "batch", operations, {}), GIVEN_AWAY, TOUCHED)
    expected = (503, "40001") if api.name == "postgresql" else (200, None)
    assert expected == (reply.status, reply.code), reply.body
    assert [{"id": 1, "binder_id": 1, "marks": 7}] == api.rows("sheets?id=eq.1")
