"""What an app's code says of roles, as commands read it."""

from __future__ import annotations

import asyncio

from backstay.auth.rights import permission_table
from backstay.auth.rolebook import Rolebook, note_roles, noted_roles
from backstay.db.store import Store

BOOK = Rolebook(
    frozenset({"anon", "authenticated", "service_role", "press"}),
    frozenset({"editor"}),
    permission_table({"support": ["users:read"], "moderator": []}),
)


async def test_the_last_start_counts(store: Store) -> None:
    """S4, S14: read as it was noted; another start notes another, and one like it nothing."""
    assert Rolebook() == await noted_roles(store)
    for book in (BOOK, BOOK, Rolebook(), BOOK):
        await note_roles(store, book)
        assert book == await noted_roles(store)


async def test_workers_start_together(store: Store) -> None:
    """S14: each notes the same, and none fails."""
    await asyncio.gather(*(note_roles(store, BOOK) for _ in range(8)))
    assert BOOK == await noted_roles(store)
