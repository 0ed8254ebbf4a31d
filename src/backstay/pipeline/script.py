"""A write as a transaction without I/O: it yields statements and is sent their rows (see `Steps`).

1. Whatever refuses raises, and everything is rolled back: nothing is half done, in bulk too.
2. The order is: write, look for invisible parents, judge the new rows, count, render.  The database looks for missing
   parents while it writes, so nothing may be said before the invisible ones, or they would be told apart (AC7).
3. A policy that looks at other rows sees the state before the statement.  Where the statement itself cannot judge so,
   it is undone to be judged, and then done again (`_judged`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from backstay.db.violation import FOREIGN_KEY, UNIQUE, Violation, broken_constraint
from backstay.errors import Forbidden, PlanError, RequestError
from backstay.pipeline.remember import room_of
from backstay.pipeline.sealed import Opener, looked_with
from backstay.plan.write import Parent
from backstay.policy import Principal
from backstay.request.prefer import Preferences
from backstay.response.exact import read_exact
from backstay.response.rows import not_single
from backstay.response.written import Written
from backstay.sql.prepared import Prepared
from backstay.sql.statement import Row, Rows, Statement, Steps

_BEFORE: Final = Statement("SAVEPOINT judged", ())
_UNDO: Final = Statement("ROLLBACK TO judged", ())
_KEEP: Final = Statement("RELEASE judged", ())
_TRIES: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class Script:
    """The statements of one write, prepared; all but *write* take the packed keys behind the request's values."""

    table: str
    key_names: tuple[str, ...]
    write: Prepared
    probe: Prepared | None
    check: Prepared | None
    parents: Prepared | None
    referred: tuple[Parent, ...]
    read: Prepared | None
    pack_keys: Callable[[Sequence[Row], int], tuple[Any, ...]]
    #: What `check` judges of the rows that *write* has written.
    images: Prepared | None = None
    #: Parents that `check` looks for.
    awaited: tuple[Parent, ...] = ()
    #: Rows that the policy refuses are left out by *write* itself, before any constraint is asked.
    judged_first: bool = False
    #: Writes and renders at once: (body, number of rows, JSON array of the first row's keys).
    alone: Prepared | None = None
    #: What the rendered body is made of.
    form: str = "json"
    #: Names of the primary key's columns, in the table's order; none where the table has no key.
    ordered_keys: tuple[str, ...] = ()
    #: It must not wait for a row and then write it: what its rules saw of other rows may have changed meanwhile.
    isolated: bool = False
    #: For encrypted columns in what is rendered (*form* is JSON then) or in what is filtered by.
    opener: Opener | None = None

    def values(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """The request's *values* as the statements take them."""
        return values if self.opener is None else self.opener.values(values)

    @property
    def room(self) -> int:
        """About how many bytes it takes."""
        own = (self.write, self.probe, self.check, self.images, self.parents, self.read, self.alone)
        return room_of(*own, *looked_with(self.opener))

    @property
    def keyed(self) -> bool:
        """Whether the table has a primary key."""
        return bool(self.ordered_keys)


@dataclass(frozen=True, slots=True)
class Demands:
    """What the client demands of the number of rows."""

    single: bool = False
    max_affected: int | None = None


@dataclass(frozen=True, slots=True)
class Bulk:
    """One statement of a write: its script, the values it binds, and how many rows it must give (``None``: any)."""

    script: Script
    values: tuple[Any, ...]
    expected: int | None = None


def demands_of_call(preferences: Preferences, *, gives_set: bool) -> Demands:
    """What *preferences* demand of a function's result.

    Raises:
        RequestError: PGRST128, where its number of rows is limited and it gives no set of them.
    """
    most = preferences.max_affected if preferences.handling == "strict" else None
    if most is not None and not gives_set:
        raise RequestError(
            "PGRST128",
            "Function must return SETOF or TABLE when max-affected preference is used with handling=strict",
        )
    return Demands(max_affected=most)


def is_one_statement(bulks: Sequence[Bulk], demands: Demands) -> bool:
    """Whether `write_steps` is one statement that nothing after it could refuse, so that it needs no transaction."""
    if len(bulks) != 1 or demands != Demands() or bulks[0].script.probe is not None:
        return False
    script = bulks[0].script
    if script.alone is not None:
        return True
    settled = script.check is None and script.parents is None and script.read is None
    return settled and script.judged_first and bulks[0].expected == 1


def write_steps(
    bulks: Sequence[Bulk],
    order: Sequence[int] | None,
    query_values: tuple[Any, ...],
    principal: Principal,
    demands: Demands,
) -> Steps[Written]:
    """Write every bulk, then judge and render all rows together.

    *order* puts the rows of several bulks back into the order in which the client sent them.
    """
    # What several statements have rendered cannot be sorted; only rows without a key cannot be asked for again.
    if all(bulk.script.alone is not None for bulk in bulks) and (len(bulks) == 1 or not bulks[0].script.keyed):
        return (yield from _alone(bulks, principal, demands))
    keys: list[Row] = []
    collisions = 0
    refusal: Exception | None = None
    for bulk in bulks:
        if bulk.script.probe is not None:
            there, hidden, refused = (yield bulk.script.probe.bind(bulk.values, principal))[0]
            collisions += there
            if refused:
                raise _refused(bulk.script.table)
            if hidden:
                # Neither merged nor ignored: the answer must not depend on more of a hidden row than that it is there.
                raise broken_constraint(Violation(UNIQUE))
        rows = yield from _judged(bulk, query_values, principal)
        if bulk.expected is not None and len(rows) < bulk.expected:
            unseen = broken_constraint(Violation(UNIQUE))
            refusal = refusal or (_refused(bulk.script.table) if bulk.script.judged_first else unseen)
        if not all(row[-1] for row in rows):
            refusal = refusal or _refused(bulk.script.table)
        keys += [tuple(row[:-1]) for row in rows]
    if refusal is not None:
        yield from _find_parents(bulks[0].script, keys, query_values, principal)
        raise refusal
    # Rows that were ignored left no key: what is left keeps the order of its statements.
    if order is not None and len(order) == len(keys):
        keys = [key for _, key in sorted(zip(order, keys, strict=True))]
    script = bulks[0].script
    body = yield from _settle(script, keys, query_values, principal, demands)
    first = tuple(zip(script.key_names, keys[0], strict=True)) if keys and script.keyed else ()
    return Written(len(keys), body, first, inserted=len(keys) > collisions, form=script.form)


def _judged(bulk: Bulk, query_values: tuple[Any, ...], principal: Principal) -> Steps[Rows]:
    """Write *bulk*; its rows have passed the policies that look at other rows, as these were before it.

    What the database makes of a row (defaults, triggers, merged columns) is known when it is written, and the state
    before is there when it is not: so it is written, looked at, undone, judged, and written again.
    """
    script = bulk.script
    write = script.write.bind(bulk.values, principal)
    if script.images is None or script.check is None:
        return (yield write)
    passed: list[Row] | None = None
    for _ in range(_TRIES):
        yield _BEFORE
        rows = yield write
        keys = [tuple(row[:-1]) for row in rows]
        images: list[Row] = []
        if keys:
            packed = script.pack_keys(keys, len(script.key_names))
            images = [tuple(row) for row in (yield script.images.bind((*query_values, *packed), principal))]
        if images == passed or not keys:
            yield _KEEP
            return rows
        yield from _find_parents(script, keys, query_values, principal)
        yield _UNDO
        yield _KEEP
        values = (*query_values, *script.pack_keys(images, len(images[0]) if images else 0))
        allowed, *counts = (yield script.check.bind(values, principal))[0]
        _refuse_hidden(script, script.awaited, counts)
        if allowed != len(keys):
            break
        passed = images
    # Also a row that comes out differently each time: what was judged would not be what is written.
    raise _refused(script.table)


def _alone(bulks: Sequence[Bulk], principal: Principal, demands: Demands) -> Steps[Written]:
    """Each bulk by the one statement that writes and renders it: one, or of rows without a key."""
    bodies: list[str] = []
    rows = collisions = 0
    first: tuple[tuple[str, Any], ...] = ()
    for bulk in bulks:
        script = bulk.script
        assert script.alone is not None  # noqa: S101 - the caller has looked
        if script.probe is not None:
            collisions += (yield script.probe.bind(bulk.values, principal))[0][0]
        body, count, keys = (yield script.alone.bind(bulk.values, principal))[0]
        rows += count
        bodies.append(body)
        if keys is not None:
            first = tuple(zip(script.ordered_keys, read_exact(keys), strict=True))
    check_number(rows, demands)
    script = bulks[0].script
    body = _glued(bodies, script.form)
    return Written(rows, _opened(script, body), first, inserted=rows > collisions, form=script.form)


def _opened(script: Script, body: str | None) -> str | None:
    """*body* as the client sees it; within the transaction, so that a value that does not open undoes the write."""
    return body if script.opener is None or body is None else script.opener.body(body)


def _glued(bodies: Sequence[str], form: str) -> str:
    if len(bodies) == 1:
        return bodies[0]
    if form == "csv":
        return "\n".join((bodies[0], *(body.partition("\n")[2] for body in bodies[1:])))
    return "[" + ", ".join(body[1:-1] for body in bodies if body not in ("", "[]")) + "]"


def delete_steps(
    lock: Statement, script: Script, query_values: tuple[Any, ...], principal: Principal, demands: Demands
) -> Steps[Written]:
    """Render the rows, then delete them: afterwards they could not be read any more."""
    keys = [tuple(row) for row in (yield lock)]
    body = yield from _settle(script, keys, query_values, principal, Demands())
    if keys:
        yield script.write.bind((*query_values, *script.pack_keys(keys, len(script.key_names))), principal)
    # Counted last, as where rows are not sent back: what the database refuses is told first.
    check_number(len(keys), demands)
    return Written(len(keys), body, form=script.form)


def _settle(
    script: Script, keys: Sequence[Row], query_values: tuple[Any, ...], principal: Principal, demands: Demands
) -> Steps[str | None]:
    """Look for the parents of the rows of *keys*, and return their representation where one was asked for."""
    yield from _find_parents(script, keys, query_values, principal)
    check_number(len(keys), demands)
    if script.read is None:
        return None
    if not keys:
        return "[]"
    values = (*query_values, *script.pack_keys(keys, len(script.key_names)))
    body, rows, _ = (yield script.read.bind(values, principal))[0]
    if rows != len(keys):
        # A representation that its writer may not read is a refusal, as PostgreSQL's RETURNING is.
        raise _refused(script.table)
    return _opened(script, str(body))


def _find_parents(
    script: Script, keys: Sequence[Row], query_values: tuple[Any, ...], principal: Principal
) -> Steps[None]:
    """Refuse rows that refer to parents which the caller cannot see."""
    if script.parents is None or not keys:
        return
    values = (*query_values, *script.pack_keys(keys, len(script.key_names)))
    _refuse_hidden(script, script.referred, (yield script.parents.bind(values, principal))[0])


def _refuse_hidden(script: Script, parents: Sequence[Parent], counts: Sequence[int]) -> None:
    for parent, broken in zip(parents, counts, strict=True):
        if broken:
            raise _missing_parent(script.table, parent)


def check_number(rows: int, demands: Demands) -> None:
    """Raises `PlanError` PGRST124 or PGRST116, where *rows* are not what the client demands."""
    if demands.max_affected is not None and rows > demands.max_affected:
        raise PlanError(
            "PGRST124",
            "Query result exceeds max-affected preference constraint",
            details=f"The query affects {rows} rows",
        )
    if demands.single and rows != 1:
        raise not_single(rows)


def _refused(table: str) -> Forbidden:
    return Forbidden(
        "42501",
        f'new row violates row-level security policy for table "{table}"',
        hint=f"No policy of {table} lets this caller leave a row like this.",
    )


def _missing_parent(table: str, parent: Parent) -> Exception:
    columns = tuple(here for here, _ in parent.pairs)
    return broken_constraint(Violation(FOREIGN_KEY, table, columns, parent.constraint, parent.table.name))
