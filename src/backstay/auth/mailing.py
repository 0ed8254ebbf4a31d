"""What an account asks to be sent: ``/recover``, ``/otp``, ``/magiclink``, ``/resend``, ``/reauthenticate``.

Every answer is ``{}``, whether or not there is such an account (TH5).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
import sqlalchemy as sa

from backstay.audit import Event
from backstay.auth.accounts import Accounts
from backstay.auth.address import normal_email
from backstay.auth.assurance import held_session
from backstay.auth.flow import begin_flow, checked_challenge
from backstay.auth.hold import NOBODY, hold
from backstay.auth.mailbox import set_metadata
from backstay.auth.newcomer import checked_metadata, create_unless
from backstay.auth.otp import use_code
from backstay.auth.postage import issue_for, nobody_at, notice, post, post_nobody
from backstay.auth.redirect import allowed_redirect
from backstay.auth.refusal import AuthError, invalid
from backstay.auth.route import AuthRequest, Route, json_reply
from backstay.auth.superseded import supersede
from backstay.auth.tables import User
from backstay.auth.user import email_identity, user_by_email
from backstay.db.store import Transaction
from backstay.errors import DatabaseError
from backstay.response.reply import Reply
from backstay.sql.query import query

_EVENTS: Final = {
    "recovery": "user_recovery_requested",
    "magiclink": "user_recovery_requested",
    "signup": "user_confirmation_requested",
    "reauthentication": "user_reauthenticate_requested",
}


class Ask(msgspec.Struct, frozen=True):
    """Body of ``/recover``, ``/otp``, ``/magiclink`` and ``/resend``."""

    email: str = ""
    phone: str = ""
    type: str = ""
    create_user: bool = True
    data: dict[str, Any] | None = None
    channel: str | None = None
    code_challenge: str | None = None
    code_challenge_method: str | None = None


@query
def _recovery_sent(id: UUID, now: datetime) -> sa.Executable:
    return sa.update(User).where(User.id == id).values(recovery_sent_at=now)


@query
def confirmation_sent(id: UUID, now: datetime) -> sa.Executable:
    return sa.update(User).where(User.id == id).values(confirmation_sent_at=now)


@query
def _reauthentication_sent(id: UUID, now: datetime) -> sa.Executable:
    return sa.update(User).where(User.id == id).values(reauthentication_sent_at=now)


_SENT: Final = {
    "recovery": _recovery_sent,
    "magiclink": _recovery_sent,
    "signup": confirmation_sent,
    "invite": confirmation_sent,
    "reauthentication": _reauthentication_sent,
}


async def recover(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Send a link and a code that sign in whoever has forgotten the password."""
    return await _send(asked, accounts, lambda user: "recovery", "recovery")


async def otp(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Send a link and a code to sign in with; a new address gets an account, unless ``create_user`` is false.

    Raises:
        AuthError: phone_provider_disabled, validation_failed; over_email_send_rate_limit.
    """
    body: Ask = asked.body
    if body.phone and not body.email:
        raise AuthError("phone_provider_disabled", "Unsupported phone provider")
    creates = body.create_user and accounts.options.signup
    return await _send(asked, accounts, _sign_in_kind, "magiclink", creates=creates)


async def resend(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Send the newest mail of a kind again, with a new link and code; the old ones are no longer good.

    Raises:
        AuthError: validation_failed; over_email_send_rate_limit.
    """
    body: Ask = asked.body
    if body.type not in ("signup", "email_change"):
        raise invalid("Missing one of these types: signup, email_change", hint="Phones are not supported.")
    if body.type == "signup":
        return await _send(
            asked, accounts, lambda user: "signup" if user.email_confirmed_at is None else None, "signup"
        )
    return await _send(asked, accounts, lambda user: "email_change" if user.new_email else None, "email_change")


async def reauthenticate(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Send the code that a new password takes when the sign-in is too old (PW8).

    Raises:
        AuthError: validation_failed, for an account without an address.
    """
    now = accounts.now()
    user = await accounts.living(accounts.store, asked.user_id)
    if user.email is None:
        raise invalid("Reauthentication requires the user to have an email or a phone number")
    await accounts.spend(asked, "mail_address", "mail_address_hour", "mail_ip", "mail", identifier=user.email)

    async def send(tx: Transaction) -> None:
        accounts.admitted(await hold(tx, user.id))
        await held_session(tx, asked)
        await _post(tx, asked, accounts, user, "reauthentication", "", None, now, session_id=asked.session.id)

    await accounts.store.transact(send)
    accounts.posted()
    return json_reply({})


async def use_nonce(accounts: Accounts, asked: AuthRequest, user: Any, nonce: str) -> None:
    """Use up the code of ``/reauthenticate``.

    Raises:
        AuthError: reauthentication_not_valid; the try is counted, over_request_rate_limit.
    """
    now = accounts.now()
    attempt = await accounts.attempt(asked, str(user.id), purpose="nonce", limit="verify")

    async def use(tx: Transaction) -> Any:
        await hold(tx, user.id)
        used = await use_code(
            tx,
            accounts.otp_key,
            user_id=user.id,
            kind="reauthentication",
            address=user.email or "",
            code=nonce,
            now=now,
        )
        if used is not None and used.session_id != asked.session.id:
            # Sent to another session: where its owner is signed in as well, or a thief is.
            return None
        if used is not None:
            await accounts.throttle.succeeded(tx, attempt, now=now)
        return used

    if await accounts.store.transact(use) is None:
        raise AuthError("reauthentication_not_valid", "Nonce has expired or is invalid")


def _sign_in_kind(user: Any) -> str:
    # Who asks for a link may not be who chose the password of an account that nobody has confirmed: a link of this
    # kind drops the password when it is used, and one of the kind `signup` would make it good (OA7).
    return "magiclink" if user.email_confirmed_at is not None or user.password_hash is not None else "signup"


async def _send(
    asked: AuthRequest,
    accounts: Accounts,
    kind_of: Callable[[Any], str | None],
    otherwise: str,
    *,
    creates: bool = False,
) -> Reply:
    """Send what *kind_of* the account says, to the address of the body.

    For an address without an account, and for one that has nothing to be sent, the same is done as if it were sent the
    kind *otherwise*.
    """
    body: Ask = asked.body
    if not body.email:
        raise invalid("Password recovery requires an email" if not creates else "One of email or phone must be set")
    email = normal_email(body.email)
    challenge = checked_challenge(body.code_challenge, body.code_challenge_method)
    data = checked_metadata(body.data)
    await accounts.spend(asked, "otp", "mail_address", "mail_address_hour", "mail_ip", "mail", identifier=email)
    redirect_to = allowed_redirect(accounts.options, asked.redirect_to)
    now = accounts.now()

    async def send(tx: Transaction) -> None:
        user = await tx.one(user_by_email(email))
        user = await hold(tx, None if user is None else user.id)
        if otherwise == "magiclink":
            # Of several who wrote the address the newest says what the account says of itself, as with sign-ups; for
            # everybody else the same is done to nobody (TH5).
            bare = user is not None and user.email_confirmed_at is None and user.password_hash is None
            again = user.id if bare and user.invited_at is None else NOBODY
            await tx.run(set_metadata(again, email_identity(again, email, data, verified=False)))
        if creates:
            user = await create_unless(tx, asked, email, None, data, now, user=user)
        banned = user is not None and user.banned_until is not None and user.banned_until > now
        kind = None if user is None or banned else kind_of(user)
        if otherwise == "email_change":
            # Asked in every case (TH5): where nobody changes, of an address that nobody can have.
            wanted = f"new for {email}" if kind is None else user.new_email
            kind = kind if await _may_ask(tx, accounts, wanted, now) else None
        flow_id = None if challenge is None else await begin_flow(tx, challenge, now)
        if otherwise in ("recovery", "magiclink"):
            await supersede(tx, user, kind)
        if kind is None:
            await _post(tx, asked, accounts, None, otherwise, redirect_to, flow_id, now, email=email)
        else:
            await _post(tx, asked, accounts, user, kind, redirect_to, flow_id, now)

    try:
        await accounts.store.transact(send)
    except DatabaseError as error:
        # Two requests for a new address at the same moment: the other one has made the account, and sent the mail.
        if error.code != "23505":
            raise
    accounts.posted()
    return json_reply({})


async def _may_ask(tx: Transaction, accounts: Accounts, wanted: str, now: datetime) -> bool:
    """Whether the address that an account wants, *wanted*, may be written to again.

    The request names the old one, so the limits of the new one, whose owner may know nothing of this, are counted here;
    and where it has an account by now, there is nothing to agree to.
    """
    taken = await tx.one(user_by_email(wanted)) is not None
    limits = ("mail_address", "mail_address_hour")
    return await accounts.throttle.spend(tx, *limits, now=now, identifier=wanted) is None and not taken


async def _post(
    tx: Transaction,
    asked: AuthRequest,
    accounts: Accounts,
    user: Any,
    kind: str,
    redirect_to: str,
    flow_id: UUID | None,
    now: datetime,
    *,
    email: str = "",
    session_id: UUID | None = None,
) -> None:
    """Send *kind* to the account *user*; for ``None`` do as much for the address *email*, and send nothing."""
    if kind == "email_change":
        if user is None:
            both = {"new_email": email, "email": email}
            for side in ("email_change_current", "email_change_new"):
                await post_nobody(tx, accounts, email, side, redirect_to, now, flow_id=flow_id, **both)
        else:
            await post_change(tx, accounts, user, redirect_to, flow_id, now)
        return
    await tx.run(_SENT[kind](NOBODY if user is None else user.id, now))
    if user is None:
        await post_nobody(tx, accounts, email, kind, redirect_to, now, flow_id=flow_id)
    else:
        await post(tx, accounts, user, kind, redirect_to, now, flow_id=flow_id, session_id=session_id)
    # Also where there is no account: that somebody looks for accounts is worth knowing.
    subject = None if user is None else str(user.id)
    await accounts.audit(tx, Event(_EVENTS[kind], now, asked.actor, subject, {"method": "email"}))


async def post_change(
    tx: Transaction,
    accounts: Accounts,
    user: Any,
    redirect_to: str,
    flow_id: UUID | None,
    now: datetime,
    *,
    taken: Any = None,
) -> None:
    """Ask both sides of a change of address; only the new one where there is no old one that was confirmed.

    Where the new address has an account, *taken*, its owner is told instead of asked.
    """
    both = {"new_email": user.new_email, "email": user.email or user.new_email}
    session_id = user.email_change_session_id
    if user.email is not None and user.email_confirmed_at is not None:
        await post(
            tx, accounts, user, "email_change_current", redirect_to, now, flow_id=flow_id, session_id=session_id, **both
        )
    if taken is not None:
        nobody = nobody_at(accounts, user.new_email)
        await issue_for(tx, accounts, nobody.id, "email_change_new", nobody.email, redirect_to, now, flow_id)
        await notice(tx, accounts, taken, "account_exists", link=accounts.options.site_url)
        return
    await post(
        tx,
        accounts,
        user,
        "email_change_new",
        redirect_to,
        now,
        address=user.new_email,
        flow_id=flow_id,
        session_id=session_id,
        **both,
    )


ROUTES: Final = (
    Route("POST", "recover", "anyone", recover, "Have a way in sent, without the password", Ask, ("redirect_to",)),
    Route("POST", "otp", "anyone", otp, "Have a link and a code sent", Ask, ("redirect_to",)),
    Route("POST", "magiclink", "anyone", otp, "Have a link and a code sent", Ask, ("redirect_to",)),
    Route("POST", "resend", "anyone", resend, "Have the newest mail sent again", Ask, ("redirect_to",)),
    Route("GET", "reauthenticate", "user", reauthenticate, "Have a code sent that proves who one is"),
)
