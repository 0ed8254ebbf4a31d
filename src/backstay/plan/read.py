"""The plan of a read, by small steps: embeds, outputs, conditions, order, page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from backstay.catalog import Column, Search, Searchable, Table
from backstay.errors import PlanError
from backstay.plan.conditions import check_operator, check_path
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
    embeds: dict[str, EmbedPlan] = field(default_factory=dict)
    by_item: dict[int, EmbedPlan] = field(default_factory=dict)
    mentioned: set[str] = field(default_factory=set)
    outputs: list[Output] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)
    sort: list[SortTerm] = field(default_factory=list)

    def operand(self, asked: Field) -> Operand:
        known = asked.name in self.table.columns
        hinting = not known and self.scope.sees_everything()
        found = find_field(self.scope, self.table, self.grant, asked.name, self.shown, hinting=hinting)
        if asked.path and _is_sealed(Operand(found)):
            raise _sealed(Operand(found), "there is no path into it")
        check_path(found, asked.path)
        self.mentioned |= {found.name} if isinstance(found, Column) else found.uses
        return Operand(found, asked.path)


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


def _embeds(draft: _Draft) -> None:
    for index, item in enumerate(draft.items):
        if isinstance(item, Embed):
            plan = _embed(draft, item)
            # Two embeds may share a name when the client gave no alias: the last one keeps the name for filters.
            draft.embeds[plan.key if plan.key not in draft.embeds else f"{plan.key}#{index}"] = plan
            draft.by_item[index] = plan


def _embed(draft: _Draft, item: Embed) -> EmbedPlan:
    scope = draft.scope
    relation = find_relation(scope, draft.table, item.relation, item.hint, item.alias)
    remote = scope.catalog.tables[relation.remote]
    key = item.alias or item.relation
    child = _Draft(remote, scope.grant("read", remote), draft.query, scope, (*draft.path, key), item.items)
    if relation.junction is None:
        child.shown = f"{remote.name}_{len(child.path)}"
    # A key column that a rule hides would be told by the embed, so it counts as mentioned (AC10).
    draft.mentioned |= relation.local_columns
    child.mentioned |= relation.remote_columns
    for term in _order_at(draft):
        # Ordering the parent by a column of the child mentions it: only rules that show it may show the row.
        if term.relation in (key, relation.remote):
            child.operand(_behind_alias(remote, item.items, term.field))
    node = _node(child)
    if item.spread and not relation.to_one and node.aggregated:
        raise PlanError(
            "PGRST127",
            "Feature not implemented",
            details="Aggregates are not implemented for one-to-many or many-to-many spreads.",
        )
    junction = scope.catalog.tables[relation.junction.table] if relation.junction is not None else None
    return EmbedPlan(
        key=key,
        relation=relation,
        node=node,
        inner=item.join == "inner",
        spread=item.spread,
        junction=junction,
        junction_grant=scope.grant("read", junction) if junction is not None else None,
    )


def _outputs(draft: _Draft) -> None:
    for index, item in enumerate(draft.items):
        match item:
            case Star():
                for name, column in draft.table.columns.items():
                    if name in draft.grant.common:
                        draft.mentioned.add(name)
                        draft.outputs.append(ColumnOutput(name, Operand(column)))
            case ColumnItem():
                draft.outputs.append(_column_output(draft, item))
            case Embed():
                draft.outputs.append(EmbedOutput(draft.by_item[index]))


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
    embed = _named(draft, asked.field.name) if not asked.field.path else None
    if embed is not None and (_asks_presence(asked) or asked.field.name not in draft.table.columns):
        return _presence(embed, asked)
    operand = draft.operand(asked.field)
    if _is_sealed(operand) and asked.op != "is":
        return _blind(operand, asked)
    check_operator(draft.table, operand, asked)
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


def _named(draft: _Draft, name: str) -> EmbedPlan | None:
    if name in draft.embeds:
        return draft.embeds[name]
    return next((e for e in draft.embeds.values() if e.relation.remote == name), None)


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
    embed = _named(draft, term.relation)
    if embed is None:
        raise _not_embedded(term.relation)
    if not embed.relation.to_one:
        raise PlanError(
            "PGRST118",
            f"A related order on '{embed.key}' is not possible",
            details=(f"'{draft.table.name}' and '{embed.key}' do not form a many-to-one or one-to-one relationship"),
        )
    asked = _behind_alias(embed.node.table, _items_of(draft, embed), term.field)
    column = find_field(draft.scope, embed.node.table, embed.node.grant, asked.name)
    check_path(column, asked.path)
    if _is_sealed(Operand(column)):
        raise _sealed(Operand(column), "rows have no order by it")
    if isinstance(column, Search):
        raise PlanError(
            "PGRST127", "Feature not implemented", details="Relevance orders the rows of its own table only."
        )
    return SortTerm(Operand(column, asked.path), term.descending, nulls_first, embed)


def _items_of(draft: _Draft, embed: EmbedPlan) -> tuple[Item, ...]:
    index = next(index for index, plan in draft.by_item.items() if plan is embed)
    item = draft.items[index]
    return item.items if isinstance(item, Embed) else ()


def _behind_alias(table: Table, items: tuple[Item, ...], asked: Field) -> Field:
    """What *asked* means in a related order: a column of *table*, or one of *items* under its alias."""
    if asked.name in table.columns or asked.path:
        return asked
    named = (i.field for i in items if isinstance(i, ColumnItem) and i.alias == asked.name and i.aggregate is None)
    return next((field for field in named if field is not None), asked)


_STEPS: Final[tuple[Callable[[_Draft], None], ...]] = (_embeds, _outputs, _conditions, _order)


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
            embed = next((i for i in items if isinstance(i, Embed) and name in (i.alias, i.relation)), None)
            if embed is None:
                raise _not_embedded(name)
            found.append(embed.alias or embed.relation)
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
