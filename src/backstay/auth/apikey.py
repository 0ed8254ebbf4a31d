"""API keys in the database: made, looked up, revoked (TK9).

1. A key has 256 bits and is stored as its SHA-256; whoever lost it makes a new one.
2. ``sb_publishable_…`` stands in web pages and is nobody; ``sb_secret_…`` acts for a role, and never from a web page.
   The last eight characters are a CRC-32 of the rest, so that a scanner knows one where it sees it.
3. Every process holds the living keys in memory and looks again when the epoch has grown: a revocation bites within a
   second (TK5).
4. Without the scope ``write`` a key changes nothing, on any way (RB5).
5. A secret key that an account has made is good while the account may make it: not when it is banned or gone, nor when
   it has lost what that takes (S4).  One that the operator has made is the operator's.
"""

from __future__ import annotations

import hashlib
import secrets
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from backstay.auth.epoch import bump_epoch
from backstay.auth.tables import RoleAssignment, User
from backstay.auth.weight import weight
from backstay.db.own import Own
from backstay.db.store import Asks, Store, Transaction
from backstay.policy.principal import ANON, SERVICE
from backstay.sql.query import query

PUBLISHABLE: Final = "sb_publishable_"
SECRET: Final = "sb_secret_"  # noqa: S105 - a prefix
READ: Final = "read"
WRITE: Final = "write"
#: Characters of a key that are kept to tell it from others: with the prefix, and far too few to guess the rest.
_SHOWN: Final = 4


class ApiKey(Own):
    """A key, without the key."""

    __tablename__ = "backstay_api_keys"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    #: How it begins.
    hint: Mapped[str]
    hash: Mapped[bytes] = mapped_column(unique=True)
    role: Mapped[str]
    #: ``["read"]`` or ``["read", "write"]``.
    scopes: Mapped[list[Any]]
    #: The account that made it; ``None``: the service role.
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


def _newest(most: Any, skipped: Any) -> sa.Select[Any]:
    return sa.select(ApiKey).order_by(ApiKey.created_at.desc(), ApiKey.id).limit(most).offset(skipped)


@query
def page_of_keys(most: int, skipped: int) -> sa.Executable:
    """Keys that were made, the newest first, the revoked among them."""
    return _newest(most, skipped)


@query
def weight_of_keys(most: int, skipped: int) -> sa.Executable:
    return weight(_newest(most, skipped))


@query
def count_keys() -> sa.Executable:
    return sa.select(sa.func.count().label("total")).select_from(ApiKey)


@query
def key_by_id(id: UUID) -> sa.Executable:
    return sa.select(ApiKey).where(ApiKey.id == id)


@query
def _living() -> sa.Executable:
    made = sa.select(
        ApiKey.id,
        ApiKey.hash,
        ApiKey.role,
        ApiKey.scopes,
        ApiKey.expires_at,
        ApiKey.created_by,
        User.id.label("maker"),
        User.banned_until,
    )
    standing = sa.and_(User.id == ApiKey.created_by, User.deleted_at.is_(None))
    return made.outerjoin_from(ApiKey, User, standing).where(ApiKey.revoked_at.is_(None))


@query
def _makers() -> sa.Executable:
    made = sa.select(ApiKey.created_by).where(ApiKey.revoked_at.is_(None), ApiKey.created_by.is_not(None))
    return sa.select(RoleAssignment.user_id, RoleAssignment.role).where(RoleAssignment.user_id.in_(made))


@query
def _add(
    id: UUID,
    name: str,
    hint: str,
    hash: bytes,
    role: str,
    scopes: list[Any],
    created_by: UUID | None,
    created_at: datetime,
    expires_at: datetime | None,
) -> sa.Executable:
    return sa.insert(ApiKey).values(
        id=id,
        name=name,
        hint=hint,
        hash=hash,
        role=role,
        scopes=scopes,
        created_by=created_by,
        created_at=created_at,
        expires_at=expires_at,
    )


@query
def _revoke(id: UUID, now: datetime) -> sa.Executable:
    mine = sa.update(ApiKey).where(ApiKey.id == id, ApiKey.revoked_at.is_(None))
    return mine.values(revoked_at=now).returning(ApiKey.role)


@query
def _used(id: UUID, at: datetime) -> sa.Executable:
    older = ApiKey.last_used_at.is_(None) | (ApiKey.last_used_at < at)
    return sa.update(ApiKey).where(ApiKey.id == id, older).values(last_used_at=at)


def new_key(role: str) -> str:
    """A key for *role*.

    >>> key = new_key("service_role")
    >>> key.startswith("sb_secret_"), is_whole(key), is_whole(key[:-1] + "g")
    (True, True, False)
    """
    body = (PUBLISHABLE if role == ANON else SECRET) + secrets.token_urlsafe(32)
    return f"{body}_{_checksum(body)}"


def is_whole(key: str) -> bool:
    """Whether *key* has the form of one of ours and its checksum fits: no copy was cut off or mistyped."""
    body, _, checksum = key.rpartition("_")
    return body.startswith((PUBLISHABLE, SECRET)) and key.isascii() and checksum == _checksum(body)


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"


async def add_key(
    tx: Transaction,
    id: UUID,
    key: str,
    *,
    name: str,
    role: str,
    scopes: Sequence[str],
    created_by: UUID | None,
    expires_at: datetime | None,
    now: datetime,
) -> None:
    """Keep *key*, as its hash."""
    prefix = PUBLISHABLE if key.startswith(PUBLISHABLE) else SECRET
    hint, hash = key[: len(prefix) + _SHOWN], hashlib.sha256(key.encode()).digest()
    await bump_epoch(tx)
    await tx.run(_add(id, name, hint, hash, role, list(scopes), created_by, now, expires_at))


async def revoke_api_key(tx: Transaction, id: UUID, now: datetime) -> Any:
    """Take a key out of use; its row, or ``None`` where there is none to revoke."""
    await bump_epoch(tx)
    return await tx.one(_revoke(id, now))


async def living_keys(asks: Asks, permissions: Mapping[str, frozenset[str]]) -> Sequence[Any]:
    """Keys (rows) that were not revoked and whose makers may make them; the expired are among them.

    *permissions* are those of each role.  ``banned_until`` of a row says from when on its maker may again.
    """
    held: dict[UUID, frozenset[str]] = {}
    for row in await asks.all(_makers()):
        held[row.user_id] = held.get(row.user_id, frozenset()) | permissions.get(row.role, frozenset())
    return [
        row
        for row in await asks.all(_living())
        if row.created_by is None
        or row.role == ANON
        or (row.maker is not None and _takes(permissions, row.role) <= held.get(row.created_by, frozenset()))
    ]


def _takes(permissions: Mapping[str, frozenset[str]], role: str) -> frozenset[str]:
    """What it takes to make a key of *role*, as ``rights.check_gives`` has it."""
    within = frozenset[str]().union(*permissions.values()) if role == SERVICE else permissions.get(role, frozenset())
    return within | {"keys:write", "roles:write"}


async def note_uses(store: Store, uses: Mapping[UUID, datetime]) -> None:
    """Write down when keys were last used."""

    async def note(tx: Transaction) -> None:
        for id, at in sorted(uses.items()):
            await tx.run(_used(id, at))

    if uses:
        await store.transact(note)
