"""Roles that accounts hold beside their main one: assigned, taken, and the last ``admin`` kept (RB4).

1. Whether somebody is the last is a condition of the statement that takes the role, bans or deletes.  Before it the row
   of the epoch is held, so that of two removals at once the second sees what the first has done (ID4).
2. A role that is taken makes the account's tokens stale within a second: their next refresh goes without it (TK8).  One
   that is given ends its sessions: whoever has it signs in again (``threshold.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from backstay.auth.accounts import Accounts
from backstay.auth.epoch import bump_epoch
from backstay.auth.hold import hold
from backstay.auth.refusal import AuthError, invalid
from backstay.auth.rights import ADMIN, OF_ROLE_NAMES, ROLE_NAME
from backstay.auth.route import AuthRequest
from backstay.auth.session import refresh_all
from backstay.auth.tables import RoleAssignment, User
from backstay.auth.threshold import cross
from backstay.db.store import Transaction
from backstay.policy.principal import ANON, AUTHENTICATED, SERVICE
from backstay.sql.query import query

#: As many as a token may name.
MAX_ROLES: Final = 50


def checked_role(name: str) -> str:
    """The name of a role that an account may be assigned.

    Raises:
        AuthError: validation_failed; the roles that every app has are nobody's to assign.
    """
    if not ROLE_NAME.fullmatch(name) or name in (ANON, AUTHENTICATED, SERVICE):
        raise invalid("This is not a role that can be assigned", hint=OF_ROLE_NAMES)
    return name


def keeps_an_admin(id: UUID, now: datetime) -> Any:
    """A condition for statements: ``admin`` does not die out when the account *id* no longer has it."""
    mine = sa.select(RoleAssignment.role).where(RoleAssignment.user_id == id, RoleAssignment.role == ADMIN)
    others = (
        sa.select(RoleAssignment.role)
        .join(User, User.id == RoleAssignment.user_id)
        .where(
            RoleAssignment.role == ADMIN,
            RoleAssignment.user_id != id,
            User.deleted_at.is_(None),
            User.banned_until.is_(None) | (User.banned_until <= now),
        )
    )
    return ~mine.exists() | others.exists()


def last_admin() -> AuthError:
    """The refusal of what would leave nobody with the role ``admin``."""
    return AuthError("conflict", "This is the last account with the role admin", hint="Give the role to another first.")


@query
def assignments_of(user_id: UUID) -> sa.Executable:
    return sa.select(RoleAssignment).where(RoleAssignment.user_id == user_id).order_by(RoleAssignment.role)


@query
def _assign(user_id: UUID, role: str, granted_by: UUID | None, granted_at: datetime) -> sa.Executable:
    # SQLite took this form of INSERT from PostgreSQL, and SQLAlchemy's SQLite compiler writes it.
    new = insert(RoleAssignment).values(user_id=user_id, role=role, granted_by=granted_by, granted_at=granted_at)
    return new.on_conflict_do_nothing().returning(RoleAssignment.role)


@query
def _take(user_id: UUID, role: str, now: datetime) -> sa.Executable:
    mine = sa.delete(RoleAssignment).where(RoleAssignment.user_id == user_id, RoleAssignment.role == role)
    return mine.where((RoleAssignment.role != ADMIN) | keeps_an_admin(user_id, now)).returning(RoleAssignment.role)


@query
def take_all(user_id: UUID) -> sa.Executable:
    return sa.delete(RoleAssignment).where(RoleAssignment.user_id == user_id)


async def assign(
    tx: Transaction, accounts: Accounts, asked: AuthRequest, user_id: UUID, role: str, by: UUID | None, now: datetime
) -> bool:
    """Assign *role*; false where the account has it already.  Whoever gets it signs in again (``threshold.py``).

    Raises:
        AuthError: validation_failed, for one more than a token may name; account_not_proved.
    """
    await hold(tx, user_id)
    if role in names(await tx.all(assignments_of(user_id))):
        return False
    await cross(tx, accounts, asked, user_id, now)
    await bump_epoch(tx)
    if await tx.one(_assign(user_id, role, by, now)) is None:
        return False
    if len(await tx.all(assignments_of(user_id))) > MAX_ROLES:
        raise invalid(f"An account has at most {MAX_ROLES} roles")
    await refresh_all(tx, user_id, now)
    return True


async def unassign(tx: Transaction, user_id: UUID, role: str, now: datetime) -> bool:
    """Take *role*; false where the account does not have it.

    Raises:
        AuthError: conflict, where it is the last ``admin``.
    """
    await hold(tx, user_id)
    await bump_epoch(tx)
    if await tx.one(_take(user_id, role, now)) is None:
        if role in names(await tx.all(assignments_of(user_id))):
            raise last_admin()
        return False
    await refresh_all(tx, user_id, now)
    return True


def names(rows: Sequence[Any]) -> list[str]:
    """The roles of assignments (rows)."""
    return [row.role for row in rows]
