"""What an app's code says of roles, noted in the database at each start.

Commands know the database, and not the app.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from backstay.auth.rights import ADMIN, EVERY, permission_table
from backstay.db.own import Own
from backstay.db.store import Asks, Store
from backstay.policy.principal import ANON, AUTHENTICATED, SERVICE
from backstay.sql.query import query

_ONE = 1


class Noted(Own):
    """One row: the roles of the app's last start."""

    __tablename__ = "backstay_roles"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    roles: Mapped[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Rolebook:
    """Which roles an app names.

    *tokens* are those that a token may ask for, *asked* those that policies and functions ask about, and *permissions*
    what each role may administer, as `permission_table` has it.
    """

    tokens: frozenset[str] = frozenset({ANON, AUTHENTICATED, SERVICE})
    asked: frozenset[str] = frozenset()
    permissions: Mapping[str, frozenset[str]] = field(default_factory=lambda: permission_table({}))

    def told(self) -> dict[str, Any]:
        """As JSON has it, equal for equal books."""
        return {
            "tokens": sorted(self.tokens),
            "asked": sorted(self.asked),
            "permissions": {role: sorted(names) for role, names in sorted(self.permissions.items()) if role != ADMIN},
        }


@query
def _noted(id: int) -> sa.Executable:
    return sa.select(Noted.roles).where(Noted.id == id)


@query
def _note(id: int, roles: dict[str, Any]) -> sa.Executable:
    # SQLite took this form of INSERT from PostgreSQL, and SQLAlchemy's SQLite compiler writes it.
    new = insert(Noted).values(id=id, roles=roles)
    return new.on_conflict_do_update(index_elements=[Noted.id], set_={"roles": new.excluded.roles})


async def note_roles(store: Store, book: Rolebook) -> None:
    """Note *book*, unless the note says so already.  Of two apps on one database the one that started last counts."""
    row = await store.one(_noted(_ONE))
    if row is None or row.roles != book.told():
        await store.transact(lambda tx: tx.run(_note(_ONE, book.told())))


async def noted_roles(asks: Asks) -> Rolebook:
    """What the app has noted at its last start; those of every app where it has not started yet."""
    row = await asks.one(_noted(_ONE))
    if row is None:
        return Rolebook()
    told = row.roles
    permissions = {role: EVERY & frozenset(names) for role, names in told["permissions"].items()}
    return Rolebook(frozenset(told["tokens"]), frozenset(told["asked"]), permission_table(permissions))
