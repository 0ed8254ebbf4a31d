"""Values that do not open, as events."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import sqlalchemy as sa

from backstay.audit import UnreadableValues
from backstay.audit.tables import Entry
from backstay.catalog.sealing import Unreadable
from backstay.crypt import Unsealable
from backstay.db.store import Store
from backstay.sql.query import query
from tests.audit.chains import AT, KEYS


@query
def details() -> Any:
    return sa.select(Entry.details).order_by(Entry.seq)


def fault(column: str = "people.ssn") -> Unreadable:
    return Unreadable("the value of people.ssn in the row ann@example.org …", None, column, "unreadable")


async def told(values: UnreadableValues, store: Store) -> list[Any]:
    await asyncio.sleep(0)
    await values.settle()
    return [row.details for row in await store.all(details())]


async def test_one_a_minute_says_how_many_there_were(store: Store) -> None:
    """A12, AU3: who reads the same value again and again fills no log; each column is counted by itself."""
    clock = [0.0]
    values = UnreadableValues(store, KEYS, lambda: AT, lambda: clock[0])
    values.notice([fault(), fault(), Unsealable("of our own tables")])
    first = {"column": "people.ssn", "reason": "unreadable", "count": 2}
    assert [first] == await told(values, store)
    clock[0] = 59.9
    values.notice([fault()])
    values.notice([fault("people.notes")])
    notes = {"column": "people.notes", "reason": "unreadable", "count": 1}
    assert [first, notes] == await told(values, store)
    clock[0] = 60.0
    values.notice([fault()])
    assert [first, notes, first] == await told(values, store)


async def test_it_is_told_from_any_thread(store: Store) -> None:
    """A12: large answers are opened in a thread."""
    values = UnreadableValues(store, KEYS, lambda: AT)
    thread = threading.Thread(target=values.notice, args=([fault()],))
    thread.start()
    await asyncio.to_thread(thread.join)
    assert 1 == len(await told(values, store))
