"""``POST /signup``: a new account, by e-mail address and password, or without either."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import uuid4

import msgspec

from backstay.audit import Event
from backstay.auth.accounts import Accounts
from backstay.auth.address import normal_email
from backstay.auth.confirm import sign_up_confirmed
from backstay.auth.newcomer import checked_metadata, create_account
from backstay.auth.password import check_new_password
from backstay.auth.refusal import AuthError, invalid
from backstay.auth.route import AuthRequest, Route, json_reply
from backstay.auth.session import Opened, start_session
from backstay.auth.signin import login_event
from backstay.auth.user import add_user, user_by_email
from backstay.db.store import Transaction
from backstay.errors import DatabaseError
from backstay.response.reply import Reply


class SignUp(msgspec.Struct, frozen=True):
    """Body of ``POST /signup``."""

    email: str | None = None
    phone: str | None = None
    password: str | None = None
    data: dict[str, Any] | None = None
    channel: str | None = None
    code_challenge: str | None = None
    code_challenge_method: str | None = None


async def sign_up(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Make an account.

    With confirmation of addresses the answer is a User, and the same for an address that has an account already: what
    is true is told by mail, to whoever reads that (TH5).  Without it, a session.

    Raises:
        AuthError: signup_disabled, weak_password, email_address_invalid, user_already_exists (without confirmation
            only), anonymous_provider_disabled, phone_provider_disabled; over_email_send_rate_limit.
    """
    body: SignUp = asked.body
    options, now = accounts.options, accounts.now()
    await accounts.spend(asked, "signup")
    if not options.signup:
        raise AuthError("signup_disabled", "Signups not allowed for this instance")
    data = checked_metadata(body.data)
    if body.phone and not body.email:
        raise AuthError("phone_provider_disabled", "Phone signups are disabled")
    if not body.email:
        if body.password:
            raise invalid("To signup, please provide your email")
        return await _anonymous(asked, accounts, data, now)
    email = normal_email(body.email)
    if not body.password:
        raise invalid("Signup requires a valid password")
    check_new_password(accounts, body.password, email)
    password_hash = await accounts.passwords.hash(body.password)
    if not options.autoconfirm:
        return await sign_up_confirmed(asked, accounts, email, password_hash, data, now)

    async def make(tx: Transaction) -> Opened:
        if await tx.one(user_by_email(email)) is not None:
            raise _exists()
        user_id = await create_account(tx, asked, email, password_hash, data, now, confirmed=True)
        opened = await start_session(tx, options, user_id=user_id, method="password", device=asked.device, now=now)
        signed_up = Event("user_signedup", now, asked.actor, str(user_id), {"method": "password", "provider": "email"})
        await accounts.audit(tx, signed_up, login_event(asked, opened, now))
        return opened

    try:
        opened = await accounts.store.transact(make)
    except DatabaseError as error:
        # Two sign-ups with one address at the same moment: the unique index decides.
        raise _exists() if error.code == "23505" else error from None
    return json_reply(await accounts.session_json(opened))


async def _anonymous(asked: AuthRequest, accounts: Accounts, data: dict[str, Any], now: datetime) -> Reply:
    if not accounts.options.anonymous_sign_ins:
        raise AuthError("anonymous_provider_disabled", "Anonymous sign-ins are disabled")

    await accounts.spend(asked, "anonymous")

    async def make(tx: Transaction) -> Opened:
        user_id = uuid4()
        await tx.run(add_user(user_id, None, None, None, None, {}, data, True, asked.locale, now))
        opened = await start_session(
            tx, accounts.options, user_id=user_id, method="anonymous", device=asked.device, now=now
        )
        event = Event("user_signedup", now, asked.actor, str(user_id), {"method": "anonymous"})
        await accounts.audit(tx, event, login_event(asked, opened, now))
        return opened

    return json_reply(await accounts.session_json(await accounts.store.transact(make)))


def _exists() -> AuthError:
    return AuthError("user_already_exists", "User already registered")


ROUTES: Final = (Route("POST", "signup", "anyone", sign_up, "Make an account", SignUp, query=("redirect_to",)),)
