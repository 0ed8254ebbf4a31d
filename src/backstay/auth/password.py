"""What a password must be, and what changing one brings with it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import sqlalchemy as sa

from backstay.auth.accounts import Accounts
from backstay.auth.blocklist import refuse_weak, surroundings, weaknesses
from backstay.auth.hashing import password_bytes
from backstay.auth.tables import User
from backstay.sql.query import query


def check_new_password(accounts: Accounts, password: str, email: str | None, minimum: int = 0) -> None:
    """Refuse what is too short or known to attackers (PW4, PW5); nothing else is demanded (PW6).

    *minimum* is the account's, where it is more than the app's; see `rights.password_minimum`.

    Raises:
        AuthError: weak_password, with its reasons.
        BackstayError: BST422, for more than 1024 bytes.
    """
    # First: what is looked at below takes time that grows with the square of the length.
    password_bytes(password)
    options = accounts.options
    words = surroundings(options.site_name, urlsplit(options.site_url).hostname or "", email or "")
    least = max(minimum, options.min_password_chars)
    refuse_weak(weaknesses(password, minimum=least, context=words, pwned=accounts.pwned), minimum=least)


@query
def set_password(id: UUID, password_hash: str, now: datetime) -> sa.Executable:
    """A new password: the account's owner, or an admin, has chosen one."""
    mine = sa.update(User).where(User.id == id)
    return mine.values(password_hash=password_hash, password_changed_at=now, updated_at=now)


@query
def upgrade_hash(id: UUID, old: str, new: str) -> sa.Executable:
    """The same password, hashed as it is done now (PW2); the condition keeps an old hash from coming back."""
    return sa.update(User).where(User.id == id, User.password_hash == old).values(password_hash=new)


async def is_password(accounts: Accounts, user: Any, password: str) -> bool:
    """Whether *password* is the account's; takes as long for one that has none."""
    return (await accounts.passwords.verify(user.password_hash, password)).ok
