"""``PUT /admin/users/{id}``: an account changed by an administrator."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from backstay.audit import Event
from backstay.auth.account import change_metadata, replace_password
from backstay.auth.accounts import Accounts
from backstay.auth.admin.create import (
    Checked,
    UserParams,
    check_params,
    checked_app_metadata,
    merged,
    set_facts,
)
from backstay.auth.admin.users import user_of
from backstay.auth.assignment import keeps_an_admin, last_admin
from backstay.auth.emailchange import put_address
from backstay.auth.epoch import bump_epoch
from backstay.auth.hold import hold
from backstay.auth.mailbox import set_metadata
from backstay.auth.newcomer import checked_metadata
from backstay.auth.otp import discard_all
from backstay.auth.postage import notice
from backstay.auth.refusal import AuthError, email_exists, invalid
from backstay.auth.rights import check_enters, check_gives, check_reach, check_stands, check_states, password_minimum
from backstay.auth.route import AuthRequest, Route, json_reply
from backstay.auth.session import end_all, refresh_all
from backstay.auth.tables import User
from backstay.auth.threshold import cross, note_entry
from backstay.auth.user import roles_of, user_by_email, user_by_id
from backstay.db.store import Transaction
from backstay.errors import DatabaseError
from backstay.policy.principal import AUTHENTICATED
from backstay.response.reply import Reply
from backstay.sql.query import query


@query
def _ban(id: UUID, until: datetime, now: datetime) -> sa.Executable:
    mine = sa.update(User).where(User.id == id, keeps_an_admin(id, now))
    return mine.values(banned_until=until, updated_at=now).returning(User.id)


async def change_user(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Change an account: metadata is merged, a ban ends every session at once, a password and an address as well.

    Raises:
        AuthError: user_not_found, not_admin (it may do more than the caller), conflict (the last admin is banned),
            validation_failed, email_exists, weak_password, email_address_invalid, phone_provider_disabled,
            account_not_proved (another main role, as for one that is assigned).
    """
    now = accounts.now()
    user = await user_of(asked, accounts)
    # Here, so that nothing is said of what they may not do; and again where it is done.
    await check_reach(accounts, accounts.store, asked, user.id)
    minimum = await password_minimum(accounts, user.id)
    if asked.body.id is not None and asked.body.id.lower() != str(user.id):
        raise invalid("The id of an account cannot be changed")
    checked = await check_params(accounts, asked.body, user.email, now, minimum)
    changing = _Changing(asked, accounts, checked, user.id, now)
    try:
        await accounts.store.transact(changing.run)
    except DatabaseError as error:
        raise email_exists() if error.code == "23505" else error from None
    accounts.trust.expire()
    accounts.posted()
    return json_reply(await accounts.user_json(await accounts.store.one(user_by_id(user.id))))


class _Changing:
    """One change at work, in its transaction.

    Rows are locked in the order of every flow: account, codes, sessions, epoch, audit log.
    """

    def __init__(self, asked: AuthRequest, accounts: Accounts, checked: Checked, id: UUID, now: datetime) -> None:
        self._asked, self._accounts, self._checked, self._id, self._now = asked, accounts, checked, id, now
        self._entered = False

    async def run(self, tx: Transaction) -> None:
        accounts, checked, now = self._accounts, self._checked, self._now
        # Held until the end: of two changes at once neither loses what the other has set.
        user = await hold(tx, self._id)
        if user is None:
            raise AuthError("user_not_found", "User not found")
        await check_stands(accounts, tx, self._asked)
        await self._check(tx, user)
        if await self._gains(tx, user):
            await cross(tx, accounts, self._asked, user.id, now)
            user = await tx.one(user_by_id(self._id))
        await self._ends(tx, user)
        fields = [name for name in ("user_metadata", "app_metadata", "role") if getattr(checked, name) is not None]
        if checked.user_metadata is not None:
            data = checked_metadata(merged(user.user_metadata, checked.user_metadata))
            await tx.run(change_metadata(user.id, data, now))
        if checked.app_metadata is not None or checked.role is not None:
            about = checked_app_metadata(merged(user.app_metadata, checked.app_metadata))
            await tx.run(set_facts(user.id, about, checked.role or user.role, user.banned_until, now))
            await refresh_all(tx, user.id, now)
        await self._address(tx, await tx.one(user_by_id(user.id)), fields)
        banning = await self._bans(tx, user)
        events = [Event("user_modified", now, self._asked.actor, str(user.id), {"fields": tuple(fields)})]
        if checked.password_hash is not None:
            # Whatever locked its sign-in was about the old one.
            await accounts.throttle.recovered(tx, checked.email or user.email or "")
            current = await tx.one(user_by_id(user.id))
            await replace_password(tx, accounts, self._asked, current, checked.password_hash, now)
        if self._entered:
            await note_entry(tx, accounts, self._asked, user.id, now)
        await accounts.audit(tx, *(events if fields else ()), *banning)

    async def _check(self, tx: Transaction, user: Any) -> None:
        """Whether the caller may do to *user* (row) what was asked (S4)."""
        accounts, asked, checked = self._accounts, self._asked, self._checked
        confirms = bool(asked.body.email_confirm) and user.email_confirmed_at is None
        moves = checked.email is not None and checked.email != user.email
        enters = checked.password_hash is not None or moves or confirms
        await (check_enters if enters or self._frees(user) else check_reach)(accounts, tx, asked, user.id)
        if enters:
            self._entered = True
        if checked.role is not None and checked.role != user.role:
            await check_gives(accounts, tx, asked, checked.role, user.role)
        if merged(user.app_metadata, checked.app_metadata) != user.app_metadata:
            await check_states(accounts, tx, asked)

    def _frees(self, user: Any) -> bool:
        """Whether the account could sign in sooner than it could now: any earlier end of a ban is a ban lifted."""
        until, now = self._checked.banned_until, self._now
        if not self._checked.bans:
            return False
        return until is None or (user.banned_until is not None and max(user.banned_until, now) > until)

    async def _gains(self, tx: Transaction, user: Any) -> bool:
        role = self._checked.role
        return role not in (None, user.role, AUTHENTICATED) and role not in await roles_of(tx, user.id)

    async def _ends(self, tx: Transaction, user: Any) -> None:
        """End what the change leaves no reason for: sessions, links and codes (TK4, PW8)."""
        checked, session = self._checked, self._asked.session
        moves = checked.email is not None and checked.email != user.email
        if moves or checked.banned_until is not None or checked.password_hash is not None:
            # Whoever sets their own password stays where they are, as with ``PUT /user``.
            stays = None if session is None or moves or checked.banned_until is not None else session.id
            await discard_all(tx, user.id)
            await end_all(tx, user.id, self._now, but=stays)

    async def _address(self, tx: Transaction, user: Any, fields: list[str]) -> None:
        """A new address is vouched for by the administrator as the old one was by its owner."""
        checked, now, body = self._checked, self._now, self._asked.body
        confirmed_at = now if body.email_confirm and user.email_confirmed_at is None else user.email_confirmed_at
        email = checked.email or user.email
        if email is None or (email == user.email and confirmed_at == user.email_confirmed_at):
            return
        fields.append("email" if email != user.email else "email_confirmed_at")
        if email != user.email:
            if await tx.one(user_by_email(email)) is not None:
                raise email_exists()
            await notice(tx, self._accounts, user, "email_changed", new_email=email)
        await put_address(tx, user, email, confirmed_at, now)
        current = await tx.one(user_by_id(user.id))
        await tx.run(set_metadata(user.id, {**current.user_metadata, "email_verified": confirmed_at is not None}))

    async def _bans(self, tx: Transaction, user: Any) -> list[Event]:
        checked, now, actor = self._checked, self._now, self._asked.actor
        if not checked.bans:
            return []
        if checked.banned_until is None:
            # The keys that it has made are good again.
            await bump_epoch(tx)
            current = await tx.one(user_by_id(user.id))
            await tx.run(set_facts(user.id, current.app_metadata, current.role, None, now))
            return [Event("user_unbanned", now, actor, str(user.id))]
        await bump_epoch(tx)
        if await tx.one(_ban(user.id, checked.banned_until, now)) is None:
            raise last_admin()
        return [Event("user_banned", now, actor, str(user.id), {"until": checked.banned_until.isoformat()})]


ROUTES: Final = (
    Route(
        "PUT",
        "admin/users/{id}",
        "admin",
        change_user,
        "Change an account",
        UserParams,
        query=("empty",),
        permission="users:write",
    ),
)
