"""WebAuthn credentials as rows: passkeys, and the credentials of ``webauthn`` factors.

Both stand in one table, so that a credential id is known once in the whole project (MF3).  A row with a *factor_id* is
a second factor and never signs anybody in by itself; one without is a passkey.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from backstay.auth.factor import Factor
from backstay.auth.moment import told
from backstay.auth.tables import User
from backstay.db.own import Own
from backstay.db.store import Asks
from backstay.sql.query import query

#: Passkeys of one account.
MAX_PASSKEYS: Final = 10


class Passkey(Own):
    """A public key whose private half an authenticator keeps."""

    __tablename__ = "backstay_passkeys"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey(User.id, ondelete="CASCADE"), index=True)
    #: The factor that it is; ``None``: a passkey.
    factor_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey(Factor.id, ondelete="CASCADE"), unique=True)
    credential_id: Mapped[bytes] = mapped_column(unique=True)
    #: COSE.
    public_key: Mapped[bytes]
    #: As the authenticator counted last; 0 from those that do not count.
    sign_count: Mapped[int]
    aaguid: Mapped[str]
    transports: Mapped[list[Any]]
    backup_eligible: Mapped[bool]
    backed_up: Mapped[bool]
    friendly_name: Mapped[str | None]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]


@query
def credentials_by_user(user_id: UUID) -> sa.Executable:
    """Passkeys and credentials of factors alike, the oldest first."""
    return sa.select(Passkey).where(Passkey.user_id == user_id).order_by(Passkey.created_at, Passkey.id)


@query
def passkeys_by_user(user_id: UUID) -> sa.Executable:
    mine = sa.select(Passkey).where(Passkey.user_id == user_id, Passkey.factor_id.is_(None))
    return mine.order_by(Passkey.created_at, Passkey.id)


@query
def passkey_by_credential(credential_id: bytes) -> sa.Executable:
    return sa.select(Passkey).where(Passkey.credential_id == credential_id, Passkey.factor_id.is_(None))


@query
def credential_of_factor(factor_id: UUID) -> sa.Executable:
    return sa.select(Passkey).where(Passkey.factor_id == factor_id)


@query
def add_passkey(
    id: UUID,
    user_id: UUID,
    factor_id: UUID | None,
    credential_id: bytes,
    public_key: bytes,
    sign_count: int,
    aaguid: str,
    transports: list[Any],
    backup_eligible: bool,
    backed_up: bool,
    friendly_name: str | None,
    now: datetime,
) -> sa.Executable:
    return sa.insert(Passkey).values(
        id=id,
        user_id=user_id,
        factor_id=factor_id,
        credential_id=credential_id,
        public_key=public_key,
        sign_count=sign_count,
        aaguid=aaguid,
        transports=transports,
        backup_eligible=backup_eligible,
        backed_up=backed_up,
        friendly_name=friendly_name,
        created_at=now,
    )


@query
def count_use(id: UUID, sign_count: int, backed_up: bool, now: datetime) -> sa.Executable:
    """Note a use, where its count is later than the last one, or the authenticator does not count."""
    later = sa.or_(Passkey.sign_count < sign_count, sa.and_(Passkey.sign_count == 0, Passkey.sign_count == sign_count))
    mine = sa.update(Passkey).where(Passkey.id == id, later)
    return mine.values(sign_count=sign_count, backed_up=backed_up, last_used_at=now).returning(Passkey.id)


@query
def still_there(id: UUID) -> sa.Executable:
    return sa.select(Passkey.id).where(Passkey.id == id)


@query
def rename_passkey(id: UUID, user_id: UUID, friendly_name: str) -> sa.Executable:
    mine = sa.update(Passkey).where(Passkey.id == id, Passkey.user_id == user_id, Passkey.factor_id.is_(None))
    return mine.values(friendly_name=friendly_name).returning(*Passkey.__table__.columns)


@query
def delete_passkey(id: UUID, user_id: UUID) -> sa.Executable:
    mine = sa.delete(Passkey).where(Passkey.id == id, Passkey.user_id == user_id, Passkey.factor_id.is_(None))
    return mine.returning(Passkey.id, Passkey.friendly_name)


async def passkeys_of(asks: Asks, user_id: UUID) -> list[dict[str, Any]]:
    """The account's passkeys, as ``GET /passkeys`` shows them."""
    return [passkey_json(row) for row in await asks.all(passkeys_by_user(user_id))]


def passkey_json(passkey: Any) -> dict[str, Any]:
    """One passkey, without its key."""
    shown: dict[str, Any] = {
        "id": str(passkey.id),
        "created_at": told(passkey.created_at),
        "backup_eligible": passkey.backup_eligible,
        "backed_up": passkey.backed_up,
        "transports": passkey.transports,
    }
    if passkey.friendly_name is not None:
        shown["friendly_name"] = passkey.friendly_name
    if passkey.last_used_at is not None:
        shown["last_used_at"] = told(passkey.last_used_at)
    return shown
