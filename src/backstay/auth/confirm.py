"""Sign-up where addresses are confirmed: the answer is the same for a new address and for one that has an account.

A new address gets a link to confirm it.  One with an account gets a letter that says so.  One that was never confirmed
gets a new link.  Its password stays when the new sign-up has the same one, and is dropped else: of two people who wrote
the address into a form only one reads its mail, and which of them chose which password nobody knows (OA7).
"""

from __future__ import annotations

from collections import namedtuple
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

import sqlalchemy as sa

from backstay.audit import Event
from backstay.auth.accounts import Accounts
from backstay.auth.flow import begin_flow, checked_challenge
from backstay.auth.hold import NOBODY, hold
from backstay.auth.mailing import confirmation_sent
from backstay.auth.newcomer import create_unless
from backstay.auth.postage import issue_for, nobody_at, notice, post
from backstay.auth.redirect import allowed_redirect
from backstay.auth.route import AuthRequest, json_reply
from backstay.auth.session import end_all
from backstay.auth.tables import Identity, User
from backstay.auth.user import email_identity, user_by_email, user_json
from backstay.db.own import Own
from backstay.db.store import Transaction
from backstay.errors import DatabaseError
from backstay.response.reply import Reply
from backstay.sql.query import query


def _row_of(table: type[Own]) -> Any:
    """A row like the table's: used where the answer is made up."""
    return namedtuple(table.__name__, [column.key for column in table.__table__.columns])


_User: Final = _row_of(User)
_Identity: Final = _row_of(Identity)


@query
def _again(
    id: UUID, password_hash: str | None, user_metadata: dict[str, Any], locale: str | None, now: datetime
) -> sa.Executable:
    mine = sa.update(User).where(User.id == id, User.email_confirmed_at.is_(None))
    return mine.values(
        password_hash=password_hash, user_metadata=user_metadata, locale=locale, updated_at=now
    ).returning(User.id)


async def sign_up_confirmed(
    asked: AuthRequest, accounts: Accounts, email: str, password_hash: str, data: dict[str, Any], now: datetime
) -> Reply:
    """Make the account, or not, and answer as if."""
    challenge = checked_challenge(asked.body.code_challenge, asked.body.code_challenge_method)
    redirect_to = allowed_redirect(accounts.options, asked.redirect_to)
    await accounts.spend(asked, "mail_address", "mail_address_hour", "mail_ip", "mail", identifier=email)

    earlier = await accounts.store.one(user_by_email(email))
    known = None if earlier is None or earlier.email_confirmed_at is not None else earlier.password_hash
    # Looked at in every case, so that it takes as long (TH5).
    same = (await accounts.passwords.verify(known, asked.body.password)).ok

    async def make(tx: Transaction) -> UUID:
        user = await tx.one(user_by_email(email))
        user = await hold(tx, None if user is None else user.id)
        flow_id = None if challenge is None else await begin_flow(tx, challenge, now)
        # The same statements in all three cases; what one of them has no use for is done to nobody (TH5).
        taken = user is not None and user.email_confirmed_at is not None
        again = user.id if user is not None and not taken else NOBODY
        user = await create_unless(tx, asked, email, password_hash, data, now, user=user)
        # What an administrator wrote into an invitation is not for others to write over.
        said = user.user_metadata if user.invited_at is not None else data
        metadata = email_identity(again, email, said, verified=False)
        kept = known if same and user.password_hash == known else None
        await tx.run(_again(again, kept, metadata, asked.locale, now))
        await end_all(tx, again, now)
        await tx.run(confirmation_sent(NOBODY if taken else user.id, now))
        if taken:
            nobody = nobody_at(accounts, email)
            await issue_for(tx, accounts, nobody.id, "signup", nobody.email, redirect_to, now, flow_id)
            await notice(tx, accounts, user, "account_exists", link=accounts.options.site_url)
            event, shown = "user_repeated_signup", nobody.id
        else:
            await post(tx, accounts, user, "signup", redirect_to, now, flow_id=flow_id)
            event, shown = "user_signedup", user.id
        await accounts.audit(tx, Event(event, now, asked.actor, str(user.id), {"provider": "email"}))
        return shown

    try:
        id = await accounts.store.transact(make)
    except DatabaseError as error:
        if error.code != "23505":
            raise
        # Two sign-ups with one address at the same moment: the other one has sent the mail.
        id = nobody_at(accounts, email).id
    accounts.posted()
    return json_reply(_as_if(id, email, data, now))


def _as_if(id: UUID, email: str, data: dict[str, Any], now: datetime) -> dict[str, Any]:
    """The User of an address that was just signed up: but for its id made up in every case, so none differs (TH5)."""
    metadata = email_identity(id, email, data, verified=False)
    user = _User(
        **{
            **dict.fromkeys(_User._fields),
            "id": id,
            "aud": "authenticated",
            "role": "authenticated",
            "email": email,
            "confirmation_sent_at": now,
            "app_metadata": {"provider": "email", "providers": ["email"]},
            "user_metadata": metadata,
            "is_anonymous": False,
            "created_at": now,
            "updated_at": now,
        }
    )
    identity = _Identity(
        id=uuid4(),
        user_id=id,
        provider="email",
        subject=str(id),
        data=metadata,
        email=email,
        last_sign_in_at=now,
        created_at=now,
        updated_at=now,
    )
    return user_json(user, [identity])
