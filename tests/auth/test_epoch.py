"""Epochs grow by one, and what is revoked in one is told to whoever has not seen it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from backstay.auth.epoch import LONGEST, bump_epoch, current_epoch, revoke_sessions, revoked_since
from backstay.auth.tables import Revocation
from backstay.db.store import Store
from backstay.sql.query import query
from tests.auth.people import NOW, SECOND


@query
def everything() -> Any:
    return sa.select(Revocation)


async def test_it_grows_by_one(store: Store) -> None:
    """TK5: the first is one; where nothing is revoked nothing grows."""
    assert None is await store.one(current_epoch())
    assert [1, 2, 3] == [await store.transact(bump_epoch) for _ in range(3)]
    await store.transact(lambda tx: revoke_sessions(tx, [], "end", NOW))
    assert 3 == (await store.one(current_epoch())).value


async def test_what_is_told(store: Store) -> None:
    """TK4, TK5, MF4: what came after an epoch, in its order, until the last access token has expired; then it goes."""
    one, two, three = uuid4(), uuid4(), uuid4()
    await store.transact(lambda tx: revoke_sessions(tx, [one], "end", NOW))
    await store.transact(lambda tx: revoke_sessions(tx, [two, three], "aal1", NOW + SECOND))
    told = await store.all(revoked_since(0, NOW))
    assert [(1, one, "end", NOW, NOW + LONGEST)] == [tuple(row) for row in told[:1]]
    assert {(2, two, "aal1"), (2, three, "aal1")} == {(row.epoch, row.session_id, row.action) for row in told[1:]}
    assert {two, three} == {row.session_id for row in await store.all(revoked_since(1, NOW))}
    assert [] == list(await store.all(revoked_since(2, NOW)))
    assert {two, three} == {row.session_id for row in await store.all(revoked_since(0, NOW + LONGEST))}
    await store.transact(lambda tx: revoke_sessions(tx, [one], "stale", NOW + LONGEST))
    assert 4 == len(await store.all(everything()))
    await store.transact(lambda tx: revoke_sessions(tx, [one], "stale", NOW + LONGEST + SECOND))
    assert 4 == len(await store.all(everything()))
