"""Relationships that a model declares by a condition of its own → relations, beside those of foreign keys.

1. ``relationship(primaryjoin=…)`` is a relation under its attribute's name, and under no other.
2. Its condition is pairs of equal columns, and whatever else speaks of the two tables' columns and of constants.
   A subquery would tell of rows that nobody has asked a policy about: such a relationship is not served.
3. To-one is what is to-one by a key: several rows for one would repeat the row that they belong to.
4. A subclass that shares its base's table is those of its rows that it is (`own_rows`).
5. What cannot be served is named at the start; it harms nobody, since the model may need it for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import RelationshipProperty
from sqlalchemy.orm import remote as marked_remote
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import BinaryExpression, BooleanClauseList, ColumnElement, Grouping

from backstay.catalog.inheritance import own_rows
from backstay.catalog.readable import is_constant, unreadable
from backstay.catalog.size import oversized
from backstay.catalog.standing import looks_around
from backstay.catalog.table import Join, Junction, Relation
from backstay.catalog.truth import untrue
from backstay.errors import ConfigError


def is_plain(relationship: RelationshipProperty[Any]) -> bool:
    """Whether its condition is pairs of equal columns and nothing else, as a foreign key's is."""
    joins = [relationship.primaryjoin, relationship.secondaryjoin]
    return all(_equal(part) is not None for join in joins if join is not None for part in _conjuncts(join))


def declared_relation(
    relationship: RelationshipProperty[Any],
    listed: Collection[sa.Table],
    unique_sets: Callable[[sa.Table], set[frozenset[str]]],
) -> Relation | str:
    """The relation that *relationship* declares, or why there is none."""
    local, remote = relationship.parent.local_table, relationship.mapper.local_table
    if not isinstance(local, sa.Table) or not isinstance(remote, sa.Table):
        return "it leads to something that is no table"
    if relationship.entity is not relationship.mapper:
        return "it leads to an alias"
    large = oversized(relationship.primaryjoin)
    if large is not None:
        return f"its condition {large.seen}"
    try:
        own = own_rows(relationship.mapper, str(relationship))
    except ConfigError as fault:
        return fault.message
    if relationship.secondary is not None:
        if own is not None:
            return "it leads to a part of a table, with a table in its middle"
        return _through(relationship, local, remote, listed)
    pairs, rest = [], []
    for part in _conjuncts(relationship.primaryjoin):
        equal = _equal(part)
        known = equal is not None and all(local.c.contains_column(c) or remote.c.contains_column(c) for c in equal)
        sides = [_is_remote(column, local, remote) for column in equal] if equal is not None and known else None
        if equal is not None and sides in ([False, True], [True, False]):
            here, there = equal if sides == [False, True] else equal[::-1]
            pairs.append((str(here.name), str(there.name)))
        else:
            rest.append(part)
    join = _join(rest if own is None else [*rest, marked_remote(own)], local, remote)
    if isinstance(join, str):
        return join
    if not relationship.uselist and not any(key <= {there for _, there in pairs} for key in unique_sets(remote)):
        return "it is to-one, and no key of the other table makes it so"
    return Relation(
        table=str(local.name),
        remote=str(remote.name),
        cardinality="one-to-many" if relationship.uselist else "many-to-one",
        constraint="",
        pairs=tuple(pairs),
        names=frozenset((relationship.key,)),
        declared=True,
        join=join,
    )


def _through(
    relationship: RelationshipProperty[Any], local: sa.Table, remote: sa.Table, listed: Collection[sa.Table]
) -> Relation | str:
    middle = relationship.secondary
    if not isinstance(middle, sa.Table) or middle not in listed:
        return "the table in its middle is not served"
    if not is_plain(relationship):
        return "it has a condition of its own and a table in its middle"
    near = tuple((str(a.name), str(b.name)) for a, b in relationship.synchronize_pairs)
    far = tuple((str(b.name), str(a.name)) for a, b in relationship.secondary_synchronize_pairs or ())
    return Relation(
        table=str(local.name),
        remote=str(remote.name),
        cardinality="many-to-many",
        constraint="",
        pairs=(),
        junction=Junction(str(middle.name), relationship.key, relationship.key, near, far),
        names=frozenset((relationship.key,)),
        declared=True,
    )


def _join(rest: list[ColumnElement[bool]], local: sa.Table, remote: sa.Table) -> Join | str | None:
    """What is asked beside the pairs; a text where it cannot be."""
    if not rest:
        return None
    here: set[str] = set()
    there: set[str] = set()
    for element in (element for part in rest for element in visitors.iterate(part)):
        if isinstance(element, sa.TextClause | sa.sql.selectable.SelectBase):
            return "its condition holds a subquery or text"
        if isinstance(element, sa.ColumnClause) and not isinstance(element, sa.Column):
            # Whose it is nobody can tell, unless it is a constant.
            if not element.is_literal or not is_constant(element.name):
                return "its condition holds a name that is no column of a model"
        elif isinstance(element, sa.Column):
            if not (local.c.contains_column(element) or remote.c.contains_column(element)):
                return "its condition speaks of a third table"
            (there if _is_remote(element, local, remote) else here).add(str(element.name))
    condition = sa.and_(*rest)
    if looks_around(condition):
        return "its condition looks at more than two rows"
    unread = unreadable(condition)
    if unread is not None:
        return f"its condition holds {unread}"
    if untrue(condition) is not None:
        return "its condition takes for true what is no condition: put brackets around each side of & and |"

    def on(mine: Callable[[str], Any], theirs: Callable[[str], Any]) -> ColumnElement[bool]:
        def moved(element: Any, **_: Any) -> Any:
            if not isinstance(element, sa.Column):
                return None
            return (theirs if _is_remote(element, local, remote) else mine)(str(element.name))

        return visitors.replacement_traverse(condition, {}, moved)

    return Join(on, frozenset(here), frozenset(there))


def _conjuncts(condition: Any) -> Iterator[Any]:
    match condition:
        case Grouping():
            yield from _conjuncts(condition.element)
        case BooleanClauseList() if condition.operator is operators.and_:
            for part in condition.clauses:
                yield from _conjuncts(part)
        case _:
            yield condition


def _equal(part: Any) -> tuple[sa.Column[Any], sa.Column[Any]] | None:
    """The two columns that *part* compares, where it is nothing but their equality."""
    if not isinstance(part, BinaryExpression) or part.operator is not operators.eq:
        return None
    one, other = part.left, part.right
    return (one, other) if isinstance(one, sa.Column) and isinstance(other, sa.Column) else None


def _is_remote(column: sa.Column[Any], local: sa.Table, remote: sa.Table) -> bool:
    """Whether *column* is the other table's; of one table twice, whether it was marked so (``remote()``)."""
    if local is remote:
        return "remote" in column._annotations
    return bool(remote.c.contains_column(column))
