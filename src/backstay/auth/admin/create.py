"""``POST /admin/users``: an account made by an administrator, or brought from another system."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
import sqlalchemy as sa

from backstay.audit import Event
from backstay.auth.accounts import Accounts
from backstay.auth.address import normal_email
from backstay.auth.admin.ban import banned_until
from backstay.auth.gone import gone_account
from backstay.auth.hold import NOBODY
from backstay.auth.imported import readable
from backstay.auth.naming import check_named
from backstay.auth.newcomer import MAX_METADATA_BYTES, checked_metadata, create_account
from backstay.auth.password import check_new_password
from backstay.auth.refusal import AuthError, email_exists, invalid
from backstay.auth.rights import check_gives, check_stands, check_states, may_everything
from backstay.auth.route import AuthRequest, Route, json_reply
from backstay.auth.tables import User
from backstay.auth.threshold import note_entry
from backstay.auth.user import user_by_email, user_by_id
from backstay.db.store import Transaction
from backstay.errors import DatabaseError
from backstay.policy.principal import ANON, SERVICE
from backstay.response.reply import Reply
from backstay.sql.query import query


class UserParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of ``POST /admin/users`` and ``PUT /admin/users/{id}``; what is left out stays as it is.

    A field that is none of these is refused: whoever sends ``roles`` or ``banned_until`` must not believe that it was
    done.
    """

    id: str | None = None
    email: str | None = None
    phone: str | None = None
    password: str | None = None
    #: A hash that another system made, in one of the forms of ``imported.py``.
    password_hash: str | None = None
    email_confirm: bool | None = None
    phone_confirm: bool | None = None
    user_metadata: dict[str, Any] | None = None
    app_metadata: dict[str, Any] | None = None
    #: How long from now on, as in ``24h`` or ``1h30m``; ``none`` ends it.
    ban_duration: str | None = None
    role: str | None = None
    #: The published clients' types have these two, for ``PUT /user``; an administrator needs neither.
    nonce: str | None = None
    current_password: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Checked:
    """A body that was found good; what is ``None`` is not asked for."""

    id: UUID | None
    email: str | None
    password_hash: str | None
    user_metadata: dict[str, Any] | None
    app_metadata: dict[str, Any] | None
    role: str | None
    bans: bool
    banned_until: datetime | None


@query
def set_facts(id: UUID, app_metadata: dict[str, Any], role: str, until: datetime | None, now: datetime) -> Any:
    """What only the server says of an account."""
    mine = sa.update(User).where(User.id == id)
    return mine.values(app_metadata=app_metadata, role=role, banned_until=until, updated_at=now)


@query
def _any_by_id(id: UUID) -> sa.Executable:
    return sa.select(User.id).where(User.id == id)


async def check_params(
    accounts: Accounts, body: UserParams, email: str | None, now: datetime, minimum: int = 0
) -> Checked:
    """Look at every field, and hash the password; *email* is the account's where it has one.

    Raises:
        AuthError: validation_failed, weak_password, email_address_invalid, phone_provider_disabled.
    """
    if body.phone or body.phone_confirm:
        raise AuthError("phone_provider_disabled", "Phone accounts are disabled")
    if body.password is not None and body.password_hash is not None:
        raise invalid("Only a password or a password hash should be provided")
    if body.role is not None:
        check_named(body.role, accounts.roles - {ANON, SERVICE}, "The app names no main role of accounts")
    if body.app_metadata is not None and "roles" in body.app_metadata:
        raise invalid("Roles are not kept in app_metadata", hint="Assign them under /admin/users/{id}/roles.")
    checked_app_metadata(body.app_metadata)
    checked_metadata(body.user_metadata)
    address = None if not body.email else normal_email(body.email)
    until = None if body.ban_duration is None else banned_until(body.ban_duration, now)
    password_hash = body.password_hash
    if password_hash is not None and not readable(password_hash):
        raise invalid("The password hash is of no kind that can be verified", hint="See the how-to about passwords.")
    if body.password is not None:
        check_new_password(accounts, body.password, address or email, minimum)
        password_hash = await accounts.passwords.hash(body.password)
    return Checked(
        _read_id(body.id),
        address,
        password_hash,
        body.user_metadata,
        body.app_metadata,
        body.role,
        body.ban_duration is not None,
        until,
    )


def checked_app_metadata(data: dict[str, Any] | None) -> dict[str, Any]:
    """What the server says of an account, bounded.

    Raises:
        AuthError: validation_failed, for more than 16 KiB.
    """
    if len(msgspec.json.encode(data)) > MAX_METADATA_BYTES:
        raise invalid(f"app metadata is larger than {MAX_METADATA_BYTES} bytes")
    return data or {}


def merged(old: dict[str, Any], new: dict[str, Any] | None) -> dict[str, Any]:
    """*old* with what *new* says; ``null`` removes."""
    return {key: value for key, value in (old | (new or {})).items() if value is not None}


async def create_user(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Make an account; no mail is sent.

    Its address counts as confirmed when ``email_confirm`` says so, or where the app confirms none.

    Raises:
        AuthError: validation_failed, email_exists, conflict, weak_password, email_address_invalid,
            phone_provider_disabled, not_admin (a role, or app_metadata, that is not the caller's to give).
    """
    body: UserParams = asked.body
    now = accounts.now()
    if not body.email:
        raise invalid("Cannot create a user without either an email or phone")
    checked = await check_params(accounts, body, None, now)
    confirmed = accounts.options.autoconfirm if body.email_confirm is None else body.email_confirm

    async def make(tx: Transaction) -> UUID:
        assert checked.email is not None  # noqa: S101 - see above
        await check_stands(accounts, tx, asked)
        if checked.role is not None:
            await check_gives(accounts, tx, asked, checked.role)
        if checked.app_metadata:
            await check_states(accounts, tx, asked)
        if await tx.one(user_by_email(checked.email)) is not None:
            raise email_exists()
        if checked.id is not None and await tx.one(_any_by_id(checked.id)) is not None:
            raise AuthError("conflict", "There is an account with this id")
        if checked.id is not None and await tx.one(gone_account(checked.id)) is not None:
            # Its rows would be the new account's (A12).
            raise AuthError("conflict", "An account with this id was deleted")
        id = await create_account(
            tx,
            asked,
            checked.email,
            checked.password_hash,
            merged({}, checked.user_metadata),
            now,
            confirmed=confirmed,
            # Nobody else has had the account before: who may do everything says whose it is.
            proved=body.email_confirm is True and await may_everything(accounts, tx, asked),
            id=checked.id,
        )
        await note_entry(tx, accounts, asked, id, now)
        user = await tx.one(user_by_id(id))
        about = merged(user.app_metadata, checked.app_metadata)
        await tx.run(set_facts(id, about, checked.role or user.role, checked.banned_until, now))
        await accounts.audit(tx, Event("user_signedup", now, asked.actor, str(id), {"provider": "email"}))
        return id

    try:
        id = await accounts.store.transact(make)
    except DatabaseError as error:
        # Two at the same moment: the unique index decides.
        raise email_exists() if error.code == "23505" else error from None
    return json_reply(await accounts.user_json(await accounts.store.one(user_by_id(id))))


def _read_id(text: str | None) -> UUID | None:
    try:
        id = None if text is None else UUID(text)
    except ValueError:
        raise invalid("id must be an UUID") from None
    if id == NOBODY:
        raise invalid("The nil UUID is nobody's id")
    return id


ROUTES: Final = (
    Route("POST", "admin/users", "admin", create_user, "Make an account", UserParams, permission="users:write"),
)
