"""A sign-up that waits for its confirmation, and something newer that was asked for (OA7).

Of two who wrote one address into a form only one reads its mail, and the newest mail is what that reader waits for.  So
whatever asks for another link ends what the sign-up had the right to leave: its link, its password, and its words.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from backstay.auth.hold import NOBODY
from backstay.auth.mailbox import set_metadata
from backstay.auth.otp import discard_kind
from backstay.auth.tables import User
from backstay.auth.user import email_identity
from backstay.db.store import Transaction
from backstay.sql.query import query

_OTHERS: Final = frozenset({"recovery", "magiclink", "invite"})


@query
def _forget_password(id: UUID) -> sa.Executable:
    mine = sa.update(User).where(User.id == id, User.email_confirmed_at.is_(None))
    return mine.values(password_hash=sa.null())


async def supersede(tx: Transaction, user: Any, kind: str | None) -> None:
    """A link of *kind* is about to be made for the account *user* (a held row, or ``None``).

    The same statements run in every case (TH5).  What an administrator writes into an invitation stays.
    """
    waits = user is not None and user.email_confirmed_at is None and kind in _OTHERS
    id = user.id if waits else NOBODY
    await tx.run(_forget_password(id))
    own = id if waits and user.invited_at is None and kind != "invite" else NOBODY
    email = user.email if waits else ""
    await tx.run(set_metadata(own, email_identity(own, email or "", {}, verified=False)))
    await discard_kind(tx, id, "signup")
