"""Events, keys, and ways to spoil a log past its triggers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from backstay.audit import Actor, AuditKeys, Event, record
from backstay.db.statement import Statement
from backstay.db.store import Store, Transaction
from backstay.db.transaction import run_inside

AT: Final = datetime(2026, 11, 21, 12, 30, 0, 250_000, tzinfo=UTC)
ANN: Final = UUID("00000000-0000-4000-8000-00000000000a")
KEYS: Final = AuditKeys("k1", {"k1": b"1" * 32})
ACTOR: Final = Actor("user", ANN, "192.0.2.7", "req-1")


def event(name: str = "login", number: int = 0, **named: Any) -> Event:
    return replace(Event(name, AT + timedelta(seconds=number), ACTOR, str(ANN)), **named)


async def write(store: Store, *events: Event, keys: AuditKeys = KEYS) -> None:
    await store.transact(lambda transaction: record(transaction, keys, *events))


async def filled(store: Store, count: int) -> Store:
    """*store* with a chain of *count* rows."""
    await write(store, *(event(number=number) for number in range(count)))
    return store


async def spoil(store: Store, *statements: str) -> None:
    """Run SQL as somebody would who has the database file, or is its superuser."""
    if store.database.name == "postgresql":
        statements = ("SET LOCAL session_replication_role = replica", *statements)
        await store.transact(lambda _: _run(statements))
        return
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    location = store.database._location  # type: ignore[attr-defined]
    engine = create_engine("sqlite+apsw:///backstay", connect_args={"location": location}, poolclass=NullPool)
    with engine.begin() as connection:
        triggers = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").all()
        for name, _ in triggers:
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.exec_driver_sql(statement)
        for _, sql in triggers:
            connection.exec_driver_sql(sql)


async def _run(statements: tuple[str, ...]) -> None:
    for sql in statements:
        await run_inside(Statement(sql))


async def run(store: Store, sql: str) -> None:
    """Run SQL as a request would."""

    async def flow(transaction: Transaction) -> None:
        await run_inside(Statement(sql))

    await store.transact(flow)
