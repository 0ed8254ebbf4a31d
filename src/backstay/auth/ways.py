"""How an account can be signed in to, so that the last way is not taken away (OA10).

Whatever takes one away asks here, behind the lock on the account (``hold.py``).
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from backstay.auth.accounts import Accounts
from backstay.auth.authenticator import passkeys_by_user
from backstay.auth.refusal import AuthError
from backstay.auth.user import identities_of
from backstay.db.store import Transaction


async def ways_in(tx: Transaction, accounts: Accounts, user: Any, *, but: UUID | None = None) -> int:
    """How many ways into *user* (row) there are besides the identity or passkey *but*.

    A password counts where its address is confirmed, and every passkey, and every identity at a third party that the
    app still has.
    """
    identities = await tx.all(identities_of(user.id))
    # The password belongs to the e-mail identity: together they are one way, and without a confirmed address none.
    emails = [row for row in identities if row.provider == "email"]
    password = user.password_hash is not None and user.email is not None
    mailbox = all(row.id != but for row in emails) if emails else password
    parties = accounts.parties.providers
    providers: int = sum(row.provider in parties and row.id != but for row in identities)
    passkeys: int = sum(row.id != but for row in await tx.all(passkeys_by_user(user.id)))
    return providers + passkeys + int(bool(mailbox and user.email_confirmed_at is not None))


async def keep_a_way(tx: Transaction, accounts: Accounts, user: Any, *, but: UUID) -> None:
    """Refuse to take *but* away where nothing else would be left.

    Raises:
        AuthError: single_identity_not_deletable.
    """
    if await ways_in(tx, accounts, user, but=but) == 0:
        words = "User must have at least 1 other way to sign in after this one is removed"
        raise AuthError("single_identity_not_deletable", words, hint="Add another one, or set a password, first.")
