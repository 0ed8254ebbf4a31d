"""``/admin/users/{id}/sessions``: where an account is signed in, seen and ended by an administrator (TK10)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from backstay.audit import Event
from backstay.auth.accounts import Accounts
from backstay.auth.admin.users import note_read, path_id, user_of
from backstay.auth.hold import hold
from backstay.auth.page import PARAMETERS
from backstay.auth.rights import check_reach, check_stands
from backstay.auth.route import EMPTY, AuthRequest, Route
from backstay.auth.session import end_sessions, sessions_of
from backstay.auth.sessionlist import is_session_of, no_such_session, sessions_page
from backstay.db.store import Transaction
from backstay.response.reply import Reply


async def list_sessions(asked: AuthRequest, accounts: Accounts) -> Reply:
    """A page of an account's sessions, the newest first.

    Raises:
        AuthError: user_not_found, validation_failed, answer_too_large.
    """
    user = await user_of(asked, accounts)
    reply, count = await sessions_page(asked, accounts, user.id, f"/admin/users/{user.id}/sessions")
    await note_read(asked, accounts, user.id, {"fields": ("sessions",), "count": count})
    return reply


async def end_user_sessions(asked: AuthRequest, accounts: Accounts) -> Reply:
    """End every session of an account.

    Raises:
        AuthError: user_not_found, not_admin (it may do more than the caller).
    """
    user = await user_of(asked, accounts)
    await _end(asked, accounts, user.id, None)
    return EMPTY


async def end_user_session(asked: AuthRequest, accounts: Accounts) -> Reply:
    """End one session of an account.

    Raises:
        AuthError: user_not_found, not_found, not_admin (it may do more than the caller).
    """
    user, id = await user_of(asked, accounts), path_id(asked, "session_id")
    if not await _end(asked, accounts, user.id, id):
        raise no_such_session()
    return EMPTY


async def _end(asked: AuthRequest, accounts: Accounts, user_id: UUID, id: UUID | None) -> Sequence[UUID]:
    now = accounts.now()

    async def end(tx: Transaction) -> Sequence[UUID]:
        await hold(tx, user_id)
        await check_stands(accounts, tx, asked)
        await check_reach(accounts, tx, asked, user_id)
        if id is None:
            ended = [row.id for row in await tx.all(sessions_of(user_id))]
        else:
            ended = [id] if await is_session_of(tx, id, user_id) else []
        if ended:
            await end_sessions(tx, ended, now)
            details = {"session_id": None if id is None else str(id), "sessions": len(ended), "reason": "admin"}
            await accounts.audit(tx, Event("token_revoked", now, asked.actor, str(user_id), details))
        return ended

    ended = await accounts.store.transact(end)
    accounts.trust.expire()
    return ended


_PATH: Final = "admin/users/{id}/sessions"

ROUTES: Final = (
    Route("GET", _PATH, "admin", list_sessions, "Sessions of an account", query=PARAMETERS, permission="users:read"),
    Route("DELETE", _PATH, "admin", end_user_sessions, "End all its sessions", status=204, permission="users:write"),
    Route(
        "DELETE",
        f"{_PATH}/{{session_id}}",
        "admin",
        end_user_session,
        "End one of its sessions",
        status=204,
        permission="users:write",
    ),
)
