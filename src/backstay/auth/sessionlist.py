"""``/sessions``: where one is signed in, and how to end it elsewhere (TK10)."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from backstay.audit import Detail, Event
from backstay.auth.accounts import Accounts
from backstay.auth.hold import hold
from backstay.auth.moment import told
from backstay.auth.refusal import AuthError, invalid
from backstay.auth.route import EMPTY, AuthRequest, Route, json_reply
from backstay.auth.session import end_all, end_sessions, sessions_of
from backstay.db.store import Transaction
from backstay.response.reply import Reply


def session_json(row: Any, current: UUID | None = None) -> dict[str, Any]:
    """A session (row) as its owner and administrators see it; *current* is the one that asks."""
    shown = {
        "id": str(row.id),
        "ip": row.ip,
        "user_agent": row.user_agent,
        "aal": row.aal,
        "methods": [proof["method"] for proof in row.amr],
        "created_at": told(row.created_at),
        "refreshed_at": told(row.refreshed_at),
        "not_after": told(row.not_after),
    }
    return shown if current is None else {**shown, "current": row.id == current}


def no_such_session() -> AuthError:
    """The refusal where the account has no such session; others' look like none."""
    return AuthError("not_found", "The account has no such session")


async def list_sessions(asked: AuthRequest, accounts: Accounts) -> Reply:
    """The caller's sessions, the newest first."""
    rows = await accounts.store.all(sessions_of(asked.user_id))
    return json_reply({"sessions": [session_json(row, asked.session.id) for row in rows]})


async def end_session(asked: AuthRequest, accounts: Accounts) -> Reply:
    """End one of the caller's sessions.

    Raises:
        AuthError: validation_failed, not_found.
    """
    try:
        id = UUID(asked.path["id"])
    except ValueError:
        raise invalid("id must be an UUID") from None
    now = accounts.now()

    async def end(tx: Transaction) -> None:
        await hold(tx, asked.user_id)
        if id not in [row.id for row in await tx.all(sessions_of(asked.user_id))]:
            raise no_such_session()
        await end_sessions(tx, [id], now)
        details: dict[str, Detail] = {"session_id": str(id), "scope": "one", "sessions": 1}
        await accounts.audit(tx, Event("logout", now, asked.actor, str(asked.user_id), details))

    await accounts.store.transact(end)
    accounts.trust.expire()
    return EMPTY


async def end_others(asked: AuthRequest, accounts: Accounts) -> Reply:
    """End every session of the caller but this one."""
    now = accounts.now()

    async def end(tx: Transaction) -> None:
        await hold(tx, asked.user_id)
        ended = await end_all(tx, asked.user_id, now, but=asked.session.id)
        details: dict[str, Detail] = {"scope": "others", "sessions": len(ended)}
        await accounts.audit(tx, Event("logout", now, asked.actor, str(asked.user_id), details))

    await accounts.store.transact(end)
    accounts.trust.expire()
    return EMPTY


ROUTES: Final = (
    Route("GET", "sessions", "user", list_sessions, "Where one is signed in"),
    Route("DELETE", "sessions", "user", end_others, "End one's other sessions", status=204),
    Route("DELETE", "sessions/{id}", "user", end_session, "End one of one's sessions", status=204),
)
