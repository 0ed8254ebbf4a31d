"""Writing an event, in the transaction of the change it tells about (AU1)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

# PostgreSQL's form of the upsert, which SQLite took over: it compiles to both.
from sqlalchemy.dialects.postgresql import insert

from backstay.audit.chain import ORIGIN, AuditKeys, canonical
from backstay.audit.event import Event
from backstay.audit.tables import Entry, Head
from backstay.db.store import Transaction
from backstay.sql.query import query


@query
def _take_head(origin: bytes) -> Any:
    """Lock the end of the chain, which is made with the first event."""
    return (
        insert(Head)
        .values(id=1, seq=0, hash=origin)
        .on_conflict_do_update(index_elements=[Head.id], set_={"seq": Head.seq})
        .returning(Head.seq, Head.hash)
    )


@query
def _move_head(seq: int, hash: bytes) -> Any:
    return sa.update(Head).where(Head.id == 1).values(seq=seq, hash=hash)


@query
def _append(
    seq: int,
    at: datetime,
    event: str,
    actor_kind: str,
    actor_id: UUID | None,
    subject: str | None,
    ip: str | None,
    request_id: str | None,
    details: dict[str, Any],
    key_id: str,
    previous: bytes,
    hash: bytes,
) -> Any:
    return sa.insert(Entry).values(
        seq=seq,
        at=at,
        event=event,
        actor_kind=actor_kind,
        actor_id=actor_id,
        subject=subject,
        ip=ip,
        request_id=request_id,
        details=details,
        key_id=key_id,
        previous=previous,
        hash=hash,
    )


async def hold(transaction: Transaction) -> tuple[int, bytes]:
    """Let nobody else record until *transaction* ends; the number and hash of the last row."""
    seq, hash = await transaction.one(_take_head(ORIGIN))
    return seq, hash


async def record(transaction: Transaction, keys: AuditKeys, *events: Event) -> None:
    """Append *events* to the log, as part of *transaction*.

    Call it last, and once with all events: from here to the end of the transaction every other that records waits.
    Nobody who waits here holds anything that the others still need, so long as nothing follows but the commit.
    """
    if not events:
        return
    seq, previous = await hold(transaction)
    for event in events:
        seq += 1
        actor = event.actor
        row: dict[str, Any] = {
            "seq": seq,
            "at": event.at,
            "event": event.name,
            "actor_kind": actor.kind,
            "actor_id": actor.id,
            "subject": event.subject,
            "ip": actor.ip,
            "request_id": actor.request_id,
            "details": {key: list(v) if isinstance(v, tuple) else v for key, v in event.details.items()},
            "key_id": keys.newest,
        }
        hash = keys.mac(keys.newest, previous + canonical(**row))
        assert hash is not None  # noqa: S101 - the newest key is one of the keys
        await transaction.run(_append(**row, previous=previous, hash=hash))
        previous = hash
    await transaction.run(_move_head(seq, previous))
