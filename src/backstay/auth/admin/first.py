"""The first administrator: a link that signs in once, printed for whoever has the server (SE3).

There is no account that is there by default, and no password that is printed: the link is good for fifteen minutes, and
its follower chooses a password and a second factor.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from backstay.audit import Event
from backstay.auth.accounts import Accounts
from backstay.auth.address import normal_email
from backstay.auth.assignment import assign
from backstay.auth.hold import hold
from backstay.auth.newcomer import create_account
from backstay.auth.otp import Secret, issue
from backstay.auth.postage import link
from backstay.auth.refusal import AuthError
from backstay.auth.rights import ADMIN
from backstay.auth.route import AuthRequest
from backstay.auth.threshold import cross, is_doubtful
from backstay.auth.user import user_by_email, user_by_id
from backstay.db.store import Transaction

LIFETIME: Final = timedelta(minutes=15)


async def appoint(asked: AuthRequest, accounts: Accounts, email: str) -> dict[str, Any]:
    """Give *email* an account with the role ``admin``, and a link that signs in: ``id``, ``email``, ``link``.

    The address counts as confirmed, since its link goes to whoever asked.  Were it not, somebody else could sign up
    with it first, and its owner would confirm their password (OA7).

    Raises:
        AuthError: email_address_invalid, user_banned, email_not_confirmed, account_not_proved (there is an account,
            and the query has no ``empty=true``).
    """
    address, now = normal_email(email), accounts.now()

    async def make(tx: Transaction) -> tuple[UUID, Secret]:
        user = await tx.one(user_by_email(address))
        user = None if user is None else await hold(tx, user.id)
        if user is None:
            # Nobody else has had it, and whoever has the server says whose it is.
            id = await create_account(tx, asked, address, None, {}, now, confirmed=True, proved=True)
            user = await tx.one(user_by_id(id))
        if user.email_confirmed_at is None:
            raise AuthError(
                "email_not_confirmed",
                "Somebody signed up with this address, and it is not confirmed",
                hint="Delete that account first, or have it confirmed.",
            )
        if user.banned_until is not None and user.banned_until > now:
            raise AuthError("user_banned", "User is banned")
        given = await assign(tx, accounts, asked, user.id, ADMIN, None, now)
        if not given and is_doubtful(user):
            # It has the role since before there was a threshold.
            await cross(tx, accounts, asked, user.id, now)
        secret = await issue(
            tx,
            accounts.otp_key,
            user_id=user.id,
            kind="recovery",
            address=address,
            now=now,
            lifetime=LIFETIME,
            redirect_to=accounts.options.site_url,
        )
        events = [Event("role_granted", now, asked.actor, str(user.id), {"role": ADMIN})] if given else []
        requested = Event("user_recovery_requested", now, asked.actor, str(user.id), {"method": "link"})
        await accounts.audit(tx, *events, requested)
        return user.id, secret

    id, secret = await accounts.store.transact(make)
    accounts.trust.expire()
    accounts.posted()
    return {
        "id": str(id),
        "email": address,
        "link": link(accounts, secret.token, "recovery", accounts.options.site_url),
        "minutes": LIFETIME // timedelta(minutes=1),
    }
