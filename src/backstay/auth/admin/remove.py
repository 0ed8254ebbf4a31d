"""``DELETE /admin/users/{id}``: an account deleted, or left as a row that says nothing of anybody."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
import sqlalchemy as sa

from backstay.audit import Event
from backstay.auth.accounts import Accounts
from backstay.auth.admin.users import user_of
from backstay.auth.assignment import keeps_an_admin, last_admin, take_all
from backstay.auth.assurance import remove_all
from backstay.auth.epoch import bump_epoch
from backstay.auth.gone import note_gone
from backstay.auth.hold import hold
from backstay.auth.otp import discard_all
from backstay.auth.refusal import AuthError
from backstay.auth.rights import check_reach, check_stands
from backstay.auth.route import AuthRequest, Route, json_reply
from backstay.auth.session import end_all
from backstay.auth.tables import Identity, User
from backstay.db.store import Transaction
from backstay.response.reply import Reply
from backstay.sql.query import query


class Removal(msgspec.Struct, frozen=True):
    """Body of ``DELETE /admin/users/{id}``."""

    should_soft_delete: bool = False


@query
def _delete(id: UUID, now: datetime) -> sa.Executable:
    return sa.delete(User).where(User.id == id, keeps_an_admin(id, now)).returning(User.id)


@query
def _anonymise(id: UUID, now: datetime) -> sa.Executable:
    mine = sa.update(User).where(User.id == id, keeps_an_admin(id, now))
    gone = dict.fromkeys(("email", "phone", "password_hash", "new_email", "locale"), None)
    return mine.values(app_metadata={}, user_metadata={}, deleted_at=now, updated_at=now, **gone).returning(User.id)


@query
def _drop_identities(user_id: UUID) -> sa.Executable:
    return sa.delete(Identity).where(Identity.user_id == user_id)


async def remove_user(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Delete an account, and end its sessions at once.

    With ``should_soft_delete`` its id stays, for rows of the app that name it; nothing about the person does.

    Raises:
        AuthError: user_not_found, not_admin (it may do more than the caller), conflict (it is the last admin).
    """
    now, soft = accounts.now(), bool(asked.body.should_soft_delete)
    user = await user_of(asked, accounts)

    async def remove(tx: Transaction) -> None:
        if await hold(tx, user.id) is None:
            raise AuthError("user_not_found", "User not found")
        await check_stands(accounts, tx, asked)
        await check_reach(accounts, tx, asked, user.id)
        await discard_all(tx, user.id)
        await end_all(tx, user.id, now)
        await bump_epoch(tx)
        if await tx.one(_anonymise(user.id, now) if soft else _delete(user.id, now)) is None:
            raise last_admin()
        if not soft:
            await tx.run(note_gone(user.id, now))
        if soft:
            await tx.run(_drop_identities(user.id))
            await tx.run(take_all(user.id))
            await remove_all(tx, user.id, now)
        await accounts.audit(tx, Event("user_deleted", now, asked.actor, str(user.id), {"soft": soft}))

    await accounts.store.transact(remove)
    accounts.trust.expire()
    return json_reply({})


ROUTES: Final = (
    Route("DELETE", "admin/users/{id}", "admin", remove_user, "Delete an account", Removal, permission="users:write"),
)
