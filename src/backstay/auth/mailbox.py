"""A proof that somebody reads the mail of an account's address (OA7).

1. Two things are kept apart: whether the account may sign in with its address (``email_confirmed_at``: by mail, by an
   administrator's word, or at once in an app without confirmation), and whether anybody has shown to read it
   (``email_proved_at``).
2. Whoever made the account may not be who reads the mail.  The first proof drops what was there before it, so that it
   signs in nobody any more: all in one transaction, audited, and told by mail.
3. Every way to prove an address ends in `prove_mailbox`.  Only an account that comes into being with its proof, by a
   trusted third party or by the word of somebody who may do everything, has one without.
4. Another administrator's word (``email_confirm``, a link that they have seen) lets sign in and proves nothing: they
   must not find themselves in an account that gets more rights than they have (S4).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

import sqlalchemy as sa

from backstay.audit import Event
from backstay.auth.accounts import Accounts
from backstay.auth.apikey import ApiKey
from backstay.auth.assurance import remove_all
from backstay.auth.authenticator import credentials_by_user
from backstay.auth.begun import drop_begun
from backstay.auth.epoch import bump_epoch
from backstay.auth.factor import factors_by_user
from backstay.auth.hold import NOBODY
from backstay.auth.otp import discard_all
from backstay.auth.postage import notice
from backstay.auth.recoverycode import codes_by_user
from backstay.auth.route import AuthRequest
from backstay.auth.session import end_all
from backstay.auth.tables import Identity, User
from backstay.auth.user import about_providers, email_identity, identities_of, user_by_id
from backstay.db.store import Transaction
from backstay.sql.query import query

#: How an address was proved: the link of a sign-up or an invitation, any other link or code, the word of a trusted
#: third party, or a change of address that its account has asked for.
#: ``role`` is no proof: a role more empties an account that may be somebody else's (``threshold.py``).
By: TypeAlias = Literal["signup", "invite", "mail", "provider", "email_change", "role"]

#: What the proof leaves.  The mail of a sign-up was sent for its very password, and that of an invitation for what the
#: administrator wrote; a change of address was asked for by whoever has the rest.
_LEAVES_PASSWORD: Final = frozenset({"signup"})
_LEAVES_METADATA: Final = frozenset({"signup", "invite"})


@query
def _prove(id: UUID, now: datetime) -> sa.Executable:
    mine = sa.update(User).where(User.id == id, User.email_proved_at.is_(None))
    at = sa.type_coerce(now, sa.DateTime(timezone=True))
    confirmed = sa.func.coalesce(User.email_confirmed_at, at)
    return mine.values(email_proved_at=now, email_confirmed_at=confirmed, updated_at=now).returning(User.id)


@query
def _confirm(id: UUID, now: datetime) -> sa.Executable:
    mine = sa.update(User).where(User.id == id, User.email_proved_at.is_(None))
    at = sa.type_coerce(now, sa.DateTime(timezone=True))
    confirmed = sa.func.coalesce(User.email_confirmed_at, at)
    return mine.values(email_confirmed_at=confirmed, updated_at=now).returning(User.id)


@query
def _forget_entry(id: UUID) -> sa.Executable:
    return sa.update(User).where(User.id == id).values(entered_at=sa.null())


@query
def _drop_password(id: UUID, now: datetime) -> sa.Executable:
    return sa.update(User).where(User.id == id).values(password_hash=sa.null(), password_changed_at=now)


@query
def _drop_identities(user_id: UUID, but: UUID) -> sa.Executable:
    mine = sa.delete(Identity).where(Identity.user_id == user_id, Identity.provider != "email", Identity.id != but)
    return mine.returning(Identity.id)


@query
def _drop_keys(user_id: UUID, now: datetime) -> sa.Executable:
    mine = sa.update(ApiKey).where(ApiKey.created_by == user_id, ApiKey.revoked_at.is_(None))
    return mine.values(revoked_at=now).returning(ApiKey.id)


@query
def set_metadata(id: UUID, user_metadata: dict[str, Any]) -> sa.Executable:
    return sa.update(User).where(User.id == id).values(user_metadata=user_metadata)


@query
def _set_about(id: UUID, app_metadata: dict[str, Any]) -> sa.Executable:
    return sa.update(User).where(User.id == id).values(app_metadata=app_metadata)


@query
def _verify_identity(user_id: UUID, data: dict[str, Any], now: datetime) -> sa.Executable:
    mine = sa.update(Identity).where(Identity.user_id == user_id, Identity.provider == "email")
    return mine.values(data=data, updated_at=now, last_sign_in_at=now)


async def prove_mailbox(
    tx: Transaction,
    accounts: Accounts,
    asked: AuthRequest,
    user: Any,
    now: datetime,
    *,
    by: By,
    but: UUID | None = None,
    surely: bool = True,
) -> bool:
    """The owner of *user* (a held row) has shown to read its address; whether for the first time.

    *but* is the identity that proves it.  Not *surely*: an administrator has seen the link, who may not enter whatever
    the account becomes.  It lets in as any, and the address stays unproved.
    """
    if await tx.one(_prove(user.id, now) if surely else _confirm(user.id, now)) is None:
        return False
    if by == "email_change":
        return True
    if surely and user.entered_at is not None:
        # What is in it was put there by an administrator: neither a sign-up nor an invitation of its owner.
        by = "mail" if by == "signup" else by
        await tx.run(_forget_entry(user.id))
    await empty(tx, accounts, asked, user, now, by=by, but=but)
    user = await tx.one(user_by_id(user.id))
    metadata = {**user.user_metadata, "email_verified": True}
    await tx.run(set_metadata(user.id, metadata))
    await tx.run(_verify_identity(user.id, metadata, now))
    return True


async def empty(
    tx: Transaction,
    accounts: Accounts,
    asked: AuthRequest,
    user: Any,
    now: datetime,
    *,
    by: By,
    but: UUID | None = None,
) -> None:
    """Drop whatever signs in to the account *user* (a held row), or stands for it, and what it says of itself.

    Its roles stay: they are the server's word.
    """
    await discard_all(tx, user.id)
    await drop_begun(tx, user.id)
    dropped: dict[str, bool] = {
        "password": user.password_hash is not None and by not in _LEAVES_PASSWORD,
        "identities": bool(await tx.all(_drop_identities(user.id, but or NOBODY))),
        "factors": bool(await tx.all(factors_by_user(user.id))),
        "passkeys": any(row.factor_id is None for row in await tx.all(credentials_by_user(user.id))),
        "recovery_codes": bool(await tx.all(codes_by_user(user.id))),
    }
    if dropped["password"]:
        await tx.run(_drop_password(user.id, now))
    dropped["sessions"] = bool(await end_all(tx, user.id, now))
    await remove_all(tx, user.id, now)
    dropped["api_keys"] = bool(await tx.all(_drop_keys(user.id, now)))
    if dropped["api_keys"]:
        await bump_epoch(tx)
    if dropped["identities"]:
        await tx.run(_set_about(user.id, about_providers(user.app_metadata, await tx.all(identities_of(user.id)))))
    if by not in _LEAVES_METADATA and user.email_proved_at is None:
        # Names, pictures and links that a stranger chose would greet the owner.
        ours = email_identity(user.id, user.email or "", {}, verified=user.email_confirmed_at is not None)
        dropped["user_metadata"] = bool(user.user_metadata.keys() - ours.keys())
        await tx.run(set_metadata(user.id, ours))
    fields = tuple(name for name, gone in dropped.items() if gone)
    if fields:
        await notice(tx, accounts, user, "account_emptied")
        details = {"method": by, "fields": fields}
        await accounts.audit(tx, Event("account_emptied", now, asked.actor, str(user.id), details))
