"""The rows of a new account, and what it may say of itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec
import sqlalchemy as sa

from backstay.auth.hold import NOBODY
from backstay.auth.refusal import invalid
from backstay.auth.route import AuthRequest
from backstay.auth.tables import User
from backstay.auth.user import add_identity, add_user, email_identity, user_by_id
from backstay.db.store import Transaction
from backstay.sql.query import query

#: Bytes of what an account may say of itself.
MAX_METADATA_BYTES: Final = 16 * 1024


async def create_account(
    tx: Transaction,
    asked: AuthRequest,
    email: str | None,
    password_hash: str | None,
    data: dict[str, Any],
    now: datetime,
    *,
    confirmed: bool,
    proved: bool = False,
    id: UUID | None = None,
) -> UUID:
    """The rows of a new account with an e-mail address, and its id: *id*, or one of ours.

    *confirmed*: it may sign in.  *proved*: whoever makes it vouches for who reads the address, too.

    Raises:
        DatabaseError: 23505, when the address has an account.
    """
    user_id = id or uuid4()
    metadata = email_identity(user_id, email or "", data, verified=confirmed)
    provider = {"provider": "email", "providers": ["email"]}
    at = now if confirmed else None
    await tx.run(
        add_user(
            user_id, email, password_hash, at, now if proved else None, provider, metadata, False, asked.locale, now
        )
    )
    await tx.run(add_identity(uuid4(), user_id, "email", str(user_id), metadata, email, now))
    return user_id


@query
def _drop(id: UUID) -> sa.Executable:
    return sa.delete(User).where(User.id == id)


async def create_unless(
    tx: Transaction,
    asked: AuthRequest,
    email: str,
    password_hash: str | None,
    data: dict[str, Any],
    now: datetime,
    *,
    user: Any,
) -> Any:
    """The account *user* (row), or a new one where that is ``None``, unconfirmed.

    The same statements run in both cases (TH5): where there is an account another one is made, without an address, and
    is gone before anybody sees it.

    Raises:
        DatabaseError: 23505, when the address has got an account meanwhile.
    """
    address = email if user is None else None
    id = await create_account(tx, asked, address, password_hash, data, now, confirmed=False)
    made = await tx.one(user_by_id(id))
    await tx.run(_drop(NOBODY if user is None else id))
    return made if user is None else user


def checked_metadata(data: dict[str, Any] | None) -> dict[str, Any]:
    """What an account says of itself, bounded.

    Raises:
        AuthError: validation_failed, for more than 16 KiB.
    """
    if data is None:
        return {}
    if len(msgspec.json.encode(data)) > MAX_METADATA_BYTES:
        raise invalid(f"user metadata is larger than {MAX_METADATA_BYTES} bytes")
    return data
