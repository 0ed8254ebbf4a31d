"""``POST /invite`` and ``POST /admin/generate_link``: ways in for somebody else, by mail or to be sent otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
import sqlalchemy as sa

from backstay.audit import Event
from backstay.auth.accounts import Accounts
from backstay.auth.address import normal_email
from backstay.auth.emailchange import wish
from backstay.auth.hold import hold
from backstay.auth.mailbox import set_metadata
from backstay.auth.newcomer import checked_metadata, create_account
from backstay.auth.otp import Secret, issue
from backstay.auth.password import check_new_password, set_password
from backstay.auth.postage import INVITE_LIFETIME, link, post
from backstay.auth.redirect import allowed_redirect
from backstay.auth.refusal import AuthError, email_exists, invalid
from backstay.auth.rights import check_enters, check_reach, check_stands, may_everything
from backstay.auth.route import AuthRequest, Route, json_reply
from backstay.auth.superseded import supersede
from backstay.auth.tables import User
from backstay.auth.threshold import note_entry
from backstay.auth.user import email_identity, user_by_email, user_by_id
from backstay.db.store import Transaction
from backstay.errors import DatabaseError
from backstay.response.reply import Reply
from backstay.sql.query import query

#: ``type`` of the request → ``type`` of the link.
_TYPES: Final = {
    "signup": "signup",
    "invite": "invite",
    "magiclink": "magiclink",
    "recovery": "recovery",
    "email_change_current": "email_change",
    "email_change_new": "email_change",
}


class Invitation(msgspec.Struct, frozen=True):
    """Body of ``POST /invite``."""

    email: str = ""
    data: dict[str, Any] | None = None


class LinkParams(msgspec.Struct, frozen=True):
    """Body of ``POST /admin/generate_link``."""

    type: str = ""
    email: str = ""
    password: str = ""
    new_email: str = ""
    data: dict[str, Any] | None = None
    redirect_to: str | None = None


@query
def _invited(id: UUID, now: datetime) -> sa.Executable:
    return sa.update(User).where(User.id == id).values(invited_at=now, confirmation_sent_at=now, updated_at=now)


async def invite(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Send somebody a link that makes them an account, good for a day.

    Raises:
        AuthError: validation_failed, email_address_invalid, email_exists (it is somebody's who has confirmed it),
            not_admin (it may do more than the caller); over_email_send_rate_limit.
    """
    body: Invitation = asked.body
    now, email, data = accounts.now(), normal_email(body.email), checked_metadata(body.data)
    redirect_to = allowed_redirect(accounts.options, asked.redirect_to)
    await accounts.spend(asked, "mail_address", "mail_address_hour", "mail", identifier=email)

    async def send(tx: Transaction) -> UUID:
        user = await _newcomer(tx, asked, email, data, now)
        await check_stands(accounts, tx, asked)
        await check_reach(accounts, tx, asked, user.id)
        await supersede(tx, user, "invite")
        await tx.run(_invited(user.id, now))
        await post(tx, accounts, user, "invite", redirect_to, now)
        await accounts.audit(tx, Event("user_invited", now, asked.actor, str(user.id)))
        return UUID(str(user.id))

    id = await _taken_once(accounts, send)
    accounts.posted()
    return json_reply(await accounts.user_json(await accounts.store.one(user_by_id(id))))


async def generate_link(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Make a link, and send it to nobody: the answer has it.

    Raises:
        AuthError: validation_failed, email_address_invalid, email_exists, user_not_found, weak_password, user_banned,
            not_admin (the account may do more than the caller, or has other roles).
    """
    body: LinkParams = asked.body
    if body.type not in _TYPES:
        raise invalid("Unsupported email action link type requested", hint=f"One of {', '.join(_TYPES)}.")
    now, email, data = accounts.now(), normal_email(body.email), checked_metadata(body.data)
    new_email = normal_email(body.new_email) if body.type.startswith("email_change") else None
    redirect_to = allowed_redirect(accounts.options, asked.redirect_to or body.redirect_to)
    password_hash = None
    if body.type == "signup":
        if not body.password:
            raise invalid("Signup requires a valid password")
        check_new_password(accounts, body.password, email)
        password_hash = await accounts.passwords.hash(body.password)
    making = _Making(asked, accounts, body.type, email, new_email, data, password_hash, redirect_to, now)
    id, secret, kind = await _taken_once(accounts, making.run)
    shown = await accounts.user_json(await accounts.store.one(user_by_id(id)))
    shown |= {
        "action_link": link(accounts, secret.token, _TYPES[kind], redirect_to),
        "email_otp": secret.code,
        "hashed_token": secret.token,
        "redirect_to": redirect_to,
        "verification_type": kind,
    }
    return json_reply(shown)


@dataclass(frozen=True, slots=True, repr=False)
class _Making:
    """One link in the making, in its transaction."""

    asked: AuthRequest
    accounts: Accounts
    type: str
    email: str
    new_email: str | None
    data: dict[str, Any]
    password_hash: str | None
    redirect_to: str
    now: datetime

    async def run(self, tx: Transaction) -> tuple[UUID, Secret, str]:
        asked, accounts, now = self.asked, self.accounts, self.now
        user, kind = await _held(tx, self.email), self.type
        await check_stands(accounts, tx, asked)
        if user is not None:
            await check_enters(accounts, tx, asked, user.id)
        if user is not None and user.banned_until is not None and user.banned_until > now:
            raise AuthError("user_banned", "User is banned")
        if user is None and kind == "magiclink":
            # As GoTrue: who has no account gets one.
            kind = "signup"
        if kind in ("signup", "invite"):
            user = await _newcomer(tx, asked, self.email, self.data, now)
            if self.password_hash is not None:
                await tx.run(set_password(user.id, self.password_hash, now))
            if kind == "invite":
                await tx.run(_invited(user.id, now))
        if user is None:
            raise AuthError("user_not_found", "User with this email not found")
        await supersede(tx, user, kind)
        address = user.email
        if self.new_email is not None:
            if await tx.one(user_by_email(self.new_email)) is not None:
                raise email_exists()
            if user.new_email != self.new_email or user.email_change_session_id is not None:
                await tx.run(wish(user.id, self.new_email, None, now))
            address = self.new_email if kind == "email_change_new" else user.email
        minutes = accounts.options.otp_seconds // 60
        lifetime = INVITE_LIFETIME if kind == "invite" else timedelta(minutes=max(1, minutes))
        await note_entry(tx, accounts, asked, user.id, now)
        secret = await issue(
            tx,
            accounts.otp_key,
            user_id=user.id,
            kind=kind,
            address=address,
            now=now,
            lifetime=lifetime,
            redirect_to=self.redirect_to,
            proves=await may_everything(accounts, tx, asked),
        )
        event = "user_invited" if kind == "invite" else "user_recovery_requested"
        details = {} if kind == "invite" else {"method": "link"}
        await accounts.audit(tx, Event(event, now, asked.actor, str(user.id), details))
        return user.id, secret, kind


async def _newcomer(tx: Transaction, asked: AuthRequest, email: str, data: dict[str, Any], now: datetime) -> Any:
    """The account (row) that is to confirm this address: a new one, or one that never has.

    Raises:
        AuthError: email_exists.
    """
    user = await _held(tx, email)
    if user is None:
        id = await create_account(tx, asked, email, None, data, now, confirmed=False)
        return await tx.one(user_by_id(id))
    if user.email_confirmed_at is not None:
        raise email_exists()
    # Whoever made it is unknown, and what they said of themselves goes (OA7).
    await tx.run(set_metadata(user.id, email_identity(user.id, email, data, verified=False)))
    return user


async def _held(tx: Transaction, email: str) -> Any:
    """Who has this address, held."""
    user = await tx.one(user_by_email(email))
    return None if user is None else await hold(tx, user.id)


async def _taken_once(accounts: Accounts, flow: Any) -> Any:
    try:
        return await accounts.store.transact(flow)
    except DatabaseError as error:
        # Two with one address at the same moment: the unique index decides.
        raise email_exists() if error.code == "23505" else error from None


ROUTES: Final = (
    Route("POST", "invite", "admin", invite, "Invite somebody", Invitation, ("redirect_to",), permission="users:write"),
    Route(
        "POST",
        "admin/generate_link",
        "admin",
        generate_link,
        "Make a link without a mail",
        LinkParams,
        ("redirect_to",),
        permission="users:write",
    ),
)
