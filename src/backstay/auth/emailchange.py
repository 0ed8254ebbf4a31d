"""A change of address: asked for by the account, confirmed on both sides, told to the old one."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from backstay.audit import Event
from backstay.auth.accounts import Accounts
from backstay.auth.address import normal_email
from backstay.auth.assurance import held_session
from backstay.auth.flow import begin_flow, checked_challenge
from backstay.auth.hold import hold
from backstay.auth.mailbox import prove_mailbox
from backstay.auth.mailing import post_change
from backstay.auth.otp import Used, discard_all
from backstay.auth.postage import notice
from backstay.auth.redirect import allowed_redirect
from backstay.auth.refusal import AuthError, email_exists
from backstay.auth.route import AuthRequest
from backstay.auth.session import end_all
from backstay.auth.tables import Identity, User
from backstay.auth.user import add_identity, email_identity, identities_of, user_by_email, user_by_id
from backstay.db.store import Transaction
from backstay.sql.query import query


@query
def wish(id: UUID, new_email: str, session_id: UUID | None, now: datetime) -> sa.Executable:
    mine = sa.update(User).where(User.id == id)
    return mine.values(
        new_email=new_email,
        email_change_session_id=session_id,
        email_change_sent_at=now,
        email_change_confirmed=0,
        updated_at=now,
    )


@query
def _one_side(id: UUID, side: int, new_email: str) -> sa.Executable:
    """Bit 1: the old address; bit 2: the new one.  Nothing where the wish has changed since."""
    mine = sa.update(User).where(User.id == id, User.new_email == new_email)
    both = User.email_change_confirmed.op("|")(sa.type_coerce(side, sa.BigInteger()))
    return mine.values(email_change_confirmed=both).returning(User.email_change_confirmed)


@query
def _change(
    id: UUID,
    address: str,
    confirmed_at: datetime | None,
    user_metadata: dict[str, Any],
    app_metadata: dict[str, Any],
    now: datetime,
) -> sa.Executable:
    return (
        sa.update(User)
        .where(User.id == id)
        .values(
            email=address,
            email_confirmed_at=confirmed_at,
            # A proof is of one address.
            email_proved_at=sa.case((User.email == address, User.email_proved_at), else_=sa.null()),
            new_email=None,
            email_change_session_id=None,
            email_change_confirmed=0,
            is_anonymous=False,
            user_metadata=user_metadata,
            app_metadata=app_metadata,
            updated_at=now,
        )
    )


@query
def _change_identity(id: UUID, email: str, data: dict[str, Any], now: datetime) -> sa.Executable:
    return sa.update(Identity).where(Identity.id == id).values(email=email, data=data, updated_at=now)


async def ask_change(asked: AuthRequest, accounts: Accounts, user: Any, now: datetime) -> None:
    """Note the wish, and ask both addresses.

    An address that is taken is refused where sign-ups say so too; elsewhere its owner is told by mail, and nobody else.

    Raises:
        AuthError: email_address_invalid, email_exists; over_email_send_rate_limit.
    """
    email = normal_email(asked.body.email)
    if email == user.email:
        return
    challenge = checked_challenge(asked.body.code_challenge, asked.body.code_challenge_method)
    redirect_to = allowed_redirect(accounts.options, asked.redirect_to)
    await accounts.spend(asked, "mail_address", "mail_address_hour", "mail_ip", "mail", identifier=email)
    if user.email is not None:
        # It is written to as well, whatever other address is asked for.
        await accounts.spend(asked, "mail_address_hour", identifier=user.email)

    async def ask(tx: Transaction) -> None:
        accounts.admitted(await hold(tx, user.id))
        await held_session(tx, asked)
        taken = await tx.one(user_by_email(email))
        if taken is not None and accounts.options.autoconfirm:
            raise email_exists()
        await tx.run(wish(user.id, email, asked.session.id, now))
        wishing = await tx.one(user_by_id(user.id))
        flow_id = None if challenge is None else await begin_flow(tx, challenge, now)
        # The asker's own mailbox gets its mail in both cases, so that its absence tells nothing (TH5).
        await post_change(tx, accounts, wishing, redirect_to, flow_id, now, taken=taken)
        await accounts.audit(tx, Event("user_modified", now, asked.actor, str(user.id), {"fields": ("new_email",)}))

    await accounts.store.transact(ask)
    accounts.posted()


async def confirm_change(
    tx: Transaction, accounts: Accounts, asked: AuthRequest, user: Any, used: Used, now: datetime
) -> bool:
    """One side agrees; true when both have, and the address has changed.

    Raises:
        AuthError: email_exists, when the address was taken in the meantime.
    """
    side = 1 if used.kind == "email_change_current" else 2
    # Asked for another address since: who agreed to the one before has not agreed to this one.
    stale = user.email_change_sent_at is None or used.created_at < user.email_change_sent_at
    row = None if user.new_email is None or stale else await tx.one(_one_side(user.id, side, user.new_email))
    if row is None or (side == 2 and used.address != user.new_email):
        raise AuthError("otp_expired", "Token has expired or is invalid")
    needed = 3 if user.email is not None and user.email_confirmed_at is not None else 2
    if row.email_change_confirmed & needed != needed:
        return False
    if await tx.one(user_by_email(user.new_email)) is not None:
        raise email_exists()
    await put_address(tx, user, user.new_email, now, now)
    await prove_mailbox(tx, accounts, asked, user, now, by="email_change", surely=used.proves)
    await discard_all(tx, user.id)
    if user.email is not None:
        # TK4: who signed in under the old address signs in again; the one that follows the link has a new session.
        await end_all(tx, user.id, now)
        await notice(tx, accounts, user, "email_changed", new_email=user.new_email)
    await accounts.audit(tx, Event("user_modified", now, asked.actor, str(user.id), {"fields": ("email",)}))
    return True


async def put_address(tx: Transaction, user: Any, email: str, confirmed_at: datetime | None, now: datetime) -> None:
    """Give the account (row) this address, and its identity with it."""
    metadata = email_identity(user.id, email, user.user_metadata, verified=confirmed_at is not None)
    providers = [*user.app_metadata.get("providers", ())]
    if "email" not in providers:
        providers.append("email")
    about = {**user.app_metadata, "provider": user.app_metadata.get("provider", "email"), "providers": providers}
    await tx.run(_change(user.id, email, confirmed_at, metadata, about, now))
    identities = [row for row in await tx.all(identities_of(user.id)) if row.provider == "email"]
    if identities:
        await tx.run(_change_identity(identities[0].id, email, metadata, now))
    else:
        await tx.run(add_identity(uuid4(), user.id, "email", str(user.id), metadata, email, now))
