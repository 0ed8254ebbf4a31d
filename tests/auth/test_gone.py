"""Accounts that are no more: also those that were deleted before anything was kept of them."""

from __future__ import annotations

from datetime import UTC
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backstay.audit.tables import Entry
from backstay.auth.gone import Gone
from tests.auth.people import NOW


def entry(seq: int, event: str, subject: str | None, **details: Any) -> dict[str, Any]:
    known = {"seq": seq, "at": NOW, "event": event, "actor_kind": "admin", "subject": subject, "details": details}
    return known | {"key_id": "k", "previous": b"", "hash": bytes([seq])}


def test_the_log_recalls_them() -> None:
    """A1: whose account was deleted, once each; not who was only put away, and nothing of another event."""
    ids = [UUID(int=number) for number in range(5)]
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        Entry.__table__.create(connection)  # type: ignore[attr-defined]
        connection.execute(
            sa.insert(Entry),
            [
                entry(1, "user_deleted", str(ids[0])),
                entry(2, "user_deleted", str(ids[1]), soft=False),
                entry(3, "user_deleted", str(ids[2]), soft=True),
                entry(4, "user_deleted", None),
                entry(5, "user_signedup", str(ids[3])),
                entry(6, "user_deleted", str(ids[0])),
            ],
        )
        Gone.__table__.create(connection)  # type: ignore[attr-defined]
        rows = connection.execute(sa.select(Gone.id, Gone.at).order_by(Gone.id)).all()
    assert [(ids[0], NOW), (ids[1], NOW)] == [(row.id, row.at.replace(tzinfo=UTC)) for row in rows]
    engine.dispose()


def test_nothing_is_recalled_of_nothing() -> None:
    """A new database has no log yet, or an empty one."""
    for log in (False, True):
        engine = sa.create_engine("sqlite://")
        with engine.begin() as connection:
            if log:
                Entry.__table__.create(connection)  # type: ignore[attr-defined]
            Gone.__table__.create(connection)  # type: ignore[attr-defined]
            assert [] == connection.execute(sa.select(Gone)).all()
        engine.dispose()
