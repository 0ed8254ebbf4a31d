"""A role more is a threshold: nothing of somebody with fewer rights comes over it (S4).

1. Whoever gets a role signs in again.  Sessions, and links, codes, challenges and flows that are out, end always.
2. Passwords, passkeys, factors and identities stay where they are surely the owner's: where the owner has proved to
   read the address, and no administrator of fewer rights than all has had a way in since (``User.entered_at``).  Else
   the account gets no role: what is in it may be a stranger's, and is not dropped unasked, since it may be the owner's
   as well.  Whoever asks for that (``empty=true``) has it emptied, as by the first proof of its address
   (``mailbox.py``).
3. Whoever gives themselves a role has it within their rights already, so only their other sessions end.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backstay.auth.accounts import Accounts
from backstay.auth.begun import drop_begun
from backstay.auth.hold import hold
from backstay.auth.mailbox import empty
from backstay.auth.otp import discard_all
from backstay.auth.refusal import AuthError
from backstay.auth.rights import may_everything
from backstay.auth.route import AuthRequest
from backstay.auth.session import end_all
from backstay.auth.tables import User
from backstay.db.store import Transaction
from backstay.sql.query import query


@query
def _entered(id: UUID, at: datetime | None) -> sa.Executable:
    return sa.update(User).where(User.id == id).values(entered_at=at)


async def note_entry(tx: Transaction, accounts: Accounts, asked: AuthRequest, user_id: UUID, now: datetime) -> None:
    """Remember that the caller has made themselves, or somebody, a way into the account (held)."""
    if asked.session is not None and asked.user_id == user_id:
        return
    if not await may_everything(accounts, tx, asked):
        await tx.run(_entered(user_id, now))


async def cross(tx: Transaction, accounts: Accounts, asked: AuthRequest, user_id: UUID, now: datetime) -> None:
    """End what the account, which is about to have a role more, may owe to somebody else.

    Raises:
        AuthError: account_not_proved, where that is all that signs in to it, and the query has no ``empty=true``.
    """
    user = await hold(tx, user_id)
    if user is None:
        return
    if asked.session is not None and asked.user_id == user.id:
        await discard_all(tx, user.id)
        await end_all(tx, user.id, now, but=asked.session.id)
    elif is_doubtful(user):
        if asked.query.get("empty") != "true":
            raise _not_proved(user)
        await empty(tx, accounts, asked, user, now, by="role")
        await tx.run(_entered(user.id, None))
    else:
        await discard_all(tx, user.id)
        await drop_begun(tx, user.id)
        await end_all(tx, user.id, now)


def _not_proved(user: Any) -> AuthError:
    """The refusal of a role for *user* (row), and how to give it."""
    drop = "with empty=true (--empty) its password, passkeys, factors, identities, API keys and metadata are dropped"
    if user.email_proved_at is None:
        return AuthError(
            "account_not_proved",
            f"Nobody has shown to read the mail of {user.email}, so whoever has the password may be a stranger",
            hint=f"Have its owner follow a link of /recover and choose a password, then give the role; or {drop}.",
        )
    return AuthError(
        "account_not_proved",
        "An administrator with fewer rights has had a way into the account, and may have one still",
        hint=f"Ask for the role again: {drop}, and its owner comes back by a link of /recover.",
    )


def is_doubtful(user: Any) -> bool:
    """Whether what signs in to the account *user* (row) may be somebody else's than its owner's.

    An account without an address was made by its own session, or by an identity that nobody else has.
    """
    return user.entered_at is not None or (user.email is not None and user.email_proved_at is None)
