"""Letters in the outbox, from decision to claim."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from backstay.db.statement import Statement
from backstay.db.store import Store, Transaction
from backstay.errors import BackstayError
from backstay.mail import Letter, enqueue
from backstay.mail.outbox import BATCH, Outgoing, bury, claim, clear, dead, forget, next_due, postpone, read_letter
from backstay.sql.query import query

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LETTER = Letter("ann@example.org", "recovery", "de", {"link": "https://example.org/?t=s3cret", "minutes": "10"})


def flip(data: bytes) -> bytes:
    """A seal for tests: unlike what went in, and its own opposite."""
    return bytes(byte ^ 0x55 for byte in data)


@query
def everything() -> sa.Select[tuple[object, ...]]:
    return sa.select(Outgoing).order_by(Outgoing.made_at)


async def put(store: Store, letter: Letter = LETTER, *, at: datetime = NOW) -> UUID:
    async def flow(transaction: Transaction) -> UUID:
        return await enqueue(transaction, letter, now=at, seal=flip)

    return await store.transact(flow)


async def claimed(store: Store, *, at: datetime = NOW, lease: UUID | None = None) -> list[UUID]:
    async def flow(transaction: Transaction) -> list[UUID]:
        return [row.id for row in await transaction.all(claim(at, at + 5 * MINUTE, lease or uuid4()))]

    return await store.transact(flow)


async def test_a_letter_is_decided_on_with_its_cause(store: Store) -> None:
    """DU5: it is there after the commit, due at once, and until its link ends."""
    id = await put(store)
    (row,) = await store.all(everything())
    assert (id, "recovery", NOW, NOW, NOW + 10 * MINUTE, 0) == (
        row.id, row.kind, row.made_at, row.due_at, row.expires_at, row.tries
    )  # fmt: skip
    assert LETTER == read_letter(flip(row.sealed))


async def test_a_letter_goes_back_with_its_cause(store: Store) -> None:
    """DU5: a change that is rolled back sends nothing."""

    async def flow(transaction: Transaction) -> None:
        await enqueue(transaction, LETTER, now=NOW, seal=flip)
        raise BackstayError("BST422", "no")

    with pytest.raises(BackstayError):
        await store.transact(flow)
    assert [] == list(await store.all(everything()))


async def test_the_database_has_neither_address_nor_link(store: Store) -> None:
    """A dump of the table shows that something is to be sent, and nothing of it."""
    await put(store)
    dump = repr([list(row) for row in await store.database.fetch_all(Statement("SELECT * FROM backstay_mail"))])
    for secret in ("ann", "example", "s3cret"):
        assert secret not in dump


async def test_a_letter_is_claimed_once(store: Store) -> None:
    """ID4: of many that claim at the same time one gets it, and nobody again before the lease ends."""
    ids = {await put(store, at=NOW + timedelta(seconds=n)) for n in range(BATCH + 2)}
    found = await asyncio.gather(*(claimed(store, at=NOW + MINUTE) for _ in range(8)))
    assert sorted(ids) == sorted(id for part in found for id in part)
    assert all(len(part) <= BATCH for part in found)
    assert [] == await claimed(store, at=NOW + 5 * MINUTE)
    assert BATCH == len(await claimed(store, at=NOW + 7 * MINUTE))


async def test_the_next_one_is_known(store: Store) -> None:
    """So that nobody has to look all the time."""
    assert None is (await store.one(next_due())).at
    await put(store, at=NOW + MINUTE)
    await put(store)
    assert NOW == (await store.one(next_due())).at


async def test_who_lost_the_lease_changes_nothing(store: Store) -> None:
    """A sender that slept through its lease neither postpones nor buries what another one has."""
    id = await put(store)
    mine, theirs = uuid4(), uuid4()
    await claimed(store, lease=mine)
    await claimed(store, at=NOW + 6 * MINUTE, lease=theirs)

    async def late(transaction: Transaction) -> None:
        await transaction.run(postpone(id, mine, NOW, "late"))
        await transaction.run(bury(id, mine, NOW, "late"))

    await store.transact(late)
    (row,) = await store.all(everything())
    assert (NOW + 11 * MINUTE, None, 2, theirs) == (row.due_at, row.reason, row.tries, row.lease)


async def test_the_dead_keep_their_reason_and_not_their_words(store: Store) -> None:
    """Until they are cleared away."""
    id, lease = await put(store), uuid4()
    await claimed(store, lease=lease)

    async def end(transaction: Transaction) -> None:
        await transaction.run(bury(id, lease, NOW, "no such address"))
        await transaction.run(clear(NOW))

    await store.transact(end)
    (row,) = await store.all(everything())
    assert (None, None, NOW) == (row.sealed, row.due_at, row.died_at)
    assert [(id, "no such address")] == [(row.id, row.reason) for row in await store.all(dead())]

    async def sweep(transaction: Transaction) -> None:
        await transaction.run(clear(NOW + MINUTE))

    await store.transact(sweep)
    assert [] == list(await store.all(everything()))


async def test_the_sent_are_gone(store: Store) -> None:
    """Nothing of a letter stays once it is on its way."""
    id = await put(store)

    async def sent(transaction: Transaction) -> None:
        await transaction.run(forget(id))

    await store.transact(sent)
    assert [] == list(await store.all(everything()))


def test_what_another_version_wrote_is_a_value_error() -> None:
    """Not a crash of whoever opens it."""
    for plain in (b"", b"{}", b'["a@b.org","poem","",{}]', b'["a@b.org","invite","",{}]'):
        with pytest.raises(ValueError, match=r"."):
            read_letter(plain)
