"""Foreign keys and the views that show them → relations, as PostgREST infers them.

1. A view that shows all columns of a foreign key has that key too; one that shows all columns that a foreign key refers
   to can be referred to.  The relation keeps the constraint's name.
2. Every many-to-one is a one-to-many the other way round.
3. A table or view whose primary key holds two foreign keys relates what they refer to, many to many.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import NamedTuple

from backstay.catalog.facts import Facts, KeyFacts, Name, ViewKey
from backstay.catalog.table import Cardinality, Junction, Relation

Pairs = tuple[tuple[str, str], ...]

#: PostgREST lists the ways between two tables in this order.
_RANK: Mapping[Cardinality, int] = {"one-to-many": 0, "many-to-one": 1, "one-to-one": 2, "many-to-many": 3}


class _Key(NamedTuple):
    """One way to follow a foreign key, on the tables themselves or on views of them."""

    table: Name
    referred: Name
    constraint: str
    pairs: Pairs
    unique: bool
    from_view: bool
    to_view: bool


def view_primary_keys(facts: Facts) -> Mapping[Name, tuple[str, ...]]:
    """The columns of each view that come from primary keys; the first one where a column is shown twice."""
    found: dict[Name, tuple[str, ...]] = {}
    for key in facts.view_keys:
        if key.kind == "p":
            found[key.view] = found.get(key.view, ()) + tuple(views[0] for _, views in key.columns)
    return found


def relations_of(facts: Facts, schema: str, primary_keys: Mapping[Name, tuple[str, ...]]) -> tuple[Relation, ...]:
    """Every relation between what *schema* holds, in the order in which an ambiguous one is told."""
    keys = [way for key in facts.keys for way in _ways(key, facts.view_keys)]
    found = [relation for key in keys if _inside(key, schema) for relation in _both_ways(key)]
    found += _many_to_many(keys, schema, primary_keys)
    return tuple(sorted(found, key=_order))


def _ways(key: KeyFacts, views: Sequence[ViewKey]) -> list[_Key]:
    holders = [v for v in views if v.kind == "f" and v.table == key.table and v.constraint == key.name]
    targets = [v for v in views if v.kind == "f_ref" and v.table == key.referred and v.constraint == key.name]
    here = tuple(a for a, _ in key.pairs)
    there = tuple(b for _, b in key.pairs)
    froms = [(key.table, here, False)] + [(v.view, columns, True) for v in holders for columns in _expanded(v, here)]
    tos = [(key.referred, there, False)] + [(v.view, columns, True) for v in targets for columns in _expanded(v, there)]
    return [
        _Key(table, referred, key.name, tuple(zip(own, other, strict=True)), key.unique, from_view, to_view)
        for (table, own, from_view), (referred, other, to_view) in product(froms, tos)
    ]


def _expanded(view: ViewKey, columns: Sequence[str]) -> Iterable[tuple[str, ...]]:
    """A view may show a column under several names: one key for each choice."""
    shown = dict(view.columns)
    return product(*(shown[column] for column in columns)) if all(c in shown for c in columns) else ()


def _inside(key: _Key, schema: str) -> bool:
    return key.table.schema == schema and key.referred.schema == schema


def _both_ways(key: _Key) -> tuple[Relation, Relation]:
    back = tuple((there, here) for here, there in key.pairs)
    one: Cardinality = "one-to-one" if key.unique else "many-to-one"
    other: Cardinality = "one-to-one" if key.unique else "one-to-many"
    local, remote = key.table.table, key.referred.table
    return (
        Relation(local, remote, one, key.constraint, key.pairs, holds_key=True, to_view=key.to_view),
        Relation(remote, local, other, key.constraint, back, to_view=key.from_view),
    )


def _many_to_many(keys: Sequence[_Key], schema: str, primary_keys: Mapping[Name, tuple[str, ...]]) -> list[Relation]:
    found: list[Relation] = []
    by_table: dict[Name, list[_Key]] = {}
    for key in keys:
        # A unique foreign key joins nothing to many.
        if not key.unique and _inside(key, schema):
            by_table.setdefault(key.table, []).append(key)
    for table, own in by_table.items():
        primary = frozenset(primary_keys.get(table, ()))
        for one, other in product(own, own):
            used = {a for a, _ in one.pairs} | {a for a, _ in other.pairs}
            if one.constraint != other.constraint and used <= primary:
                found.append(_joined(table, one, other))
    return found


def _joined(table: Name, one: _Key, other: _Key) -> Relation:
    local = tuple((there, here) for here, there in one.pairs)
    junction = Junction(table.table, one.constraint, other.constraint, local, other.pairs)
    return Relation(
        one.referred.table, other.referred.table, "many-to-many", "", (), junction=junction, to_view=other.to_view
    )


def _order(relation: Relation) -> tuple[str, str, int, str, Pairs]:
    rank = _RANK[relation.cardinality]
    name = relation.constraint
    if relation.junction is not None:
        name = f"{relation.junction.table} {relation.junction.local_constraint} {relation.junction.remote_constraint}"
    return relation.table, relation.remote, rank, name, relation.pairs
