"""The plan of a write: which columns, which old rows, who judges the new ones.

1. create: the new row must satisfy a rule.  update: the old row is selected by a rule, the new one must satisfy one.
2. A row that the caller cannot read cannot be addressed: every filter also passes the read grant (AC4, AC10).
3. A key of the body that is unknown, hidden or not the caller's to write is refused, never dropped (AC14).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal

from sqlalchemy.sql.elements import ColumnElement, True_

from backstay.catalog import Column, Table
from backstay.errors import Forbidden, PlanError
from backstay.plan.intent import Node
from backstay.plan.read import plan_rows
from backstay.plan.scope import Scope, find_table
from backstay.policy import SERVICE, Action, Grant
from backstay.request.read import Query
from backstay.request.select import Embed, Item

#: Most faults of one body that are listed.
_MAX_FAULTS: Final = 100


@dataclass(frozen=True, slots=True, eq=False)
class Conflict:
    """What to do with a row whose *columns* collide: update the old one, or leave it."""

    columns: tuple[Column, ...]
    merge: bool

    @property
    def names(self) -> frozenset[str]:
        return frozenset(column.name for column in self.columns)


@dataclass(frozen=True, slots=True, eq=False)
class Parent:
    """A foreign key that a write sets, to a table of which the caller sees only *rows*.

    A row it does not see behaves like one that is not there (AC7).
    """

    table: Table
    constraint: str
    pairs: tuple[tuple[str, str], ...]
    rows: ColumnElement[bool]


@dataclass(frozen=True, slots=True, eq=False)
class InsertPlan:
    """*packed* columns bring a value each (the client's, or a default of the model); *computed* ones have a default
    that is an SQL expression.  *written* are the client's.
    """

    table: Table
    packed: tuple[Column, ...]
    computed: tuple[Column, ...]
    written: frozenset[str]
    grant: Grant
    returning: Node | None
    parents: tuple[Parent, ...]
    conflict: Conflict | None = None
    #: Who may update, for rows that a conflict updates.
    update_grant: Grant | None = None
    #: Who may see, for rows that a conflict updates.
    read_grant: Grant | None = None

    @property
    def brought(self) -> tuple[Column, ...]:
        """*packed* without the blind indexes, whose values follow from the others."""
        return tuple(column for column in self.packed if column.blind_for is None)


@dataclass(frozen=True, slots=True, eq=False)
class UpdatePlan:
    """*rows* addresses the old rows; *packed* and *computed* as for an insert, with ``onupdate`` for the default.

    *cleared* get the database's own default.
    """

    table: Table
    packed: tuple[Column, ...]
    computed: tuple[Column, ...]
    written: frozenset[str]
    grant: Grant
    rows: Node
    returning: Node | None
    parents: tuple[Parent, ...]
    cleared: tuple[Column, ...] = ()

    @property
    def brought(self) -> tuple[Column, ...]:
        """As of an insert."""
        return tuple(column for column in self.packed if column.blind_for is None)


@dataclass(frozen=True, slots=True, eq=False)
class DeletePlan:
    table: Table
    grant: Grant
    rows: Node
    returning: Node | None


def plan_insert(
    name: str,
    keys: tuple[str, ...],
    query: Query,
    scope: Scope,
    *,
    representation: bool,
    merge: bool | None = None,
) -> InsertPlan:
    """Plan the insert of rows that all have *keys*.

    *merge* is ``None`` without a resolution, else whether duplicates are merged (``False``: ignored).

    Raises:
        PlanError: PGRST205, PGRST204, 428C9, 42P10 (no such unique columns), and those of a read for what is returned.
        Forbidden: 42501, when no rule lets the caller create rows here.
    """
    table = find_table(scope, name)
    grant = _granted(scope, table, "create")
    written = _writable(table, grant, scope, keys, "create")
    conflict = _conflict(table, query, scope, merge)
    packed, computed = _filled(table, keys, "default")
    brought = (*written, *packed)
    if table.seals:
        _refuse_merging(table, brought, conflict)
    return InsertPlan(
        table=table,
        packed=(*brought, *_indexes(brought)) if table.seals else brought,
        computed=computed,
        written=frozenset(keys),
        grant=grant,
        returning=_returning(table, query, scope) if representation else None,
        parents=_parents(table, frozenset(keys), scope),
        conflict=conflict,
        update_grant=_granted(scope, table, "update") if conflict is not None and conflict.merge else None,
        read_grant=scope.grant("read", table) if conflict is not None else None,
    )


def plan_update(
    name: str,
    keys: tuple[str, ...],
    query: Query,
    scope: Scope,
    *,
    representation: bool,
    cleared: tuple[str, ...] = (),
) -> UpdatePlan:
    """Plan the update of the rows that *query* addresses, setting *keys*, and *cleared* to their defaults.

    Raises: as `plan_insert`.
    """
    table = find_table(scope, name)
    grant = _granted(scope, table, "update")
    written = _writable(table, grant, scope, keys, "update")
    emptied = _writable(table, grant, scope, cleared, "update", to_default=True)
    every = (*keys, *cleared)
    packed, computed = _filled(table, every, "onupdate") if every else ((), ())
    rows, returning = _addressed(table, query, scope, representation)
    parents = _parents(table, frozenset(every), scope)
    brought = (*written, *packed)
    if table.seals:
        brought, emptied = (*brought, *_indexes(brought)), (*emptied, *_indexes(emptied))
    return UpdatePlan(
        table=table,
        packed=brought,
        computed=computed,
        written=frozenset(every),
        grant=grant,
        rows=rows,
        returning=returning,
        parents=parents,
        cleared=emptied,
    )


def plan_delete(name: str, query: Query, scope: Scope, *, representation: bool) -> DeletePlan:
    """Plan the deletion of the rows that *query* addresses."""
    table = find_table(scope, name)
    grant = _granted(scope, table, "delete")
    rows, returning = _addressed(table, query, scope, representation)
    return DeletePlan(table, grant, rows, returning)


def plan_lock(name: str, query: Query, scope: Scope, action: Literal["update", "delete"]) -> DeletePlan:
    """The rows that *query* addresses, as far as the caller may read and write them: to be locked, not deleted.

    Raises:
        Forbidden: 42501, when no rule lets the caller write rows here: nor may it keep others from them.
    """
    table = find_table(scope, name)
    grant = _granted(scope, table, action)
    rows, _ = _addressed(table, query, scope, False)
    return DeletePlan(table, grant, rows, None)


def _indexes(columns: Iterable[Column]) -> tuple[Column, ...]:
    """The blind indexes that are written along with *columns*."""
    return tuple(c.sealing.blind for c in columns if c.sealing is not None and c.sealing.blind is not None)


def _refuse_merging(table: Table, columns: Iterable[Column], conflict: Conflict | None) -> None:
    """A row that a conflict finds by anything but its key has another key than the one that was sealed for."""
    if conflict is None or not conflict.merge or {c.name for c in conflict.columns} == set(table.primary_key):
        return
    if any(column.sealing is not None or column.primary for column in columns):
        raise PlanError(
            "PGRST127",
            "Feature not implemented",
            details=f"Encrypted values of {table.name} are bound to their row: duplicates are merged by its key only.",
            hint=f"Send on_conflict={','.join(table.primary_key)}, or leave it out.",
        )


def _granted(scope: Scope, table: Table, action: Action) -> Grant:
    grant = scope.grant(action, table)
    if not grant or table.read_only:
        raise Forbidden(
            "42501",
            f"permission denied for table {table.name}",
            hint=f"No policy lets this caller {action} rows of {table.name}.",
        )
    return grant


def _writable(
    table: Table,
    grant: Grant,
    scope: Scope,
    keys: Iterable[str],
    action: Literal["create", "update"],
    *,
    to_default: bool = False,
) -> tuple[Column, ...]:
    visible = grant.columns | scope.grant("read", table).columns
    found: list[Column] = []
    faults: list[tuple[str, PlanError]] = []
    for key in keys:
        column = table.columns.get(key)
        if column is None or key not in visible:
            faults.append((key, _unknown(table, key)))
        elif column.duty is not None and scope.who[0] != SERVICE:
            faults.append((key, _unwritable(table, key, "the server keeps it")))
        elif key not in grant.columns:
            faults.append((key, _unwritable(table, key, "no policy lets this caller write it")))
        elif column.generated and not to_default:
            faults.append((key, _computed(column, action)))
        else:
            found.append(column)
    if faults:
        _, first = faults[0]
        if len(faults) > 1:
            told = [{"column": key, "code": fault.code, "message": fault.message} for key, fault in faults]
            first.details = told[:_MAX_FAULTS]
        raise first
    return tuple(found)


def _unknown(table: Table, key: str) -> PlanError:
    """PGRST204: there is no such column, or none that the caller may know of."""
    return PlanError(
        "PGRST204",
        f"Could not find the '{key}' column of '{table.name}' in the schema cache",
    )


def _unwritable(table: Table, key: str, why: str) -> PlanError:
    return PlanError(
        "PGRST204", f"The '{key}' column of '{table.name}' cannot be written", hint=f"Leave '{key}' out: {why}."
    )


def _computed(column: Column, action: Literal["create", "update"]) -> PlanError:
    """PostgreSQL's refusal of a value for a column that only it writes."""
    kind = "an identity column defined as GENERATED ALWAYS" if column.identity else "a generated column"
    if action == "update":
        message, hint = f'column "{column.name}" can only be updated to DEFAULT', None
    else:
        message = f'cannot insert a non-DEFAULT value into column "{column.name}"'
        hint = "Use OVERRIDING SYSTEM VALUE to override." if column.identity else None
    return PlanError("428C9", message, details=f'Column "{column.name}" is {kind}.', hint=hint)


def _filled(
    table: Table, keys: tuple[str, ...], which: Literal["default", "onupdate"]
) -> tuple[tuple[Column, ...], tuple[Column, ...]]:
    """Columns that the model fills in when the client does not: by a value of ours, and by an SQL expression."""
    packed: list[Column] = []
    computed: list[Column] = []
    for column in table.columns.values():
        default = getattr(column.sql, which)
        if column.name not in keys and default is not None and not default.is_sequence:
            (computed if default.is_clause_element else packed).append(column)
    return tuple(packed), tuple(computed)


def _parents(table: Table, written: frozenset[str], scope: Scope) -> tuple[Parent, ...]:
    found: list[Parent] = []
    for relation in table.relations:
        if not relation.holds_key or not written & {here for here, _ in relation.pairs}:
            continue
        remote = scope.catalog.tables[relation.remote]
        rows = scope.grant("read", remote).rows(frozenset(there for _, there in relation.pairs))
        # Where every row is visible, the database's own constraint says all there is to say.
        if not isinstance(rows, True_):
            found.append(Parent(remote, relation.constraint, relation.pairs, rows))
    return tuple(found)


def _conflict(table: Table, query: Query, scope: Scope, merge: bool | None) -> Conflict | None:
    if merge is None:
        return None
    names = query.on_conflict or table.primary_key
    if not names:
        return None
    read = scope.grant("read", table)
    for name in names:
        if name not in table.columns or (name not in read.columns and name not in scope.grant("create", table).columns):
            raise PlanError("42703", f'column "{name}" does not exist')
    return Conflict(tuple(table.columns[name] for name in names), merge)


def _returning(table: Table, query: Query, scope: Scope) -> Node:
    """What a write returns: *query*'s select and what it says of embeds, without its filters on the rows themselves.

    An inner embed chose the rows before they were written; afterwards it hides none of them.
    """
    bare = replace(
        query,
        items=tuple(replace(item, join=None) if isinstance(item, Embed) else item for item in query.items),
        conditions=tuple((path, condition) for path, condition in query.conditions if path),
        orders=tuple((path, terms) for path, terms in query.orders),
        pages=tuple((path, page) for path, page in query.pages if path),
    )
    return plan_rows(table, scope.grant("read", table), bare, scope)


def _is_embed(item: Item) -> bool:
    return isinstance(item, Embed)


def _bare(item: Item) -> Item:
    """An embed without its columns, which a write that only looks for rows need not mention."""
    assert isinstance(item, Embed)  # noqa: S101 - filtered before
    return replace(item, items=tuple(map(_bare, filter(_is_embed, item.items))))


def _addressed(table: Table, query: Query, scope: Scope, representation: bool) -> tuple[Node, Node | None]:
    """The rows that *query* means, by its filters and by its inner embeds, and what is sent back of them."""
    returning = _returning(table, query, scope) if representation else None
    asked = replace(query, items=tuple(map(_bare, filter(_is_embed, query.items))), orders=(), pages=())
    rows = plan_rows(table, scope.grant("read", table), asked, scope)
    if returning is not None:
        # What is sent back must be readable too, so that nothing is told that a read would not tell.
        rows = replace(rows, mentioned=rows.mentioned | returning.mentioned)
    return rows, returning
