"""``GET`` and ``PUT /user``: one's own account."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
import sqlalchemy as sa

from backstay.audit import Event
from backstay.auth.accounts import Accounts
from backstay.auth.assurance import held_session, require_second
from backstay.auth.emailchange import ask_change
from backstay.auth.hold import hold
from backstay.auth.mailing import use_nonce
from backstay.auth.newcomer import checked_metadata
from backstay.auth.otp import discard_all
from backstay.auth.password import check_new_password, is_password, set_password
from backstay.auth.refusal import AuthError
from backstay.auth.rights import password_minimum
from backstay.auth.route import AuthRequest, Route, json_reply
from backstay.auth.session import end_all, is_recent
from backstay.auth.tables import User
from backstay.auth.user import user_by_id
from backstay.db.store import Transaction
from backstay.mail import Letter
from backstay.response.reply import Reply
from backstay.sql.query import query

#: What the server puts beside what an account says of itself: nobody verifies an address by saying so.
_OURS: Final = frozenset({"sub", "email", "email_verified", "phone_verified"})


class Change(msgspec.Struct, frozen=True):
    """Body of ``PUT /user``; what is left out stays."""

    email: str | None = None
    phone: str | None = None
    password: str | None = None
    nonce: str | None = None
    current_password: str | None = None
    data: dict[str, Any] | None = None
    code_challenge: str | None = None
    code_challenge_method: str | None = None


@query
def change_metadata(id: UUID, user_metadata: dict[str, Any], now: datetime) -> sa.Executable:
    return sa.update(User).where(User.id == id).values(user_metadata=user_metadata, updated_at=now)


async def read_user(asked: AuthRequest, accounts: Accounts) -> Reply:
    """The caller's account.

    Raises:
        AuthError: user_not_found, user_banned.
    """
    user = await accounts.living(accounts.store, asked.user_id)
    return json_reply(await accounts.user_json(user))


async def change_user(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Change the caller's own account: metadata is merged (``null`` removes), a password replaces the old one.

    A new password needs the current one, a code of ``GET /reauthenticate``, or a sign-in of the last five minutes
    (PW8).  It ends every other session, takes back every code that is out, and is told by mail.  Where the account has
    a second factor, a new password or address takes it too (MF5).

    Raises:
        AuthError: weak_password, same_password, current_password_mismatch, reauthentication_needed,
            reauthentication_not_valid, email_exists, email_address_invalid, insufficient_aal, phone_provider_disabled;
            over_request_rate_limit.
    """
    body: Change = asked.body
    now = accounts.now()
    user = await accounts.living(accounts.store, asked.user_id)
    if body.phone:
        raise AuthError("phone_provider_disabled", "Phone accounts are disabled")
    if body.password is not None or body.email is not None:
        await require_second(accounts.store, asked.session)
    password_hash = attempt = None
    if body.password is not None:
        check_new_password(accounts, body.password, user.email, await password_minimum(accounts, user.id))
        # Counted like a sign-in: whoever holds the device may not guess the password here instead of there (TH1).
        attempt = await accounts.attempt(asked, user.email or str(user.id))
        await _prove(asked, accounts, user, body, now)
        if user.password_hash is not None and await is_password(accounts, user, body.password):
            raise AuthError("same_password", "New password should be different from the old password.")
        password_hash = await accounts.passwords.hash(body.password)
    if body.email is not None:
        await ask_change(asked, accounts, user, now)

    async def change(tx: Transaction) -> None:
        # Held, and then read: of two changes at once neither loses what the other has set, and none comes after the end
        # of the session that asked for it.
        held = accounts.admitted(await hold(tx, user.id))
        await held_session(tx, asked)
        if body.data is not None:
            current = held.user_metadata
            said = {key: value for key, value in body.data.items() if key not in _OURS}
            merged = {key: value for key, value in (current | said).items() if value is not None}
            await tx.run(change_metadata(user.id, checked_metadata(merged), now))
            await accounts.audit(tx, Event("user_modified", now, asked.actor, str(user.id), {"fields": ("data",)}))
        if password_hash is not None:
            if attempt is not None:
                await accounts.throttle.succeeded(tx, attempt, now=now)
            await replace_password(tx, accounts, asked, user, password_hash, now)

    if body.data is not None or password_hash is not None:
        await accounts.store.transact(change)
        accounts.trust.expire()
        accounts.posted()
    return json_reply(await accounts.user_json(await accounts.store.one(user_by_id(user.id))))


async def replace_password(
    tx: Transaction, accounts: Accounts, asked: AuthRequest, user: Any, password_hash: str, now: datetime
) -> None:
    """Set a new password, with all that PW8 asks for: other sessions and codes end, and the owner is told."""
    await tx.run(set_password(user.id, password_hash, now))
    await discard_all(tx, user.id)
    keep = None if asked.session is None else asked.session.id
    ended = await end_all(tx, user.id, now, but=keep)
    if user.email is not None:
        site = {"email": user.email, "site_name": accounts.options.site_name}
        await accounts.send(tx, Letter(user.email, "password_changed", user.locale or "", site))
    await accounts.audit(tx, Event("user_updated_password", now, asked.actor, str(user.id), {"sessions": len(ended)}))


async def _prove(asked: AuthRequest, accounts: Accounts, user: Any, body: Change, now: datetime) -> None:
    """That it is the owner who changes the password, and not whoever found the device unlocked."""
    if body.current_password is not None:
        if not await is_password(accounts, user, body.current_password):
            raise AuthError("current_password_mismatch", "Current password required when setting new password.")
        return
    if body.nonce is not None:
        await use_nonce(accounts, asked, user, body.nonce)
        return
    if not is_recent(asked.session, accounts.options, now):
        raise AuthError("reauthentication_needed", "Password update requires reauthentication")


ROUTES: Final = (
    Route("GET", "user", "user", read_user, "One's own account"),
    Route("PUT", "user", "user", change_user, "Change one's own account", Change, query=("redirect_to",)),
)
