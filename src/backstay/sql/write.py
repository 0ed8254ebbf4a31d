"""Insert, update and delete plans → statements.

Every write returns the keys of its rows and whether they may stand.  A policy that looks at other rows sees them as
they were before the statement:

* what is sent is judged before it is written, where the policy asks for nothing but what is sent (`judges_first`);
* PostgreSQL judges what it wrote in the statement that writes: all parts of one statement see the state before it;
* SQLite promises no such thing.  There the statement is done, its rows are looked at (`images_sql`) and it is undone;
  the rows are judged on what is there then (`check_sql`), and if they may stand it is done again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement, True_

from backstay.catalog import Column, Table
from backstay.catalog.standing import elements, is_rows, moved, table_of, valued
from backstay.plan.intent import Node
from backstay.plan.write import Conflict, DeletePlan, InsertPlan, Parent, UpdatePlan
from backstay.policy import Grant
from backstay.sql.answer import answer
from backstay.sql.dialect import Expression, Form, Listed, SqlDialect
from backstay.sql.parameters import SlotParameter
from backstay.sql.select import Build

#: The collation at the end of a type's declaration.
_COLLATION: Final = re.compile(r' COLLATE "?([^"]+)"?$')


def key_columns(table: Table) -> tuple[Column, ...]:
    """What tells the rows of *table* apart: its primary key, or all of its columns where it has none."""
    if not table.primary_key and table.row_number is not None:
        return (table.row_number,)
    names = table.primary_key or tuple(table.columns)
    return tuple(table.columns[name] for name in names)


def stands_alone(plan: InsertPlan | UpdatePlan | DeletePlan, dialect: SqlDialect, *, checked: bool) -> bool:
    """Whether writing and rendering fit into one statement: no policy has anything to say about any row.

    *checked* tells that a statement of its own judges rows.
    """
    if not dialect.writes_inside or checked or (not isinstance(plan, DeletePlan) and plan.parents):
        return False
    written = plan.written if not isinstance(plan, DeletePlan) else frozenset()
    grants = [plan.grant.rows(written)]
    if isinstance(plan, InsertPlan):
        if not plan.packed and not plan.computed and plan.returning is None:
            return False
        grants += [g.rows(written) for g in (plan.update_grant, plan.read_grant) if g is not None]
    else:
        grants.append(plan.rows.grant.rows(plan.rows.mentioned))
    if plan.returning is not None:
        grants.append(plan.returning.grant.rows(plan.returning.mentioned))
    return all(isinstance(rows, True_) for rows in grants)


def looks_around(plan: InsertPlan | UpdatePlan | DeletePlan) -> bool:
    """Whether a rule that lets a row be changed or deleted looks at other rows than that one."""
    if not isinstance(plan, InsertPlan):
        grants: tuple[Grant | None, ...] = (plan.grant, plan.rows.grant)
    elif plan.conflict is not None and plan.conflict.merge:
        grants = (plan.grant, plan.update_grant, plan.read_grant)
    else:
        return False
    # Of all columns, so that it is known of a table before it is known what is written.
    return any(grant is not None and grant.has_subquery(frozenset()) for grant in grants)


def alone_sql(
    plan: InsertPlan | UpdatePlan | DeletePlan, dialect: SqlDialect, slots: int, form: Form
) -> sa.Select[Any]:
    """``WITH _w AS (INSERT … RETURNING *) SELECT body, number of rows, keys of the first FROM _w``.

    The rows are rendered as they were written: a table needs no key for it, and its types no equality.
    """
    match plan:
        case InsertPlan():
            write = _insert(plan, dialect, slots)
        case UpdatePlan():
            write = _update(plan, dialect, slots)
        case DeletePlan():
            write = _delete(plan, dialect)
    listed = plan.table.columns.values()
    # What an encrypted value is compared with when it is opened is a column that clients do not have.
    blind = [c.sealing.blind.sql for c in listed if c.sealing is not None and c.sealing.blind is not None]
    written = write.returning(*(column.sql for column in listed), *blind).cte("_w")
    names = [name for name in plan.table.columns if name in plan.table.primary_key]
    keys = sa.select(dialect.json_texts([written.c[name] for name in names])).limit(1).scalar_subquery()
    first: Any = keys if names else sa.null()
    if plan.returning is None:
        return sa.select(sa.literal_column("''"), sa.func.count(), first).select_from(written)
    layer = Build(dialect, None, form).layer(plan.returning, written)
    # New rows come back in the order in which they were sent.
    layer.tied = not isinstance(plan, InsertPlan) or bool(plan.returning.sort)
    page = layer.page()
    return answer(dialect, (layer.body(page), sa.func.count(), first), page)


def insert_sql(plan: InsertPlan, dialect: SqlDialect, slots: int) -> sa.Executable:
    """``INSERT … SELECT … FROM`` the packed rows, which begin at slot number *slots*."""
    judges = () if judges_first(plan) else (plan.grant, plan.update_grant)
    return _judged(_insert(plan, dialect, slots), plan.table, judges, plan.written, dialect)


def _insert(plan: InsertPlan, dialect: SqlDialect, slots: int) -> Any:
    table = _table(plan.table)
    if not plan.packed and not plan.computed:
        return dialect.insert_nothing(table)
    listed = dialect.listed(plan.packed, slots)
    if judges_first(plan):
        rows, listed = _named(plan.packed, listed, dialect)
        allowed = [moved(plan.grant.rows(plan.written), table, rows)]
    else:
        allowed = []
    values: list[Expression] = [*listed.values, *(_default(column) for column in plan.computed)]
    source = sa.select(*values).select_from(listed.from_).where(*allowed).order_by(listed.ordinal)
    targets = [column.sql for column in (*plan.packed, *plan.computed)]
    statement = dialect.insert(table).from_select(targets, source, include_defaults=False)
    return _on_conflict(statement, plan, dialect)


def judges_first(plan: InsertPlan) -> bool:
    """Whether the policy can be judged from the values that are sent, before any constraint is asked.

    A refused row must not learn from a constraint what the table holds.  A policy that looks at other rows sees them as
    they were before the write, as PostgreSQL's own row security does.  With ON CONFLICT it is judged afterwards: there
    a missing row may also be one that a conflict left alone.
    """
    if plan.conflict is not None or not plan.packed:
        return False
    rows, sent = plan.grant.rows(plan.written), {column.name for column in plan.packed}
    return not isinstance(rows, True_) and {column.name for column in columns_of([rows], plan.table)} <= sent


def columns_of(rules: Iterable[ColumnElement[bool]], table: Table) -> tuple[Column, ...]:
    """The columns of the judged row of *table* that *rules* mention, in their subqueries too."""
    found = {
        element.name
        for rule in rules
        for element in elements(rule)
        if isinstance(element, sa.ColumnClause) and element.table is table.sql
    }
    return tuple(column for column in table.columns.values() if column.sql.name in found)


def _named(columns: Sequence[Column], listed: Listed, dialect: SqlDialect) -> tuple[sa.FromClause, Listed]:
    """*listed* as rows whose columns are called as those of the table, so that a policy can stand on them."""
    pairs = zip(columns, listed.values, strict=True)
    values = [_compared(column, value, dialect).label(str(column.sql.name)) for column, value in pairs]
    rows = sa.select(*values, listed.ordinal.label("_ordinal")).select_from(listed.from_).subquery("_n")
    return rows, Listed(rows, tuple(rows.c[str(column.sql.name)] for column in columns), rows.c["_ordinal"])


def _compared(column: Column, value: Expression, dialect: SqlDialect) -> Expression:
    """*value* as one of *column* compares, which is no column."""
    try:
        declared = dialect.compiler.type_compiler_instance.process(column.sql.type, type_expression=column.sql)
    except sa.exc.CompileError:
        return value
    found = _COLLATION.search(declared)
    if found is None:
        return value
    return sa.type_coerce(sa.collate(sa.type_coerce(value, sa.Text()), found[1]), column.sql.type)


def _on_conflict(statement: Any, plan: InsertPlan, dialect: SqlDialect) -> Any:
    if plan.conflict is None:
        return statement
    keys = [column.sql for column in plan.conflict.columns]
    sent = [c for c in plan.packed if (c if c.blind_for is None else c.blind_for.inner).name in plan.written]
    changed = {c.name: statement.excluded[c.name] for c in sent}
    names = {column.name for column in plan.conflict.columns}
    changed = {name: value for name, value in changed.items() if name not in names} or changed
    if not plan.conflict.merge or not changed:
        return statement.on_conflict_do_nothing(index_elements=keys)
    # A merge is a change: what the server keeps of changes is kept here too.
    for column in plan.table.columns.values():
        if column.name not in plan.written and column.duty == "updated":
            changed[column.name] = statement.excluded[column.name]
        elif column.name not in plan.written and column.duty == "version":
            changed[column.name] = _next_version(column)
    # An old row that the caller may not read or update is left alone; the caller then counts one row too few.
    old = _of_old_rows(plan)
    where = None if isinstance(old, True_) or _is_probed(plan, dialect) else _of_target(old, plan.table, dialect)
    return statement.on_conflict_do_update(index_elements=keys, set_=changed, where=where)


def _of_old_rows(plan: InsertPlan) -> ColumnElement[bool]:
    """What a row must be to be merged into."""
    if plan.update_grant is None or plan.read_grant is None:
        raise AssertionError("a merge without an update grant")
    return _all(plan.update_grant.rows(plan.written), plan.read_grant.rows(plan.written))


def _of_target(rows: ColumnElement[bool], table: Table, dialect: SqlDialect) -> ColumnElement[bool]:
    """*rows* about the row that an INSERT meets, which is no FROM of it: a subquery would bring the table itself."""
    quote = dialect.compiler.identifier_preparer.format_column
    named = {str(c.key): sa.literal_column(quote(c, use_table=True), type_=c.type) for c in _table(table).columns}
    return cast("ColumnElement[bool]", valued(rows, _table(table), named))


def _is_probed(plan: InsertPlan, dialect: SqlDialect) -> bool:
    """Whether the old rows of a merge are judged before it (`probe_sql`), since its own condition sees it half done."""
    if plan.conflict is None or not plan.conflict.merge or dialect.writes_inside:
        return False
    grants = (plan.update_grant, plan.read_grant)
    looks = any(grant is not None and grant.has_subquery(plan.written) for grant in grants)
    return looks and plan.conflict.names <= {column.name for column in plan.packed}


def update_sql(plan: UpdatePlan, dialect: SqlDialect, slots: int) -> sa.Executable:
    """``UPDATE`` of the addressed rows; the new values are slots *slots* and on, one each."""
    return _judged(_update(plan, dialect, slots), plan.table, (plan.grant,), plan.written, dialect)


def _update(plan: UpdatePlan, dialect: SqlDialect, slots: int) -> Any:
    table = _table(plan.table)
    values: dict[Any, Any] = {column.sql: _onupdate(column) for column in plan.computed}
    for column in plan.cleared:
        made: Any = column.sql.default
        own = _default(column) if made is not None and made.is_clause_element else dialect.default(column)
        if own is not None:
            values[column.sql] = own
    for at, column in enumerate(plan.packed, slots):
        parameter = SlotParameter.plain(at, dialect.stored_type(column))
        values[column.sql] = dialect.stored(column, parameter)
    if not values:
        # Only what the database computes was to get its default: the rows are counted and shown, and stay.
        same = next(column for column in plan.table.columns.values() if not column.generated)
        values[same.sql] = same.sql
    return sa.update(table).values(values).where(*_addressed(plan.rows, plan.grant, plan.written, dialect))


def delete_sql(plan: DeletePlan, dialect: SqlDialect) -> sa.Executable:
    keys = [dialect.key_out(column) for column in key_columns(plan.table)]
    return cast("sa.Executable", _delete(plan, dialect).returning(*keys, sa.literal_column("1")))


def _delete(plan: DeletePlan, dialect: SqlDialect) -> Any:
    return _removal(plan.table, dialect).where(*_addressed(plan.rows, plan.grant, frozenset(), dialect))


def _removal(table: Table, dialect: SqlDialect) -> Any:
    """``DELETE``, or the ``UPDATE`` that marks rows as deleted."""
    deleted, version = table.column_for("deleted"), table.column_for("version")
    if deleted is None:
        return sa.delete(_table(table))
    # Every column with an onupdate is named, or SQLAlchemy would add it: marking a row leaves the client's as they are.
    values: dict[Any, Any] = {c.sql: c.sql for c in table.columns.values() if c.sql.onupdate is not None}
    values |= {c.sql: dialect.now() for c in (deleted, table.column_for("updated")) if c is not None}
    if version is not None:
        values[version.sql] = _next_version(version)
    return sa.update(_table(table)).values(values)


def delete_keys_sql(plan: DeletePlan, dialect: SqlDialect, slots: int) -> sa.Executable:
    """``DELETE`` of the rows whose packed keys begin at slot *slots*, after they have been rendered."""
    table = _table(plan.table)
    listed = dialect.listed(key_columns(plan.table), slots)
    same = _same_keys(plan.table, table, listed)
    found = sa.select(sa.literal_column("1")).select_from(listed.from_).where(same).correlate(table).exists()
    return cast("sa.Executable", _removal(plan.table, dialect).where(found).returning(sa.literal_column("1")))


def lock_sql(plan: DeletePlan, dialect: SqlDialect, most: int | None = None) -> sa.Select[Any]:
    """The keys of the addressed rows, of *most* at most, locked where the database locks rows."""
    table = _table(plan.table)
    keys = [dialect.key_out(column) for column in key_columns(plan.table)]
    statement = sa.select(*keys).select_from(table).where(*_addressed(plan.rows, plan.grant, frozenset(), dialect))
    return (statement if most is None else statement.limit(sa.literal_column(str(most)))).with_for_update(of=table)


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """What the statement that writes cannot judge of its rows, because it sees them: *rules* that they must satisfy,
    and *parents* that must be visible to the caller without them.
    """

    table: Table
    rules: tuple[ColumnElement[bool], ...]
    parents: tuple[Parent, ...]

    def __bool__(self) -> bool:
        return bool(self.rules or self.parents)

    @property
    def columns(self) -> tuple[Column, ...]:
        """What is asked of each row."""
        names = {column.name for column in columns_of(self.rules, self.table)}
        for parent in self.parents:
            names |= {here for here, _ in parent.pairs}
            names |= {there for _, there in parent.pairs if parent.table is self.table}
        found = tuple(column for column in self.table.columns.values() if column.name in names)
        return found or key_columns(self.table)[:1]


def waiting_of(
    table: Table,
    grants: Sequence[Grant | None],
    written: frozenset[str],
    parents: Sequence[Parent],
    dialect: SqlDialect,
) -> Waiting:
    """What is judged before the rows are there.

    A parent may be visible because of the row that refers to it: a team for its members, say.  Where the rules of its
    table look at the table that is written, they are asked without what is written.
    """
    rules = [grant.rows(written) for grant in grants if grant is not None and grant.has_subquery(written)]
    early = tuple(parent for parent in parents if _looks_at(parent.rows, _table(table)))
    return Waiting(table, () if dialect.writes_inside else tuple(rules), early)


def _looks_at(rows: ColumnElement[bool], table: sa.Table) -> bool:
    return any(is_rows(element) and table_of(element).name == table.name for element in elements(rows))


def images_sql(waiting: Waiting, dialect: SqlDialect, slots: int) -> sa.Select[Any]:
    """What `check_sql` judges of the rows of the packed keys."""
    table = waiting.table
    source = _keyed(Build(dialect, None), table)
    listed = dialect.listed(key_columns(table), slots)
    images = [moved(dialect.key_out(column), table.sql, source) for column in waiting.columns]
    joined = listed.from_.join(source, _same_keys(table, source, listed))
    return sa.select(*images).select_from(joined).order_by(listed.ordinal)


def check_sql(waiting: Waiting, dialect: SqlDialect, slots: int) -> sa.Select[Any]:
    """How many of the packed images may stand, and for each of the parents how many refer to one that is hidden."""
    table, columns, build = waiting.table, waiting.columns, Build(dialect, None)
    rows, _ = _named(columns, dialect.listed(columns, slots), dialect)
    allowed = _all(*(moved(rule, table.sql, rows) for rule in waiting.rules))
    counts = [_sum(_verdict(allowed))]
    for parent in waiting.parents:
        # A tree that comes in one statement: whether the caller sees its upper rows is asked when they are there.
        beside = rows.alias("_o") if parent.table is table else None
        counts.append(_broken(build, parent, rows, beside))
    return sa.select(*counts).select_from(rows)


def read_sql(
    node: Node,
    dialect: SqlDialect,
    slots: int,
    *,
    max_rows: int | None = None,
    form: Form = "json",
    count: bool = False,
    as_packed: bool = True,
) -> sa.Select[Any]:
    """The representation of the rows of the packed keys: (JSON text, number of rows, number without the page or NULL).

    They come in the node's order, or in that of the packed keys where it has none; not *as_packed* where it is the
    database that has found the rows: it finds them in an order that tells of what is hidden.
    """
    build = Build(dialect, max_rows, form)
    listed = dialect.listed(key_columns(node.table), slots)
    layer = build.layer(node, _keyed(build, node.table))
    layer.from_ = listed.from_.join(layer.from_, _same_keys(node.table, layer.source, listed))
    layer.order = listed.ordinal if as_packed and not node.sort else None
    page = layer.page()
    body = layer.body(page)
    total: Any = layer.total() if count else sa.null()
    return answer(dialect, (body, sa.func.count(), total), page, build.guards)


def _keyed(build: Build, table: Table) -> sa.FromClause:
    """The rows of *table*, one for each key: without a primary key, equal rows are one."""
    source = build.alias(table.sql)
    return source if table.primary_key else sa.select(source).distinct().subquery(f"{source.name}d")  # type: ignore[attr-defined]


def _same_keys(table: Table, source: sa.FromClause, listed: Listed) -> ColumnElement[bool]:
    pairs = zip(key_columns(table), listed.values, strict=True)
    if table.primary_key:
        return sa.and_(*(source.c[column.name] == value for column, value in pairs))
    return sa.and_(*(source.c[column.name].is_not_distinct_from(value) for column, value in pairs))


def _addressed(rows: Node, grant: Grant, written: frozenset[str], dialect: SqlDialect) -> Sequence[ColumnElement[bool]]:
    table = _table(rows.table)
    build = Build(dialect, None)
    asked = build.bare(rows, table).conditions(rows, table)
    found = [*build.guards, grant.rows(written), rows.grant.rows(rows.mentioned), *asked]
    return [part for part in found if not isinstance(part, True_)]


def _judged(
    write: Any, table: Table, grants: Sequence[Grant | None], written: frozenset[str], dialect: SqlDialect
) -> sa.Executable:
    """*write* returning the keys, and a last column that is 1 where the new row may stand as far as it is judged."""
    keys = [dialect.key_out(column) for column in key_columns(table)]
    judging = [grant for grant in grants if grant is not None]
    if not any(grant.has_subquery(written) for grant in judging):
        verdict = _verdict(_all(*(grant.rows(written) for grant in judging)))
        return cast("sa.Executable", write.returning(*keys, verdict))
    if not dialect.writes_inside:
        alone = [grant.rows(written) for grant in judging if not grant.has_subquery(written)]
        return cast("sa.Executable", write.returning(*keys, _verdict(_all(*alone))))
    # The rows that a statement writes are no part of what its other parts see of the table.
    new = write.returning(*(column.sql for column in table.columns.values())).cte("_w")
    shown = (*keys, _verdict(_all(*(grant.rows(written) for grant in judging))))
    return sa.select(*(moved(expression, table.sql, new) for expression in shown)).select_from(new)


def _all(*rules: ColumnElement[bool]) -> ColumnElement[bool]:
    """What satisfies all of *rules*; SQLAlchemy would write out a ``true()`` among them as "1 = 1"."""
    asked = [rule for rule in rules if not isinstance(rule, True_)]
    return sa.and_(*asked) if asked else sa.true()


def _verdict(rows: ColumnElement[bool]) -> Expression:
    return (
        sa.literal_column("1")
        if isinstance(rows, True_)
        else sa.case((rows, sa.literal_column("1")), else_=sa.literal_column("0"))
    )


def _table(table: Table) -> sa.Table:
    if not isinstance(table.sql, sa.Table):
        raise AssertionError(f"{table.name} cannot be written")
    return table.sql


def _default(column: Column) -> Expression:
    arg: Any = column.sql.default.arg  # type: ignore[union-attr]
    return sa.cast(arg, column.type) if isinstance(arg, sa.TextClause) else arg


def _next_version(column: Column) -> Expression:
    """As the database adds by itself: what a rule says by ``+`` is computed on SQLite by a function of ours."""
    return column.sql.op("+")(1)


def _onupdate(column: Column) -> Any:
    if column.duty == "version":
        return _next_version(column)
    return column.sql.onupdate.arg  # type: ignore[union-attr]


def parents_sql(parents: Sequence[Parent], table: Table, dialect: SqlDialect, slots: int) -> sa.Select[Any]:
    """For each of *parents*, how many of the packed keys' rows refer to a row that the caller cannot see (AC7)."""
    build = Build(dialect, None)
    source = _keyed(build, table)
    listed = dialect.listed(key_columns(table), slots)
    counts = [_broken(build, parent, source) for parent in parents]
    return sa.select(*counts).select_from(listed.from_.join(source, _same_keys(table, source, listed)))


def _broken(build: Build, parent: Parent, source: sa.FromClause, beside: sa.FromClause | None = None) -> Expression:
    """How many rows of *source* refer to a parent that the caller cannot see, and that is none of *beside*."""
    target = build.alias(parent.table.sql)
    visible = moved(parent.rows, parent.table.sql, target)
    found = _referred(parent, source, target, visible)
    if beside is not None:
        found = sa.or_(found, _referred(parent, source, beside))
    named = [source.c[here].is_not(None) for here, _ in parent.pairs]
    return _sum(sa.case((sa.and_(*named, sa.not_(found)), sa.literal_column("1")), else_=sa.literal_column("0")))


def _referred(
    parent: Parent, source: sa.FromClause, target: sa.FromClause, *conditions: ColumnElement[bool]
) -> ColumnElement[bool]:
    pairs = [source.c[here] == target.c[there] for here, there in parent.pairs]
    found: sa.Select[Any] = sa.select(sa.literal_column("1")).select_from(target).where(*pairs, *conditions)
    return found.correlate(source).exists()


def _sum(number: Expression) -> Expression:
    return sa.func.coalesce(sa.func.sum(number), sa.literal_column("0"))


def probe_sql(plan: InsertPlan, dialect: SqlDialect, slots: int) -> sa.Select[Any] | None:
    """Of the packed rows: how many collide with a row that is there, with how many that the caller cannot see, and how
    many the policy refuses by what is sent.

    The first are updated or ignored, not inserted; the second refuse the write (AC5), as those do that may not be
    merged into, where that is not for the merge itself to say.  The third do so before any constraint is asked.
    """
    if plan.conflict is None or plan.read_grant is None:
        return None
    nothing: Expression = sa.literal_column("0")
    refused = _refused(plan, dialect, slots)
    if not plan.conflict.names <= {column.name for column in plan.packed}:
        if refused is None:
            return None
        counts: list[Expression] = [nothing, nothing, refused]
        return sa.select(*counts)
    table = _table(plan.table).alias("t1")
    listed = dialect.listed(plan.packed, slots)
    seen = moved(plan.read_grant.rows(plan.conflict.names), plan.table.sql, table)
    if _is_probed(plan, dialect):
        seen = sa.and_(seen, moved(_of_old_rows(plan), plan.table.sql, table))
    hidden = sa.case((seen, nothing), else_=sa.literal_column("1"))
    counts = [sa.func.count(), _sum(hidden), nothing if refused is None else refused]
    values = {column.name: value for column, value in zip(plan.packed, listed.values, strict=True)}
    return sa.select(*counts).select_from(listed.from_.join(table, _collides(plan.conflict, table, values)))


def _collides(conflict: Conflict, table: sa.FromClause, values: Mapping[str, Expression]) -> ColumnElement[bool]:
    return sa.and_(*(table.c[name] == values[name] for name in sorted(conflict.names)))


def _refused(plan: InsertPlan, dialect: SqlDialect, slots: int) -> Expression | None:
    """How many of the packed rows may not be created, where what is sent says it.

    Those that collide too, or a refused row would learn what is there; but where the rule asks for values that a merge
    takes from the row that is there, nobody can say so before.
    """
    rule = plan.grant.rows(plan.written)
    asked, sent = {c.name for c in columns_of([rule], plan.table)}, {c.name for c in plan.packed}
    if plan.conflict is None or isinstance(rule, True_) or not plan.packed or not asked <= sent:
        return None
    rows, listed = _named(plan.packed, dialect.listed(plan.packed, slots), dialect)
    allowed = moved(rule, plan.table.sql, rows)
    number = sa.select(_sum(sa.case((allowed, sa.literal_column("0")), else_=sa.literal_column("1")))).select_from(rows)
    if plan.conflict.merge and plan.conflict.names <= sent and not asked <= plan.written:
        there = _table(plan.table).alias("t2")
        values = {column.name: value for column, value in zip(plan.packed, listed.values, strict=True)}
        one: sa.Select[Any] = (
            sa.select(sa.literal_column("1")).select_from(there).where(_collides(plan.conflict, there, values))
        )
        number = number.where(sa.not_(one.correlate(rows).exists()))
    return number.correlate(None).scalar_subquery()
