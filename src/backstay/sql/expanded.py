"""A statement as its database reads it, and what stands at each of its places."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect as SaDialect
from sqlalchemy.sql.elements import BindParameter


@dataclass(frozen=True, slots=True)
class Place:
    """One place of a value: its *parameter*, or ``None`` for a part of a list, its *value*, and what readies that."""

    key: str
    parameter: BindParameter[Any] | None
    value: Any
    process: Callable[[Any], Any] | None


def expanded(statement: sa.Executable, dialect: SaDialect) -> tuple[str, tuple[Place, ...]]:
    """The SQL of *statement*, in which each list has a place for each of its values, and its places in their order."""
    compiled: Any = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
    # Lists are split of the text as a whole: compilers lose the word that would do it on their way.
    split = compiled.construct_expanded_state(escape_names=False)
    return split.statement, tuple(_places(compiled.binds, split, dialect))


def _places(binds: Mapping[str, BindParameter[Any]], split: Any, dialect: SaDialect) -> Iterator[Place]:
    for name in split.positiontup or ():
        parameter = binds.get(name)
        type_ = _type_in_list(name, binds) if parameter is None else parameter.type
        value = split.parameters[name] if parameter is None else parameter.effective_value
        key = name if parameter is None else str(parameter.key)
        yield Place(key, parameter, value, type_.dialect_impl(dialect).bind_processor(dialect))


def _type_in_list(name: str, binds: Mapping[str, BindParameter[Any]]) -> sa.types.TypeEngine[Any]:
    stem, _, last = name.rpartition("_")
    if stem in binds:
        return binds[stem].type
    # Of a list of rows each value is named by its row and its place there.
    rows = binds.get(stem.rpartition("_")[0])
    if rows is None or not isinstance(rows.type, sa.types.TupleType):
        return sa.types.NULLTYPE
    return rows.type.types[int(last) - 1]
