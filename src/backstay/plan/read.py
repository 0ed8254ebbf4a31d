"""The plan of a read, by small steps: embeds, outputs, conditions, order, page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from backstay.catalog import Column, Junction, Relation, Search, Searchable, Table
from backstay.errors import PlanError
from backstay.plan.conditions import check_operator, check_path
from backstay.plan.intent import (
    ColumnOutput,
    Compare,
    Condition,
    EmbedOutput,
    EmbedPlan,
    Group,
    Middle,
    Node,
    Operand,
    Output,
    Present,
    ReadPlan,
    SortTerm,
)
from backstay.plan.scope import Scope, find_field, find_relation, find_table
from backstay.policy import Grant
from backstay.request.field import Field
from backstay.request.filters import SEARCH, Filter
from backstay.request.logic import Condition as AskedCondition
from backstay.request.logic import Logic
from backstay.request.order import OrderTerm
from backstay.request.page import Page
from backstay.request.read import Path, Query
from backstay.request.select import ColumnItem, Embed, Item, Star

T = TypeVar("T")


def plan_read(table: str, query: Query, scope: Scope, *, count: bool = False) -> ReadPlan:
    """Plan a read of *table*.

    Raises:
        PlanError: PGRST205, 42703, PGRST200, PGRST201, PGRST108, PGRST118, PGRST120, PGRST123, PGRST127, 42883, 42804.
    """
    found = find_table(scope, table)
    return ReadPlan(plan_rows(found, scope.grant("read", found), query, scope), count=count)


def plan_rows(table: Table, grant: Grant, query: Query, scope: Scope) -> Node:
    """Plan the rows of *table* that *grant* shows, with everything *query* asks of them and of their embeds."""
    query = _resolved_paths(query)
    return _node(_Draft(table, grant, query, scope, (), query.items))


@dataclass(slots=True)
class _Draft:
    """One node while it is being planned."""

    table: Table
    grant: Grant
    query: Query
    scope: Scope
    path: Path
    items: tuple[Item, ...]
    #: What errors call the table: PostgREST's alias, where it needs one.
    shown: str | None = None
    #: The embeds by the names that they have in the answer, of which no two are equal: as drafts, then finished.
    children: dict[str, _Child] = field(default_factory=dict)
    embeds: dict[str, EmbedPlan] = field(default_factory=dict)
    #: What the order asks of embeds: the embed's name, and its column.
    related: dict[OrderTerm, tuple[str, Operand]] = field(default_factory=dict)
    mentioned: set[str] = field(default_factory=set)
    outputs: list[Output] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)
    sort: list[SortTerm] = field(default_factory=list)

    def operand(self, asked: Field) -> Operand:
        known = asked.name in self.table.columns
        hinting = not known and self.scope.sees_everything
        found = find_field(self.scope, self.table, self.grant, asked.name, self.shown, hinting=hinting)
        if asked.path and _is_sealed(Operand(found)):
            raise _sealed(Operand(found), "there is no path into it")
        check_path(found, asked.path)
        self.mentioned |= {found.name} if isinstance(found, Column) else found.uses
        return Operand(found, asked.path)


@dataclass(frozen=True, slots=True)
class _Child:
    """An embed while it is being planned: what its parent asks of its columns is written into its draft."""

    item: Embed
    relation: Relation
    draft: _Draft


def _node(draft: _Draft) -> Node:
    for step in _STEPS:
        step(draft)
    return Node(
        table=draft.table,
        grant=draft.grant,
        outputs=tuple(draft.outputs),
        conditions=tuple(draft.conditions),
        sort=tuple(draft.sort),
        page=next((page for path, page in draft.query.pages if path == draft.path), Page()),
        embeds=tuple(draft.embeds.values()),
        mentioned=frozenset(draft.mentioned),
    )


def _children(draft: _Draft) -> None:
    for item in draft.items:
        if not isinstance(item, Embed):
            continue
        key = _key_of_embed(item)
        if key in draft.children:
            raise PlanError(
                "42712",
                f'table name "{key}" specified more than once',
                hint=f"Give each embed a name of its own, for example other:{item.relation}(…).",
            )
        draft.children[key] = _child(draft, item)


def _child(draft: _Draft, item: Embed) -> _Child:
    scope = draft.scope
    relation = find_relation(scope, draft.table, item.relation, item.hint, item.alias)
    remote = scope.catalog.tables[relation.remote]
    path = (*draft.path, _key_of_embed(item))
    child = _Draft(remote, scope.grant("read", remote), draft.query, scope, path, item.items)
    if relation.junction is None:
        child.shown = f"{remote.name}_{len(child.path)}"
    # A key column that a rule hides would be told by the embed, so it counts as mentioned (AC10).
    draft.mentioned |= relation.local_columns
    child.mentioned |= relation.remote_columns
    return _Child(item, relation, child)


def _related(draft: _Draft) -> None:
    """Resolve the order by columns of embeds in the embeds themselves, while they can still be told of it.

    Ordering a parent by a column of a child mentions it there: only rules that show the column may show the row.
    """
    for term in _order_at(draft):
        if term.relation is None:
            continue
        key = _named(draft, term.relation)
        if key is None:
            raise _not_embedded(term.relation)
        child = draft.children[key]
        if not child.relation.to_one:
            raise PlanError(
                "PGRST118",
                f"A related order on '{key}' is not possible",
                details=f"'{draft.table.name}' and '{key}' do not form a many-to-one or one-to-one relationship",
            )
        operand = child.draft.operand(_behind_alias(child.draft.table, child.item.items, term.field))
        if _is_sealed(operand):
            raise _sealed(operand, "rows have no order by it")
        if isinstance(operand.column, Search):
            raise PlanError(
                "PGRST127", "Feature not implemented", details="Relevance orders the rows of its own table only."
            )
        draft.related[term] = (key, operand)


def _embeds(draft: _Draft) -> None:
    for key, child in draft.children.items():
        draft.embeds[key] = _embed(draft.scope, key, child)


def _embed(scope: Scope, key: str, child: _Child) -> EmbedPlan:
    item, relation, node = child.item, child.relation, _node(child.draft)
    if item.spread and not relation.to_one and node.aggregated:
        raise PlanError(
            "PGRST127",
            "Feature not implemented",
            details="Aggregates are not implemented for one-to-many or many-to-many spreads.",
        )
    return EmbedPlan(
        key=key,
        relation=relation,
        node=node,
        inner=item.join == "inner",
        spread=item.spread,
        middle=None if relation.junction is None else _middle(scope, relation.junction),
    )


def _middle(scope: Scope, junction: Junction) -> Middle:
    table = scope.catalog.tables[junction.table]
    return Middle(junction, table, scope.grant("read", table))


def _outputs(draft: _Draft) -> None:
    for item in draft.items:
        match item:
            case Star():
                for name, column in draft.table.columns.items():
                    if name in draft.grant.common:
                        draft.mentioned.add(name)
                        draft.outputs.append(ColumnOutput(name, Operand(column)))
            case ColumnItem():
                draft.outputs.append(_column_output(draft, item))
            case Embed():
                draft.outputs.append(EmbedOutput(draft.embeds[_key_of_embed(item)]))


def _column_output(draft: _Draft, item: ColumnItem) -> ColumnOutput:
    # A bare ``count`` is PostgREST's old way to write ``count()``, where no column is called so.
    # It counts visible rows and nothing else, which anyone may ask for: Supabase's clients write ``posts(count)``.
    if item.field == Field("count") and item.aggregate is None and "count" not in draft.grant.columns:
        item = replace(item, field=None, aggregate="count")
    elif item.aggregate is not None:
        _refuse_aggregate(draft)
    if item.field is None:
        return ColumnOutput(item.alias or "count", None, item.cast, "count", item.aggregate_cast or item.cast)
    operand = draft.operand(item.field)
    if isinstance(operand.column, Search):
        raise PlanError(
            "PGRST127",
            "Feature not implemented",
            details=f"The search field {operand.column.name} filters and orders; it has no value to select.",
        )
    if _is_sealed(operand) and (item.aggregate is not None or item.cast is not None):
        raise _sealed(operand, "it is neither aggregated nor cast")
    key = item.alias or (item.aggregate if item.aggregate else _key_of(item.field))
    return ColumnOutput(key, operand, item.cast, item.aggregate, item.aggregate_cast)


def _key_of(asked: Field) -> str:
    """The key of a JSON path is its last segment that is not an index; a bare column's is its name.

    >>> from backstay.request.field import Step
    >>> _key_of(Field("data", (Step("a"), Step(0), Step(1, as_text=True))))
    'a'
    """
    return next((step.key for step in reversed(asked.path) if isinstance(step.key, str)), asked.name)


def _refuse_aggregate(draft: _Draft) -> None:
    allowed = draft.scope.aggregates
    if allowed is not None and draft.table.name not in allowed:
        raise PlanError("PGRST123", "Use of aggregate functions is not allowed")


def _conditions(draft: _Draft) -> None:
    for path, asked in draft.query.conditions:
        if path == draft.path:
            draft.conditions.append(_condition(draft, asked))


def _condition(draft: _Draft, asked: AskedCondition) -> Condition:
    if isinstance(asked, Logic):
        return Group(asked.kind, tuple(_condition(draft, term) for term in asked.terms), asked.negated)
    key = _named(draft, asked.field.name) if not asked.field.path else None
    if key is not None and (_asks_presence(asked) or asked.field.name not in draft.table.columns):
        return _presence(draft.embeds[key], asked)
    operand = draft.operand(asked.field)
    if _is_sealed(operand) and asked.op != "is":
        return _blind(operand, asked)
    check_operator(operand, asked)
    searchable = _searchable(draft.table, operand) if asked.op in SEARCH else None
    return Compare(operand, asked.op, asked.value, asked.negated, asked.quantifier, asked.language, searchable)


def _is_sealed(operand: Operand) -> bool:
    return isinstance(operand.column, Column) and operand.column.sealing is not None


def _sealed(operand: Operand, why: str) -> PlanError:
    name = operand.column.name
    return PlanError(
        "PGRST127",
        "Feature not implemented",
        details=f"The column {name} is encrypted, and the database cannot read it: {why}.",
    )


def _blind(operand: Operand, asked: Filter) -> Compare:
    """A comparison with an encrypted column, by its blind index: equal to one of what each key may have made."""
    sealing = operand.column.sealing if isinstance(operand.column, Column) else None
    if sealing is None or sealing.blind is None:
        raise _sealed(operand, "without a blind index it takes no filter but is.null")
    if asked.op not in ("eq", "neq", "in") or asked.quantifier is not None:
        raise _sealed(operand, "its blind index takes eq, neq, in and is.null")
    return Compare(Operand(sealing.blind), "in", asked.value, asked.negated != (asked.op == "neq"))


def _searchable(table: Table, operand: Operand) -> Searchable | None:
    """The declaration that covers *operand*: the search field itself, or one of its columns."""
    if table.search is None or operand.path:
        return None
    covered = operand.column is table.search or operand.column.name in table.search.uses
    return table.search.declared if covered else None


def _asks_presence(asked: Filter) -> bool:
    return asked.op == "is" and asked.value in ("null", "not_null")


def _presence(embed: EmbedPlan, asked: Filter) -> Present:
    if not _asks_presence(asked):
        raise PlanError(
            "PGRST120",
            "Bad operator on the '" + embed.key + "' embedded resource",
            details="Only is null or not is null filters are allowed on embedded resources",
        )
    return Present(embed, negated=(asked.value == "null") != asked.negated)


def _named(draft: _Draft, name: str) -> str | None:
    """The key of the embed that *name* means: here, and here alone, names of clients become embeds."""
    found = _called(draft.items, name)
    if found is not None:
        return _key_of_embed(found)
    return next((key for key, child in draft.children.items() if child.relation.remote == name), None)


def _called(items: Sequence[Item], name: str) -> Embed | None:
    """The embed that is called *name* in the answer, else the first one that asks for *name* under an alias."""
    embeds = [item for item in items if isinstance(item, Embed)]
    exact = next((item for item in embeds if _key_of_embed(item) == name), None)
    return exact or next((item for item in embeds if item.relation == name), None)


def _key_of_embed(item: Embed) -> str:
    return item.alias or item.relation


def _order(draft: _Draft) -> None:
    draft.sort.extend(_sort_term(draft, term) for term in _order_at(draft))


def _order_at(draft: _Draft) -> tuple[OrderTerm, ...]:
    return next((terms for path, terms in draft.query.orders if path == draft.path), ())


def _relevance(draft: _Draft, field: Search) -> Compare:
    """What the order by relevance is relevant to: the first filter on *field*."""
    for condition in draft.conditions:
        if isinstance(condition, Compare) and condition.operand.column is field and not condition.negated:
            return condition
    raise PlanError(
        "PGRST127",
        "Feature not implemented",
        details=f"An order by {field.name} is by relevance, and needs a filter on {field.name} beside it.",
        hint=f"For example ?{field.name}=wfts.cats&order={field.name}.desc",
    )


def _sort_term(draft: _Draft, term: OrderTerm) -> SortTerm:
    nulls_first = term.descending if term.nulls is None else term.nulls == "first"
    if term.relation is None:
        operand = draft.operand(term.field)
        if _is_sealed(operand):
            raise _sealed(operand, "rows have no order by it")
        search = _relevance(draft, operand.column) if isinstance(operand.column, Search) else None
        return SortTerm(operand, term.descending, nulls_first, search=search)
    key, operand = draft.related[term]
    return SortTerm(operand, term.descending, nulls_first, draft.embeds[key])


def _behind_alias(table: Table, items: tuple[Item, ...], asked: Field) -> Field:
    """What *asked* means in a related order: a column of *table*, or one of *items* under its alias."""
    if asked.name in table.columns or asked.path:
        return asked
    named = (i.field for i in items if isinstance(i, ColumnItem) and i.alias == asked.name and i.aggregate is None)
    return next((field for field in named if field is not None), asked)


_STEPS: Final[tuple[Callable[[_Draft], None], ...]] = (_children, _related, _embeds, _outputs, _conditions, _order)


def _resolved_paths(query: Query) -> Query:
    """*query* with the path of every filter, order and page in the embeds' own keys: an embed is also found by the name
    of what it embeds, though it has an alias.

    Raises:
        PlanError: PGRST108, when a path leads to no embed of this request.
    """
    if not any(path for path, _ in (*query.conditions, *query.orders, *query.pages)):
        return query

    def resolve(path: Path) -> Path:
        items, found = query.items, []
        for name in path:
            embed = _called(items, name)
            if embed is None:
                raise _not_embedded(name)
            found.append(_key_of_embed(embed))
            items = embed.items
        return tuple(found)

    return replace(
        query,
        conditions=tuple((resolve(path), term) for path, term in query.conditions),
        orders=tuple((resolve(path), terms) for path, terms in query.orders),
        pages=tuple((resolve(path), page) for path, page in query.pages),
    )


def _not_embedded(name: str) -> PlanError:
    return PlanError(
        "PGRST108",
        f"'{name}' is not an embedded resource in this request",
        hint=f"Verify that '{name}' is included in the 'select' query parameter.",
    )
