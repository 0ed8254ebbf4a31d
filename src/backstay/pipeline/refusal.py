"""What a caller may be told about a constraint that refused its row (AC5, AC6, ER2).

1. Names of constraints and columns only where every column they speak of is readable or was written by the caller;
   what a constraint speaks of stands in its text, and one whose text nobody knows speaks of all columns.
2. A row that is in the way, or that still refers to this one, is told only where the caller can see it; else the answer
   is the bare 409 that cannot be avoided.
3. Values only where the caller sent them itself, or sees the whole table.

Of a value that cannot be computed only that is told (`uncomputed`): which row the database came upon first, of several,
says how it laid them down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql.elements import True_

from backstay.catalog import Relation, Table
from backstay.catalog.constraint import columns_of
from backstay.db.failures import unique_name
from backstay.db.violation import FOREIGN_KEY, UNIQUE, ConstraintError, Violation, broken_constraint, details_of
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


@dataclass(frozen=True, slots=True)
class Rival:
    """A row that may be in the way of the one that is written: *query* finds it, as the caller sees it."""

    violation: Violation
    query: Query


def rivals_of(
    error: Exception,
    table: Table,
    scope: Scope,
    rows: Sequence[Mapping[str, Any]],
    written: frozenset[str],
    settled: Sequence[str] = (),
) -> tuple[Rival, ...]:
    """The rows that may be in the way of the only one of *rows*, if *error* says that there is one.

    The database names the first constraint that broke, and of several it may be that of a hidden row, or of none that
    the caller knows: what it names would tell whether there is a hidden one.  So each that could have been broken is
    looked at, in an order of their own.  None where nobody needs to look: no such error, nothing that could be told, or
    everything visible anyway.

    *settled* are the columns by which an upsert finds the row that is there, which is in nobody's way.
    """
    if not isinstance(error, ConstraintError) or error.code != UNIQUE or len(rows) != 1:
        return ()
    # What names nothing is our own refusal: of a merge into a row that the caller must not know of.
    if error.violation == Violation(UNIQUE) or not speaks_of(error.violation, table) or sees_all(table, scope):
        return ()
    known = written & scope.grant("read", table).columns
    # What the database names comes last, where no model lists it.
    named = dict.fromkeys((*_unique(table), error.violation.columns))
    listed = [columns for columns in named if frozenset(columns) <= known and set(columns) != set(settled)]
    found = (_rival(columns, rows[0], table, error.violation) for columns in listed)
    return tuple(rival for rival in found if rival is not None)


def _unique(table: Table) -> list[tuple[str, ...]]:
    """The columns of what may stand once, the primary key first."""
    if not isinstance(table.sql, sa.Table):
        return []
    found = [c.columns for c in table.sql.constraints if isinstance(c, sa.UniqueConstraint)]
    found += [index.columns for index in table.sql.indexes if index.unique]
    return [table.primary_key, *sorted({tuple(str(column.name) for column in columns) for columns in found})]


def _rival(columns: tuple[str, ...], row: Mapping[str, Any], table: Table, named: Violation) -> Rival | None:
    values = [(here, text_of(row[here], table.columns[here].type)) for here in columns if here in row]
    found = [((), Filter(Field(here), "eq", text)) for here, text in values if text is not None]
    if not columns or len(found) != len(columns):
        return None
    source = table.sql if isinstance(table.sql, sa.Table) else None
    listed = Violation(UNIQUE, table.name, columns, unique_name(table.name, columns, source), schema=named.schema)
    return Rival(named if columns == named.columns else listed, Query(conditions=tuple(found)))


def parents_of(
    error: Exception, table: Table, scope: Scope, rows: Sequence[Mapping[str, Any]], written: frozenset[str]
) -> tuple[NamedParent, ...]:
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
class NamedParent:
    """A parent that a row names.  *query* finds it, as the caller sees it; ``None`` where that cannot be known."""

    violation: Violation
    table: str
    query: Query | None
    #: The row names none: the key is null.
    unnamed: bool = False


def _parent(relation: Relation, row: Mapping[str, Any], table: Table, scope: Scope) -> NamedParent:
    columns = tuple(here for here, _ in relation.pairs)
    violation = Violation(FOREIGN_KEY, table.name, columns, relation.constraint, relation.remote)
    known = all(here in row for here in columns)
    readable = scope.grant("read", scope.catalog.tables[relation.remote]).columns
    if not known or not {there for _, there in relation.pairs} <= readable:
        return NamedParent(violation, relation.remote, None)
    texts = [(there, text_of(row[here], table.columns[here].type)) for here, there in relation.pairs]
    found = tuple(((), Filter(Field(there), "eq", text)) for there, text in texts if text is not None)
    return NamedParent(violation, relation.remote, Query(conditions=found), unnamed=len(found) < len(texts))


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
        return bool(table.primary_key) and _unique(table) == [table.primary_key]
    key = frozenset(table.primary_key)
    return violation.code == UNIQUE and violation.table == table.name and frozenset(violation.columns) == key != set()


def told_alone(error: ConstraintError, scope: Scope) -> Exception:
    """*error* of a function, or of a transaction's end, as this caller may see it: nobody knows what was written."""
    bare = broken_constraint(Violation(error.violation.code))
    table = scope.catalog.tables.get(error.violation.table or "")
    return bare if table is None else told_as(error, table, scope, (), frozenset())


def uncomputed() -> DatabaseError:
    """22000: a computed field, or a cast, has no value for some row."""
    return DatabaseError(
        "22000",
        "a value cannot be computed for one of the rows",
        hint="Filter by the columns that it is made of, or correct the row.",
    )


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
