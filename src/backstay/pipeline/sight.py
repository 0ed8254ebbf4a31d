"""The rows that a refused write may be about: each is looked for as its caller sees it, before one is told (AC6, AC7).

What the database names would tell of hidden rows, of which it knows; so it is looked for anew, in an order of our own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from backstay.catalog import Relation, Table
from backstay.db.failures import unique_name
from backstay.db.statement import Database
from backstay.db.violation import FOREIGN_KEY, UNIQUE, ConstraintError, Violation, broken_constraint
from backstay.pipeline.ask import Ask
from backstay.pipeline.plans import Plans
from backstay.pipeline.refusal import sees_all, speaks_of, told_as, unique_of
from backstay.pipeline.remember import room_of
from backstay.pipeline.surface import Surface
from backstay.pipeline.unit import Joined
from backstay.pipeline.work import Work
from backstay.plan.read import plan_read
from backstay.plan.scope import Scope
from backstay.plan.shape import shape_of
from backstay.plan.value import text_of
from backstay.request.field import Field
from backstay.request.filters import Filter
from backstay.request.read import Query
from backstay.sql.prepared import Prepared, prepare
from backstay.sql.select import select_rows


class Sights:
    """Looks for the rows that refused writes may be about."""

    def __init__(self, surface: Surface, database: Database) -> None:
        self._surface = surface
        self._database = database
        self._inside = isinstance(database, Joined)
        self._plans: Plans[Prepared] = Plans(256, room_of)

    async def told(self, error: Exception, ask: Ask, work: Work) -> Exception:
        """*error*, which refused *work*, as the caller of *ask* may see it; what is no constraint's stays the same."""
        table, scope, rows, written = ask.table, self._surface.scope(ask.request.principal), work.rows, work.written
        rival = await self._seen(ask, rivals_of(error, table, scope, rows, written, _settled(ask)))
        if rival is not None:
            return told_as(broken_constraint(rival.violation), table, scope, rows, written, rival_seen=True)
        error = await self._missing(ask, error, parents_of(error, table, scope, rows, written))
        return told_as(error, table, scope, rows, written)

    async def _seen(self, ask: Ask, rivals: Sequence[Rival]) -> Rival | None:
        """The first of *rivals* that the caller sees, and that is not the row itself."""
        for rival in rivals:
            if await self._sees(ask, ask.table.name, rival.query) and not await self._changes(ask, rival):
                return rival
        return None

    async def _changes(self, ask: Ask, rival: Rival) -> bool:
        """Whether *rival* is a row that this very ``PATCH`` changes."""
        if ask.request.method != "PATCH":
            return False
        query = self._surface.query(ask.request)
        query = replace(query, conditions=(*query.conditions, *rival.query.conditions))
        return bool(await self._sees(ask, ask.table.name, query))

    async def _missing(self, ask: Ask, error: Exception, parents: Sequence[NamedParent]) -> Exception:
        """*error*, naming the first of *parents* that the caller does not see, whether it is there or not."""
        for parent in parents:
            if parent.query is None:
                return broken_constraint(parent.violation if len(parents) == 1 else Violation(FOREIGN_KEY))
            if parent.unnamed:
                continue
            seen = await self._sees(ask, parent.table, parent.query)
            if not seen:
                return broken_constraint(Violation(FOREIGN_KEY) if seen is None else parent.violation)
        return error

    async def _sees(self, ask: Ask, table: str, query: Query) -> bool | None:
        """Whether the caller would be shown a row of *table* by *query*; ``None`` within a larger transaction."""
        if self._inside:
            # Not even where a database would still answer: it does where we refused, and not where it did itself.
            return None
        request, surface = ask.request, self._surface
        shape, values = shape_of(query)

        def make() -> Prepared:
            plan = plan_read(table, shape, surface.scope(request.principal))
            return prepare(select_rows(plan, surface.dialect, max_rows=1), surface.dialect.compiler)

        prepared = await surface.planner.make(request, lambda: self._plans.of(request, (table, shape), make))
        row = await self._database.fetch(prepared.bind(values, request.principal))
        return bool(row[1])


def _settled(ask: Ask) -> Sequence[str]:
    """The columns by which *ask* finds a row that is there, and does not break its constraint."""
    if ask.request.method == "PUT":
        return ask.table.primary_key
    return () if ask.preferences.resolution is None else ask.shape.on_conflict or ask.table.primary_key


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
    named = dict.fromkeys((*unique_of(table), error.violation.columns))
    listed = [columns for columns in named if frozenset(columns) <= known and set(columns) != set(settled)]
    found = (_rival(columns, rows[0], table, error.violation) for columns in listed)
    return tuple(rival for rival in found if rival is not None)


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
