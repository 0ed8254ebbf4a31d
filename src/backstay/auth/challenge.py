"""Challenges: what a factor or a passkey must answer, once and within five minutes (MF3).

A challenge is bound to what it was made for: its kind, the session that asked, and the factor.  Answering deletes it,
in one conditional statement (ID4).
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from backstay.auth.factor import Factor
from backstay.auth.tables import User
from backstay.db.own import Own
from backstay.db.store import Transaction
from backstay.sql.query import query

#: How long a challenge is good.
LIFETIME: Final = timedelta(minutes=5)
#: More than the 16 bytes of WebAuthn Level 3 §13.4.3.
_BYTES: Final = 32

Ceremony: TypeAlias = Literal["totp", "create", "request", "registration", "authentication"]


class Challenge(Own):
    """A challenge that waits for its answer."""

    __tablename__ = "backstay_challenges"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    #: ``totp``; ``create`` and ``request`` of a webauthn factor; ``registration`` and ``authentication`` of a passkey.
    kind: Mapped[str]
    #: Random bytes that are to be signed.
    value: Mapped[bytes]
    user_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey(User.id, ondelete="CASCADE"))
    #: Who asked: its own session answers, and no other.
    session_id: Mapped[UUID | None]
    factor_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey(Factor.id, ondelete="CASCADE"))
    expires_at: Mapped[datetime] = mapped_column(index=True)


@query
def _add(
    id: UUID,
    kind: str,
    value: bytes,
    user_id: UUID | None,
    session_id: UUID | None,
    factor_id: UUID | None,
    expires_at: datetime,
) -> sa.Executable:
    return sa.insert(Challenge).values(
        id=id,
        kind=kind,
        value=value,
        user_id=user_id,
        session_id=session_id,
        factor_id=factor_id,
        expires_at=expires_at,
    )


@query
def _sweep(now: datetime) -> sa.Executable:
    return sa.delete(Challenge).where(Challenge.expires_at <= now)


@query
def factor_challenge(id: UUID, factor_id: UUID, session_id: UUID, now: datetime) -> sa.Executable:
    """The challenge, where it waits for this factor in this session."""
    return sa.select(Challenge).where(
        Challenge.id == id,
        Challenge.factor_id == factor_id,
        Challenge.session_id == session_id,
        Challenge.expires_at > now,
    )


@query
def take_factor_challenge(id: UUID, factor_id: UUID, session_id: UUID, kind: str, now: datetime) -> sa.Executable:
    mine = sa.delete(Challenge).where(
        Challenge.id == id,
        Challenge.factor_id == factor_id,
        Challenge.session_id == session_id,
        Challenge.kind == kind,
        Challenge.expires_at > now,
    )
    return mine.returning(Challenge.value)


@query
def take_registration(id: UUID, session_id: UUID, now: datetime) -> sa.Executable:
    mine = sa.delete(Challenge).where(
        Challenge.id == id,
        Challenge.kind == "registration",
        Challenge.session_id == session_id,
        Challenge.expires_at > now,
    )
    return mine.returning(Challenge.value)


@query
def take_authentication(id: UUID, now: datetime) -> sa.Executable:
    mine = sa.delete(Challenge).where(
        Challenge.id == id, Challenge.kind == "authentication", Challenge.expires_at > now
    )
    return mine.returning(Challenge.value)


async def begin_challenge(
    tx: Transaction,
    kind: Ceremony,
    now: datetime,
    *,
    session: Any = None,
    factor_id: UUID | None = None,
    value: bytes | None = None,
) -> tuple[UUID, int]:
    """A new challenge, and the UNIX time at which it ends; old ones are swept."""
    id, ends = uuid4(), now + LIFETIME
    await tx.run(_sweep(now))
    user_id, session_id = (None, None) if session is None else (session.user_id, session.id)
    await tx.run(_add(id, kind, value or b"", user_id, session_id, factor_id, ends))
    return id, int(ends.timestamp())


def new_challenge() -> bytes:
    """What an authenticator is to sign."""
    return secrets.token_bytes(_BYTES)
