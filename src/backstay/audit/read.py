"""Reading the log: its rows in order, its end, and what the admin API shows of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid5

import sqlalchemy as sa

from backstay.audit.event import EVENTS
from backstay.audit.tables import Entry, Head
from backstay.db.store import Asks
from backstay.sql.query import query

#: Rows of one page.
PAGE: Final = 1000
#: Before every row, and before every time.
START: Final = -(2**63)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: GoTrue names entries by UUIDs; ours have numbers.
_NAMES: Final = UUID("3f1f0c52-6d2e-5d1c-9a55-6f2f6c1c8c11")


@query
def page(after: int, most: int) -> Any:
    """Rows in order."""
    return sa.select(Entry).where(Entry.seq > after).order_by(Entry.seq).limit(most)


@query
def head() -> Any:
    """The end of the chain, as the database has it."""
    return sa.select(Head.seq, Head.hash).where(Head.id == 1)


@query
def _newest_of(name: str) -> Any:
    return sa.select(Entry).where(Entry.event == name).order_by(Entry.seq.desc()).limit(1)


@query
def _chosen(before: int, since: datetime, any_event: bool, name: str, any_actor: bool, actor: UUID, most: int) -> Any:
    # A comparison that may be left out: `any_…` makes it true for every row.
    return (
        sa.select(Entry)
        .where(
            Entry.seq < before,
            Entry.at >= since,
            sa.or_(sa.type_coerce(any_event, sa.Boolean()), Entry.event == name),
            sa.or_(sa.type_coerce(any_actor, sa.Boolean()), Entry.actor_id == actor),
        )
        .order_by(Entry.seq.desc())
        .limit(most)
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows: those *since* a time, of one *event*, of one *actor*, before the number *before*."""

    since: datetime | None = None
    event: str | None = None
    actor: UUID | None = None
    before: int | None = None


async def newest(store: Asks, wanted: Wanted, most: int) -> list[Any]:
    """The last *most* rows that are wanted, newest first."""
    asked = _chosen(
        2**63 - 1 if wanted.before is None else wanted.before,
        wanted.since or _EPOCH,
        wanted.event is None,
        wanted.event or "",
        wanted.actor is None,
        wanted.actor or _NAMES,
        most,
    )
    return list(await store.all(asked))


async def newest_of(store: Asks, name: str) -> Any:
    """The last row of one kind of event, or ``None``."""
    return await store.one(_newest_of(name))


def shown(row: Any) -> dict[str, Any]:
    """A row for a machine to read: every column, bytes as hexadecimal digits."""
    return {
        "seq": row.seq,
        "at": _utc(row.at),
        "event": row.event,
        "actor_kind": row.actor_kind,
        "actor_id": None if row.actor_id is None else str(row.actor_id),
        "subject": row.subject,
        "ip": row.ip,
        "request_id": row.request_id,
        "details": row.details,
        "key_id": row.key_id,
        "hash": row.hash.hex(),
    }


def gotrue_entry(row: Any, usernames: Mapping[UUID, str]) -> dict[str, Any]:
    """A row as ``GET /auth/v1/admin/audit`` shows it.

    *usernames* are the addresses of the actors that still have an account; the others have none here.
    """
    kind = EVENTS.get(row.event)
    traits = dict(row.details)
    if row.subject is not None:
        traits["subject"] = row.subject
    payload = {
        "action": row.event if kind is None else kind.action,
        "actor_id": str(row.actor_id or UUID(int=0)),
        "actor_username": "" if row.actor_id is None else usernames.get(row.actor_id, ""),
        "actor_via_sso": False,
        "log_type": "account" if kind is None else kind.log_type,
        "timestamp": _utc(row.at),
        "traits": traits,
    }
    return {
        "id": str(uuid5(_NAMES, str(row.seq))),
        "payload": payload,
        "created_at": _utc(row.at),
        "ip_address": row.ip or "",
    }


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
