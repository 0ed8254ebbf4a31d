"""Events reach the log with the change they tell about, and stay."""

from __future__ import annotations

import asyncio
from datetime import timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from backstay.audit import Actor, record
from backstay.audit.chain import ORIGIN
from backstay.audit.tables import Entry, Head
from backstay.db.store import Store, Transaction
from backstay.errors import BackstayError, DatabaseError
from backstay.sql.query import query
from tests.audit.chains import ACTOR, ANN, AT, KEYS, event, filled, run, write


@query
def entries() -> Any:
    return sa.select(Entry).order_by(Entry.seq)


@query
def head() -> Any:
    return sa.select(Head.seq, Head.hash)


async def test_an_event_is_kept_whole(store: Store) -> None:
    """AU1: who, what, when, from where, to whom, and what else."""
    await write(store, event("logout", details={"scope": "global", "sessions": 3}))
    [row] = await store.all(entries())
    assert (1, AT, "logout", "user", ANN, str(ANN), "192.0.2.7", "req-1", {"scope": "global", "sessions": 3}, "k1") == (
        tuple(row)[:10]
    )
    assert ORIGIN == row.previous
    assert (1, row.hash) == tuple(await store.one(head()))


async def test_rows_are_linked(store: Store) -> None:
    """AU2: the numbers have no gap, and each row holds the hash of the one before."""
    await write(store, event(), event(number=1))
    await write(store, event("logout", 2))
    rows = await store.all(entries())
    assert [1, 2, 3] == [row.seq for row in rows]
    assert [ORIGIN, rows[0].hash, rows[1].hash] == [row.previous for row in rows]
    assert 3 == len({row.hash for row in rows})


async def test_a_change_that_fails_leaves_no_event(store: Store) -> None:
    """AU1: the event and its change are one transaction, and the numbers go on without a gap."""

    async def refused(transaction: Transaction) -> None:
        await record(transaction, KEYS, event())
        raise BackstayError("BST422", "no")

    with pytest.raises(BackstayError):
        await store.transact(refused)
    assert [] == list(await store.all(entries()))
    await write(store, event())
    assert [1] == [row.seq for row in await store.all(entries())]


async def test_no_events_take_no_lock(store: Store) -> None:
    """A flow may hand over what it has, and have nothing."""
    await write(store)
    assert None is await store.one(head())


async def test_writers_take_turns(store: Store) -> None:
    """Thirty transactions at once make one chain."""
    await asyncio.gather(*(write(store, event(number=number), event("logout", number)) for number in range(30)))
    rows = await store.all(entries())
    assert list(range(1, 61)) == [row.seq for row in rows]
    assert [row.hash for row in rows[:-1]] == [row.previous for row in rows[1:]]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE backstay_audit SET event = 'logout' WHERE seq = 1",
        "UPDATE backstay_audit SET seq = 9 WHERE seq = 1",
        "DELETE FROM backstay_audit WHERE seq = 2",
        "DELETE FROM backstay_audit",
    ],
)
async def test_rows_stay_as_they_are(store: Store, sql: str) -> None:
    """AU1: the database refuses to change or delete an event."""
    await filled(store, 2)
    before = await store.all(entries())
    with pytest.raises(DatabaseError) as caught:
        await run(store, sql)
    assert 403 == caught.value.status
    assert before == await store.all(entries())


async def test_rows_are_not_replaced_or_truncated(store: Store) -> None:
    """AU1: neither by the upsert that SQLite has, nor by PostgreSQL's way to empty a table."""
    await filled(store, 2)
    before = await store.all(entries())
    replaced = "REPLACE INTO backstay_audit SELECT * FROM backstay_audit WHERE seq = 1"
    with pytest.raises(DatabaseError, match="append-only"):
        await run(store, "TRUNCATE backstay_audit" if store.database.name == "postgresql" else replaced)
    assert before == await store.all(entries())


async def test_texts_that_a_database_cannot_hold(store: Store) -> None:
    """What a client sent may hold a NUL or half a surrogate pair, and an event about it is still written."""
    awkward = event("login_failed", details={"reason": "a\0b\ud800c", "user_agent": "é\u2028"}, subject="x\0")
    await write(store, awkward)
    [row] = await store.all(entries())
    assert ({"reason": "a\ufffdb?c", "user_agent": "é\u2028"}, "x\ufffd") == (row.details, row.subject)


async def test_a_time_in_another_zone_is_the_same_time(store: Store) -> None:
    """The log is in UTC."""
    await write(store, event(at=AT.astimezone(timezone(timedelta(hours=-5)))))
    [row] = await store.all(entries())
    assert AT == row.at


async def test_an_anonymous_actor(store: Store) -> None:
    """Nobody's id is no id."""
    await write(store, event(actor=Actor("anon")), event(actor=ACTOR))
    assert [None, ANN] == [row.actor_id for row in await store.all(entries())]
