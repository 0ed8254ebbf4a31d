"""``/admin/users/{id}/roles``: roles assigned to an account, and taken from it."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from backstay.audit import Event
from backstay.auth.accounts import Accounts
from backstay.auth.admin.users import note_read, user_of
from backstay.auth.assignment import assign, assignments_of, checked_role, unassign
from backstay.auth.hold import hold
from backstay.auth.moment import told
from backstay.auth.naming import check_named
from backstay.auth.refusal import AuthError
from backstay.auth.rights import check_gives, check_reach, check_stands
from backstay.auth.route import AuthRequest, Route, json_reply
from backstay.db.store import Transaction
from backstay.policy.principal import ANON, AUTHENTICATED, SERVICE
from backstay.response.reply import Reply


async def list_roles(asked: AuthRequest, accounts: Accounts) -> Reply:
    """The roles of an account, and who assigned them.

    Raises:
        AuthError: user_not_found.
    """
    user = await user_of(asked, accounts)
    shown = await _shown(accounts, user.id)
    await note_read(asked, accounts, user.id, {"fields": ("roles",), "count": 1})
    return json_reply(shown)


async def give_role(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Assign a role; its account signs in again.  ``empty=true`` drops first what may be somebody else's in it.

    Raises:
        AuthError: user_not_found, validation_failed (nothing in the app names such a role, or it is no role for
            accounts), not_admin (the role may do what the caller may not),
            account_not_proved (what signs in to it may be somebody else's, and nobody asked to drop that).
    """
    user, role, now = await user_of(asked, accounts), checked_role(asked.path["role"]), accounts.now()
    by = None if asked.session is None else asked.user_id

    async def give(tx: Transaction) -> None:
        await _check(tx, asked, accounts, user.id, role)
        check_named(role, accounts.named - {ANON, AUTHENTICATED, SERVICE})
        if await assign(tx, accounts, asked, user.id, role, by, now):
            await accounts.audit(tx, Event("role_granted", now, asked.actor, str(user.id), {"role": role}))

    await accounts.store.transact(give)
    accounts.trust.expire()
    accounts.posted()
    return json_reply(await _shown(accounts, user.id))


async def take_role(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Take a role; the account's tokens are refreshed within a second.

    Raises:
        AuthError: user_not_found, not_found (it does not have the role), not_admin, conflict (it is the last admin).
    """
    user, role, now = await user_of(asked, accounts), checked_role(asked.path["role"]), accounts.now()

    async def take(tx: Transaction) -> None:
        await _check(tx, asked, accounts, user.id, role)
        if not await unassign(tx, user.id, role, now):
            raise AuthError("not_found", "The account does not have this role")
        await accounts.audit(tx, Event("role_revoked", now, asked.actor, str(user.id), {"role": role}))

    await accounts.store.transact(take)
    accounts.trust.expire()
    return json_reply(await _shown(accounts, user.id))


async def _check(tx: Transaction, asked: AuthRequest, accounts: Accounts, user_id: UUID, role: str) -> None:
    await hold(tx, user_id)
    await check_stands(accounts, tx, asked)
    await check_gives(accounts, tx, asked, role)
    await check_reach(accounts, tx, asked, user_id)


async def _shown(accounts: Accounts, user_id: UUID) -> dict[str, Any]:
    rows = await accounts.store.all(assignments_of(user_id))
    return {
        "roles": [
            {
                "role": row.role,
                "permissions": sorted(accounts.permissions.get(row.role, ())),
                "granted_by": None if row.granted_by is None else str(row.granted_by),
                "granted_at": told(row.granted_at),
            }
            for row in rows
        ]
    }


_PATH: Final = "admin/users/{id}/roles"

ROUTES: Final = (
    Route("GET", _PATH, "admin", list_roles, "Roles of an account", permission="users:read"),
    Route(
        "PUT",
        f"{_PATH}/{{role}}",
        "admin",
        give_role,
        "Assign a role",
        query=("empty",),
        permission="roles:write",
    ),
    Route("DELETE", f"{_PATH}/{{role}}", "admin", take_role, "Take a role", permission="roles:write"),
)
