"""Where the log is kept: rows that the database itself refuses to change (AU1).

1. Triggers refuse UPDATE and DELETE, on PostgreSQL also TRUNCATE, and on SQLite the ``REPLACE`` that deletes unseen.
2. On PostgreSQL the role that made the table gives up the right to do so; a superuser has it still.
3. They are made along with the table, and are the first line only: what gets past them breaks the chain.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from backstay.db.own import Own


class Entry(Own):
    """One event."""

    __tablename__ = "backstay_audit"

    #: From 1, without a gap.
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(index=True)
    event: Mapped[str]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None] = mapped_column(index=True)
    subject: Mapped[str | None]
    ip: Mapped[str | None]
    request_id: Mapped[str | None]
    details: Mapped[dict[str, Any]]
    #: Which key made the hash.
    key_id: Mapped[str]
    previous: Mapped[bytes]
    hash: Mapped[bytes]


class Head(Own):
    """The end of the chain: one row, whose lock puts the writers of the log in a line."""

    __tablename__ = "backstay_audit_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int]
    hash: Mapped[bytes]


_ENTRY: sa.Table = Entry.metadata.tables["backstay_audit"]

for _ddl in (
    "CREATE TRIGGER backstay_audit_no_update BEFORE UPDATE ON backstay_audit"
    " BEGIN SELECT RAISE(ABORT, 'backstay_audit is append-only'); END",
    "CREATE TRIGGER backstay_audit_no_delete BEFORE DELETE ON backstay_audit"
    " BEGIN SELECT RAISE(ABORT, 'backstay_audit is append-only'); END",
    # INSERT OR REPLACE deletes the old row without asking the trigger above.
    "CREATE TRIGGER backstay_audit_no_replace BEFORE INSERT ON backstay_audit"
    " WHEN EXISTS (SELECT 1 FROM backstay_audit WHERE seq = NEW.seq)"
    " BEGIN SELECT RAISE(ABORT, 'backstay_audit is append-only'); END",
):
    sa.event.listen(_ENTRY, "after_create", sa.DDL(_ddl).execute_if(dialect="sqlite"))  # type: ignore[no-untyped-call]

for _ddl in (
    "CREATE OR REPLACE FUNCTION backstay_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN RAISE EXCEPTION ''backstay_audit is append-only'' USING ERRCODE = ''42501''; END'",
    "CREATE TRIGGER backstay_audit_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON backstay_audit"
    " FOR EACH STATEMENT EXECUTE FUNCTION backstay_audit_refuse()",
    "REVOKE UPDATE, DELETE, TRUNCATE ON backstay_audit FROM PUBLIC, CURRENT_USER",
):
    sa.event.listen(_ENTRY, "after_create", sa.DDL(_ddl).execute_if(dialect="postgresql"))  # type: ignore[no-untyped-call]
