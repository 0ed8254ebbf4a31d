"""Which account a person at a third party is (OA6, OA7, OA8).

1. An identity is known by provider and subject.  E-mail addresses decide only where there is no such identity yet.
2. The provider's word about an address counts if it says that it has verified it, and if the operator trusts it.  Then
   the account that has the address is the person's; where nobody has shown to read it before, everything that signs in
   is dropped first (``mailbox.py``).
3. Everything else is refused, and a refusal is an outcome: its line in the audit log stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec
import sqlalchemy as sa

from backstay.audit import Event
from backstay.auth.accounts import Accounts
from backstay.auth.hold import hold
from backstay.auth.mailbox import prove_mailbox
from backstay.auth.oauth.person import Person
from backstay.auth.oauth.provider import Provider
from backstay.auth.postage import notice
from backstay.auth.refusal import AuthError
from backstay.auth.route import AuthRequest
from backstay.auth.session import session_by_id
from backstay.auth.tables import Identity, User
from backstay.auth.user import about_providers, add_identity, add_user, identities_of, user_by_email
from backstay.db.store import Transaction
from backstay.sql.query import query

#: Of one account: what a sign-in answers holds them all (S11).
MAX_IDENTITIES: Final = 20


@dataclass(frozen=True, slots=True)
class Known:
    """The account of a person, or why there is none."""

    user_id: UUID | None = None
    refusal: AuthError | None = None


@query
def identity_by_subject(provider: str, subject: str) -> sa.Executable:
    return sa.select(Identity).where(Identity.provider == provider, Identity.subject == subject)


@query
def _seen(id: UUID, data: dict[str, Any], email: str | None, now: datetime) -> sa.Executable:
    mine = sa.update(Identity).where(Identity.id == id)
    return mine.values(data=data, email=email, last_sign_in_at=now, updated_at=now).returning(Identity.id)


@query
def _set_about(
    id: UUID, app_metadata: dict[str, Any], user_metadata: dict[str, Any], is_anonymous: bool, now: datetime
) -> sa.Executable:
    mine = sa.update(User).where(User.id == id)
    return mine.values(
        app_metadata=app_metadata, user_metadata=user_metadata, is_anonymous=is_anonymous, updated_at=now
    )


@query
def _give_address(id: UUID, email: str, now: datetime) -> sa.Executable:
    mine = sa.update(User).where(User.id == id, User.email.is_(None))
    return mine.values(email=email, email_confirmed_at=now, email_proved_at=now, updated_at=now)


async def identify(
    tx: Transaction, accounts: Accounts, asked: AuthRequest, provider: Provider, person: Person, now: datetime
) -> Known:
    """The account of *person*, made or linked where the rules allow it."""
    identity = await tx.one(identity_by_subject(person.provider, person.subject))
    if identity is not None:
        user = await hold(tx, identity.user_id)
        if user is None:
            return await _refused(tx, accounts, asked, person, None, "user_not_found", "The account was deleted", now)
        if user.banned_until is not None and user.banned_until > now:
            return await _refused(tx, accounts, asked, person, user, "user_banned", "User is banned", now)
        if await tx.one(_seen(identity.id, dict(person.data), person.email, now)) is None:
            words = "The identity was unlinked at this moment"
            return await _refused(tx, accounts, asked, person, user, "identity_not_found", words, now)
        if believed(provider, person) and person.email == user.email:
            await prove_mailbox(tx, accounts, asked, user, now, by="provider", but=identity.id)
        return Known(user.id)
    if person.email is not None and not person.verified:
        # The same whether or not the address has an account: anybody may write any address there.
        words = f"Unverified email with {person.provider}. Verify the email with {person.provider} in order to sign in"
        return await _refused(tx, accounts, asked, person, None, "provider_email_needs_verification", words, now)
    user = None if person.email is None else await tx.one(user_by_email(person.email))
    user = None if user is None else await hold(tx, user.id)
    if user is None or user.email != person.email:
        return await _made(tx, accounts, asked, provider, person, now)
    if user.banned_until is not None and user.banned_until > now:
        return await _refused(tx, accounts, asked, person, user, "user_banned", "User is banned", now)
    if not provider.trusted:
        words = "An account with this email address exists. Sign in to it first, and link this identity then"
        return await _refused(tx, accounts, asked, person, user, "email_exists", words, now)
    await prove_mailbox(tx, accounts, asked, user, now, by="provider")
    await attach(tx, accounts, asked, provider, person, user.id, now)
    return Known(user.id)


async def attach(
    tx: Transaction,
    accounts: Accounts,
    asked: AuthRequest,
    provider: Provider,
    person: Person,
    user_id: UUID,
    now: datetime,
) -> None:
    """Link *person* to the account, and tell its owner.

    Raises:
        AuthError: identity_already_exists, too_many_identities; user_not_found, user_banned.
    """
    found = await tx.one(identity_by_subject(person.provider, person.subject))
    if found is not None:
        mine = found.user_id == user_id
        raise AuthError(
            "identity_already_exists",
            "Identity is already linked" if mine else "Identity is already linked to another user",
        )
    # Read again: confirming a mailbox has changed the row.
    user = await accounts.living(tx, user_id)
    if len(await tx.all(identities_of(user_id))) >= MAX_IDENTITIES:
        raise AuthError(
            "too_many_identities",
            f"An account has at most {MAX_IDENTITIES} identities",
            hint="Unlink one that is not used any more.",
        )
    identity_id = uuid4()
    await tx.run(
        add_identity(identity_id, user_id, person.provider, person.subject, dict(person.data), person.email, now)
    )
    if user.email is None and believed(provider, person) and await tx.one(user_by_email(str(person.email))) is None:
        await tx.run(_give_address(user_id, str(person.email), now))
    kept = {key: value for key, value in person.data.items() if key not in _OF_IDENTITY}
    await tx.run(
        _set_about(
            user_id,
            about_providers(user.app_metadata, await tx.all(identities_of(user_id))),
            {**kept, **user.user_metadata},
            False,
            now,
        )
    )
    await notice(tx, accounts, user, "identity_linked", provider=person.provider)
    details = {"provider": person.provider, "identity_id": str(identity_id)}
    await accounts.audit(tx, Event("identity_linked", now, asked.actor, str(user_id), details))


#: Where a flow keeps the person that is to be linked at its end.
LINK = "link"


async def link_at_end(tx: Transaction, accounts: Accounts, asked: AuthRequest, flow: Any, now: datetime) -> None:
    """Link whom *flow* (row) has proved, if it began as a link: its app has just shown that it began it.

    Raises:
        AuthError: what `attach` raises; provider_disabled.
    """
    kept = accounts.flow_extra(flow).get(LINK)
    if kept is not None:
        if await tx.one(session_by_id(flow.session_id)) is None:
            raise AuthError("session_not_found", "The session that asked for the link has ended")
        person = msgspec.convert(kept, Person)
        await attach(tx, accounts, asked, accounts.parties.named(person.provider), person, flow.user_id, now)


#: What an identity says of itself and an account does not.
_OF_IDENTITY = frozenset({"sub", "iss", "provider_id", "email", "email_verified", "phone_verified"})


def believed(provider: Provider, person: Person) -> bool:
    """Whether the account may have the person's address as its own."""
    return person.email is not None and person.verified and provider.trusted


async def _made(
    tx: Transaction, accounts: Accounts, asked: AuthRequest, provider: Provider, person: Person, now: datetime
) -> Known:
    """A new account.  It has an address only if that is believed: what tokens say, policies may rely on."""
    if not accounts.options.signup:
        words = "Signups not allowed for this instance"
        return await _refused(tx, accounts, asked, person, None, "signup_disabled", words, now)
    user_id = uuid4()
    email = person.email if believed(provider, person) else None
    metadata = dict(person.data)
    if email is None:
        metadata = {key: value for key, value in metadata.items() if key not in ("email", "email_verified")}
    about = {"provider": person.provider, "providers": [person.provider]}
    at = None if email is None else now
    await tx.run(add_user(user_id, email, None, at, at, about, metadata, False, asked.locale, now))
    await tx.run(add_identity(uuid4(), user_id, person.provider, person.subject, dict(person.data), person.email, now))
    details = {"method": "oauth", "provider": person.provider}
    await accounts.audit(tx, Event("user_signedup", now, asked.actor, str(user_id), details))
    return Known(user_id)


async def _refused(
    tx: Transaction,
    accounts: Accounts,
    asked: AuthRequest,
    person: Person,
    user: Any,
    code: str,
    words: str,
    now: datetime,
) -> Known:
    details = {"method": "oauth", "provider": person.provider, "reason": code}
    subject = None if user is None else str(user.id)
    await accounts.audit(tx, Event("login_failed", now, asked.actor, subject, details))
    return Known(refusal=AuthError(code, words))
