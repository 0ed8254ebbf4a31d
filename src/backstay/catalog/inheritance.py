"""Models that are a part of their table, as SQLAlchemy's single-table inheritance has them.

1. A subclass without a table of its own is the rows that its discriminator tells, its subclasses' among them, and the
   columns that it maps.  Its base is the whole table.
2. Which rows those are must be told by the table itself (`own_rows`); what else would tell is refused (BST-E055).
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapper
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import ColumnElement

from backstay.errors import ConfigError


def mapper_of(model: Any) -> Mapper[Any] | None:
    """What maps the class *model*; ``None`` for what is no mapped class, its unmapped subclasses among it."""
    found = sa.inspect(model, raiseerr=False) if isinstance(model, type) else None
    return found if isinstance(found, Mapper) else None


def is_part(mapper: Mapper[Any]) -> bool:
    """Whether *mapper* is of a subclass that shares its base's table."""
    base = mapper.inherits
    return base is not None and not mapper.concrete and mapper.local_table is base.local_table


def whole(mapper: Mapper[Any]) -> Mapper[Any]:
    """The base that is the whole table; *mapper* itself where it is."""
    while is_part(mapper) and mapper.inherits is not None:
        mapper = mapper.inherits
    return mapper


def whole_model(model: Any) -> Any:
    """The class that is the whole table of the class *model*."""
    mapper = mapper_of(model)
    return model if mapper is None else whole(mapper).class_


def sharing(mapper: Mapper[Any]) -> list[Mapper[Any]]:
    """*mapper*, which is the whole of its table, and those that are a part of it."""
    return [each for each in mapper.self_and_descendants if whole(each) is mapper]


def own_rows(mapper: Mapper[Any], what: str) -> ColumnElement[bool] | None:
    """The condition of the rows that are of *mapper*'s class; ``None`` where all of its table are.

    *what* names whoever asks, where it is refused.

    Raises:
        ConfigError: BST-E055.
    """
    if not is_part(mapper):
        return None
    by: Any = mapper.polymorphic_on
    kinds = [
        each.polymorphic_identity
        for each in mapper.self_and_descendants
        if each.polymorphic_identity is not None and not each.polymorphic_abstract
    ]
    if by is None:
        why = "nothing tells its rows from others of its table: its base has no polymorphic_on"
    elif not kinds:
        why = "neither it nor a subclass has a polymorphic_identity that would tell its rows"
    elif not _is_inside(by, mapper.local_table):
        why = f"what tells its rows, {by}, is not in its table {mapper.local_table}"
    else:
        return by.in_(kinds)  # type: ignore[no-any-return]
    base = whole(mapper).class_.__name__
    raise ConfigError(
        "BST-E055",
        f"{what} is about {mapper.class_.__name__}, and {why}",
        hint=f"Name {base}, with a condition that tells the rows, or give it a polymorphic_on and identities.",
    )


def _is_inside(by: Any, table: Any) -> bool:
    for element in visitors.iterate(by):
        if isinstance(element, sa.SelectBase | sa.TextClause):
            return False
        if isinstance(element, sa.ColumnClause) and not table.c.contains_column(element):
            return False
    return True


def own_columns(mapper: Mapper[Any]) -> frozenset[str]:
    """The names of the columns of its table that *mapper* maps."""
    mapped = {column for attribute in mapper.column_attrs for column in attribute.columns}
    return frozenset(str(column.name) for column in mapper.local_table.c if column in mapped)
