"""``POST /logout``: end this session, the others, or all (TK4)."""

from __future__ import annotations

from typing import Final

from backstay.audit import Detail, Event
from backstay.auth.accounts import Accounts
from backstay.auth.hold import hold
from backstay.auth.refusal import invalid
from backstay.auth.route import EMPTY, AuthRequest, Route
from backstay.auth.session import end_all, end_sessions
from backstay.db.store import Transaction
from backstay.response.reply import Reply


async def logout(asked: AuthRequest, accounts: Accounts) -> Reply:
    """End sessions of the caller's account: ``global`` (all, the default), ``local`` (this one), ``others``."""
    scope = asked.query.get("scope", "global")
    if scope not in ("global", "local", "others"):
        raise invalid(f"Unsupported logout scope {scope!r}"[:80], hint="Use global, local or others.")
    user_id, session_id, now = asked.user_id, asked.session.id, accounts.now()

    async def end(tx: Transaction) -> None:
        await hold(tx, user_id)
        if scope == "local":
            await end_sessions(tx, [session_id], now)
            count = 1
        else:
            count = len(await end_all(tx, user_id, now, but=session_id if scope == "others" else None))
        details: dict[str, Detail] = {"session_id": str(session_id), "scope": scope, "sessions": count}
        await accounts.audit(tx, Event("logout", now, asked.actor, str(user_id), details))

    await accounts.store.transact(end)
    accounts.trust.expire()
    return EMPTY


ROUTES: Final = (Route("POST", "logout", "user", logout, "Sign out", query=("scope",), status=204),)
