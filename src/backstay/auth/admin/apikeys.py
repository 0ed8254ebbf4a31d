"""``/admin/api-keys``: keys made, seen and revoked (TK9)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal
from uuid import uuid4

import msgspec

from backstay.audit import Event
from backstay.auth.accounts import Accounts
from backstay.auth.admin.users import path_id
from backstay.auth.apikey import (
    READ,
    WRITE,
    add_key,
    count_keys,
    key_by_id,
    new_key,
    page_of_keys,
    revoke_api_key,
    weight_of_keys,
)
from backstay.auth.moment import told
from backstay.auth.naming import check_named
from backstay.auth.page import PARAMETERS, check_weight, listed, read_page
from backstay.auth.refusal import AuthError, invalid
from backstay.auth.rights import check_gives, check_stands
from backstay.auth.route import EMPTY, AuthRequest, Route, json_reply
from backstay.db.store import Transaction
from backstay.policy.principal import AUTHENTICATED
from backstay.response.reply import Reply

_MAX_NAME_CHARS: Final = 100


class KeyParams(msgspec.Struct, frozen=True):
    """Body of ``POST /admin/api-keys``."""

    name: str = ""
    role: str = ""
    scopes: tuple[Literal["read", "write"], ...] = (READ, WRITE)
    expires_at: datetime | None = None


def check_key(body: KeyParams, roles: frozenset[str], now: datetime) -> tuple[str, tuple[str, ...]]:
    """Name and scopes of the key that *body* asks for, in an app that names *roles*.

    Raises:
        AuthError: validation_failed.
    """
    name = body.name.strip()
    if not name or len(name) > _MAX_NAME_CHARS or not name.isprintable():
        raise invalid(f"A key needs a name of at most {_MAX_NAME_CHARS} printable characters")
    check_named(body.role, roles - {AUTHENTICATED}, "The app names no role of keys")
    if READ not in body.scopes:
        raise invalid("scopes are read, or read and write")
    if body.expires_at is not None and (body.expires_at.tzinfo is None or body.expires_at <= now):
        raise invalid("expires_at is a time to come, with its time zone")
    return name, tuple(scope for scope in (READ, WRITE) if scope in body.scopes)


async def create_key(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Make a key; this answer is the only one that has it.

    Raises:
        AuthError: validation_failed, not_admin (a key of the service role takes every permission, one of another role
            takes what giving that role takes).
    """
    body: KeyParams = asked.body
    now = accounts.now()
    name, scopes = check_key(body, accounts.named, now)
    id, key = uuid4(), new_key(body.role)

    async def make(tx: Transaction) -> Any:
        await check_stands(accounts, tx, asked)
        await check_gives(accounts, tx, asked, body.role)
        await add_key(
            tx,
            id,
            key,
            name=name,
            role=body.role,
            scopes=scopes,
            created_by=None if asked.session is None else asked.user_id,
            expires_at=body.expires_at,
            now=now,
        )
        details = {"key_id": str(id), "role": body.role, "scopes": scopes, "expires_at": told(body.expires_at)}
        await accounts.audit(tx, Event("api_key_created", now, asked.actor, str(id), details))
        # In here: a database that is busy behind the commit would refuse the only answer that has the key.
        return await tx.one(key_by_id(id))

    made = await accounts.store.transact(make)
    accounts.trust.expire()
    return json_reply({**_shown(made), "api_key": key})


async def list_keys(asked: AuthRequest, accounts: Accounts) -> Reply:
    """A page of the keys that were made, the newest first, without the keys.

    Raises:
        AuthError: validation_failed, answer_too_large.
    """
    page = read_page(asked.query)
    await check_weight(accounts, weight_of_keys(page.size, page.skipped))
    count = await accounts.store.one(count_keys())
    rows = await accounts.store.all(page_of_keys(page.size, page.skipped))
    return listed(accounts, {"api_keys": [_shown(row) for row in rows]}, page.headers(f"/{_PATH}", count.total))


async def revoke_key(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Take a key out of use, within a second everywhere.

    Raises:
        AuthError: validation_failed, not_found (there is none, or it was revoked before).
    """
    id, now = path_id(asked), accounts.now()

    async def revoke(tx: Transaction) -> None:
        await check_stands(accounts, tx, asked)
        row = await revoke_api_key(tx, id, now)
        if row is None:
            raise AuthError("not_found", "There is no such key in use")
        details = {"key_id": str(id), "role": row.role}
        await accounts.audit(tx, Event("api_key_revoked", now, asked.actor, str(id), details))

    await accounts.store.transact(revoke)
    accounts.trust.expire()
    return EMPTY


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "name": row.name,
        "hint": row.hint,
        "role": row.role,
        "scopes": row.scopes,
        "created_by": None if row.created_by is None else str(row.created_by),
        "created_at": told(row.created_at),
        "expires_at": told(row.expires_at),
        "last_used_at": told(row.last_used_at),
        "revoked_at": told(row.revoked_at),
    }


_PATH: Final = "admin/api-keys"

ROUTES: Final = (
    Route("GET", _PATH, "admin", list_keys, "List API keys", query=PARAMETERS, permission="keys:write"),
    Route("POST", _PATH, "admin", create_key, "Make an API key", KeyParams, permission="keys:write"),
    Route("DELETE", f"{_PATH}/{{id}}", "admin", revoke_key, "Revoke an API key", status=204, permission="keys:write"),
)
