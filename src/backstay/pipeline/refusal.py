"""What a caller may be told about a constraint that refused its row (AC5, AC6, ER2).

1. Names of constraints and columns only where every column they speak of is readable or was written by the caller.
2. A row that is in the way, or that still refers to this one, is told only where the caller can see it; else the answer
   is the bare 409 that cannot be avoided.
3. Values only where the caller sent them itself, or sees the whole table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.sql.elements import True_

from backstay.catalog import Relation, Table
from backstay.db.violation import FOREIGN_KEY, ConstraintError, Violation, broken_constraint, details_of
from backstay.errors import DatabaseError
from backstay.plan.scope import Scope
from backstay.plan.value import text_of
from backstay.request.field import Field
from backstay.request.filters import Filter
from backstay.request.read import Query

#: Codes that speak of the new row itself: NOT NULL and CHECK.
_ROWS: Final = frozenset({"23502", "23514"})
#: Codes that speak of another row of the same table: unique and exclusion constraints.
_RIVALS: Final = frozenset({"23505", "23P01"})


def rival_of(
    error: Exception, table: Table, scope: Scope, rows: Sequence[Mapping[str, Any]], written: frozenset[str]
) -> Query | None:
    """The read that finds the row in the way of the only one of *rows*, if *error* says that there is one.

    ``None`` where nobody needs to look: no such error, nothing that could be told, or everything visible anyway.
    """
    if not isinstance(error, ConstraintError) or error.code != "23505" or len(rows) != 1:
        return None
    columns, read = error.violation.columns, scope.grant("read", table)
    if not speaks_of(error.violation, table) or not columns or not frozenset(columns) <= written & read.columns:
        return None
    if sees_all(table, scope):
        return None
    values = [(name, text_of(rows[0][name], table.columns[name].type)) for name in columns if name in rows[0]]
    found = [((), Filter(Field(name), "eq", text)) for name, text in values if text is not None]
    return Query(conditions=tuple(found)) if len(found) == len(columns) else None


def parents_of(
    error: Exception, table: Table, scope: Scope, rows: Sequence[Mapping[str, Any]], written: frozenset[str]
) -> tuple[Parent, ...]:
    """The parents that one of *rows* names, if *error* says that one is not there.

    The database names the first that is missing, with its key, and passes over those that are there but hidden: what it
    names would tell them apart.  So all are looked for again, as the caller sees them.
    """
    if not isinstance(error, ConstraintError) or error.code != FOREIGN_KEY or error.violation.still_referenced:
        return ()
    keys = [r for r in table.relations if r.holds_key and written & {here for here, _ in r.pairs}]
    if all(sees_all(scope.catalog.tables[r.remote], scope) for r in keys):
        return ()
    row = rows[0] if len(rows) == 1 else {}
    return tuple(_parent(relation, row, table, scope) for relation in keys)


@dataclass(frozen=True, slots=True)
class Parent:
    """A parent that a row names.  *query* finds it, as the caller sees it; ``None`` where that cannot be known."""

    violation: Violation
    table: str
    query: Query | None
    #: The row names none: the key is null.
    unnamed: bool = False


def _parent(relation: Relation, row: Mapping[str, Any], table: Table, scope: Scope) -> Parent:
    columns = tuple(here for here, _ in relation.pairs)
    violation = Violation(FOREIGN_KEY, table.name, columns, relation.constraint, relation.remote)
    known = all(here in row for here in columns)
    readable = scope.grant("read", scope.catalog.tables[relation.remote]).columns
    if not known or not {there for _, there in relation.pairs} <= readable:
        return Parent(violation, relation.remote, None)
    texts = [(there, text_of(row[here], table.columns[here].type)) for here, there in relation.pairs]
    found = tuple(((), Filter(Field(there), "eq", text)) for there, text in texts if text is not None)
    return Parent(violation, relation.remote, Query(conditions=found), unnamed=len(found) < len(texts))


def explained(
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
    all_seen = sees_all(told, scope)
    if not columns <= read.columns | (written if told is table else frozenset()):
        return broken_constraint(Violation(violation.code))
    if violation.code in _RIVALS and not (all_seen or rival_seen):
        return broken_constraint(Violation(violation.code))
    answer = DatabaseError(error.code, error.message)
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


def _failing_row(row: Mapping[str, Any], table: Table) -> str | None:
    """PostgreSQL's sentence with the whole row, which SQLite does not tell; ``None`` where a default is unknown."""
    if any(name not in row and column.has_default for name, column in table.columns.items()):
        return None
    words = {True: "t", False: "f"}
    given = [(row.get(name), column.type) for name, column in table.columns.items()]
    texts = [words[value] if isinstance(value, bool) else text_of(value, type_) for value, type_ in given]
    return f"Failing row contains ({', '.join('null' if text is None else text for text in texts)})."


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
