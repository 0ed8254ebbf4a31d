"""``GET /admin/users`` and ``/admin/users/{id}``: accounts, as administrators see them.

Every look at somebody's data is audited (AU3), and a hash is never part of one (PW9).
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
import sqlalchemy as sa

from backstay.audit import Detail, Event
from backstay.auth.accounts import Accounts
from backstay.auth.hold import NOBODY
from backstay.auth.page import MOST, PARAMETERS, USUAL, check_weight, listed, read_count, read_page
from backstay.auth.refusal import AuthError, invalid
from backstay.auth.route import AuthRequest, Route, json_reply
from backstay.auth.tables import Identity, User
from backstay.auth.user import user_by_id, user_json
from backstay.auth.weight import weight
from backstay.response.reply import Reply
from backstay.sql.query import query

_PATH: Final = "/admin/users"
_MAX_SEARCH_CHARS: Final = 254
_AFTER_ALL: Final = datetime(9999, 1, 1, tzinfo=UTC)


def _found(everybody: Any, pattern: Any, id: Any) -> Any:
    """Who is looked for.  A comparison that may be left out: *everybody* makes it true for every account."""
    any_ = sa.type_coerce(everybody, sa.Boolean())
    return User.deleted_at.is_(None) & sa.or_(any_, User.email.like(pattern, escape="\\"), User.id == id)


def _numbered(everybody: Any, pattern: Any, id: Any, most: Any, skipped: Any, *columns: Any) -> Any:
    found = sa.select(*columns).where(_found(everybody, pattern, id))
    return found.order_by(User.created_at.desc(), User.id.desc()).limit(most).offset(skipped)


def _after(everybody: Any, pattern: Any, id: Any, at: Any, last: Any, most: Any, *columns: Any) -> Any:
    older = (User.created_at < at) | ((User.created_at == at) & (User.id < last))
    found = sa.select(*columns).where(_found(everybody, pattern, id), older)
    return found.order_by(User.created_at.desc(), User.id.desc()).limit(most)


def _identities(page: Any) -> sa.Select[Any]:
    """Those of the accounts whose ids are *page*."""
    mine = sa.select(Identity).where(Identity.user_id.in_(sa.select(page.subquery().c.id)))
    return mine.order_by(Identity.created_at, Identity.id)


@query
def _count(everybody: bool, pattern: str, id: UUID) -> sa.Executable:
    return sa.select(sa.func.count().label("total")).select_from(User).where(_found(everybody, pattern, id))


@query
def _page(everybody: bool, pattern: str, id: UUID, most: int, skipped: int) -> sa.Executable:
    return _numbered(everybody, pattern, id, most, skipped, User)  # type: ignore[no-any-return]


@query
def _page_identities(everybody: bool, pattern: str, id: UUID, most: int, skipped: int) -> sa.Executable:
    return _identities(_numbered(everybody, pattern, id, most, skipped, User.id))


@query
def _page_weight(everybody: bool, pattern: str, id: UUID, most: int, skipped: int) -> sa.Executable:
    page = _numbered(everybody, pattern, id, most, skipped, User)
    return weight(page, _identities(_numbered(everybody, pattern, id, most, skipped, User.id)))


@query
def _next(everybody: bool, pattern: str, id: UUID, at: datetime, last: UUID, most: int) -> sa.Executable:
    return _after(everybody, pattern, id, at, last, most, User)  # type: ignore[no-any-return]


@query
def _next_identities(everybody: bool, pattern: str, id: UUID, at: datetime, last: UUID, most: int) -> sa.Executable:
    return _identities(_after(everybody, pattern, id, at, last, most, User.id))


@query
def _next_weight(everybody: bool, pattern: str, id: UUID, at: datetime, last: UUID, most: int) -> sa.Executable:
    page = _after(everybody, pattern, id, at, last, most, User)
    return weight(page, _identities(_after(everybody, pattern, id, at, last, most, User.id)))


async def list_users(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Accounts, the newest first: by page with a count of all, or after a cursor, which takes as long on any page.

    ``filter`` is the beginning of an address, or an id.

    Raises:
        AuthError: validation_failed, answer_too_large.
    """
    wanted = _wanted(asked.query.get("filter") or asked.query.get("search") or "")
    if "cursor" in asked.query or "limit" in asked.query:
        return await _list_after(asked, accounts, wanted)
    page = read_page(asked.query)
    await check_weight(accounts, _page_weight(*wanted, page.size, page.skipped))
    count = await accounts.store.one(_count(*wanted))
    rows = await accounts.store.all(_page(*wanted, page.size, page.skipped))
    identities = await accounts.store.all(_page_identities(*wanted, page.size, page.skipped))
    shown = {"users": _shown(rows, identities), "aud": "authenticated"}
    reply = listed(accounts, shown, page.headers(_PATH, count.total))
    await note_read(asked, accounts, None, {"fields": ("users",), "count": len(rows)})
    return reply


async def _list_after(asked: AuthRequest, accounts: Accounts, wanted: tuple[bool, str, UUID]) -> Reply:
    limit = read_count(asked.query, "limit", otherwise=USUAL, most=MOST)
    at, last = _read_cursor(asked.query.get("cursor", ""))
    await check_weight(accounts, _next_weight(*wanted, at, last, limit))
    # One more than is shown says whether there are more.
    rows = await accounts.store.all(_next(*wanted, at, last, limit + 1))
    identities = await accounts.store.all(_next_identities(*wanted, at, last, limit))
    more, rows = len(rows) > limit, rows[:limit]
    pagination: dict[str, Any] = {"has_more": more}
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if more:
        cursor = _cursor(rows[-1])
        pagination["next_cursor"] = cursor
        headers = ((b"link", f'<{_PATH}?cursor={cursor}&limit={limit}>; rel="next"'.encode()),)
    shown = {"users": _shown(rows, identities), "aud": "authenticated", "pagination": pagination}
    reply = listed(accounts, shown, headers)
    await note_read(asked, accounts, None, {"fields": ("users",), "count": len(rows)})
    return reply


async def get_user(asked: AuthRequest, accounts: Accounts) -> Reply:
    """One account.

    Raises:
        AuthError: user_not_found.
    """
    user = await user_of(asked, accounts)
    shown = await accounts.user_json(user)
    await note_read(asked, accounts, user.id, {"fields": ("user",), "count": 1})
    return json_reply(shown)


async def user_of(asked: AuthRequest, accounts: Accounts) -> Any:
    """The account (row) that the path names.

    Raises:
        AuthError: validation_failed, user_not_found.
    """
    user = await accounts.store.one(user_by_id(path_id(asked)))
    if user is None:
        raise AuthError("user_not_found", "User not found")
    return user


def path_id(asked: AuthRequest, name: str = "id") -> UUID:
    """The id in the path.

    Raises:
        AuthError: validation_failed.
    """
    try:
        return UUID(asked.path[name])
    except ValueError:
        raise invalid(f"{name} must be an UUID") from None


async def note_read(asked: AuthRequest, accounts: Accounts, subject: UUID | None, details: dict[str, Detail]) -> None:
    """Audit that an administrator saw somebody's data; before the answer goes out."""
    about = None if subject is None else str(subject)
    event = Event("admin_read_user", accounts.now(), asked.actor, about, details)
    await accounts.store.transact(lambda tx: accounts.audit(tx, event))


def _shown(rows: Any, identities: Any) -> list[dict[str, Any]]:
    by_user: dict[UUID, list[Any]] = {}
    for identity in identities:
        by_user.setdefault(identity.user_id, []).append(identity)
    return [user_json(row, by_user.get(row.id, ())) for row in rows]


def _wanted(text: str) -> tuple[bool, str, UUID]:
    if len(text) > _MAX_SEARCH_CHARS or "\0" in text:
        raise invalid("filter is an id, or the beginning of an address")
    try:
        id = UUID(text)
    except ValueError:
        id = NOBODY
    escaped = text.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return not text, escaped + "%", id


def _cursor(row: Any) -> str:
    raw = msgspec.json.encode([row.created_at, row.id])
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _read_cursor(text: str) -> tuple[datetime, UUID]:
    if not text:
        return _AFTER_ALL, NOBODY
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        at, last = msgspec.json.decode(raw, type=tuple[datetime, UUID])
        return at.astimezone(UTC), last
    except (ValueError, OverflowError):
        raise invalid("cursor is not one of ours") from None


ROUTES: Final = (
    Route(
        "GET",
        "admin/users",
        "admin",
        list_users,
        "List accounts",
        query=(*PARAMETERS, "filter", "cursor", "limit"),
        permission="users:read",
    ),
    Route("GET", "admin/users/{id}", "admin", get_user, "One account", permission="users:read"),
)
