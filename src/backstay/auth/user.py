"""Accounts as rows, and as clients see them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backstay.auth.moment import told
from backstay.auth.tables import Identity, RoleAssignment, User
from backstay.db.store import Asks
from backstay.sql.query import query


@query
def user_by_id(id: UUID) -> sa.Executable:
    return sa.select(User).where(User.id == id, User.deleted_at.is_(None))


@query
def user_by_email(email: str) -> sa.Executable:
    return sa.select(User).where(User.email == email, User.deleted_at.is_(None))


@query
def add_user(
    id: UUID,
    email: str | None,
    password_hash: str | None,
    email_confirmed_at: datetime | None,
    email_proved_at: datetime | None,
    app_metadata: dict[str, Any],
    user_metadata: dict[str, Any],
    is_anonymous: bool,
    locale: str | None,
    now: datetime,
) -> sa.Executable:
    return sa.insert(User).values(
        id=id,
        aud="authenticated",
        role="authenticated",
        email=email,
        password_hash=password_hash,
        email_confirmed_at=email_confirmed_at,
        email_proved_at=email_proved_at,
        email_change_confirmed=0,
        app_metadata=app_metadata,
        user_metadata=user_metadata,
        is_anonymous=is_anonymous,
        is_sso=False,
        locale=locale,
        created_at=now,
        updated_at=now,
    )


@query
def add_identity(
    id: UUID, user_id: UUID, provider: str, subject: str, data: dict[str, Any], email: str | None, now: datetime
) -> sa.Executable:
    return sa.insert(Identity).values(
        id=id,
        user_id=user_id,
        provider=provider,
        subject=subject,
        data=data,
        email=email,
        last_sign_in_at=now,
        created_at=now,
        updated_at=now,
    )


@query
def identities_of(user_id: UUID) -> sa.Executable:
    return sa.select(Identity).where(Identity.user_id == user_id).order_by(Identity.created_at, Identity.id)


@query
def _roles_of(user_id: UUID) -> sa.Executable:
    return sa.select(RoleAssignment.role).where(RoleAssignment.user_id == user_id).order_by(RoleAssignment.role)


async def roles_of(asks: Asks, user_id: UUID) -> list[str]:
    """The roles that were assigned to the account, sorted."""
    return [row.role for row in await asks.all(_roles_of(user_id))]


def about_providers(app_metadata: dict[str, Any], identities: Sequence[Any]) -> dict[str, Any]:
    """*app_metadata* with the providers of *identities* (rows), the first of which made the account."""
    linked = dict.fromkeys(row.provider for row in identities)
    names = list(dict.fromkeys([*(name for name in app_metadata.get("providers", ()) if name in linked), *linked]))
    first = app_metadata.get("provider")
    return {**app_metadata, "provider": first if first in names or not names else names[0], "providers": names}


def email_identity(user_id: UUID, email: str, metadata: dict[str, Any], *, verified: bool) -> dict[str, Any]:
    """What the identity ``email`` holds."""
    return {**metadata, "sub": str(user_id), "email": email, "email_verified": verified, "phone_verified": False}


def user_json(user: Any, identities: Sequence[Any], factors: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """The User object of GoTrue's protocol.  *identities* and *user* are rows, *factors* are ready."""
    shown: dict[str, Any] = {
        "id": str(user.id),
        "aud": user.aud,
        "role": user.role,
        "email": user.email or "",
        "phone": user.phone or "",
        "app_metadata": user.app_metadata,
        "user_metadata": user.user_metadata,
        "identities": [identity_json(identity) for identity in identities],
        "created_at": told(user.created_at),
        "updated_at": told(user.updated_at),
        "is_anonymous": user.is_anonymous,
    }
    confirmed = [at for at in (user.email_confirmed_at, user.phone_confirmed_at) if at is not None]
    moments = {
        "confirmed_at": min(confirmed, default=None),
        "email_confirmed_at": user.email_confirmed_at,
        "phone_confirmed_at": user.phone_confirmed_at,
        "last_sign_in_at": user.last_sign_in_at,
        "confirmation_sent_at": user.confirmation_sent_at,
        "recovery_sent_at": user.recovery_sent_at,
        "reauthentication_sent_at": user.reauthentication_sent_at,
        "email_change_sent_at": user.email_change_sent_at,
        "invited_at": user.invited_at,
        "banned_until": user.banned_until,
        "deleted_at": user.deleted_at,
    }
    shown |= {name: told(at) for name, at in moments.items() if at is not None}
    if user.new_email is not None:
        shown["new_email"] = user.new_email
    if factors:
        shown["factors"] = list(factors)
    return shown


def identity_json(identity: Any) -> dict[str, Any]:
    """One of its ``identities``."""
    return {
        "identity_id": str(identity.id),
        "id": identity.subject,
        "user_id": str(identity.user_id),
        "identity_data": identity.data,
        "provider": identity.provider,
        "last_sign_in_at": told(identity.last_sign_in_at),
        "created_at": told(identity.created_at),
        "updated_at": told(identity.updated_at),
        **({} if identity.email is None else {"email": identity.email}),
    }
