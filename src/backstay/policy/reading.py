"""What a policy read of the models, and does not say: it has decided something, which SQL will not.

``isinstance(Post.public, bool)``, ``Post.public.key == "x"`` and ``vars(Post.public)`` are plain Python values, and
nothing of the column is in what the policy returns.  So a column that was read must stand there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.orm import RelationshipProperty
from sqlalchemy.sql import visitors

from backstay.catalog.standing import is_rows, table_of
from backstay.policy.watch import Read, Watch

#: The names of a table and of its column; of a table alone, for a relationship.
_Key: TypeAlias = tuple[str, str]


def unsaid(watch: Watch, rows: Any) -> Read | None:
    """What the policy read, and *rows*, which it returned, do not hold; ``None`` where they hold everything.

    What ``and_()`` and ``or_()`` left out beside a constant was said: a setting opens or shuts the rows there.  But it
    was said once for each time that it was read, or the constant is what became of it.
    """
    held = frozenset(_keys(rows))
    swallowed = Counter(key for each in watch.swallowed for key in _keys(each))
    often = Counter(key for each in watch.read for key in frozenset(_keys_of(each.attribute)))
    for read in watch.read:
        keys = frozenset(_keys_of(read.attribute))
        if keys and keys.isdisjoint(held) and not any(swallowed[key] >= often[key] for key in keys):
            return read
    return None


def _keys_of(attribute: Any) -> Iterator[_Key]:
    """What stands in an expression that *attribute* is a part of: any of these."""
    if isinstance(attribute, sa.Column):
        yield from _keys(attribute)
        return
    prop = getattr(attribute, "prop", None)
    if isinstance(prop, RelationshipProperty):
        for table in (prop.mapper.local_table, prop.secondary):
            yield from _keys(table) if table is not None else ()
        for column in prop.local_columns:
            yield from _keys(column)
        return
    for column in getattr(prop, "columns", ()):
        yield from _keys(column)


def _keys(expression: Any) -> Iterator[_Key]:
    for element in visitors.iterate(expression):
        if isinstance(element, sa.ColumnClause):
            for column in element.base_columns:
                # What a window or a function of a subquery gives is of no table.
                yield (_name(getattr(column, "table", None)), str(getattr(column, "name", "")))
        elif is_rows(element):
            yield (_name(element), "")


def _name(rows: Any) -> str:
    return str(getattr(table_of(rows), "fullname", ""))
