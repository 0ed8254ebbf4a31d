"""``GET /admin/audit``: the audit log, newest first, as GoTrue shows it."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from backstay.audit import gotrue_entry
from backstay.audit.read import Wanted, head, newest
from backstay.audit.tables import Entry
from backstay.auth.accounts import Accounts
from backstay.auth.admin.users import note_read
from backstay.auth.page import PARAMETERS, check_weight, listed, read_page
from backstay.auth.route import AuthRequest, Route
from backstay.auth.user import user_by_id
from backstay.auth.weight import weight
from backstay.response.reply import Reply
from backstay.sql.query import query

_PATH: Final = "/admin/audit"


@query
def _page_weight(before: int, most: int) -> sa.Executable:
    return weight(sa.select(Entry).where(Entry.seq < before).order_by(Entry.seq.desc()).limit(most))


async def read_log(asked: AuthRequest, accounts: Accounts) -> Reply:
    """A page of the log; names of actors are looked up now, so they left it with the account.

    Raises:
        AuthError: validation_failed, answer_too_large.
    """
    page = read_page(asked.query)
    end = await accounts.store.one(head())
    total = 0 if end is None else end.seq
    # Rows are numbered without a gap, so a page begins where its number says.
    before = total + 1 - page.skipped
    await check_weight(accounts, _page_weight(before, page.size))
    rows = await newest(accounts.store, Wanted(before=before), page.size)
    usernames: dict[UUID, str] = {}
    for id in {row.actor_id for row in rows if row.actor_id is not None}:
        user: Any = await accounts.store.one(user_by_id(id))
        if user is not None and user.email is not None:
            usernames[id] = user.email
    shown = [gotrue_entry(row, usernames) for row in rows]
    reply = listed(accounts, shown, page.headers(_PATH, total))
    await note_read(asked, accounts, None, {"fields": ("audit",), "count": len(rows)})
    return reply


ROUTES: Final = (
    Route(
        "GET",
        "admin/audit",
        "admin",
        read_log,
        "Read the audit log",
        query=PARAMETERS,
        permission="audit:read",
    ),
)
