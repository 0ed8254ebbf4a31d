"""``/passkeys``: keys that sign in by themselves, without a name or a password (MF3).

A passkey verifies its owner by a PIN, a finger or a face, when it is made and whenever it is used: something one has
and something one knows or is (NIST SP 800-63B §5.1.9).  So the session that it opens is aal2.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec
import sqlalchemy as sa

from backstay.audit import Event
from backstay.auth.accounts import Accounts
from backstay.auth.assurance import held_session, remove_passkey, require_assurance
from backstay.auth.authenticator import (
    MAX_PASSKEYS,
    Passkey,
    credentials_by_user,
    passkey_by_credential,
    passkey_json,
    passkeys_by_user,
    passkeys_of,
    rename_passkey,
)
from backstay.auth.ceremony import (
    check_assertion,
    check_registration,
    creation_options,
    credential_id_of,
    relying_party,
    request_options,
)
from backstay.auth.challenge import begin_challenge, new_challenge, take_authentication, take_registration
from backstay.auth.enrolment import checked_name
from backstay.auth.hold import hold
from backstay.auth.mfa import credential_exists, credential_row, used
from backstay.auth.postage import notice
from backstay.auth.refusal import AuthError, invalid
from backstay.auth.route import EMPTY, AuthRequest, Route, json_reply
from backstay.auth.session import Opened, start_session
from backstay.auth.signin import login_event
from backstay.auth.ways import keep_a_way
from backstay.db.store import Asks, Transaction
from backstay.errors import DatabaseError
from backstay.response.reply import Reply
from backstay.sql.query import query


class Credential(msgspec.Struct, frozen=True):
    """Body of both ``verify`` routes: the challenge, and what the browser gave."""

    challenge_id: UUID
    credential: dict[str, Any]


class Name(msgspec.Struct, frozen=True):
    """Body of ``PATCH /passkeys/{id}``."""

    friendly_name: str


@query
def _passkey(id: UUID) -> sa.Executable:
    return sa.select(Passkey).where(Passkey.id == id)


async def registration_options(asked: AuthRequest, accounts: Accounts) -> Reply:
    """What the browser needs to make a passkey.

    Raises:
        AuthError: insufficient_aal, reauthentication_needed, too_many_passkeys, user_banned; over_request_rate_limit.
    """
    await accounts.spend(asked, "challenge")
    now, value = accounts.now(), new_challenge()
    user = await accounts.living(accounts.store, asked.user_id)
    await _may_add(accounts.store, accounts, asked.session, now)
    known = [row.credential_id for row in await accounts.store.all(credentials_by_user(user.id))]
    party, name = relying_party(accounts.options), user.email or str(user.id)
    # Also in a thread: the first one loads the library.
    options = await accounts.passwords.run(
        partial(creation_options, party, value, user_id=user.id, name=name, known=known, passkey=True)
    )
    id, expires_at = await accounts.store.transact(
        lambda tx: begin_challenge(tx, "registration", now, session=asked.session, value=value)
    )
    return json_reply({"challenge_id": str(id), "options": options, "expires_at": expires_at})


async def register(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Keep a new passkey.  The owner is told by mail.

    Raises:
        AuthError: webauthn_challenge_expired, webauthn_verification_failed, webauthn_credential_exists,
            insufficient_aal, reauthentication_needed, too_many_passkeys, user_banned; over_request_rate_limit.
    """
    body: Credential = asked.body
    await accounts.spend(asked, "challenge")
    now = accounts.now()
    user = await accounts.living(accounts.store, asked.user_id)
    taken = await accounts.store.transact(
        lambda tx: tx.one(take_registration(body.challenge_id, asked.session.id, now))
    )
    if taken is None:
        raise _expired()
    party = relying_party(accounts.options)
    made = await accounts.passwords.run(
        partial(check_registration, party, body.credential, taken.value, verified_owner=True)
    )
    id = uuid4()

    async def add(tx: Transaction) -> Any:
        held = accounts.admitted(await hold(tx, user.id))
        await _may_add(tx, accounts, await held_session(tx, asked), now)
        await tx.run(credential_row(user.id, made, None, now, id=id))
        await notice(tx, accounts, held, "factor_enrolled", factor="passkey")
        await accounts.audit(tx, Event("passkey_added", now, asked.actor, str(user.id), {"passkey_id": str(id)}))
        return await tx.one(_passkey(id))

    try:
        added = await accounts.store.transact(add)
    except DatabaseError as error:
        raise credential_exists() if error.code == "23505" else error from None
    accounts.posted()
    return json_reply(passkey_json(added))


async def authentication_options(asked: AuthRequest, accounts: Accounts) -> Reply:
    """What the browser needs to sign in with a passkey of this app.

    Raises:
        BackstayError: over_request_rate_limit.
    """
    await accounts.spend(asked, "challenge")
    now, value = accounts.now(), new_challenge()
    options = await accounts.passwords.run(partial(request_options, relying_party(accounts.options), value, allowed=()))
    id, expires_at = await accounts.store.transact(lambda tx: begin_challenge(tx, "authentication", now, value=value))
    return json_reply({"challenge_id": str(id), "options": options, "expires_at": expires_at})


async def authenticate(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Sign in with a passkey; the session is aal2.

    Raises:
        AuthError: webauthn_challenge_expired, webauthn_verification_failed, email_not_confirmed, user_banned;
            over_request_rate_limit.
    """
    body: Credential = asked.body
    await accounts.spend(asked, "challenge")
    now = accounts.now()
    taken = await accounts.store.transact(lambda tx: tx.one(take_authentication(body.challenge_id, now)))
    if taken is None:
        raise _expired()
    passkey = await accounts.store.one(passkey_by_credential(credential_id_of(body.credential)))
    if passkey is None:
        raise _failed()
    party = relying_party(accounts.options)
    proof = await accounts.passwords.run(
        partial(check_assertion, party, body.credential, taken.value, passkey, passkey=True)
    )
    user = await accounts.living(accounts.store, passkey.user_id)
    if user.email is not None and user.email_confirmed_at is None:
        raise AuthError("email_not_confirmed", "Email not confirmed")

    async def open_it(tx: Transaction) -> Opened | None:
        accounts.admitted(await hold(tx, user.id))
        if not await used(tx, accounts, asked, user.id, passkey, proof, now):
            return None
        opened = await start_session(
            tx,
            accounts.options,
            user_id=user.id,
            method="passkey",
            device=asked.device,
            now=now,
            factor_id=passkey.id,
        )
        await accounts.audit(tx, login_event(asked, opened, now))
        return opened

    opened = await accounts.store.transact(open_it)
    if opened is None:
        raise _failed()
    return json_reply(await accounts.session_json(opened))


async def list_passkeys(asked: AuthRequest, accounts: Accounts) -> Reply:
    """The caller's passkeys, the oldest first."""
    return json_reply(await passkeys_of(accounts.store, asked.user_id))


async def rename(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Give a passkey a name.

    Raises:
        AuthError: passkey_not_found, validation_failed, session_not_found, user_banned.
    """
    name, id, now = checked_name(asked.body.friendly_name), _id(asked), accounts.now()
    if name is None:
        raise invalid("friendly_name is required")

    async def change(tx: Transaction) -> Any:
        accounts.admitted(await hold(tx, asked.user_id))
        await held_session(tx, asked)
        renamed = await tx.one(rename_passkey(id, asked.user_id, name))
        if renamed is not None:
            details = {"passkey_id": str(id)}
            await accounts.audit(tx, Event("passkey_updated", now, asked.actor, str(asked.user_id), details))
        return renamed

    renamed = await accounts.store.transact(change)
    if renamed is None:
        raise _not_found()
    return json_reply(passkey_json(renamed))


async def remove(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Remove a passkey: sessions that it has opened are aal1 from now on.

    Raises:
        AuthError: passkey_not_found, insufficient_aal, user_banned; single_identity_not_deletable, where nothing else
            would be left to sign in with (OA10).
    """
    id, now = _id(asked), accounts.now()
    user = await accounts.living(accounts.store, asked.user_id)

    async def drop(tx: Transaction) -> bool:
        held = accounts.admitted(await hold(tx, user.id))
        await require_assurance(tx, accounts, await held_session(tx, asked), now)
        if any(row.id == id for row in await tx.all(passkeys_by_user(user.id))):
            await keep_a_way(tx, accounts, held, but=id)
        return await remove_passkey(tx, accounts, asked.actor, held, id, now)

    if not await accounts.store.transact(drop):
        raise _not_found()
    accounts.trust.expire()
    accounts.posted()
    return EMPTY


async def _may_add(asks: Asks, accounts: Accounts, session: Any, now: datetime) -> None:
    await require_assurance(asks, accounts, session, now)
    if len(await asks.all(passkeys_by_user(session.user_id))) >= MAX_PASSKEYS:
        raise AuthError("too_many_passkeys", "Maximum number of passkeys reached")


def _id(asked: AuthRequest) -> UUID:
    try:
        return UUID(asked.path["id"])
    except ValueError:
        raise _not_found() from None


def _not_found() -> AuthError:
    return AuthError("passkey_not_found", "Passkey not found")


def _expired() -> AuthError:
    return AuthError("webauthn_challenge_expired", "Challenge has expired or was used")


def _failed() -> AuthError:
    return AuthError("webauthn_verification_failed", "Credential verification failed")


ROUTES: Final = (
    Route("POST", "passkeys/registration/options", "user", registration_options, "Begin to add a passkey"),
    Route("POST", "passkeys/registration/verify", "user", register, "Add a passkey", Credential),
    Route("POST", "passkeys/authentication/options", "anyone", authentication_options, "Begin a sign-in by passkey"),
    Route("POST", "passkeys/authentication/verify", "anyone", authenticate, "Sign in with a passkey", Credential),
    Route("GET", "passkeys", "user", list_passkeys, "One's passkeys"),
    Route("PATCH", "passkeys/{id}", "user", rename, "Name a passkey", Name),
    Route("DELETE", "passkeys/{id}", "user", remove, "Remove a passkey", status=204),
)
