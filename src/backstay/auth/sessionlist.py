"""``/sessions``: where one is signed in, and how to end it elsewhere (TK10)."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from backstay.audit import Detail, Event
from backstay.auth.accounts import Accounts
from backstay.auth.hold import hold
from backstay.auth.moment import told
from backstay.auth.page import PARAMETERS, check_weight, listed, read_page
from backstay.auth.refusal import AuthError, invalid
from backstay.auth.route import EMPTY, AuthRequest, Route
from backstay.auth.session import (
    count_sessions,
    end_all,
    end_sessions,
    page_of_sessions,
    session_by_id,
    weight_of_sessions,
)
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
    """A page of the caller's sessions, the newest first.

    Raises:
        AuthError: validation_failed, answer_too_large.
    """
    reply, _ = await sessions_page(asked, accounts, asked.user_id, "/sessions", asked.session.id)
    return reply


async def sessions_page(
    asked: AuthRequest, accounts: Accounts, user_id: UUID, path: str, current: UUID | None = None
) -> tuple[Reply, int]:
    """The page that is asked for of an account's sessions, the newest first, and how many there are on it.

    *path* is where the pages are.

    Raises:
        AuthError: validation_failed, answer_too_large.
    """
    page = read_page(asked.query)
    await check_weight(accounts, weight_of_sessions(user_id, page.size, page.skipped))
    count = await accounts.store.one(count_sessions(user_id))
    rows = await accounts.store.all(page_of_sessions(user_id, page.size, page.skipped))
    shown = [session_json(row, current) for row in rows]
    return listed(accounts, {"sessions": shown}, page.headers(path, count.total)), len(rows)


async def is_session_of(tx: Transaction, id: UUID, user_id: UUID) -> bool:
    """Whether the account, which is held, has the session *id*."""
    session = await tx.one(session_by_id(id))
    return session is not None and session.user_id == user_id


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
        if not await is_session_of(tx, id, asked.user_id):
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
    Route("GET", "sessions", "user", list_sessions, "Where one is signed in", query=PARAMETERS),
    Route("DELETE", "sessions", "user", end_others, "End one's other sessions", status=204),
    Route("DELETE", "sessions/{id}", "user", end_session, "End one of one's sessions", status=204),
)
