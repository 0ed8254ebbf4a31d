"""The first proof that an account's owner reads its mail (OA7).

Whoever made the account may not have been that owner: what was there before the proof signs in nobody after it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backstay.auth.assurance import remove_all
from backstay.auth.session import end_all
from backstay.auth.tables import Identity, User
from backstay.db.store import Transaction
from backstay.sql.query import query


@query
def _confirm(id: UUID, now: datetime) -> sa.Executable:
    mine = sa.update(User).where(User.id == id, User.email_confirmed_at.is_(None))
    return mine.values(email_confirmed_at=now, updated_at=now).returning(User.id)


@query
def _drop_password(id: UUID) -> sa.Executable:
    return sa.update(User).where(User.id == id).values(password_hash=None)


@query
def _drop_identities(user_id: UUID) -> sa.Executable:
    return sa.delete(Identity).where(Identity.user_id == user_id, Identity.provider != "email")


@query
def set_metadata(id: UUID, user_metadata: dict[str, Any]) -> sa.Executable:
    return sa.update(User).where(User.id == id).values(user_metadata=user_metadata)


@query
def _verify_identity(user_id: UUID, data: dict[str, Any], now: datetime) -> sa.Executable:
    mine = sa.update(Identity).where(Identity.user_id == user_id, Identity.provider == "email")
    return mine.values(data=data, updated_at=now, last_sign_in_at=now)


async def confirm_mailbox(tx: Transaction, user: Any, now: datetime, *, purge: bool) -> bool:
    """The owner of *user* (row) has shown to read its address; whether it is for the first time.

    *purge* drops the password, the identities at third parties, second factors and every session that were there
    before: true for every proof but the link of a sign-up, which was sent for that very password.
    """
    if await tx.one(_confirm(user.id, now)) is None:
        return False
    if purge:
        await tx.run(_drop_password(user.id))
        await tx.run(_drop_identities(user.id))
        await remove_all(tx, user.id, now)
        await end_all(tx, user.id, now)
    metadata = {**user.user_metadata, "email_verified": True}
    await tx.run(set_metadata(user.id, metadata))
    await tx.run(_verify_identity(user.id, metadata, now))
    return True
