"""The epoch: one number that grows whenever tokens that still run are no longer to be believed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias
from uuid import UUID, uuid4

import sqlalchemy as sa

from backstay.auth.tables import Epoch, Revocation
from backstay.db.store import Transaction
from backstay.sql.query import query

Action: TypeAlias = Literal["end", "aal1", "stale"]

#: Access tokens live at most an hour (TK1), and clocks may differ by half a minute.
LONGEST: Final = timedelta(hours=1, minutes=1)


@query
def _bump() -> sa.Executable:
    return sa.update(Epoch).where(Epoch.id == 1).values(value=Epoch.value + 1).returning(Epoch.value)


@query
def _begin() -> sa.Executable:
    return sa.insert(Epoch).values(id=1, value=1)


@query
def current_epoch() -> sa.Executable:
    return sa.select(Epoch.value).where(Epoch.id == 1)


@query
def revoked_since(epoch: int, now: datetime) -> sa.Executable:
    found = sa.select(Revocation.epoch, Revocation.session_id, Revocation.action, Revocation.at, Revocation.until)
    return found.where(Revocation.epoch > epoch, Revocation.until > now).order_by(Revocation.epoch)


@query
def _revoke(id: UUID, epoch: int, session_id: UUID, action: str, at: datetime, until: datetime) -> sa.Executable:
    return sa.insert(Revocation).values(id=id, epoch=epoch, session_id=session_id, action=action, at=at, until=until)


@query
def _sweep(now: datetime) -> sa.Executable:
    return sa.delete(Revocation).where(Revocation.until < now)


async def bump_epoch(transaction: Transaction) -> int:
    """Begin a new epoch.  Its row is held until the transaction ends, so that epochs are committed in their order."""
    row = await transaction.one(_bump())
    if row is None:
        await transaction.run(_begin())
        return 1
    return int(row.value)


async def revoke_sessions(transaction: Transaction, session_ids: list[UUID], action: Action, now: datetime) -> None:
    """Say of the access tokens of these sessions what is no longer true of them (TK4, TK5, MF4).

    ``end``: they are good for nothing; ``aal1``: their second factor is gone; ``stale``: those issued until now are to
    be refreshed, since roles or the like have changed.
    """
    if not session_ids:
        return
    epoch = await bump_epoch(transaction)
    await transaction.run(_sweep(now))
    for session_id in session_ids:
        await transaction.run(_revoke(uuid4(), epoch, session_id, action, now, now + LONGEST))
