"""A write as asked → what it will do: its statements, bound and ready, with nothing run yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backstay.catalog import Table
from backstay.errors import PlanError, RequestError
from backstay.pipeline.ask import Ask
from backstay.pipeline.plans import Plans
from backstay.pipeline.script import Bulk, Script, delete_steps, is_one_statement, write_steps
from backstay.pipeline.sealed import Opener, foreseen, opener, sealing_keys
from backstay.pipeline.surface import Surface
from backstay.plan.fill import Filler, default_of
from backstay.plan.opening import opening_of
from backstay.plan.put import put_conditions, put_rows
from backstay.plan.quick import Pair
from backstay.plan.seal import named_key, sealed_rows
from backstay.plan.write import DeletePlan, InsertPlan, UpdatePlan, plan_delete, plan_insert, plan_update
from backstay.policy import Grant
from backstay.request import parse_body
from backstay.request.body import Payload
from backstay.request.limits import DEFAULT_BODY_LIMITS
from backstay.response.written import Written
from backstay.sql.dialect import Form
from backstay.sql.prepared import Prepared, prepare
from backstay.sql.statement import Statement, Steps
from backstay.sql.write import (
    alone_sql,
    check_sql,
    delete_keys_sql,
    delete_sql,
    images_sql,
    insert_sql,
    judges_first,
    key_columns,
    lock_sql,
    looks_around,
    parents_sql,
    probe_sql,
    read_sql,
    stands_alone,
    update_sql,
    waiting_of,
)


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """What a write will do: *steps* are its transaction, and may be made again.

    *rows* are those that the client sent, and *written* the columns that they set.
    """

    steps: Callable[[], Steps[Written]]
    rows: Sequence[Mapping[str, Any]]
    written: frozenset[str]
    #: One statement that nothing after it could refuse.
    alone: bool = False
    #: See `Database.transact`.
    isolated: bool = False
    #: The statement that writes, where its plan is asked for and it is one.
    statement: Statement | None = None
    #: What compares blind indexes before, and the values that it takes.
    opener: Opener | None = None
    values: tuple[Any, ...] = ()


class Works:
    """Makes the work of each kind of write; holds nothing but what it remembers."""

    def __init__(self, surface: Surface) -> None:
        self._surface = surface
        self._scripts: Plans[tuple[Any, Script]] = Plans(2048, lambda found: found[1].room)

    def foresee(self, ask: Ask) -> None:
        """Make what `insert` and its siblings need for *ask*; whatever is wrong with its values is told by them.

        Raises:
            BackstayError: what would refuse it.
        """
        match ask.request.method:
            case "POST":
                payload = self._payload(ask)
                groups = _groups(payload, ask.shape.columns, defaults=ask.preferences.missing == "default")
                for keys in groups if payload.rows else ():
                    self._foreseen(ask, self._inserting(ask, keys, _merging(ask))[1])
            case "PATCH":
                _, keys, cleared = self._setting(ask)
                if keys or cleared:
                    self._foreseen(ask, self._updating(ask, keys, cleared)[1])
            case "PUT":
                payload = self._payload(ask)
                keys = payload.keys if ask.shape.columns is None else ask.shape.columns
                self._foreseen(ask, self._inserting(_unfiltered(ask), keys, _putting(ask))[1])
            case _:
                self._foreseen(ask, self._deleting(ask)[1])

    def _foreseen(self, ask: Ask, script: Script) -> None:
        foreseen(ask.request, script.opener, script.values(ask.values))

    # -- insert ------------------------------------------------------------------------------------------------------

    def insert(self, ask: Ask) -> Work | None:
        """``POST``; ``None`` where there is no row to insert."""
        payload = self._payload(ask)
        if not payload.rows:
            return None
        groups = _groups(payload, ask.shape.columns, defaults=ask.preferences.missing == "default")
        merge = _merging(ask)
        bulks = [self._insert_bulks(ask, keys, rows, merge) for keys, rows in groups.items()]
        flat = [bulk for part in bulks for bulk in part]
        order = None
        if len(groups) > 1:
            order = [number for rows in groups.values() for number, _ in rows]

        values = flat[0].script.values(ask.values)

        def steps() -> Steps[Written]:
            return write_steps(flat, order, values, ask.request.principal, ask.demands)

        rows = [row for _, row in next(iter(groups.values()))]
        alone = is_one_statement(flat, ask.demands)
        isolated = any(bulk.script.isolated for bulk in flat)
        opens, statement = flat[0].script.opener, _statement(flat, ask)
        return Work(steps, rows, frozenset(payload.keys), alone, isolated, statement, opens, values)

    def _insert_bulks(
        self,
        ask: Ask,
        keys: tuple[str, ...],
        numbered: Sequence[tuple[int, Mapping[str, Any]]],
        merge: bool | None,
    ) -> list[Bulk]:
        (plan, filler), script = self._inserting(ask, keys, merge)
        rows = [row for _, row in numbered]
        filled = filler.fill(rows, nulls_refused=not self._surface.tells_nulls)
        if plan.table.seals:
            filled = sealed_rows(plan.table, plan.packed, filled, sealing_keys(self._surface.keyring))
        counted = script.judged_first or (plan.conflict is not None and plan.conflict.merge)
        if not plan.packed:
            # A row of nothing but defaults cannot come out of a list: one statement for each.
            return [Bulk(script, script.values(ask.values), 1 if counted else None) for _ in rows]
        if plan.conflict is not None and plan.conflict.merge:
            _refuse_twins(plan, filled)
        packed = self._surface.dialect.pack(filled, len(plan.packed))
        return [Bulk(script, (*script.values(ask.values), *packed), len(rows) if counted else None)]

    def _inserting(
        self, ask: Ask, keys: tuple[str, ...], merge: bool | None
    ) -> tuple[tuple[InsertPlan, Filler], Script]:
        shape = (ask.shape, len(ask.values), ask.representation, ask.form)
        key = ("insert", ask.table.name, keys, shape, merge)
        return self._planned(ask, key, lambda: self._insert_script(ask, keys, merge))

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
        filler = Filler(plan.brought if plan.table.seals else plan.packed, plan.written)
        return (plan, filler), replace(script, judged_first=first)

    # -- update ------------------------------------------------------------------------------------------------------

    def update(self, ask: Ask) -> Work | None:
        """``PATCH``; ``None`` where it sets nothing."""
        row, keys, cleared = self._setting(ask)
        if not keys and not cleared:
            # Nothing to set: nothing is updated, and nothing is looked at.
            return None
        (plan, filler), script = self._updating(ask, keys, cleared)
        brought = plan.brought if plan.table.seals else plan.packed
        (filled,) = filler.fill([row], nulls_refused=not self._surface.tells_nulls)
        if plan.table.seals and any(column.sealing is not None or column.primary for column in brought):
            named = named_key(plan.table, ask.shape, ask.values, keys, row)
            keyring = sealing_keys(self._surface.keyring)
            (filled,) = sealed_rows(plan.table, plan.packed, [filled], keyring, named)
        pick = self._surface.dialect.pick
        values = script.values(ask.values)
        bulk = Bulk(script, (*values, *(pick(pair) for pair in filled)))

        def steps() -> Steps[Written]:
            return write_steps([bulk], None, values, ask.request.principal, ask.demands)

        statement = _statement([bulk], ask)
        return Work(steps, [row], frozenset(keys), False, script.isolated, statement, script.opener, values)

    def _setting(self, ask: Ask) -> tuple[Mapping[str, Any], tuple[str, ...], tuple[str, ...]]:
        """The row that a ``PATCH`` brings, the columns that it sets, and those that it sets to their defaults."""
        _refuse_page(ask)
        payload = self._payload(ask)
        if len(payload.rows) > 1:
            raise PlanError("PGRST102", "All object keys must match", hint="A PATCH takes one object.")
        row = payload.rows[0] if payload.rows else {}
        keys = tuple(row) if ask.shape.columns is None or not row else ask.shape.columns
        if ask.preferences.missing != "default":
            return row, keys, ()
        # Without the preference, what ``columns`` announces and the body leaves out becomes null.
        row, cleared = _with_defaults(ask.table, row, keys)
        return row, tuple(name for name in keys if name in row), cleared

    def _updating(
        self, ask: Ask, keys: tuple[str, ...], cleared: tuple[str, ...]
    ) -> tuple[tuple[UpdatePlan, Filler], Script]:
        key = ("update", ask.table.name, keys, cleared, (ask.shape, ask.representation, ask.form))
        return self._planned(ask, key, lambda: self._update_script(ask, keys, cleared))

    def _update_script(
        self, ask: Ask, keys: tuple[str, ...], cleared: tuple[str, ...]
    ) -> tuple[tuple[UpdatePlan, Filler], Script]:
        scope = self._surface.scope(ask.request.principal)
        plan = plan_update(ask.table.name, keys, ask.shape, scope, representation=ask.representation, cleared=cleared)
        slots = len(ask.values)
        write = self._prepare(update_sql(plan, self._surface.dialect, slots))
        filler = Filler(plan.brought if plan.table.seals else plan.packed, plan.written, "onupdate")
        return (plan, filler), self._script(plan, (plan.grant,), write, slots, ask.form)

    # -- delete ------------------------------------------------------------------------------------------------------

    def delete(self, ask: Ask) -> Work:
        """``DELETE``."""
        _refuse_page(ask)
        (_, lock), script = self._deleting(ask)
        principal, values = ask.request.principal, script.values(ask.values)

        def steps() -> Steps[Written]:
            if lock is None or script.alone is not None:
                return write_steps([Bulk(script, values)], None, values, principal, ask.demands)
            return delete_steps(lock.bind(values, principal), script, values, principal, ask.demands)

        one = lock is None or script.alone is not None
        statement = _statement([Bulk(script, values)] if one else [], ask)
        return Work(steps, [], frozenset(), False, script.isolated, statement, script.opener, values)

    def _deleting(self, ask: Ask) -> tuple[tuple[DeletePlan, Prepared | None], Script]:
        key = ("delete", ask.table.name, ask.shape, ask.representation, ask.form)
        return self._planned(ask, key, lambda: self._delete_script(ask))

    def _delete_script(self, ask: Ask) -> tuple[tuple[DeletePlan, Prepared | None], Script]:
        scope, dialect, slots = self._surface.scope(ask.request.principal), self._surface.dialect, len(ask.values)
        plan = plan_delete(ask.table.name, ask.shape, scope, representation=ask.representation)
        if plan.returning is None:
            write, lock = self._prepare(delete_sql(plan, dialect)), None
        else:
            write, lock = self._prepare(delete_keys_sql(plan, dialect, slots)), self._prepare(lock_sql(plan, dialect))
        return (plan, lock), self._script(plan, (), write, slots, ask.form)

    # -- put -------------------------------------------------------------------------------------------------------

    def put(self, ask: Ask) -> Work:
        """``PUT``: the one row that the filters name: updated where it is, else inserted."""
        payload = self._payload(ask)
        rows = put_rows(ask.table, ask.shape, ask.values, payload.rows)
        keys = payload.keys if ask.shape.columns is None else ask.shape.columns
        bulks = self._insert_bulks(_unfiltered(ask), keys, list(enumerate(rows)), _putting(ask))

        values = bulks[0].script.values(ask.values)

        def steps() -> Steps[Written]:
            return write_steps(bulks, None, values, ask.request.principal, ask.demands)

        script, statement = bulks[0].script, _statement(bulks, ask)
        return Work(steps, rows, frozenset(keys), False, script.isolated, statement, script.opener, values)

    # -- shared ------------------------------------------------------------------------------------------------------

    def _planned(self, ask: Ask, key: tuple[Any, ...], make: Callable[[], tuple[Any, Script]]) -> tuple[Any, Script]:
        found, ahead = self._scripts.of(ask.request, key, make), ask.request.ahead
        if ahead is not None and found[1].isolated:
            ahead.isolated = True
        return found

    def _payload(self, ask: Ask) -> Payload:
        given = ask.shape.columns is not None
        return parse_body(ask.request.body, ask.request.header(b"content-type"), columns_given=given)

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
        waiting = waiting_of(table, grants, written, parents, dialect)
        # Those that are judged without the rows need not be looked for once more, but in a tree that came at once.
        late = tuple(parent for parent in parents if parent not in waiting.parents or parent.table is table)
        opens = None
        if self._surface.seals:
            rows = None if isinstance(plan, InsertPlan) else plan.rows
            opens = opener(opening_of(plan.returning, rows, features=asked == "features"), self._surface)
        form = dialect.form(asked if opens is None else opens.form(asked))
        alone = None
        if stands_alone(plan, dialect, checked=bool(waiting)):
            alone = self._prepare(alone_sql(plan, dialect, slots, form))
        read = None
        if plan.returning is not None:
            sent = isinstance(plan, InsertPlan)
            read = self._prepare(read_sql(plan.returning, dialect, slots, form=form, as_packed=sent))
        return Script(
            table=table.name,
            key_names=tuple(column.name for column in key_columns(table)),
            write=write,
            probe=probe,
            check=self._prepare(check_sql(waiting, dialect, slots)) if waiting else None,
            images=self._prepare(images_sql(waiting, dialect, slots)) if waiting else None,
            awaited=waiting.parents,
            parents=self._prepare(parents_sql(late, table, dialect, slots)) if late else None,
            referred=late,
            read=read,
            pack_keys=dialect.pack_keys,
            alone=alone,
            form=form,
            ordered_keys=tuple(name for name in table.columns if name in table.primary_key),
            isolated=bool(waiting) or looks_around(plan),
            opener=opens,
        )


def _merging(ask: Ask) -> bool | None:
    """Whether the rows of a ``POST`` that are there are merged, ignored, or refused (``None``)."""
    resolution = ask.preferences.resolution
    return None if resolution is None else resolution == "merge-duplicates"


def _putting(ask: Ask) -> bool | None:
    """``If-None-Match: *`` asks for a new row or none (``pipeline/conditional.py``)."""
    return None if ask.request.header(b"if-none-match") == "*" else True


def _unfiltered(ask: Ask) -> Ask:
    """*ask* of a ``PUT`` without what names its row, which its body has been matched with."""
    return replace(ask, shape=replace(ask.shape, on_conflict=None, conditions=put_conditions(ask.shape)))


def _statement(bulks: Sequence[Bulk], ask: Ask) -> Statement | None:
    """The only statement of *bulks* that writes, where its plan is asked for."""
    if ask.media.kind != "plan" or len(bulks) != 1:
        return None
    script, values = bulks[0].script, bulks[0].values
    return (script.alone or script.write).bind(values, ask.request.principal)


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


def _with_defaults(
    table: Table, row: Mapping[str, Any], keys: Sequence[str]
) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """*row* with the model's own defaults for those of *keys* that it lacks, and those that only the database has."""
    filled, cleared = dict(row), []
    for name in keys:
        if name not in row:
            column = table.columns.get(name)
            default: Any = None if column is None else column.sql.default
            if column is None or default is None or default.is_clause_element or default.is_sequence:
                cleared.append(name)
            else:
                filled[name] = default_of(column)(row)
    return filled, tuple(cleared)


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
    most = DEFAULT_BODY_LIMITS.key_sets
    for number, row in enumerate(payload.rows):
        present = tuple(key for key in keys if key in row)
        found.setdefault(present, []).append((number, {key: row[key] for key in present}))
        if len(found) > most:
            raise RequestError(
                "BST413",
                "Too many different sets of keys in one request",
                details=f"With missing=default each set is a statement of its own, and there may be {most}.",
                hint="Send rows with the same keys together, and the others in another request.",
            )
    return found
