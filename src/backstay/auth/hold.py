"""An account held: nobody else changes it, or opens a session of it, until the transaction ends.

Rows are locked in one order by every flow, so that no two wait for each other: the account first, then codes and
flows, sessions and their tokens, the epoch, and the audit log last.  Whoever knows a link, a code or a token only looks
whose it is, holds that account, and uses it up then.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backstay.auth.tables import User
from backstay.db.store import Transaction
from backstay.sql.query import query

#: The id of no account: what is done to it is done to nobody, and takes as long (TH5).
NOBODY = UUID(int=0)


@query
def _held(id: UUID) -> sa.Executable:
    # Rows of other tables that name the account may be written meanwhile.  SQLite has one writer, and no such clause.
    return sa.select(User).where(User.id == id, User.deleted_at.is_(None)).with_for_update(key_share=True)


async def hold(tx: Transaction, id: UUID | None) -> Any:
    """The account (row) as it is now, and stays until the transaction ends; ``None`` where there is none."""
    return await tx.one(_held(NOBODY if id is None else id))
