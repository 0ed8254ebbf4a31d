"""A3, A5: a database of the version before gets the new columns when the app starts, and believes nothing more."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import apsw
import pytest
import sqlalchemy as sa

from backstay.auth.tables import Identity, User
from backstay.db.own import Own
from backstay.db.statement import Statement
from backstay.sql.query import query
from tests.accounts.house import House

#: What the version before did not have.
LATER = {
    "backstay_users": ("email_proved_at", "email_change_session_id", "entered_at"),
    "backstay_one_time_tokens": ("session_id", "proves"),
    "backstay_flow_states": ("session_id",),
}


@query
def _proofs() -> Any:
    return sa.select(User.email, User.email_proved_at)


@query
def _set(id: UUID, created_at: datetime, confirmed_at: datetime | None) -> Any:
    return sa.update(User).where(User.id == id).values(created_at=created_at, email_confirmed_at=confirmed_at)


@query
def _set_identity(user_id: UUID, last_sign_in_at: datetime, updated_at: datetime) -> Any:
    mine = sa.update(Identity).where(Identity.user_id == user_id)
    return mine.values(last_sign_in_at=last_sign_in_at, updated_at=updated_at)


def _older(house: House) -> None:
    """Take the new columns away, with their indexes."""
    statements = []
    for table, columns in LATER.items():
        for column in columns:
            statements += [f"DROP INDEX IF EXISTS {name}" for name in _indexes(table, column)]
            statements.append(f"ALTER TABLE {table} DROP COLUMN {column}")
    if house.kind == "postgresql":
        for statement in statements:
            house.run(house.store.database.fetch(Statement(statement)))
        return
    # The app's own connections may change no tables.
    database: Any = house.store.database
    connection = apsw.Connection(database._location.name)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def _indexes(table: str, column: str) -> list[str]:
    return [str(index.name) for index in Own.metadata.tables[table].indexes if column in index.columns]


@pytest.mark.settings(rate_limits="off")
def test_an_older_database_is_brought_up(house: House) -> None:
    """A3, A5: proved is only who left the trace of following a mail; everybody else is as good as unknown."""
    born = house.clock()
    mailed = born + timedelta(minutes=5)
    cases = {
        # created, confirmed, and when the identity was last seen and changed
        "followed@example.org": (born, mailed, mailed, mailed),
        "unconfirmed@example.org": (born, None, born, born),
        "at-once@example.org": (born, born, born, born),
        "by-an-admin@example.org": (born, mailed, born, mailed),
        "moved-by-an-admin@example.org": (born, mailed, mailed, mailed + timedelta(hours=1)),
    }
    for email, (created, confirmed, seen, changed) in cases.items():
        id = UUID(house.sign_up(email)["user"]["id"])

        async def put(tx: Any, id: UUID = id, at: Any = (created, confirmed, seen, changed)) -> None:
            await tx.run(_set(id, at[0], at[1]))
            await tx.run(_set_identity(id, at[2], at[3]))

        house.run(house.store.transact(put))
    _older(house)
    for _ in range(2):
        house.run(house.store.database.create_tables(Own.metadata))
    proved = {row.email: row.email_proved_at for row in house.run(house.store.all(_proofs()))}
    assert {email: mailed if email.startswith("followed") else None for email in cases} == proved
    # The app goes on as if it had always been so.
    house.post("recover", {"email": "at-once@example.org"})
    token = house.letter("recovery").data["code"]
    body = {"type": "recovery", "email": "at-once@example.org", "token": token}
    assert 200 == house.post("verify", body).status
    assert all(row.email_proved_at for row in house.run(house.store.all(_proofs())) if row.email == body["email"])
