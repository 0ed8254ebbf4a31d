"""Prefer: count=planned and count=estimated: the planner, for those from whom it has nothing to hide (AC8)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backstay import Backstay, Me, Settings, allow
from backstay.pipeline import count
from tests.http.api import Api, opened, quick_folder
from tests.http.shop_app import SECRET


class Model(DeclarativeBase):
    """A base of its own."""


class Open(Model):
    __tablename__ = "open"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[int]


class Owned(Model):
    """Every second row is ann's; those of kind 7 are all bob's."""

    __tablename__ = "owned"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int]
    kind: Mapped[int]
    open_id: Mapped[int] = mapped_column(sa.ForeignKey("open.id"))


@allow("read", Open)
def everything(me: Me) -> Any:
    return True


class Pair(Model):
    """Relates open rows to each other, through pairs that only their owner sees."""

    __tablename__ = "pairs"
    id: Mapped[int] = mapped_column(primary_key=True)
    one_id: Mapped[int] = mapped_column(sa.ForeignKey("open.id"), primary_key=True)
    other_id: Mapped[int] = mapped_column(sa.ForeignKey("other.id"), primary_key=True)
    owner_id: Mapped[int]


class Link(Model):
    """Relates the same, for everybody."""

    __tablename__ = "links"
    one_id: Mapped[int] = mapped_column(sa.ForeignKey("open.id"), primary_key=True)
    other_id: Mapped[int] = mapped_column(sa.ForeignKey("other.id"), primary_key=True)


class Other(Model):
    __tablename__ = "other"
    id: Mapped[int] = mapped_column(primary_key=True)


@allow("read", Link)
def links(me: Me) -> Any:
    return True


@allow("read", Other)
def others(me: Me) -> Any:
    return True


@allow("read", Pair)
def own_pairs(me: Me) -> Any:
    return Pair.owner_id == me.id


@allow("read", Pair, columns=[Pair.id, Pair.one_id, Pair.owner_id])
def all_halves(me: Me) -> Any:
    """Half of a pair is for everybody, and relates nothing."""
    return True


@allow("read", Pair, columns=[Pair.id, Pair.other_id, Pair.owner_id])
def all_other_halves(me: Me) -> Any:
    """Nor does the other half."""
    return True


@allow("read", Owned)
def own(me: Me) -> Any:
    return Owned.owner_id == me.id


MOST = 20
ROWS = {
    "open": [{"id": n, "kind": n % 2} for n in range(1, 101)],
    "owned": [
        {"id": n, "owner_id": 1 + n % 2, "kind": 7 if n % 2 and n > 50 else 1, "open_id": n} for n in range(1, 101)
    ],
    "other": [{"id": n} for n in range(1, 4)],
    "links": [{"one_id": n, "other_id": 1 + n % 3} for n in range(1, 61)],
    "pairs": [{"id": n, "one_id": n, "other_id": 1 + n % 3, "owner_id": 1 if n < 5 else 2} for n in range(1, 50)],
}


def make(url: str) -> Backstay:
    settings = Settings(database=url, jwt_secret=SECRET, max_rows=MOST)
    policies = [everything, own, others, links, own_pairs, all_halves, all_other_halves]
    return Backstay(models=Model, policies=policies, settings=settings)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def counts(request: pytest.FixtureRequest) -> Iterator[Api]:
    """A hundred rows that everybody sees and a hundred of which each sees half; the planner knows them as they were."""
    with quick_folder() as folder, opened(request.param, folder, make, ROWS, "counts") as api:

        async def analyse() -> None:
            async with api.app.session() as session:
                if api.name == "postgresql":
                    await session.execute(sa.text("ALTER TABLE open SET (autovacuum_enabled = off)"))
                    await session.execute(sa.text("ALTER TABLE owned SET (autovacuum_enabled = off)"))
                    await session.execute(sa.text("ALTER TABLE links SET (autovacuum_enabled = off)"))
                    await session.execute(sa.text("ANALYZE open, owned, links"))

        async def forget() -> None:
            async with api.app.session() as session:
                await session.execute(sa.delete(Open).where(Open.id > 60))
                await session.execute(sa.delete(Link).where(Link.one_id > 30))

        async def loosen() -> None:
            async with api.app.session() as session:
                await session.execute(sa.update(Owned).values(open_id=1))

        for step in (analyse, loosen, forget):
            api.loop.run_until_complete(step())
        yield api


def total(api: Api, path: str, kind: str, as_: str | None = None) -> int:
    reply = api.get(path, prefer=f"count={kind}", as_=as_)
    assert f"count={kind}" == reply.one("preference-applied")
    return int((reply.range or "").partition("/")[2])


def test_planned_is_what_the_planner_expects(counts: Api) -> None:
    """For those who see all: its figure, which is out of date here.  SQLite counts."""
    expected = 60 if counts.name == "sqlite" else 100
    assert [60, expected, expected] == [
        total(counts, "open?limit=1", "exact"),
        total(counts, "open?limit=1", "planned"),
        total(counts, "open?limit=1", "planned", "svc"),
    ]


def test_planned_is_of_the_filtered_query(counts: Api) -> None:
    """The filter narrows it; the values of the request count."""
    found = total(counts, "open?kind=eq.1&limit=1", "planned")
    assert 30 == found if counts.name == "sqlite" else 40 <= found <= 60


def test_estimated_is_exact_up_to_a_page(counts: Api) -> None:
    """Up to the largest page it is counted, beyond it planned."""
    assert MOST == total(counts, f"open?id=lte.{MOST}&limit=1", "estimated")
    found = total(counts, "open?limit=1", "estimated")
    assert (60 if counts.name == "sqlite" else 100) == found


def test_an_estimate_is_no_less_than_what_is_there(counts: Api) -> None:
    """Neither than what was counted, nor than the rows of the page: a client turns pages by it."""
    path = "open?kind=in.(0,1)&id=gt.30&id=lt.1000&kind=neq.5"
    assert total(counts, path, "estimated") > MOST
    reply = counts.get("open?id=gt.0&kind=eq.1&kind=eq.1&kind=eq.1&kind=eq.1&kind=eq.1", prefer="count=planned")
    assert len(reply.json) <= int((reply.range or "").partition("/")[2])


def test_status_follows_the_estimate(counts: Api) -> None:
    """206 while more is expected; past the end 416 with the figure."""
    reply = counts.get("open?limit=1", prefer="count=planned")
    assert 206 == reply.status
    reply = counts.get("open?offset=500", prefer="count=planned")
    assert (416, "PGRST103") == (reply.status, reply.code)


@pytest.mark.parametrize("kind", ["planned", "estimated"])
def test_hidden_rows_are_in_no_estimate(counts: Api, kind: str) -> None:
    """AC8: who does not see all rows is counted; statistics would tell of the others."""
    assert 50 == total(counts, "owned?limit=1", kind, "ann")
    assert 0 == total(counts, "owned?kind=eq.7", kind, "ann")
    assert 25 == total(counts, "owned?kind=eq.7&limit=1", kind, "bob")
    # Nor by a table that is only looked at.
    assert 1 == total(counts, "open?select=id,owned!inner(id)&owned.kind=eq.1&limit=1", kind, "ann")
    assert 0 == total(counts, "open?select=id,owned!inner(id)&owned.kind=eq.7", kind, "ann")


@pytest.mark.parametrize("kind", ["planned", "estimated"])
def test_hidden_pairs_are_in_no_estimate(counts: Api, kind: str) -> None:
    """AC8: the table in the middle is one of the query's tables, with the columns that relate."""
    assert 4 == total(counts, "open?select=id,other!pairs!inner(id)&limit=1", kind, "ann")


def test_open_pairs_are_in_an_estimate(counts: Api) -> None:
    """What everybody sees in the middle is the planner's too, and it knows how it was."""
    path = "open?select=id,other!links!inner(id)&limit=1"
    assert (30, 30 if counts.name == "sqlite" else 60) == (total(counts, path, "exact"), total(counts, path, "planned"))


def test_counting_is_bounded(counts: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the planner is not asked, one more than the bound stands for any number; pages can still be turned."""
    monkeypatch.setattr(count, "COUNTED_ROWS", 30)
    path = "owned?order=id&select=id,owner_id&limit=5"
    assert 31 == total(counts, path, "planned", "ann")
    assert 50 == total(counts, path, "exact", "ann")
    reply = counts.get(f"{path}&offset=40", prefer="count=planned", as_="ann")
    assert (206, "40-44/45") == (reply.status, reply.range)
    reply = counts.get(f"{path}&offset=31", prefer="count=planned", as_="ann")
    assert (206, "31-35/36") == (reply.status, reply.range)


def test_groups_are_counted_too(counts: Api) -> None:
    """An embed's count aggregates; the rows of the table are what is counted."""
    assert 60 == total(counts, "open?select=id,owned(count)", "exact", "ann")
    assert 50 == total(counts, "owned?select=id,open(count)", "estimated", "ann")
    assert 1 == total(counts, "open?select=count", "estimated")
