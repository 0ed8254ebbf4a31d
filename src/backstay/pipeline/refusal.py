"""What a caller may be told about a constraint that refused its row (AC5, AC6, ER2).

1. Names of constraints and columns only where every column they speak of is readable or was written by the caller;
   what a constraint speaks of stands in its text, and one whose text nobody knows speaks of all columns.
2. A row that is in the way, or that still refers to this one, is told only where the caller can see it; else the answer
   is the bare 409 that cannot be avoided.
3. Values only where the caller sent them itself, or sees the whole table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql.elements import True_

from backstay.catalog import Table
from backstay.catalog.constraint import columns_of
from backstay.db.violation import UNIQUE, ConstraintError, Violation, broken_constraint, details_of
from backstay.plan.scope import Scope
from backstay.plan.value import text_of

#: Codes that speak of the new row itself: NOT NULL and CHECK.
_ROWS: Final = frozenset({"23502", "23514"})
#: Codes that speak of another row of the same table: unique and exclusion constraints.
_RIVALS: Final = frozenset({"23505", "23P01"})


def told_as(
    error: Exception,
    table: Table,
    scope: Scope,
    rows: Sequence[Mapping[str, Any]],
    written: frozenset[str],
    *,
    rival_seen: bool = False,
) -> Exception:
    """*error* as this caller may see it; anything but a broken constraint is returned as it is.

    *rival_seen* says that the row in the way is one that the caller can see.
    """
    if not isinstance(error, ConstraintError):
        return error
    violation = error.violation
    told = _told_table(violation, table, scope)
    if told is None:
        return broken_constraint(Violation(violation.code))
    read = scope.grant("read", told)
    columns = frozenset(violation.columns)
    spoken = columns | columns_of(violation.constraint, told) or frozenset(told.columns)
    all_seen = sees_all(told, scope)
    if not spoken <= read.columns | (written if told is table else frozenset()):
        return broken_constraint(Violation(violation.code))
    if violation.code in _RIVALS and not (all_seen or rival_seen):
        return broken_constraint(Violation(violation.code))
    answer = ConstraintError(error.message, violation)
    answer.told = True
    own = columns <= written and bool(columns) and told is table and violation.code in ("23505", "23503")
    if all_seen or own:
        known = error
        referred = scope.catalog.tables.get(violation.referred or "")
        if referred is not None and not violation.still_referenced and not sees_all(referred, scope):
            # The database names the row of a bulk whose parent is missing, and could not name one whose parent is
            # only hidden: so neither is told.
            known = broken_constraint(violation)
        answer.details = details_of(known, rows[0] if len(rows) == 1 else None)
    if all_seen and told is table and answer.details is None and violation.code in _ROWS and len(rows) == 1:
        answer.details = _failing_row(rows[0], table)
    return answer


def is_of_key(error: ConstraintError, table: Table) -> bool:
    """Whether *error*, as `told_as` tells it, says that the primary key of a row of *table* is taken."""
    violation = error.violation
    if violation == Violation(UNIQUE):
        # It names nothing; but nothing else can be taken where nothing else stands once.
        return bool(table.primary_key) and unique_of(table) == [table.primary_key]
    key = frozenset(table.primary_key)
    return violation.code == UNIQUE and violation.table == table.name and frozenset(violation.columns) == key != set()


def told_alone(error: ConstraintError, scope: Scope) -> Exception:
    """*error* of a function, or of a transaction's end, as this caller may see it: nobody knows what was written."""
    bare = broken_constraint(Violation(error.violation.code))
    table = scope.catalog.tables.get(error.violation.table or "")
    return bare if table is None else told_as(error, table, scope, (), frozenset())


def _failing_row(row: Mapping[str, Any], table: Table) -> str | None:
    """PostgreSQL's sentence with the whole row, which SQLite does not tell; ``None`` where a default is unknown."""
    if any(name not in row and column.has_default for name, column in table.columns.items()):
        return None
    words = {True: "t", False: "f"}
    given = [(row.get(name), column.type) for name, column in table.columns.items()]
    texts = [words[value] if isinstance(value, bool) else text_of(value, type_) for value, type_ in given]
    return f"Failing row contains ({', '.join('null' if text is None else text for text in texts)})."


def unique_of(table: Table) -> list[tuple[str, ...]]:
    """The columns of what may stand once, the primary key first."""
    if not isinstance(table.sql, sa.Table):
        return []
    found = [c.columns for c in table.sql.constraints if isinstance(c, sa.UniqueConstraint)]
    found += [index.columns for index in table.sql.indexes if index.unique]
    return [table.primary_key, *sorted({tuple(str(column.name) for column in columns) for columns in found})]


def sees_all(table: Table, scope: Scope) -> bool:
    return isinstance(scope.grant("read", table).rows(frozenset(table.columns)), True_)


def speaks_of(violation: Violation, table: Table) -> bool:
    """Whether *violation* is of *table* itself, and not of one with its name in another schema.

    PostgreSQL tells the schema of the table that has the constraint, and not that of a foreign key's other end: so that
    must be an end that is served.
    """
    schema = getattr(table.sql, "schema", None)
    if violation.schema is None or schema is None or violation.table is None:
        return violation.table in (None, table.name)
    ends = {(r.constraint, r.remote) for r in table.relations}
    known = violation.referred is None or (violation.constraint, violation.referred) in ends
    return (violation.table, violation.schema) == (table.name, schema) and known


def _told_table(violation: Violation, table: Table, scope: Scope) -> Table | None:
    """The table that the error speaks of, when the caller may know of it and of the one it refers to."""
    tables = scope.catalog.tables
    found = table if violation.table in (None, table.name) else tables.get(violation.table or "")
    if found is None or not speaks_of(violation, found) or not scope.sees(found):
        return None
    if violation.referred is not None:
        referred = tables.get(violation.referred)
        if referred is None or not scope.sees(referred):
            return None
        if violation.still_referenced and not sees_all(referred, scope):
            return None
    return found
