"""Second factors, as rows and as clients see them.

A factor is ``unverified`` until its first code or assertion has come; an enrolment that is not finished within an hour
is none.  Recovery codes are no factor of their own: they stand in for one (``recovery.py``).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from backstay.auth.moment import told
from backstay.auth.tables import User
from backstay.db.own import Own
from backstay.db.store import Asks
from backstay.sql.query import query

#: How long an enrolment may take.
ENROLMENT: Final = timedelta(hours=1)
#: Factors of one account, finished or not.
MAX_FACTORS: Final = 10
#: Characters of a factor's or a passkey's name.
MAX_NAME: Final = 120

#: What the sealed secrets are sealed for.
SECRETS: Final = "totp"


class Factor(Own):
    """Something that its owner has beside the password."""

    __tablename__ = "backstay_factors"
    # NULL is no name, and no name is taken by nobody.
    __table_args__ = (sa.UniqueConstraint("user_id", "friendly_name"),)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey(User.id, ondelete="CASCADE"), index=True)
    #: ``totp`` or ``webauthn``; the credential of the latter is a row of ``backstay_passkeys``.
    factor_type: Mapped[str]
    friendly_name: Mapped[str | None]
    #: ``unverified`` or ``verified``.
    status: Mapped[str]
    #: ``totp``: the shared secret, sealed.
    secret: Mapped[bytes | None]
    #: ``totp``: the time step of the last code that was taken; none that is not later is taken again (MF1).
    last_step: Mapped[int | None]
    last_challenged_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


@query
def factors_by_user(user_id: UUID) -> sa.Executable:
    return sa.select(Factor).where(Factor.user_id == user_id).order_by(Factor.created_at, Factor.id)


@query
def factor_by_id(id: UUID, user_id: UUID) -> sa.Executable:
    return sa.select(Factor).where(Factor.id == id, Factor.user_id == user_id)


@query
def verified_factors(user_id: UUID) -> sa.Executable:
    return sa.select(Factor.id).where(Factor.user_id == user_id, Factor.status == "verified")


@query
def add_factor(
    id: UUID, user_id: UUID, factor_type: str, friendly_name: str | None, secret: bytes | None, now: datetime
) -> sa.Executable:
    return sa.insert(Factor).values(
        id=id,
        user_id=user_id,
        factor_type=factor_type,
        friendly_name=friendly_name,
        status="unverified",
        secret=secret,
        created_at=now,
        updated_at=now,
    )


@query
def sweep_factors(user_id: UUID, before: datetime) -> sa.Executable:
    """Enrolments that were never finished."""
    unfinished = Factor.user_id == user_id, Factor.status == "unverified", Factor.created_at <= before
    return sa.delete(Factor).where(*unfinished)


@query
def finish_factor(id: UUID, now: datetime) -> sa.Executable:
    mine = sa.update(Factor).where(Factor.id == id, Factor.status == "unverified")
    return mine.values(status="verified", updated_at=now).returning(Factor.id)


@query
def challenged_factor(id: UUID, now: datetime) -> sa.Executable:
    return sa.update(Factor).where(Factor.id == id).values(last_challenged_at=now)


@query
def use_step(id: UUID, step: int, now: datetime) -> sa.Executable:
    """Take the code of time step *step*: of all who bring it at once, one (ID4)."""
    fresh = sa.or_(Factor.last_step.is_(None), Factor.last_step < step)
    return sa.update(Factor).where(Factor.id == id, fresh).values(last_step=step, updated_at=now).returning(Factor.id)


@query
def delete_factor(id: UUID, user_id: UUID) -> sa.Executable:
    mine = sa.delete(Factor).where(Factor.id == id, Factor.user_id == user_id)
    return mine.returning(Factor.id, Factor.factor_type, Factor.friendly_name, Factor.status)


async def factors_of(asks: Asks, user_id: UUID) -> list[dict[str, Any]]:
    """The account's factors, as its User object and ``GET /factors`` show them, the oldest first."""
    return [factor_json(row) for row in await asks.all(factors_by_user(user_id))]


def factor_json(factor: Any) -> dict[str, Any]:
    """One of an account's ``factors``."""
    shown = {
        "id": str(factor.id),
        "friendly_name": factor.friendly_name or "",
        "factor_type": factor.factor_type,
        "status": factor.status,
        "created_at": told(factor.created_at),
        "updated_at": told(factor.updated_at),
    }
    if factor.last_challenged_at is not None:
        shown["last_challenged_at"] = told(factor.last_challenged_at)
    return shown
