"""How an account can be signed in to: so that the last way is not taken away (OA10)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from backstay.auth.user import identities_of
from backstay.db.store import Transaction


async def ways_in(tx: Transaction, user: Any, *, but: UUID | None = None) -> int:
    """How many ways into *user* (row) there are besides the identity *but*: a password counts, and every identity."""
    identities = [row for row in await tx.all(identities_of(user.id)) if row.id != but]
    password = user.password_hash is not None and user.email is not None
    # With an e-mail identity the password is no second way; without a confirmed address neither is one.
    mailbox = user.email_confirmed_at is not None and (password or any(row.provider == "email" for row in identities))
    return sum(row.provider != "email" for row in identities) + int(mailbox)
