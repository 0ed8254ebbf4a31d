"""Recovery codes: ten single uses of a second factor that is lost (MF2).

A set replaces the one before it.  Codes are kept as keyed hashes: with 60 random bits and without the key, nobody who
reads the table can try them.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from backstay.auth.session import downgrade
from backstay.auth.tables import Session, User
from backstay.db.own import Own
from backstay.db.store import Transaction
from backstay.sql.query import query

COUNT: Final = 10
#: Crockford's base32: no I, L, O or U, which look like others.
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_CHARS: Final = 12
_LOOKALIKES: Final = str.maketrans("oil", "011", "- ")


class RecoveryCode(Own):
    """One code of an account's set."""

    __tablename__ = "backstay_recovery_codes"
    __table_args__ = (sa.UniqueConstraint("user_id", "hash"),)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey(User.id, ondelete="CASCADE"))
    #: The set; sessions that a code has lifted name it as their factor.
    set_id: Mapped[UUID]
    hash: Mapped[bytes]
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


@query
def _sets(user_id: UUID) -> sa.Executable:
    return sa.select(RecoveryCode.set_id).where(RecoveryCode.user_id == user_id).distinct()


@query
def _forget(user_id: UUID) -> sa.Executable:
    return sa.delete(RecoveryCode).where(RecoveryCode.user_id == user_id)


@query
def _add(id: UUID, user_id: UUID, set_id: UUID, hash: bytes, now: datetime) -> sa.Executable:
    return sa.insert(RecoveryCode).values(id=id, user_id=user_id, set_id=set_id, hash=hash, created_at=now)


@query
def _use(user_id: UUID, hash: bytes, now: datetime) -> sa.Executable:
    unused = RecoveryCode.user_id == user_id, RecoveryCode.hash == hash, RecoveryCode.used_at.is_(None)
    return sa.update(RecoveryCode).where(*unused).values(used_at=now).returning(RecoveryCode.set_id)


@query
def _carry_over(id: UUID, old: UUID, new: UUID) -> sa.Executable:
    return sa.update(Session).where(Session.id == id, Session.factor_id == old).values(factor_id=new)


@query
def codes_by_user(user_id: UUID) -> sa.Executable:
    """The account's set, used and unused."""
    return sa.select(RecoveryCode.set_id, RecoveryCode.used_at).where(RecoveryCode.user_id == user_id)


def new_codes() -> tuple[str, ...]:
    """Ten different codes, e.g. ``7x3k-m0qz-92ab``."""
    found: dict[str, None] = {}
    while len(found) < COUNT:
        plain = "".join(secrets.choice(_ALPHABET) for _ in range(_CHARS))
        found["-".join(plain[at : at + 4] for at in range(0, _CHARS, 4))] = None
    return tuple(found)


def read_code(text: str) -> str:
    """*text* as it was meant: however it was typed.

    >>> read_code(" 7X3K m0qz-92ab ") == read_code("7x3k-moqz-92ab")
    True
    """
    return text.lower().translate(_LOOKALIKES)


async def replace_codes(
    tx: Transaction, key: bytes, user_id: UUID, codes: Sequence[str], now: datetime, *, session_id: UUID
) -> UUID:
    """Make *codes* the account's only ones; the id of their set.

    Whoever asks for them in the session *session_id* keeps its level; others that an old code has lifted lose it.
    """
    set_id = uuid4()
    for row in await tx.all(_sets(user_id)):
        await tx.run(_carry_over(session_id, row.set_id, set_id))
    await forget_codes(tx, user_id, now)
    for code in codes:
        await tx.run(_add(uuid4(), user_id, set_id, _hash(key, user_id, code), now))
    return set_id


async def forget_codes(tx: Transaction, user_id: UUID, now: datetime) -> None:
    """Forget the account's codes, and what they have lifted (MF4)."""
    for row in await tx.all(_sets(user_id)):
        await downgrade(tx, row.set_id, now)
    await tx.run(_forget(user_id))


async def use_code(tx: Transaction, keys: Sequence[bytes], user_id: UUID, code: str, now: datetime) -> UUID | None:
    """Use a code up: its set, or ``None`` when it is none, or was used."""
    for key in keys:
        row: Any = await tx.one(_use(user_id, _hash(key, user_id, code), now))
        if row is not None:
            set_id: UUID = row.set_id
            return set_id
    return None


def _hash(key: bytes, user_id: UUID, code: str) -> bytes:
    return hmac.digest(key, user_id.bytes + read_code(code).encode("utf-8", "replace"), "sha256")
