"""What can run: names resolved, policies decided, values still open.

`ReadPlan` and its parts are made by ``plan/`` and read by ``sql/``.  *grant* has no default anywhere: a plan without a
policy cannot exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from backstay.catalog import Column, Computed, Junction, Relation, Search, Searchable, Table
from backstay.policy import Grant
from backstay.request.field import Step
from backstay.request.filters import Quantifier, Value
from backstay.request.page import Page
from backstay.request.select import Aggregate


@dataclass(frozen=True, slots=True)
class Operand:
    """A column or a computed field that exists, and the path into its JSON value."""

    column: Column | Computed | Search
    path: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Compare:
    """``operand op value``."""

    operand: Operand
    op: str
    value: Value
    negated: bool = False
    quantifier: Quantifier | None = None
    language: str | None = None
    #: The declaration that covers the operand, for full-text search.
    searchable: Searchable | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions joined by *kind*."""

    kind: Literal["and", "or"]
    terms: tuple[Condition, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Present:
    """The embed *embed* has a row (or, *negated*, has none)."""

    embed: EmbedPlan
    negated: bool = False


Condition: TypeAlias = Compare | Group | Present


@dataclass(frozen=True, slots=True)
class ColumnOutput:
    """A column, or an aggregate over one, under *key*.  ``count()`` has no operand."""

    key: str
    operand: Operand | None
    cast: str | None = None
    aggregate: Aggregate | None = None
    aggregate_cast: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class EmbedOutput:
    """An embed in its place among the outputs."""

    embed: EmbedPlan


Output: TypeAlias = ColumnOutput | EmbedOutput


@dataclass(frozen=True, slots=True, eq=False)
class SortTerm:
    """*operand* of this node, or of its to-one *embed*.  *nulls_first* is always decided.

    Of a search field the order is that of relevance to *search*.
    """

    operand: Operand
    descending: bool
    nulls_first: bool
    embed: EmbedPlan | None = None
    search: Compare | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One table in its place in the tree of embeds.

    *mentioned* are the columns of this table that any clause names; only a rule that shows all of them shows a row.
    """

    table: Table
    grant: Grant
    outputs: tuple[Output, ...]
    conditions: tuple[Condition, ...]
    sort: tuple[SortTerm, ...]
    page: Page
    embeds: tuple[EmbedPlan, ...]
    mentioned: frozenset[str]

    @property
    def aggregated(self) -> bool:
        """Whether the outputs group rows."""
        return any(
            (isinstance(o, ColumnOutput) and o.aggregate is not None)
            or (isinstance(o, EmbedOutput) and o.embed.spread and o.embed.relation.to_one and o.embed.node.aggregated)
            for o in self.outputs
        )

    @property
    def ties(self) -> tuple[Column, ...]:
        """What orders the rows that everything else leaves equal: the primary key, so that no two are.

        Where the table has none, or a rule that shows rows hides a part of it: all columns that may be read.  Rows that
        are equal in these look the same too, so the order tells of no hidden column, and of no place in the database.
        """
        shown = self.grant.shown(self.mentioned)
        key = self.table.primary_key
        names = key if key and shown.issuperset(key) else [name for name in self.table.columns if name in shown]
        return tuple(self.table.columns[name] for name in names)


@dataclass(frozen=True, slots=True, eq=False)
class Middle:
    """The table in the middle of a many-to-many relation; who may not see its rows sees no relation."""

    junction: Junction
    table: Table
    grant: Grant


@dataclass(frozen=True, slots=True, eq=False)
class EmbedPlan:
    """A related node.

    *inner* drops parents without a related row.  *spread* puts the outputs into the parent.  *middle* is there where
    the relation is many-to-many.
    """

    key: str
    relation: Relation
    node: Node
    inner: bool
    spread: bool
    middle: Middle | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ReadPlan:
    """One read.  *count* adds the number of rows that the caller may see, whatever the page.

    With *count_most* it is exact up to that number, and one more stands for any greater one.
    """

    node: Node
    count: bool = False
    count_most: int | None = None
