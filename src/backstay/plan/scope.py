"""What a plan is made in: the catalog, and what this kind of principal may do."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from sqlalchemy.sql.elements import True_

from backstay.catalog import Catalog, Column, Computed, Relation, Search, Table
from backstay.errors import PlanError
from backstay.plan.near import near_column, nearest
from backstay.policy import Action, Grant, Kind, Rule, decide


@dataclass(frozen=True, eq=False)
class Scope:
    """Everything a planner may know, besides the request.

    *aggregates* are the tables that may be aggregated (``None``: all).  What follows from the rules alone is worked out
    once: an app has a thousand of them, and a plan asks twenty times.
    """

    catalog: Catalog
    rules: tuple[Rule, ...]
    who: Kind
    aggregates: frozenset[str] | None = frozenset()
    _grants: dict[tuple[Action, Table], Grant] = field(default_factory=dict)

    def grant(self, action: Action, table: Table) -> Grant:
        found = self._grants.get((action, table))
        if found is None:
            found = self._grants[action, table] = decide(self.rules, self.who, action, table)
        return found

    @cached_property
    def sees_everything(self) -> bool:
        """Whether every row and column of every table is open to this kind of principal.

        Only then may an error say what was perhaps meant (AC12): a hint must not tell, nor change with, a hidden name.
        """
        for table in self.catalog.tables.values():
            rows = self.grant("read", table).rows(frozenset(table.columns))
            if not isinstance(rows, True_):
                return False
        return True

    def sees(self, table: Table) -> bool:
        """Whether any action on *table* is open to this kind of principal: else it does not exist for it."""
        actions: tuple[Action, ...] = ("read", "create", "update", "delete")
        return any(self.grant(action, table) for action in actions)


def find_table(scope: Scope, name: str) -> Table:
    """The table *name*.

    Raises:
        PlanError: PGRST205, when there is none or the caller may do nothing with it: both look alike.
    """
    table = scope.catalog.tables.get(name)
    if table is None or not scope.sees(table):
        near = nearest(name, scope.catalog.tables, score=0.75) if scope.sees_everything else None
        raise PlanError(
            "PGRST205",
            f"Could not find the table '{scope.catalog.schema}.{name}' in the schema cache",
            hint=None if near is None else f"Perhaps you meant the table '{scope.catalog.schema}.{near[0]}'",
        )
    return table


def find_column(table: Table, grant: Grant, name: str, shown: str | None = None, *, hinting: bool = False) -> Column:
    """The column *name*, when *grant* shows it to anyone of this kind.

    *shown* is what errors call the table; *hinting* lets them say what was perhaps meant.

    Raises:
        PlanError: 42703, when it is missing or hidden: both look alike, in every clause.
    """
    column = table.columns.get(name)
    if column is None or name not in grant.columns:
        raise _no_column(table, name, shown, hinting)
    return column


def find_field(
    scope: Scope, table: Table, grant: Grant, name: str, shown: str | None = None, *, hinting: bool = False
) -> Column | Computed | Search:
    """The column, computed field or search field *name*.

    A computed field exists for those to whom some rule shows every column that it uses.  What it looks at elsewhere,
    they must be allowed to read in every row: an aggregate must not tell of rows that a policy hides.

    Raises:
        PlanError: 42703, as `find_column`.
    """
    field: Computed | Search | None = table.computed.get(name)
    if field is None and table.search is not None and table.search.name == name:
        field = table.search
    if field is None or name in table.columns:
        return find_column(table, grant, name, shown, hinting=hinting)
    if not shows_field(scope, grant, field):
        raise _no_column(table, name, shown, hinting)
    return field


def shows_field(scope: Scope, grant: Grant, field: Computed | Search) -> bool:
    """Whether *field* exists for those of this *grant* (see `find_field`)."""
    if not any(field.uses <= part.columns for part in grant.parts):
        return False
    elsewhere = field.elsewhere if isinstance(field, Computed) else {}
    return all(_reads_all(scope, home, columns) for home, columns in elsewhere.items())


def _reads_all(scope: Scope, name: str, columns: frozenset[str]) -> bool:
    table = scope.catalog.tables.get(name)
    return table is not None and isinstance(scope.grant("read", table).rows(columns), True_)


def _no_column(table: Table, name: str, shown: str | None, hinting: bool) -> PlanError:
    return PlanError(
        "42703",
        f"column {shown or table.name}.{name} does not exist",
        hint=near_column(shown or table.name, name, tuple(table.columns)) if hinting else None,
    )


def find_relation(scope: Scope, origin: Table, target: str, hint: str | None, alias: str | None = None) -> Relation:
    """The one relation from *origin* that *target* and *hint* mean.

    Resolution follows PostgREST (``findRel``): *target* is a table, a foreign key's name, or a foreign key column of
    *origin*; *hint* is a foreign key's name, a column on either side, or a junction.  Beyond it, *target* may be the
    name of the model's relationship attribute, an *alias* that is one settles which of several relations is meant, and
    a many-to-many between a table and itself is told apart by the remote foreign key (name or column) as *hint*.

    Raises:
        PlanError: PGRST200 when none matches, PGRST201 when several do.
    """
    visible = [r for r in origin.relations if _visible(scope, r)]
    # What the model declares under a name goes before what the name would mean by itself, as in PostgREST.
    found = [r for r in visible if r.declared and hint is None and target in r.names]
    found = found or [r for r in visible if not r.declared and _matches(r, target, hint)]
    if not found and hint is None:
        found = [r for r in visible if target in r.names]
    if not found and hint is None:
        found = [r for r in visible if r.is_self and r.remote == target and not r.declared]
    if not found:
        using = f" using the hint '{hint}'" if hint else ""
        raise PlanError(
            "PGRST200",
            f"Could not find a relationship between '{origin.name}' and '{target}' in the schema cache",
            details=(
                f"Searched for a foreign key relationship between '{origin.name}' and '{target}'{using} "
                f"in the schema '{scope.catalog.schema}', but no matches were found."
            ),
            hint=_relation_hint(scope, origin, target) if scope.sees_everything else None,
        )
    if len(found) > 1 and alias is not None:
        # ``author:profiles(…)``, where the model says which of the ways to profiles is the author.
        found = [r for r in found if alias in r.names] or found
    if len(found) > 1:
        raise _ambiguous(origin, target, found)
    return found[0]


def relation_names(table: Table) -> frozenset[str]:
    """Every name under which `find_relation` could find a relation of *table* without a hint, visible or not."""
    return frozenset(
        name
        for relation in table.relations
        for name in (relation.remote, relation.constraint, _single(relation, 0), *relation.names)
        if name is not None
    )


def _relation_hint(scope: Scope, origin: Table, target: str) -> str | None:
    """The related table that was perhaps meant; or, where nothing is related, the table that was perhaps asked for."""
    related = sorted({r.remote for r in origin.relations if _visible(scope, r)})
    if related:
        near = nearest(target, related, score=0.33)
        found = near[0] if near is not None and near[1] < 1 else None
        return None if found is None else f"Perhaps you meant '{found}' instead of '{target}'."
    others = [t.name for t in scope.catalog.tables.values() if any(_visible(scope, r) for r in t.relations)]
    parent = nearest(origin.name, others, score=0.33)
    return None if parent is None else f"Perhaps you meant '{parent[0]}' instead of '{origin.name}'."


def _visible(scope: Scope, relation: Relation) -> bool:
    """Both ends, the junction, and every key column in between must exist for the caller."""
    tables = scope.catalog.tables
    ends = [(relation.table, relation.local_columns), (relation.remote, relation.remote_columns)]
    if relation.junction is not None:
        ends.append((relation.junction.table, relation.junction.columns))
    return all(columns <= scope.grant("read", tables[name]).columns for name, columns in ends)


def _matches(r: Relation, target: str, hint: str | None) -> bool:
    if r.is_self:
        return _matches_self(r, target, hint)
    if hint is None:
        return target == r.remote or (not r.to_view and r.junction is None and target in (r.constraint, _single(r, 0)))
    return target == r.remote and hint in _hints(r)


def _matches_self(r: Relation, target: str, hint: str | None) -> bool:
    """Both directions of one foreign key lead to the same table: the table's name means to-many, the column to-one."""
    if hint is None:
        if r.holds_key:
            return target == _single(r, 0)
        # PostgREST knows no many-to-many with itself without a hint, so the name alone means the foreign key.
        return target == r.remote and r.junction is None
    if target != r.remote or r.holds_key:
        return False
    if r.junction is not None:
        return hint in (r.junction.table, r.junction.remote_constraint, *(a for a, _ in r.junction.remote))
    return hint in (r.constraint, _single(r, 1))


def _single(r: Relation, side: int) -> str | None:
    return r.pairs[0][side] if len(r.pairs) == 1 else None


def _hints(r: Relation) -> frozenset[str | None]:
    if r.junction is not None:
        return frozenset((r.junction.table,))
    return frozenset((r.constraint, _single(r, 0), _single(r, 1)))


def _ambiguous(origin: Table, target: str, found: list[Relation]) -> PlanError:
    details = [
        {
            "cardinality": relation.cardinality,
            "relationship": _described(relation),
            "embedding": f"{relation.table} with {relation.remote}",
        }
        for relation in found
    ]
    names = ", ".join(
        f"'{relation.remote}!{relation.junction.table if relation.junction else relation.constraint}'"
        for relation in found
    )
    return PlanError(
        "PGRST201",
        f"Could not embed because more than one relationship was found for '{origin.name}' and '{target}'",
        details=details,
        hint=(
            f"Try changing '{target}' to one of the following: {names}. "
            "Find the desired relationship in the 'details' key."
        ),
    )


def _described(r: Relation) -> str:
    if r.junction is not None:
        j = r.junction
        local = ", ".join(b for _, b in j.local)
        remote = ", ".join(a for a, _ in j.remote)
        return f"{j.table} using {j.local_constraint}({local}) and {j.remote_constraint}({remote})"
    here, there = ", ".join(a for a, _ in r.pairs), ", ".join(b for _, b in r.pairs)
    return f"{r.constraint} using {r.table}({here}) and {r.remote}({there})"
