"""Ids of accounts that were deleted: rows of the app may name them still, so nobody is given one again."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from backstay.audit.tables import Entry
from backstay.db.own import Own
from backstay.sql.query import query


class Gone(Own):
    """An account that is no more."""

    __tablename__ = "backstay_gone_accounts"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime]


@query
def gone_account(id: UUID) -> sa.Executable:
    return sa.select(Gone.id).where(Gone.id == id)


@query
def note_gone(id: UUID, at: datetime) -> sa.Executable:
    return sa.insert(Gone).values(id=id, at=at)


def _recall(table: sa.Table, connection: sa.Connection, **named: Any) -> None:
    """What the audit log knows of deletions before there was this table."""
    if not sa.inspect(connection).has_table(Entry.__tablename__):
        return
    deleted = sa.select(Entry.subject, Entry.at, Entry.details).where(Entry.event == "user_deleted")
    rows = {
        UUID(row.subject): row.at
        for row in connection.execute(deleted)
        if row.subject is not None and row.details.get("soft") is not True
    }
    if rows:
        connection.execute(table.insert(), [{"id": id, "at": at} for id, at in rows.items()])


sa.event.listen(Gone.__table__, "after_create", _recall)
