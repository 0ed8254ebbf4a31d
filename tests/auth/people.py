"""Accounts as rows, for tests of what hangs on them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from backstay.auth.user import add_user
from backstay.db.store import Store

NOW: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECOND: Final = timedelta(seconds=1)


async def person(store: Store) -> UUID:
    """A new account; its id."""
    id = uuid4()
    await run(store, add_user(id, f"{id}@example.org", None, NOW, NOW, {}, {}, False, None, NOW))
    return id


async def run(store: Store, *asked: Any) -> Any:
    """Run statements in one transaction; the row that the last one gives, if any."""

    async def all_of(tx: Any) -> Any:
        row = None
        for one in asked:
            row = await tx.one(one)
        return row

    return await store.transact(all_of)
