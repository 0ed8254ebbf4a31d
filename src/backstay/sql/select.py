"""A `ReadPlan` → one statement whose single row holds the finished JSON.

The shape of the statement, for every database::

    SELECT json_array(json_object(…)), count(*), (SELECT count(*) …)
    FROM (SELECT t1.a AS c0, t2.b AS c1, … FROM t1 LEFT JOIN t2 ON … WHERE … ORDER BY … LIMIT …) AS p

The inner select (the *page*) chooses, joins, sorts and cuts; only the rows that are left are turned into JSON.  To-one
embeds are joins of the page.  To-many embeds are pages of their own, correlated with the page above.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import ColumnElement, Grouping, True_

from backstay.catalog import Column, Computed, Relation, family_of
from backstay.catalog.standing import moved
from backstay.errors import PlanError
from backstay.plan.feature import feature_geometry
from backstay.plan.intent import (
    ColumnOutput,
    Compare,
    Condition,
    EmbedOutput,
    EmbedPlan,
    Group,
    Node,
    Operand,
    Output,
    Present,
    ReadPlan,
    SortTerm,
)
from backstay.policy import Grant
from backstay.request.filters import SEARCH, Slot
from backstay.request.page import Page
from backstay.sql.answer import answer
from backstay.sql.barrier import behind, is_total, is_total_embed
from backstay.sql.dialect import Expression, Form, SqlDialect, Typed

#: Letters of a text, of which a thousand rows do not come near the bound of an answer.
_LONG: Final = 1000

Where: TypeAlias = list[ColumnElement[bool]]
#: Given the page, the value as JSON.
Render: TypeAlias = Callable[[sa.FromClause], Expression]


def select_rows(plan: ReadPlan, dialect: SqlDialect, *, max_rows: int | None, form: Form = "json") -> sa.Select[Any]:
    """The statement of *plan*: one row of (JSON text, number of rows in it, total or NULL).

    Raises:
        PlanError: 42704, PGRST127, where the database has no such type or feature.
    """
    build = Build(dialect, max_rows, form)
    layer = build.layer(plan.node)
    page = layer.page()
    body = layer.body(page)
    total: Any = layer.total(plan.count_most) if plan.count else sa.null()
    return answer(dialect, (body, sa.func.count(), total), page, build.guards)


def select_counted(plan: ReadPlan, dialect: SqlDialect) -> sa.Select[Any]:
    """The rows that a count of *plan* counts, without any value: for the planner to say how many it expects."""
    build = Build(dialect, None)
    return build.layer(plan.node).counted().where(*build.guards)


def select_lines(plan: ReadPlan, dialect: SqlDialect, *, max_rows: int | None, most: int) -> sa.Select[Any]:
    """A statement that gives each row of *plan* as one JSON text: at most *most*, with *max_rows* in every embed.

    Raises:
        PlanError: as `select_rows`.
    """
    build = Build(dialect, max_rows)
    layer = build.layer(plan.node)
    layer.most, layer.streamed = most, True
    page = layer.page()
    return answer(dialect, (dialect.body(layer.object(page)),), page, build.guards)


@dataclass(slots=True)
class Build:
    """One statement being built: numbers its aliases, so that no two occurrences of a table meet."""

    dialect: SqlDialect
    max_rows: int | None
    form: Form = "json"
    aliases: int = 0
    pages: int = 0
    #: The output that is the geometry of a feature, where features are made.
    geometry: ColumnOutput | None = None
    #: What must hold whatever the rows; to be asked where it is asked once.
    guards: list[Expression] = field(default_factory=list)

    def alias(self, table: sa.FromClause) -> sa.FromClause:
        self.aliases += 1
        return table.alias(f"t{self.aliases}")

    def bare(self, node: Node, source: sa.FromClause) -> Layer:
        """A layer over *source* itself, for writes: nothing joined, nothing carried; embeds are looked up."""
        layer = Layer(self, node, source, flat=True)
        layer.from_ = source
        return layer

    def layer(self, node: Node, source: sa.FromClause | None = None) -> Layer:
        """A layer over *source*, by default the node's own table."""
        layer = Layer(self, node, self.alias(node.table.sql) if source is None else source)
        layer.from_ = layer.joined(node, layer.source)
        layer.barrier = layer.visible(node.grant, node, layer.source)
        total, layer.partial = layer.asked(node, layer.source)
        layer.where = [*layer.barrier, *total]
        layer.outputs = layer.rendered(node, layer.source)
        return layer


@dataclass(slots=True)
class Layer:
    """One page: a node with the to-one embeds that are joined to it."""

    build: Build
    node: Node
    source: sa.FromClause
    from_: sa.FromClause = field(init=False)
    #: What its rows must satisfy; what they are asked only *behind* the barrier, and that barrier.
    where: Where = field(default_factory=list)
    partial: Where = field(default_factory=list)
    barrier: Where = field(default_factory=list)
    outputs: list[tuple[str, Render]] = field(default_factory=list)
    #: An order of its own, instead of the node's.
    order: Expression | None = None
    #: Whether rows without an order have that of their keys; else they come as *source* gives them.
    tied: bool = True
    #: The page this one is correlated with.
    above: sa.FromClause | None = None
    #: No embed is joined.
    flat: bool = False
    joins: dict[int, sa.FromClause] = field(default_factory=dict)
    columns: dict[str, Expression] = field(default_factory=dict)
    types: dict[str, sa.types.TypeEngine[Any]] = field(default_factory=dict)
    #: Where rows are groups: the labels that make them, and which of these holds a plain operand of a source.
    grouping: list[str] = field(default_factory=list)
    grouped: dict[tuple[int, Operand], str] = field(default_factory=dict)
    #: Most rows of the page.
    most: int | None = field(init=False)
    #: Whether its rows leave one by one.
    streamed: bool = False
    #: What is shown of columns, each as often as it is: (what it is of, its type, the value on the page).
    sizes: list[tuple[Hashable, sa.types.TypeEngine[Any], Callable[[sa.FromClause], Expression]]] = field(
        default_factory=list
    )

    def __post_init__(self) -> None:
        self.most = self.build.max_rows

    # -- the page ----------------------------------------------------------------------------------------------------

    @property
    def filters(self) -> Where:
        return [*self.where, *behind(self.barrier, self.partial)]

    def page(self) -> sa.FromClause:
        """The inner select as a FROM of its own; ask for it after everything is carried."""
        self.build.pages += 1
        name = f"p{self.build.pages}"
        statement = self.select()
        if self.above is not None:
            statement = statement.correlate(self.above)
        if self.node.aggregated:
            groups = statement.subquery(f"{name}g")
            statement = self.sorted_groups(sa.select(*groups.c), groups)
        else:
            statement = self.sorted(statement)
        return self.bounded(self.limited(statement).subquery(name))

    def bounded(self, page: sa.FromClause) -> sa.FromClause:
        """*page*, if what is shown of it may be an answer at all: a text may be long, and be asked for many times."""
        bound, often = self.build.dialect.bounded, Counter(key for key, _, _ in self.sizes)
        wide = [
            of(page) if family_of(type_) in ("text", "bytes") else sa.cast(of(page), sa.Text())
            for key, type_, of in self.sizes
            if _is_wide(type_, repeated=often[key] > 1)
        ]
        return page if bound is None or not wide else bound(page, wide, self.streamed)

    def select(self) -> sa.Select[Any]:
        columns = [expression.label(label) for label, expression in self.columns.items()] or [
            sa.literal_column("1").label("_c")
        ]
        statement = sa.select(*columns).select_from(self.from_).where(*self.filters)
        if self.node.aggregated and self.grouping:
            # By label: an expression with parameters is not the same expression twice for PostgreSQL.
            statement = statement.group_by(*self.grouping)
        return statement

    def sorted(self, statement: sa.Select[Any]) -> sa.Select[Any]:
        """*statement* in the order that is asked for, and rows that are equal in it in that of their keys (S2)."""
        if self.order is not None:
            return statement.order_by(self.order)
        dialect, sort = self.build.dialect, self.node.sort
        for term in sort:
            source = self.sorted_by(term)
            if source is None:
                raise _not_grouped(term)
            typed = self.column(term.operand, source)
            if term.search is not None:
                key = dialect.relevance(source, typed, term.search)
            else:
                key = dialect.sort_key(typed, term.operand.path)
            can_be_null = bool(term.operand.column.nullable or term.operand.path or term.embed is not None)
            statement = statement.order_by(_ordered(key, term, can_be_null=can_be_null))
        if not self.tied:
            return statement
        asked = {term.operand.column.name for term in sort if term.embed is None and not term.operand.path}
        # In the direction of what stands before: an index that is walked for that gives the key for nothing.
        descending = bool(sort) and sort[-1].descending
        for column in self.node.ties:
            if column.name not in asked:
                key = dialect.tie_key(Typed(self.source.c[column.name], column.type))
                tie = key.desc() if descending else key.asc()
                statement = statement.order_by(tie.nulls_last() if column.nullable else tie)
        return statement

    def sorted_groups(self, statement: sa.Select[Any], groups: sa.FromClause) -> sa.Select[Any]:
        """As `sorted`, where rows are groups: by what they are grouped by, and then by all of it."""
        dialect = self.build.dialect
        for term in self.node.sort:
            label = self.grouped.get((id(self.sorted_by(term)), term.operand))
            if label is None:
                raise _not_grouped(term)
            key = dialect.sort_key(Typed(groups.c[label], self.types[label]), ())
            statement = statement.order_by(_ordered(key, term, can_be_null=True))
        for label in self.grouping:
            tie = dialect.tie_key(Typed(groups.c[label], self.types[label]))
            statement = statement.order_by(tie.nulls_last())
        return statement

    def sorted_by(self, term: SortTerm) -> sa.FromClause | None:
        """What holds the column of *term*; ``None`` where it is an embed of which only groups are there."""
        return self.source if term.embed is None else self.joins.get(id(term.embed))

    def limited(self, statement: sa.Select[Any]) -> sa.Select[Any]:
        most, page = self.most, self.node.page
        if isinstance(page.limit, Slot):
            statement = statement.limit(self.build.dialect.integer(page.limit.index, _bounded(most)))
        elif page.limit is not None or most is not None:
            rows = min(n for n in (page.limit, most) if n is not None)
            # Written out, so that the planner knows how few rows are wanted (see ``plan/shape.py``).
            statement = statement.limit(sa.literal_column(str(int(rows))))
        if isinstance(page.offset, Slot):
            statement = statement.offset(self.build.dialect.integer(page.offset.index, _not_negative))
        return statement

    def total(self, most: int | None = None) -> Expression:
        """How many rows there are without the page; with *most*, one more than that stands for any greater number."""
        if most is None and not self.node.aggregated:
            counted = sa.select(sa.func.count()).select_from(self.from_).where(*self.filters)
        else:
            rows = self.counted() if most is None else self.counted().limit(sa.literal_column(str(most + 1)))
            counted = sa.select(sa.func.count()).select_from(rows.subquery())
        return counted.correlate(None).scalar_subquery()

    def counted(self) -> sa.Select[Any]:
        """What `total` counts."""
        if self.node.aggregated:
            return self.select()
        return sa.select(sa.literal_column("1")).select_from(self.from_).where(*self.filters)

    def carry(
        self, expression: Expression, type_: sa.types.TypeEngine[Any] | None = None, *, aggregate: bool = False
    ) -> str:
        """Take *expression* through the page, and return its label there."""
        label = f"_c{len(self.columns)}"
        self.columns[label], self.types[label] = expression, type_ or expression.type
        if not aggregate:
            self.grouping.append(label)
        return label

    def body(self, page: sa.FromClause) -> Expression:
        """All rows of *page* as one text."""
        dialect = self.build.dialect
        form = dialect.form(self.build.form)
        if form == "csv" and dialect.csv is not None:
            return dialect.csv([(key, render(page)) for key, render in self.outputs])
        if form == "features":
            return dialect.body(dialect.json_array(self.feature(page)))
        row = self.object(page)
        if form == "stripped" and dialect.stripped is not None:
            row = dialect.stripped(row)
        return dialect.body(dialect.json_array(row))

    def object(self, page: sa.FromClause) -> Expression:
        return self.build.dialect.json_object([(key, render(page)) for key, render in self.outputs])

    def feature(self, page: sa.FromClause) -> Expression:
        """A row as a feature of GeoJSON: its geometry, and all else as properties."""
        dialect = self.build.dialect
        self.build.geometry = geometry = feature_geometry(self.node, dialect.geometries)
        rendered = {key: render(page) for key, render in self.outputs}
        shape = rendered.pop(geometry.key)
        word = sa.literal("Feature", sa.Text())
        properties = dialect.json_object(list(rendered.items()))
        return dialect.json_object([("type", word), ("geometry", shape), ("properties", properties)])

    # -- joins -------------------------------------------------------------------------------------------------------

    def joined(self, node: Node, source: sa.FromClause) -> sa.FromClause:
        """*source* with the to-one embeds of *node* joined to it."""
        from_ = source
        for embed in node.embeds:
            if not _is_joined(embed):
                continue
            child = self.build.alias(embed.node.table.sql)
            self.joins[id(embed)] = child
            if embed.inner or _needs_nesting(embed.node):
                inner = self.joined(embed.node, child)
                from_ = from_.join(inner, self.matched(embed, source, child), isouter=not embed.inner)
            else:
                # A flat chain of left joins: SQLite turns a parenthesised join into a subquery, and loses its indexes.
                from_ = from_.join(child, self.matched(embed, source, child), isouter=True)
                from_ = self._chained(embed.node, child, from_)
        return from_

    def _chained(self, node: Node, source: sa.FromClause, from_: sa.FromClause) -> sa.FromClause:
        for embed in node.embeds:
            if not _is_joined(embed):
                continue
            child = self.build.alias(embed.node.table.sql)
            self.joins[id(embed)] = child
            from_ = from_.join(child, self.matched(embed, source, child), isouter=True)
            from_ = self._chained(embed.node, child, from_)
        return from_

    def matched(self, embed: EmbedPlan, source: sa.FromClause, child: sa.FromClause) -> ColumnElement[bool]:
        """The rows of *child* that belong to a row of *source*, are visible, and satisfy the embed's own conditions."""
        pairs = _joined_on(embed.relation, lambda name: source.c[name], child)
        visible = self.visible(embed.node.grant, embed.node, child)
        return sa.and_(*pairs, *visible, *self.conditions(embed.node, child), *self.within(embed.node.page))

    def within(self, page: Page) -> Where:
        """Whether the only row of a to-one embed lies on its page."""
        integer, held = self.build.dialect.integer, list[ColumnElement[bool]]()
        if isinstance(page.limit, Slot):
            held.append(integer(page.limit.index, _bounded(None)) > sa.literal_column("0"))
        elif page.limit == 0:
            held.append(sa.false())
        if isinstance(page.offset, Slot):
            held.append(integer(page.offset.index, _not_negative) < sa.literal_column("1"))
        return held

    # -- conditions --------------------------------------------------------------------------------------------------

    def visible(self, grant: Grant, node: Node, source: sa.FromClause) -> Where:
        return _visible(grant, node.mentioned, node.table.sql, source)

    def conditions(self, node: Node, source: sa.FromClause) -> Where:
        """What *node* asks of its rows, and what its inner embeds do."""
        total, partial = self.asked(node, source)
        return [*total, *behind(self.visible(node.grant, node, source), partial)]

    def asked(self, node: Node, source: sa.FromClause) -> tuple[Where, Where]:
        """`conditions` in two: those that any row may be asked, and those that only visible rows may."""
        total, partial, indexed = list[ColumnElement[bool]](), list[ColumnElement[bool]](), self.build.dialect.indexed
        for condition in node.conditions:
            (total if is_total(condition, indexed) else partial).append(self.condition(condition, source))
        for embed in node.embeds:
            if embed.inner and (self.flat or not _is_joined(embed)):
                (total if is_total_embed(embed, indexed) else partial).append(self.exists(embed, source))
        return total, partial

    def condition(self, condition: Condition, source: sa.FromClause) -> ColumnElement[bool]:
        match condition:
            case Group(kind, terms, negated):
                parts = [self.condition(term, source) for term in terms]
                joined = sa.and_(sa.true(), *parts) if kind == "and" else sa.or_(sa.false(), *parts)
                return sa.not_(joined.self_group()) if negated else joined
            case Present(embed, negated):
                if _is_joined(embed) and not self.flat:
                    hit = self.hit(embed)
                    return hit.is_(None) if negated else hit.is_not(None)
                found = self.exists(embed, source)
                return sa.not_(found) if negated else found
            case Compare():
                guard = self.build.dialect.guard(condition)
                if guard is not None:
                    self.build.guards.append(guard)
                typed, dialect = self.column(condition.operand, source), self.build.dialect
                if condition.op in SEARCH:
                    holds = dialect.search(source, typed, condition)
                else:
                    holds = dialect.compare(typed, condition)
                return sa.not_(holds) if condition.negated else holds

    def hit(self, embed: EmbedPlan) -> Expression:
        """A column of a joined embed that is NULL exactly where no row was found: the other side of the join."""
        return self.joins[id(embed)].c[embed.relation.pairs[0][1]]

    def exists(self, embed: EmbedPlan, source: sa.FromClause) -> ColumnElement[bool]:
        layer = self.build.layer(embed.node)
        related = layer.related(embed, lambda name: source.c[name])
        found: sa.Select[Any] = (
            sa.select(sa.literal_column("1")).select_from(layer.from_).where(*related, *layer.filters)
        )
        return found.correlate(source).exists()

    def related(self, embed: EmbedPlan, local: Callable[[str], Expression]) -> Where:
        """Ties this layer to a row above it, whose columns *local* gives; joins the junction where there is one."""
        middle = embed.middle
        if middle is None:
            return _joined_on(embed.relation, local, self.source)
        between = self.build.alias(middle.table.sql)
        on = [between.c[a] == self.source.c[b] for a, b in middle.junction.remote]
        rows = _visible(middle.grant, middle.junction.columns, middle.table.sql, between)
        self.barrier = [*self.barrier, *rows]
        self.from_ = self.from_.join(between, sa.and_(*on, *rows))
        return [between.c[b] == local(a) for a, b in middle.junction.local]

    def column(self, operand: Operand, source: sa.FromClause) -> Typed:
        match operand.column:
            case Column(name):
                return Typed(source.c[name], operand.column.type)
            case Computed(_, expression, type_) as field_:
                # In parentheses, whatever operator comes next; the type may be known from an annotation only.
                stands = Grouping(moved(expression, field_.table, source))
                return self.build.dialect.computed(Typed(sa.type_coerce(stands, type_), type_))
            case search:
                # The field is in the database, not in the model's table: only PostgreSQL has it as a column.
                return Typed(sa.ColumnClause(search.name, search.type, _selectable=source), search.type)

    # -- outputs -----------------------------------------------------------------------------------------------------

    def rendered(self, node: Node, source: sa.FromClause) -> list[tuple[str, Render]]:
        found: list[tuple[str, Render]] = []
        for output in node.outputs:
            found += self.output(output, source)
        # A key that stands twice (``select=id,id``) stands once in the object.
        return list(dict(found).items())

    def output(self, output: Output, source: sa.FromClause) -> Sequence[tuple[str, Render]]:
        match output:
            case ColumnOutput():
                return [(output.key, self.value(output, source))]
            case EmbedOutput(embed) if _is_joined(embed):
                child = self.rendered(embed.node, self.joins[id(embed)])
                return child if embed.spread else self.to_one(embed, child)
            case EmbedOutput(embed):
                return self.to_many(embed, source)

    def value(self, output: ColumnOutput, source: sa.FromClause) -> Render:
        dialect, operand = self.build.dialect, output.operand
        if operand is not None and isinstance(operand.column, Column) and operand.column.sealing is not None:
            return self.sealed(operand.column, source)
        if operand is not None and not self.node.aggregated:
            return self.shown(output, operand, source)
        typed: Typed | None = None
        if operand is not None:
            typed = self.column(operand, source)
            if operand.path:
                typed = dialect.path(typed, operand.path)
            if output.cast is not None:
                typed = dialect.cast(typed, output.cast)
        if output.aggregate is not None:
            typed = dialect.aggregate(output.aggregate, typed)
            if output.aggregate_cast is not None:
                typed = dialect.cast(typed, output.aggregate_cast)
        if typed is None:
            raise PlanError("PGRST100", "a select item without a column must be count()")
        carried = self.carry(typed.expression, typed.type, aggregate=output.aggregate is not None)
        self.sizes.append(((id(source), operand, output.aggregate), typed.type, lambda page: page.c[carried]))
        if operand is not None and output.aggregate is None and output.cast is None:
            self.grouped[id(source), operand] = carried
        return lambda page: self.show(output, Typed(page.c[carried], self.types[carried]))

    def shown(self, output: ColumnOutput, operand: Operand, source: sa.FromClause) -> Render:
        """A value of a row that is on the page.

        What can fail is made of the rows that the page has chosen, in their order: which of them fails first must not
        tell in which order the database found them.
        """
        dialect, typed, path = self.build.dialect, self.column(operand, source), operand.path
        columns: dict[Any, str] = {}
        if isinstance(operand.column, Computed) and not operand.column.elsewhere:
            columns = {source.c[name]: self.carry(source.c[name]) for name in sorted(operand.column.uses)}
        elif path:
            typed, path = dialect.path(typed, path), ()
        carried = None if columns else self.carry(typed.expression, typed.type)

        def plain(page: sa.FromClause) -> Expression:
            if carried is not None:
                return page.c[carried]
            return _replaced(typed.expression, {c: page.c[label] for c, label in columns.items()})

        self.sizes.append(((id(source), operand.column.name), typed.type, plain))

        def render(page: sa.FromClause) -> Expression:
            found = Typed(plain(page), typed.type)
            if path:
                found = dialect.path(found, path)
            return self.show(output, found if output.cast is None else dialect.cast(found, output.cast))

        return render

    def show(self, output: ColumnOutput, typed: Typed) -> Expression:
        # Known only when the page is there: the same output is a plain value in any other form.
        show = self.build.dialect.geojson if output is self.build.geometry else self.build.dialect.json_value
        return show(typed)

    def sealed(self, column: Column, source: sa.FromClause) -> Render:
        """An encrypted value as ``[ciphertext, key…]``: ``response/`` opens it, and needs the row's key for it.

        Where it has a blind index, that stands before the key, to be compared with the value.
        """
        dialect, label = self.build.dialect, self.carry(source.c[column.name])
        self.sizes.append(((id(source), column.name), sa.LargeBinary(), lambda page: page.c[label]))
        blind = None if column.sealing is None else column.sealing.blind
        beside: list[Any] = [] if blind is None else [blind.sql]
        beside += column.sql.table.primary_key.columns
        keys = [(self.carry(source.c[str(c.name)]), c.type) for c in beside]

        def render(page: sa.FromClause) -> Expression:
            shown = [dialect.json_value(Typed(page.c[name], type_)) for name, type_ in keys]
            return dialect.sealed(page.c[label], shown)

        return render

    def to_one(self, embed: EmbedPlan, child: list[tuple[str, Render]]) -> list[tuple[str, Render]]:
        if not child:
            return []
        dialect = self.build.dialect
        label = self.carry(self.hit(embed))

        def render(page: sa.FromClause) -> Expression:
            found = dialect.json_object([(key, value(page)) for key, value in child])
            # CASE hands its JSON on as JSON; marking it again would make SQLite parse every row's object once more.
            return sa.case((page.c[label].is_not(None), found))

        return [(embed.key, render)]

    def to_many(self, embed: EmbedPlan, source: sa.FromClause) -> list[tuple[str, Render]]:
        local = {name: self.carry(source.c[name]) for name in sorted(embed.relation.local_columns)}
        if embed.spread:
            keys = [key for key, _ in self.build.layer(embed.node).outputs]
            return [(key, self._array(embed, local, key)) for key in keys]
        if not _shows(embed.node):
            return []
        return [(embed.key, self._array(embed, local, None))]

    def _array(self, embed: EmbedPlan, local: dict[str, str], only: str | None) -> Render:
        """The related rows as an array of objects, or, with *only*, of one key's values."""
        dialect = self.build.dialect

        def render(above: sa.FromClause) -> Expression:
            layer = self.build.layer(embed.node)
            layer.where = [*layer.related(embed, lambda name: above.c[local[name]]), *layer.where]
            layer.above = above
            page = layer.page()
            value = layer.object(page) if only is None else dict(layer.outputs)[only](page)
            # An aggregated to-one embed has one row by construction, and stands as an object.
            folded = value if embed.relation.to_one else dialect.json_array(value)
            return dialect.nested(sa.select(folded).select_from(page).correlate(above).scalar_subquery())

        return render


def _replaced(expression: Expression, columns: Mapping[Any, Expression]) -> Expression:
    """*expression* over other *columns*."""
    return visitors.replacement_traverse(expression, {}, lambda element, **_: columns.get(element))


def _is_wide(type_: sa.types.TypeEngine[Any], *, repeated: bool) -> bool:
    """Whether a value of *type_* may be so long that a page of them is too long for an answer.

    The length of JSON and of lists is found by writing them out, so it is asked for where they are *repeated*.
    """
    match family_of(type_):
        case "text":
            return repeated or (getattr(type_, "length", None) or _LONG) >= _LONG
        case "bytes":
            return True
        case "json" | "array":
            return repeated
        case _:
            return False


def _visible(grant: Grant, mentioned: frozenset[str], table: sa.FromClause, source: sa.FromClause) -> Where:
    rows = grant.rows(mentioned)
    return [] if isinstance(rows, True_) else [moved(rows, table, source)]


def _ordered(key: Expression, term: SortTerm, *, can_be_null: bool) -> Expression:
    ordered = key.desc() if term.descending else key.asc()
    if not can_be_null:
        # Said only where it matters: an index serves NULLS FIRST/LAST worse, or not at all.
        return ordered
    return ordered.nulls_first() if term.nulls_first else ordered.nulls_last()


def _not_grouped(term: SortTerm) -> PlanError:
    name = term.operand.column.name if term.embed is None else f"{term.embed.key}.{term.operand.column.name}"
    return PlanError(
        "42803",
        f'column "{name}" must appear in the GROUP BY clause or be used in an aggregate function',
        hint="Rows that an aggregate makes are ordered by the columns that are selected beside it.",
    )


def _shows(node: Node) -> bool:
    """Whether an object of *node* has any key: an embed that holds nothing but empty embeds has none, and no key."""
    return any(isinstance(output, ColumnOutput) or _shows(output.embed.node) for output in node.outputs)


def _is_joined(embed: EmbedPlan) -> bool:
    return embed.relation.to_one and (embed.spread or not embed.node.aggregated)


def _needs_nesting(node: Node) -> bool:
    """Whether the embeds below must be decided before *node* itself is joined."""
    return any(e.inner or _needs_nesting(e.node) for e in node.embeds if _is_joined(e)) or _mentions_embed(
        node.conditions
    )


def _mentions_embed(conditions: Sequence[Condition]) -> bool:
    return any(isinstance(c, Present) or (isinstance(c, Group) and _mentions_embed(c.terms)) for c in conditions)


def _joined_on(relation: Relation, local: Callable[[str], Expression], remote: sa.FromClause) -> Where:
    """What ties a row of *remote* to the row whose columns *local* gives."""
    found: Where = [remote.c[there] == local(here) for here, there in relation.pairs]
    return found if relation.join is None else [*found, relation.join.on(local, lambda name: remote.c[name])]


def _bounded(most: int | None) -> Callable[[Any], int]:
    def encode(value: Any) -> int:
        if value < 0:
            raise PlanError(
                "PGRST103", "Requested range not satisfiable", details="Limit should be greater than or equal to zero."
            )
        return min(int(value), most) if most is not None else min(int(value), 2**31 - 1)

    return encode


def _not_negative(value: Any) -> int:
    return min(max(int(value), 0), 2**63 - 1)
