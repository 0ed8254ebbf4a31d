"""``GET /admin/audit``: the audit log, newest first, as GoTrue shows it."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from backstay.audit import gotrue_entry
from backstay.audit.read import Wanted, head, newest
from backstay.auth.accounts import Accounts
from backstay.auth.admin.page import read_page
from backstay.auth.admin.users import note_read
from backstay.auth.route import AuthRequest, Route, json_reply
from backstay.auth.user import user_by_id
from backstay.response.reply import Reply

_PATH: Final = "/admin/audit"


async def read_log(asked: AuthRequest, accounts: Accounts) -> Reply:
    """A page of the log; names of actors are looked up now, so they left it with the account.

    Raises:
        AuthError: validation_failed.
    """
    page = read_page(asked.query)
    end = await accounts.store.one(head())
    total = 0 if end is None else end.seq
    # Rows are numbered without a gap, so a page begins where its number says.
    rows = await newest(accounts.store, Wanted(before=total + 1 - page.skipped), page.size)
    usernames: dict[UUID, str] = {}
    for id in {row.actor_id for row in rows if row.actor_id is not None}:
        user: Any = await accounts.store.one(user_by_id(id))
        if user is not None and user.email is not None:
            usernames[id] = user.email
    shown = [gotrue_entry(row, usernames) for row in rows]
    await note_read(asked, accounts, None, {"fields": ("audit",), "count": len(rows)})
    return json_reply(shown, headers=page.headers(_PATH, total))


ROUTES: Final = (
    Route(
        "GET",
        "admin/audit",
        "admin",
        read_log,
        "Read the audit log",
        query=("page", "per_page"),
        permission="audit:read",
    ),
)
