"""A `Store` runs the same queries on both databases, by themselves and in transactions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backstay.db.own import Own
from backstay.db.store import Store, Transaction
from backstay.errors import BackstayError, DatabaseError
from backstay.sql.query import query

AT = datetime(2026, 11, 21, 12, 30, 0, 250_000, tzinfo=UTC)


class Base(DeclarativeBase):
    type_annotation_map = Own.type_annotation_map


class Thing(Base):
    __tablename__ = "store_things"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    at: Mapped[datetime | None]
    facts: Mapped[dict[str, Any]]
    raw: Mapped[bytes]
    count: Mapped[int] = mapped_column()


@query
def add_thing(id: UUID, name: str, at: datetime | None, facts: dict[str, Any], raw: bytes, count: int) -> Any:
    return sa.insert(Thing).values(id=id, name=name, at=at, facts=facts, raw=raw, count=count)


@query
def thing(id: UUID) -> Any:
    return sa.select(Thing).where(Thing.id == id)


@query
def things_since(at: datetime) -> Any:
    return sa.select(Thing.name, Thing.at).where(Thing.at >= at).order_by(Thing.name)


@query
def take(id: UUID) -> Any:
    return sa.update(Thing).where(Thing.id == id, Thing.count > 0).values(count=Thing.count - 1).returning(Thing.count)


@pytest.fixture
async def kept(store: Store) -> Store:
    await store.database.create_tables(Base.metadata)
    return store


async def test_values_come_back_as_they_went_in(kept: Store) -> None:
    """UUIDs, times with a zone, JSON and bytes are Python values on both sides."""
    id = uuid4()
    facts = {"a": [1, None, "é"], "b": {"c": True}}

    async def flow(transaction: Transaction) -> Any:
        await transaction.run(add_thing(id, "one", AT, facts, b"\x00\xff", 2**60))
        await transaction.run(add_thing(uuid4(), "two", None, {}, b"", 0))
        return await transaction.one(thing(id))

    inside = await kept.transact(flow)
    assert (id, "one", AT, facts, b"\x00\xff", 2**60) == tuple(inside)
    assert inside == await kept.one(thing(id))
    assert inside.facts == facts
    assert [("one", AT)] == [tuple(row) for row in await kept.all(things_since(AT))]
    assert None is await kept.one(thing(uuid4()))


async def test_a_flow_that_raises_leaves_nothing(kept: Store) -> None:
    """What was written before the refusal is rolled back."""
    id = uuid4()

    async def flow(transaction: Transaction) -> None:
        await transaction.run(add_thing(id, "gone", None, {}, b"", 0))
        raise BackstayError("BST422", "no")

    with pytest.raises(BackstayError):
        await kept.transact(flow)
    assert None is await kept.one(thing(id))


async def test_a_conditional_change_says_whether_it_happened(kept: Store) -> None:
    """The second taker of one thing gets nothing (ID4)."""
    id = uuid4()

    async def flow(transaction: Transaction) -> list[Any]:
        await transaction.run(add_thing(id, "single", None, {}, b"", 1))
        return [await transaction.one(take(id)), await transaction.one(take(id))]

    first, second = await kept.transact(flow)
    assert ((0,), None) == (tuple(first), second)


def test_a_query_is_called_once_with_symbols() -> None:
    """Its arguments are checked by name, as those of any function."""
    with pytest.raises(TypeError):
        thing()  # type: ignore[call-arg]
    assert thing(id=(id := uuid4())).values == {"id": id}


class _Meeting:
    """A database whose first transactions meet others."""

    name = "sqlite"

    def __init__(self, code: str, times: int) -> None:
        self.code, self.left, self.runs = code, times, 0

    async def transact(self, steps: Any) -> str:
        self.runs += 1
        if self.left:
            self.left -= 1
            raise DatabaseError(self.code, "deadlock detected")
        return "done"


@pytest.mark.parametrize("code", ["40P01", "40001"])
async def test_what_met_another_transaction_runs_again(code: str) -> None:
    """A8: three times at most; then the refusal stands."""
    for times, expected in ((0, 1), (1, 2), (3, 4)):
        meeting: Any = _Meeting(code, times)
        assert "done" == await Store(meeting, None).transact(None)  # type: ignore[arg-type]
        assert expected == meeting.runs
    meeting = _Meeting(code, 4)
    with pytest.raises(DatabaseError):
        await Store(meeting, None).transact(None)  # type: ignore[arg-type]
    assert 4 == meeting.runs


async def test_no_other_refusal_runs_again() -> None:
    """A8: a constraint, or a budget that is over, is an answer."""
    meeting: Any = _Meeting("23505", 1)
    with pytest.raises(DatabaseError):
        await Store(meeting, None).transact(None)  # type: ignore[arg-type]
    assert 1 == meeting.runs
