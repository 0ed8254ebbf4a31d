"""The tables of accounts.  Ordinary models: an app may join them in its own code, past all policies.

Other tables stand beside what keeps them (``throttle.py``, ``otp.py``, ``factor.py``, …).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from backstay.db.columns import later
from backstay.db.own import Own


class User(Own):
    """An account.  *email* is as `normal_email` writes it, *phone* has digits only; both are unique."""

    __tablename__ = "backstay_users"
    __table_args__ = (
        sa.Index(
            "backstay_users_email_key",
            "email",
            unique=True,
            sqlite_where=sa.text("deleted_at IS NULL"),
            postgresql_where=sa.text("deleted_at IS NULL"),
        ),
        sa.Index(
            "backstay_users_phone_key",
            "phone",
            unique=True,
            sqlite_where=sa.text("deleted_at IS NULL"),
            postgresql_where=sa.text("deleted_at IS NULL"),
        ),
        sa.Index("backstay_users_newest", "created_at", "id"),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    aud: Mapped[str]
    role: Mapped[str]
    email: Mapped[str | None]
    phone: Mapped[str | None]
    #: A PHC string; ``None``: no password has been set.
    password_hash: Mapped[str | None]
    #: Since when it may sign in with its address; an administrator's word is enough, and so is an app without
    #: confirmation.
    email_confirmed_at: Mapped[datetime | None]
    #: When somebody showed to read the mail of this very address; ``None``: nobody has.  The first time drops what was
    #: in the account before (``mailbox.py``).
    email_proved_at: Mapped[datetime | None] = mapped_column(info=later(lambda: _recorded_proofs()))
    #: When an administrator, who could not do everything, last did what lets somebody in (a password, a link, an
    #: address); ``None``: not since it was emptied.  A role more drops what is in the account then (``threshold.py``).
    entered_at: Mapped[datetime | None] = mapped_column(info=later())
    phone_confirmed_at: Mapped[datetime | None]
    invited_at: Mapped[datetime | None]
    confirmation_sent_at: Mapped[datetime | None]
    recovery_sent_at: Mapped[datetime | None]
    reauthentication_sent_at: Mapped[datetime | None]
    #: The address that the account wants to change to, and how many of the two sides have confirmed it.
    new_email: Mapped[str | None]
    email_change_sent_at: Mapped[datetime | None]
    email_change_confirmed: Mapped[int]
    #: The session that asked for it, with whose end the wish ends; ``None``: an administrator did.
    email_change_session_id: Mapped[UUID | None] = mapped_column(info=later())
    last_sign_in_at: Mapped[datetime | None]
    password_changed_at: Mapped[datetime | None]
    #: What the server says of the account: in tokens, and trusted by policies.
    app_metadata: Mapped[dict[str, Any]]
    #: What the account says of itself: never trusted.
    user_metadata: Mapped[dict[str, Any]]
    is_anonymous: Mapped[bool]
    #: Never true: SAML is not spoken.  Who reads the table as GoTrue's looks for it.
    is_sso: Mapped[bool]
    #: Language of mails, e.g. ``de``; ``None``: the app's.
    locale: Mapped[str | None]
    banned_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class Identity(Own):
    """A way in that a provider vouches for: known by provider and subject, never by e-mail address (OA8)."""

    __tablename__ = "backstay_identities"
    __table_args__ = (sa.UniqueConstraint("provider", "subject"),)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey(User.id, ondelete="CASCADE"), index=True)
    #: ``email``, ``phone``, or the name of a third party.
    provider: Mapped[str]
    #: Who it is there; for ``email`` and ``phone`` the account's own id.
    subject: Mapped[str]
    data: Mapped[dict[str, Any]]
    email: Mapped[str | None] = mapped_column(index=True)
    last_sign_in_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


def _recorded_proofs() -> sa.Update:
    """The proofs of an earlier version: those that left their trace, and no others, so that nothing is believed more.

    Following the mail of a sign-up noted one moment in the account and in its identity; an app without confirmation
    noted that of the sign-up itself, and an administrator none in the identity.
    """
    mine = sa.select(Identity.id).where(
        Identity.user_id == User.id,
        Identity.provider == "email",
        Identity.last_sign_in_at == User.email_confirmed_at,
        Identity.updated_at == User.email_confirmed_at,
    )
    traced = sa.update(User).where(User.email_confirmed_at > User.created_at, mine.exists())
    return traced.values(email_proved_at=User.email_confirmed_at)


class Session(Own):
    """A sign-in on one device, until it is ended.  Ending deletes the row, and its refresh tokens with it."""

    __tablename__ = "backstay_sessions"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey(User.id, ondelete="CASCADE"), index=True)
    #: The chain of sessions that began with one sign-in: a step up to aal2 is a session of its own (TK11).
    family_id: Mapped[UUID] = mapped_column(index=True)
    aal: Mapped[str]
    #: ``[{"method": "password", "timestamp": 1795264569}, …]``, newest first.
    amr: Mapped[list[Any]]
    #: The second factor that made it aal2: its removal downgrades the session (MF4).
    factor_id: Mapped[UUID | None]
    ip: Mapped[str]
    user_agent: Mapped[str]
    created_at: Mapped[datetime]
    refreshed_at: Mapped[datetime]
    #: The end whatever happens (TK1: 30 days).
    not_after: Mapped[datetime]


class RefreshToken(Own):
    """By its SHA-256 (TK1).  Of one session exactly one is not superseded."""

    __tablename__ = "backstay_refresh_tokens"
    hash: Mapped[bytes] = mapped_column(primary_key=True)
    session_id: Mapped[UUID] = mapped_column(sa.ForeignKey(Session.id, ondelete="CASCADE"), index=True)
    #: For whoever looks into a theft by hand: which token this one came from.
    parent_hash: Mapped[bytes | None]
    created_at: Mapped[datetime]
    superseded_at: Mapped[datetime | None]


class Epoch(Own):
    """One row: a number that grows with every revocation and change of keys, so that workers see them (TK5)."""

    __tablename__ = "backstay_epoch"
    id: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True, autoincrement=False)
    value: Mapped[int]


class Revocation(Own):
    """What is no longer to be believed of access tokens that still run: kept until the last of them has expired."""

    __tablename__ = "backstay_revocations"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    epoch: Mapped[int] = mapped_column(index=True)
    session_id: Mapped[UUID]
    #: ``end``: none of it; ``aal1``: the second factor; ``stale``: tokens issued before *at*.
    action: Mapped[str]
    at: Mapped[datetime]
    until: Mapped[datetime] = mapped_column(index=True)


class SigningKey(Own):
    """An ES256 key pair (TK7); *private* is sealed with the keyring."""

    __tablename__ = "backstay_signing_keys"
    kid: Mapped[str] = mapped_column(primary_key=True)
    #: ``standby``, ``current``, ``previous`` or ``revoked``.
    state: Mapped[str]
    public: Mapped[dict[str, Any]]
    private: Mapped[bytes]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class RoleAssignment(Own):
    """A role that an account holds beside its main one."""

    __tablename__ = "backstay_role_assignments"
    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey(User.id, ondelete="CASCADE"), primary_key=True)
    role: Mapped[str] = mapped_column(primary_key=True)
    granted_by: Mapped[UUID | None]
    granted_at: Mapped[datetime]
