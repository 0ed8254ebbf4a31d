"""``/admin/users/{id}/factors`` and ``/passkeys``: seen and removed by an administrator, for who has lost them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID

from backstay.audit import Actor
from backstay.auth.accounts import Accounts
from backstay.auth.admin.users import note_read, path_id, user_of
from backstay.auth.assurance import remove_factor, remove_passkey
from backstay.auth.authenticator import passkey_json, passkeys_by_user
from backstay.auth.factor import factors_of
from backstay.auth.hold import hold
from backstay.auth.refusal import AuthError
from backstay.auth.rights import check_enters, check_stands
from backstay.auth.route import EMPTY, AuthRequest, Route, json_reply
from backstay.db.store import Transaction
from backstay.response.reply import Reply


async def list_factors(asked: AuthRequest, accounts: Accounts) -> Reply:
    """The second factors of an account, without their secrets.

    Raises:
        AuthError: user_not_found.
    """
    user = await user_of(asked, accounts)
    found = await factors_of(accounts.store, user.id)
    await note_read(asked, accounts, user.id, {"fields": ("factors",), "count": len(found)})
    return json_reply(found)


async def delete_factor(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Remove a second factor, and what it has lifted; its owner is told.

    Raises:
        AuthError: user_not_found, mfa_factor_not_found, not_admin (the account may do more than the caller, or has
            other roles).
    """
    id = path_id(asked, "factor_id")
    await _remove(asked, accounts, id, remove_factor, AuthError("mfa_factor_not_found", "Factor not found"))
    return json_reply({"id": str(id)})


async def list_passkeys(asked: AuthRequest, accounts: Accounts) -> Reply:
    """The passkeys of an account.

    Raises:
        AuthError: user_not_found.
    """
    user = await user_of(asked, accounts)
    rows = await accounts.store.all(passkeys_by_user(user.id))
    await note_read(asked, accounts, user.id, {"fields": ("passkeys",), "count": len(rows)})
    return json_reply([passkey_json(row) for row in rows])


async def delete_passkey(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Remove a passkey, and what it has lifted; its owner is told.

    Raises:
        AuthError: user_not_found, passkey_not_found, not_admin (the account may do more than the caller, or has
            other roles).
    """
    missing = AuthError("passkey_not_found", "Passkey not found")
    await _remove(asked, accounts, path_id(asked, "passkey_id"), remove_passkey, missing)
    return EMPTY


async def _remove(
    asked: AuthRequest,
    accounts: Accounts,
    id: UUID,
    remove: Callable[[Transaction, Accounts, Actor, Any, UUID, Any], Awaitable[bool]],
    missing: AuthError,
) -> None:
    user, now = await user_of(asked, accounts), accounts.now()

    async def work(tx: Transaction) -> bool:
        held = await hold(tx, user.id)
        if held is None:
            raise AuthError("user_not_found", "User not found")
        await check_stands(accounts, tx, asked)
        await check_enters(accounts, tx, asked, user.id)
        return await remove(tx, accounts, asked.actor, held, id, now)

    if not await accounts.store.transact(work):
        raise missing
    accounts.trust.expire()
    accounts.posted()


_FACTORS: Final = "admin/users/{id}/factors"
_PASSKEYS: Final = "admin/users/{id}/passkeys"
_WRITES: Final = "users:write"

ROUTES: Final = (
    Route("GET", _FACTORS, "admin", list_factors, "Second factors of an account", permission="users:read"),
    Route("DELETE", f"{_FACTORS}/{{factor_id}}", "admin", delete_factor, "Remove a second factor", permission=_WRITES),
    Route("GET", _PASSKEYS, "admin", list_passkeys, "Passkeys of an account", permission="users:read"),
    Route(
        "DELETE",
        f"{_PASSKEYS}/{{passkey_id}}",
        "admin",
        delete_passkey,
        "Remove a passkey",
        status=204,
        permission=_WRITES,
    ),
)
