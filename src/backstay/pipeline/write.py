"""``POST``, ``PATCH`` and ``DELETE`` of a table: one transaction each, all or nothing."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

from backstay.catalog import Table
from backstay.db.statement import Database
from backstay.db.violation import FOREIGN_KEY, Violation, broken_constraint
from backstay.errors import DatabaseError, PlanError
from backstay.pipeline.refusal import Parent, explained, parents_of, rival_of
from backstay.pipeline.remember import Remembered
from backstay.pipeline.request import DataRequest
from backstay.pipeline.script import Batch, Demands, Script, delete_steps, is_one_statement, write_steps
from backstay.pipeline.surface import Surface
from backstay.pipeline.zone import in_zone
from backstay.plan.fill import Filler
from backstay.plan.put import put_conditions, put_rows
from backstay.plan.quick import Pair
from backstay.plan.read import plan_read
from backstay.plan.scope import find_table
from backstay.plan.shape import shape_of
from backstay.plan.write import DeletePlan, InsertPlan, UpdatePlan, plan_delete, plan_insert, plan_update
from backstay.policy import Grant
from backstay.request import negotiate, parse_body, parse_query
from backstay.request.body import Payload
from backstay.request.media import Media
from backstay.request.prefer import Preferences
from backstay.request.read import Query
from backstay.response.reply import Reply
from backstay.response.rows import not_single
from backstay.response.written import Written, render_written
from backstay.sql.dialect import Form
from backstay.sql.prepared import Prepared, prepare
from backstay.sql.select import select_rows
from backstay.sql.statement import Steps
from backstay.sql.write import (
    alone_sql,
    check_sql,
    delete_keys_sql,
    delete_sql,
    insert_sql,
    judges_first,
    key_columns,
    lock_sql,
    parents_sql,
    probe_sql,
    read_sql,
    stands_alone,
    update_sql,
)

Action: TypeAlias = Literal["insert", "update", "delete", "put"]


#: All of an `Ask` but the request itself.
Asked: TypeAlias = tuple[Table, Query, tuple[Any, ...], Preferences, Media, str | None]

#: Texts longer than this are read anew each time, so that nobody fills the memory with them.
_MAX_REMEMBERED_TEXT: Final = 2048


@dataclass(frozen=True, slots=True)
class Ask:
    """A write as asked: everything parsed, nothing resolved."""

    table: Table
    shape: Query
    values: tuple[Any, ...]
    preferences: Preferences
    media: Media
    profile: str | None
    request: DataRequest

    @property
    def representation(self) -> bool:
        return self.preferences.returning == "representation"

    @property
    def form(self) -> Form:
        return self.media.form

    @property
    def demands(self) -> Demands:
        strict = self.preferences.handling == "strict"
        return Demands(self.media.kind == "object", self.preferences.max_affected if strict else None)


class Writes:
    """Answers writes; holds nothing but what it remembers."""

    def __init__(self, surface: Surface, database: Database) -> None:
        self._surface = surface
        self._database = database
        self._scripts: Remembered[Hashable, tuple[Any, Script]] = Remembered(2048)
        self._asked: Remembered[Hashable, Asked] = Remembered(2048)

    async def answer(self, request: DataRequest) -> Reply:
        """Answer one write."""
        ask = self._ask(request)
        match request.method:
            case "POST":
                action: Action = "insert"
                written = await self._insert(ask)
            case "PATCH":
                action = "update"
                written = await self._update(ask)
            case "PUT":
                action = "put"
                written = await self._put(ask)
            case _:
                action = "delete"
                written = await self._delete(ask)
        keyed = bool(ask.table.primary_key) or ask.shape.on_conflict is not None
        return render_written(action, ask.table.name, written, ask.media, ask.preferences, ask.profile, keyed=keyed)

    def _ask(self, request: DataRequest) -> Ask:
        """What *request* asks for besides its body, remembered under its text as reads are."""
        headers = request.headers
        key = (
            request.method,
            request.path,
            request.query,
            headers.get(b"accept"),
            headers.get(b"prefer"),
            headers.get(b"content-profile"),
            request.principal.kind,
        )
        known = self._asked.get(key)
        if known is None:
            known = self._read(request)
            if len(request.query) <= _MAX_REMEMBERED_TEXT:
                self._asked.put(key, known)
        return Ask(*known, request)

    def _read(self, request: DataRequest) -> Asked:
        surface = self._surface
        preferences = surface.preferences(request)
        profile = surface.check_profile(request.header(b"content-profile"))
        query = parse_query(request.query.decode("utf-8", "surrogateescape"), limits=surface.limits).query
        scope = surface.scope(request.principal)
        surface.require_table(scope, request.path)
        media = negotiate(request.header(b"accept"), surface.offered)
        shape, values = shape_of(query)
        table = find_table(scope, request.path)
        if request.method != "POST" or not (table.primary_key or query.on_conflict):
            # There is nothing to resolve, so nothing is said to be resolved.
            preferences = replace(preferences, resolution=None)
        return table, shape, values, preferences, media, profile

    # -- insert ------------------------------------------------------------------------------------------------------

    async def _insert(self, ask: Ask) -> Written:
        payload = self._payload(ask)
        if not payload.rows:
            return _nothing(ask)
        groups = _groups(payload, ask.shape.columns, defaults=ask.preferences.missing == "default")
        batches = [self._insert_batch(ask, keys, rows) for keys, rows in groups.items()]
        flat = [batch for part in batches for batch in part]
        order = None
        if len(groups) > 1:
            order = [number for rows in groups.values() for number, _ in rows]

        def steps() -> Steps[Written]:
            return write_steps(flat, order, ask.values, ask.request.principal, ask.demands)

        rows = [row for _, row in next(iter(groups.values()))]
        alone = is_one_statement(flat, ask.demands)
        return await self._run(ask, steps, rows, frozenset(payload.keys), alone=alone)

    def _insert_batch(
        self,
        ask: Ask,
        keys: tuple[str, ...],
        numbered: Sequence[tuple[int, Mapping[str, Any]]],
        *,
        merge: bool | None = None,
    ) -> list[Batch]:
        if ask.preferences.resolution is not None and merge is None:
            merge = ask.preferences.resolution == "merge-duplicates"
        shape = (ask.shape, len(ask.values), ask.representation, ask.form)
        key = ("insert", ask.table.name, keys, shape, merge, ask.request.principal.kind)
        (plan, filler), script = self._remembered(key, lambda: self._insert_script(ask, keys, merge))
        rows = [row for _, row in numbered]
        filled = filler.fill(rows, nulls_refused=not self._surface.tells_nulls)
        counted = script.judged_first or (plan.conflict is not None and plan.conflict.merge)
        if not plan.packed:
            # A row of nothing but defaults cannot come out of a list: one statement for each.
            return [Batch(script, ask.values, 1 if counted else None) for _ in rows]
        if plan.conflict is not None and plan.conflict.merge:
            _refuse_twins(plan, filled)
        packed = self._surface.dialect.pack(filled, len(plan.packed))
        return [Batch(script, (*ask.values, *packed), len(rows) if counted else None)]

    def _insert_script(
        self, ask: Ask, keys: tuple[str, ...], merge: bool | None
    ) -> tuple[tuple[InsertPlan, Filler], Script]:
        scope = self._surface.scope(ask.request.principal)
        plan = plan_insert(ask.table.name, keys, ask.shape, scope, representation=ask.representation, merge=merge)
        dialect, slots = self._surface.dialect, len(ask.values)
        probe, first = probe_sql(plan, dialect, slots), judges_first(plan)
        script = self._script(
            plan,
            () if first else (plan.grant, plan.update_grant),
            self._prepare(insert_sql(plan, dialect, slots)),
            slots,
            ask.form,
            probe=None if probe is None else self._prepare(probe),
        )
        return (plan, Filler(plan.packed, plan.written)), replace(script, judged_first=first)

    # -- update ------------------------------------------------------------------------------------------------------

    async def _update(self, ask: Ask) -> Written:
        _refuse_page(ask)
        payload = self._payload(ask)
        if len(payload.rows) > 1:
            raise PlanError("PGRST102", "All object keys must match", hint="A PATCH takes one object.")
        row = payload.rows[0] if payload.rows else {}
        keys = tuple(row) if ask.shape.columns is None or not row else ask.shape.columns
        if ask.preferences.missing == "default":
            # What is left out keeps its value; without the preference, what ``columns`` announces becomes null.
            keys = tuple(name for name in keys if name in row)
        if not keys:
            # Nothing to set: nothing is updated, and nothing is looked at.
            return _nothing(ask)
        key = ("update", ask.table.name, keys, ask.shape, ask.representation, ask.form, ask.request.principal.kind)
        filler, script = self._remembered(key, lambda: self._update_script(ask, keys))
        (filled,) = filler.fill([row], nulls_refused=not self._surface.tells_nulls)
        pick = self._surface.dialect.pick
        batch = Batch(script, (*ask.values, *(pick(pair) for pair in filled)))

        def steps() -> Steps[Written]:
            return write_steps([batch], None, ask.values, ask.request.principal, ask.demands)

        return await self._run(ask, steps, [row], frozenset(keys))

    def _update_script(self, ask: Ask, keys: tuple[str, ...]) -> tuple[Filler, Script]:
        scope = self._surface.scope(ask.request.principal)
        plan = plan_update(ask.table.name, keys, ask.shape, scope, representation=ask.representation)
        slots = len(ask.values)
        write = self._prepare(update_sql(plan, self._surface.dialect, slots))
        filler = Filler(plan.packed, plan.written, "onupdate")
        return filler, self._script(plan, (plan.grant,), write, slots, ask.form)

    # -- delete ------------------------------------------------------------------------------------------------------

    async def _delete(self, ask: Ask) -> Written:
        _refuse_page(ask)
        key = ("delete", ask.table.name, ask.shape, ask.representation, ask.form, ask.request.principal.kind)
        (_, lock), script = self._remembered(key, lambda: self._delete_script(ask))
        principal = ask.request.principal

        def steps() -> Steps[Written]:
            if lock is None or script.alone is not None:
                return write_steps([Batch(script, ask.values)], None, ask.values, principal, ask.demands)
            return delete_steps(lock.bind(ask.values, principal), script, ask.values, principal, ask.demands)

        return await self._run(ask, steps, [], frozenset())

    def _delete_script(self, ask: Ask) -> tuple[tuple[DeletePlan, Prepared | None], Script]:
        scope, dialect, slots = self._surface.scope(ask.request.principal), self._surface.dialect, len(ask.values)
        plan = plan_delete(ask.table.name, ask.shape, scope, representation=ask.representation)
        if plan.returning is None:
            write, lock = self._prepare(delete_sql(plan, dialect)), None
        else:
            write, lock = self._prepare(delete_keys_sql(plan, dialect, slots)), self._prepare(lock_sql(plan, dialect))
        return (plan, lock), self._script(plan, (), write, slots, ask.form)

    # -- put -------------------------------------------------------------------------------------------------------

    async def _put(self, ask: Ask) -> Written:
        """The one row that the filters name: updated where it is, else inserted."""
        payload = self._payload(ask)
        rows = put_rows(ask.table, ask.shape, ask.values, payload.rows)
        keys = payload.keys if ask.shape.columns is None else ask.shape.columns
        # What is returned and written does not depend on the filters: the rows have been matched with them.
        bare = replace(ask, shape=replace(ask.shape, on_conflict=None, conditions=put_conditions(ask.shape)))
        # If-None-Match: * asks for a new row or none (``pipeline/conditional.py``).
        merge = None if ask.request.header(b"if-none-match") == "*" else True
        batches = self._insert_batch(bare, keys, list(enumerate(rows)), merge=merge)

        def steps() -> Steps[Written]:
            return write_steps(batches, None, ask.values, ask.request.principal, ask.demands)

        return await self._run(ask, steps, rows, frozenset(keys))

    # -- shared ------------------------------------------------------------------------------------------------------

    def _payload(self, ask: Ask) -> Payload:
        given = ask.shape.columns is not None
        return parse_body(ask.request.body, ask.request.header(b"content-type"), columns_given=given)

    def _remembered(self, key: Hashable, make: Callable[[], tuple[Any, Script]]) -> tuple[Any, Script]:
        found = self._scripts.get(key)
        return found if found is not None else self._scripts.put(key, make())

    def _prepare(self, statement: Any) -> Prepared:
        return prepare(statement, self._surface.dialect.compiler)

    def _script(
        self,
        plan: InsertPlan | UpdatePlan | DeletePlan,
        grants: Sequence[Grant | None],
        write: Prepared,
        slots: int,
        asked: Form,
        *,
        probe: Prepared | None = None,
    ) -> Script:
        dialect, table = self._surface.dialect, plan.table
        written = frozenset() if isinstance(plan, DeletePlan) else plan.written
        parents = () if isinstance(plan, DeletePlan) else plan.parents
        check = check_sql(table, grants, written, dialect, slots)
        form = dialect.form(asked)
        alone = None
        if stands_alone(plan, dialect, checked=check is not None):
            alone = self._prepare(alone_sql(plan, dialect, slots, form))
        return Script(
            table=table.name,
            key_names=tuple(column.name for column in key_columns(table)),
            write=write,
            probe=probe,
            check=None if check is None else self._prepare(check),
            parents=self._prepare(parents_sql(parents, table, dialect, slots)) if parents else None,
            referred=parents,
            read=None if plan.returning is None else self._prepare(read_sql(plan.returning, dialect, slots, form=form)),
            pack_keys=dialect.pack_keys,
            alone=alone,
            form=form,
            ordered_keys=tuple(name for name in table.columns if name in table.primary_key),
        )

    async def _run(
        self,
        ask: Ask,
        steps: Callable[[], Steps[Written]],
        rows: Sequence[Mapping[str, Any]],
        written: frozenset[str],
        *,
        alone: bool = False,
    ) -> Written:
        zone = ask.preferences.timezone
        try:
            if zone is not None:
                return await self._database.transact(lambda: in_zone(zone, steps()))
            return await self._database.transact(steps, alone=alone)
        except PlanError:
            raise
        except Exception as error:
            scope = self._surface.scope(ask.request.principal)
            rival = rival_of(error, ask.table, scope, rows, written)
            seen = rival is not None and bool(await self._sees(ask, ask.table.name, rival))
            told = await self._missing(ask, error, parents_of(error, ask.table, scope, rows, written))
            raise explained(told, ask.table, scope, rows, written, rival_seen=seen) from error

    async def _missing(self, ask: Ask, error: Exception, parents: Sequence[Parent]) -> Exception:
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
        """Whether the caller would be shown a row of *table* by *query*; ``None`` where it cannot be asked any more."""
        principal = ask.request.principal
        shape, values = shape_of(query)
        plan = plan_read(table, shape, self._surface.scope(principal))
        statement = select_rows(plan, self._surface.dialect, max_rows=1)
        try:
            row = await self._database.fetch(self._prepare(statement).bind(values, principal))
        except DatabaseError:
            # Within a larger transaction nothing can be asked after a failure: then nothing is told.
            return None
        return bool(row[1])


def _nothing(ask: Ask) -> Written:
    """The outcome of a write that touches no row."""
    if ask.demands.single:
        raise not_single(0)
    return Written(0, "[]" if ask.representation else None)


def _refuse_twins(plan: InsertPlan, rows: Sequence[Sequence[Pair]]) -> None:
    """PostgreSQL merges a row once in a statement; SQLite would do it as often as it comes."""
    names = [column.name for column in plan.packed]
    assert plan.conflict is not None  # noqa: S101 - the caller has looked
    at = [names.index(column.name) for column in plan.conflict.columns if column.name in names]
    if len(at) < len(plan.conflict.columns):
        return
    keys = [key for key in (tuple(row[i][1] for i in at) for row in rows) if None not in key]
    if len(set(keys)) < len(keys):
        raise PlanError(
            "21000",
            "ON CONFLICT DO UPDATE command cannot affect row a second time",
            hint="Ensure that no rows within the same command have duplicate constrained values.",
        )


def _refuse_page(ask: Ask) -> None:
    """A page narrows what is sent back, never what is written: asked of a write that sends nothing back, it was meant
    to spare rows, and would not.
    """
    if not ask.representation and any(not path for path, _ in ask.shape.pages):
        raise PlanError(
            "PGRST127",
            "Feature not implemented",
            details="limit and offset do not narrow the rows that a PATCH or DELETE writes.",
            hint="Filter by the keys of the rows, e.g. id=in.(1,2,3).",
        )


def _groups(
    payload: Payload, columns: tuple[str, ...] | None, *, defaults: bool
) -> dict[tuple[str, ...], list[tuple[int, Mapping[str, Any]]]]:
    """The rows, numbered, by the keys that they bring: one statement for each set of keys.

    A key that ``columns`` announces and a row lacks is null, or, with ``missing=default``, left to its default.
    """
    keys = payload.keys if columns is None else columns
    if not defaults:
        return {keys: [(number, {key: row.get(key) for key in keys}) for number, row in enumerate(payload.rows)]}
    found: dict[tuple[str, ...], list[tuple[int, Mapping[str, Any]]]] = {}
    for number, row in enumerate(payload.rows):
        present = tuple(key for key in keys if key in row)
        found.setdefault(present, []).append((number, {key: row[key] for key in present}))
    return found
