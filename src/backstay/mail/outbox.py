"""The outbox: letters that have been decided on and not yet sent.

1. A letter is put in by the transaction that decides on it, so neither exists without the other (DU5).
2. What it says, and to whom, is sealed: whoever reads the database, or a copy of it, has no live code, and whoever may
   write to it cannot have a link sent elsewhere.
3. Whoever sends it first takes a lease with one conditional UPDATE (ID4).  A lease is nothing but a later ``due_at``,
   so a sender that dies gives its letters back by itself.
4. A letter that was sent is deleted.  One that cannot be is *dead*: the reason stays for a month, the words do not.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid4

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Mapped, aliased, mapped_column

from backstay.db.own import Own
from backstay.db.store import Transaction
from backstay.mail.letter import Letter
from backstay.sql.query import query

#: Bytes to sealed bytes, and back.  ``app.py`` makes both of the keyring.
Seal: TypeAlias = Callable[[bytes], bytes]

#: How many letters one claim takes: as many are sent at once.
BATCH: Final = 4


class Outgoing(Own):
    """One letter on its way, or dead."""

    __tablename__ = "backstay_mail"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    #: The letter; nothing once it is dead.
    sealed: Mapped[bytes | None]
    made_at: Mapped[datetime]
    #: When it may be tried next; nothing once it is dead.
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    #: When its link or code stops working, and sending it would only annoy.
    expires_at: Mapped[datetime | None]
    #: How often it was claimed.
    tries: Mapped[int]
    #: Who has it now, or had it last.
    lease: Mapped[UUID | None]
    #: Why the last try failed, without anything that the letter says.
    reason: Mapped[str | None]
    died_at: Mapped[datetime | None] = mapped_column(index=True)


@query
def _add(id: UUID, kind: str, sealed: bytes, made_at: datetime, expires_at: datetime | None) -> Any:
    return sa.insert(Outgoing).values(
        id=id,
        kind=kind,
        sealed=sealed,
        made_at=made_at,
        due_at=made_at,
        expires_at=expires_at,
        tries=sa.literal_column("0"),
    )


async def enqueue(transaction: Transaction, letter: Letter, *, now: datetime, seal: Seal) -> UUID:
    """Have *letter* sent once *transaction* is committed, and not if it is not.

    It costs one INSERT.  Call `Deliverer.wake` after the commit; it is found a little later without.
    """
    id = uuid4()
    expires_at = None if letter.minutes is None else now + timedelta(minutes=letter.minutes)
    await transaction.run(_add(id, letter.kind, seal(_encode(letter)), now, expires_at))
    return id


def read_letter(plain: bytes) -> Letter:
    """The letter that `enqueue` had sealed, opened.

    Raises:
        ValueError: when it is none; another version of Backstay may have written it.
    """
    to, kind, locale, data = msgspec.json.decode(plain, type=tuple[str, str, str, dict[str, str]])
    return Letter(to, kind, locale, data)  # type: ignore[arg-type]  # it checks the kind itself


def _encode(letter: Letter) -> bytes:
    return msgspec.json.encode((letter.to, letter.kind, letter.locale, dict(letter.data)))


@query
def next_due() -> Any:
    """When the first letter is due, in one row: `None` when none waits."""
    return sa.select(sa.func.min(Outgoing.due_at, type_=sa.DateTime(timezone=True)).label("at"))


@query
def claim(now: datetime, until: datetime, lease: UUID) -> Any:
    """Take up to `BATCH` letters that are due, the oldest first, and hold them *until* then."""
    due = aliased(Outgoing)
    oldest = (
        sa.select(due.id).where(due.due_at <= now).order_by(due.due_at, due.id).limit(sa.literal_column(str(BATCH)))
    )
    return (
        sa.update(Outgoing)
        # The second condition is what decides between two that claim at once: PostgreSQL looks at it again when the
        # other one has committed, and at the subquery it does not.
        .where(Outgoing.id.in_(oldest), Outgoing.due_at <= now)
        .values(due_at=until, lease=lease, tries=Outgoing.tries + sa.literal_column("1"))
        .returning(Outgoing.id, Outgoing.kind, Outgoing.sealed, Outgoing.made_at, Outgoing.expires_at, Outgoing.tries)
    )


@query
def forget(id: UUID) -> Any:
    """It was sent: whoever holds it now, nobody needs to send it again."""
    return sa.delete(Outgoing).where(Outgoing.id == id)


@query
def postpone(id: UUID, lease: UUID, due_at: datetime, reason: str) -> Any:
    """Try again then; unless another one has it by now."""
    return (
        sa.update(Outgoing)
        .where(Outgoing.id == id, Outgoing.lease == lease, Outgoing.died_at.is_(None))
        .values(due_at=due_at, reason=reason)
    )


@query
def bury(id: UUID, lease: UUID, now: datetime, reason: str) -> Any:
    """It will never be sent: keep why, and drop what it said; unless another one has it by now."""
    return (
        sa.update(Outgoing)
        .where(Outgoing.id == id, Outgoing.lease == lease, Outgoing.died_at.is_(None))
        .values(died_at=now, due_at=None, sealed=None, reason=reason)
    )


@query
def clear(before: datetime) -> Any:
    """Forget letters that died before then."""
    return sa.delete(Outgoing).where(Outgoing.died_at < before)


@query
def dead() -> Any:
    """Letters that could not be sent, the last first; for whoever operates the app."""
    return (
        sa.select(Outgoing.id, Outgoing.kind, Outgoing.made_at, Outgoing.died_at, Outgoing.tries, Outgoing.reason)
        .where(Outgoing.died_at.is_not(None))
        .order_by(Outgoing.died_at.desc(), Outgoing.id)
        .limit(sa.literal_column("1000"))
    )
