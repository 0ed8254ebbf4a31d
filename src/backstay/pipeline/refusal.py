"""What a caller may be told about a constraint that refused its row (AC5, AC6, ER2).

1. Names of constraints and columns only where every column they speak of is readable or was written by the caller.
2. Values only where the caller sent them itself, or sees the whole table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.sql.elements import True_

from backstay.catalog import Table
from backstay.db.violation import ConstraintError, Violation, broken_constraint, details_of
from backstay.errors import DatabaseError
from backstay.plan.scope import Scope


def explained(
    error: Exception, table: Table, scope: Scope, rows: Sequence[Mapping[str, Any]], written: frozenset[str]
) -> Exception:
    """*error* as this caller may see it; anything but a broken constraint is returned as it is."""
    if not isinstance(error, ConstraintError):
        return error
    violation = error.violation
    told = _told_table(violation, table, scope)
    if told is None:
        return broken_constraint(Violation(violation.code))
    read = scope.grant("read", told)
    columns = frozenset(violation.columns)
    if not columns <= read.columns | (written if told is table else frozenset()):
        return broken_constraint(Violation(violation.code))
    answer = DatabaseError(error.code, error.message)
    sees_all = isinstance(read.rows(frozenset(told.columns)), True_)
    own = columns <= written and bool(columns) and told is table and violation.code in ("23505", "23503")
    if sees_all or own:
        answer.details = details_of(error, rows[0] if len(rows) == 1 else None)
    return answer


def _told_table(violation: Violation, table: Table, scope: Scope) -> Table | None:
    """The table that the error speaks of, when the caller may know of it and of the one it refers to."""
    tables = scope.catalog.tables
    found = table if violation.table in (None, table.name) else tables.get(violation.table or "")
    if found is None or not scope.sees(found):
        return None
    if violation.referred is not None:
        referred = tables.get(violation.referred)
        if referred is None or not scope.sees(referred):
            return None
    return found
