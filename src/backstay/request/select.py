"""The ``select`` parameter: columns, aggregates and embeds, as a tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from backstay.request.field import Field

Aggregate: TypeAlias = Literal["sum", "avg", "count", "min", "max"]
Join: TypeAlias = Literal["inner", "left"]


@dataclass(frozen=True, slots=True)
class Star:
    """``*``: every column that the caller may always see."""


@dataclass(frozen=True, slots=True)
class ColumnItem:
    """``alias:field::cast.aggregate()::aggregate_cast``.

    ``count()`` without a column is a ``ColumnItem`` whose *field* is ``None`` and whose *aggregate* is ``count``.
    """

    field: Field | None
    alias: str | None = None
    cast: str | None = None
    aggregate: Aggregate | None = None
    aggregate_cast: str | None = None


@dataclass(frozen=True, slots=True)
class Embed:
    """``alias:relation!hint!inner(items)``, or ``...relation(items)`` when *spread*."""

    relation: str
    items: tuple[Item, ...]
    alias: str | None = None
    hint: str | None = None
    join: Join | None = None
    spread: bool = False


Item: TypeAlias = Star | ColumnItem | Embed
