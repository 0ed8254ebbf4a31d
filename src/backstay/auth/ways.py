"""How an account can be signed in to: so that the last way is not taken away (OA10)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from backstay.auth.authenticator import passkeys_by_user
from backstay.auth.user import identities_of
from backstay.db.store import Transaction


async def ways_in(tx: Transaction, user: Any, *, but: UUID | None = None) -> int:
    """How many ways into *user* (row) there are besides the identity *but*: a password counts, and every identity
    and passkey.
    """
    identities = await tx.all(identities_of(user.id))
    others = [row for row in identities if row.id != but]
    # The password belongs to the e-mail identity: together they are one way, and without a confirmed address none.
    emails = [row for row in identities if row.provider == "email"]
    password = user.password_hash is not None and user.email is not None
    mailbox = all(row.id != but for row in emails) if emails else password
    providers: int = sum(row.provider != "email" for row in others)
    passkeys = len(await tx.all(passkeys_by_user(user.id)))
    return providers + passkeys + int(mailbox and user.email_confirmed_at is not None)
