"""Where in an answer encrypted values stand, told by the plan.

What is opened is found by its place in the plan and never by what it looks like: a text that a client wrote to look
like ciphertext is only a text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from backstay.catalog import Column
from backstay.catalog.sealing import Place
from backstay.errors import PlanError
from backstay.plan.intent import ColumnOutput, Compare, Condition, EmbedOutput, EmbedPlan, Group, Node
from backstay.request.filters import Slot


@dataclass(frozen=True, slots=True)
class Objects:
    """An object, or an array of objects, in which these keys hold something to be opened."""

    keys: Mapping[str, Opened]


@dataclass(frozen=True, slots=True)
class Each:
    """An array whose every element is one of these."""

    element: Opened


#: A `Place` is an encrypted value of that place: ``[ciphertext, key…]``, or null.
Opened: TypeAlias = Place | Objects | Each


@dataclass(frozen=True, slots=True)
class Sought:
    """The text of a *slot* is looked up by the blind index *column* of a *node*.

    *negated*: the other rows are meant.
    """

    slot: int
    column: Column
    negated: bool
    node: Node


@dataclass(frozen=True, slots=True)
class Opening:
    """What is still to be done around a statement with encrypted columns.

    *rows* says where its answer holds encrypted values; *blind* is what it looks up by blind indexes.
    """

    rows: Objects | None = None
    blind: tuple[Sought, ...] = field(default=())


def opening_of(rows: Node | None, *others: Node | None, features: bool = False) -> Opening | None:
    """What a statement needs that answers with *rows* and filters by the conditions of *others* too.

    With *features* its rows are features of GeoJSON, and what a row shows are their properties.  ``None`` where no
    column of them is encrypted.

    Raises:
        PlanError: PGRST127, when rows are to be grouped by an encrypted column.
    """
    found = None if rows is None else _objects(rows)
    if features and found is not None:
        found = Objects({"properties": found})
    sought = [one for node in (rows, *others) if node is not None for one in _sought(node)]
    blind = tuple({one.slot: one for one in sought}.values())
    return Opening(found, blind) if found is not None or blind else None


def _objects(node: Node) -> Objects | None:
    keys = {key: opened for key, opened in _entries(node).items() if opened is not None}
    return Objects(keys) if keys else None


def _entries(node: Node) -> dict[str, Opened | None]:
    """What stands under each key, ``None`` for what is plain; of two that share a key the last one counts, as in
    ``sql/select.py``.
    """
    found: dict[str, Opened | None] = {}
    for output in node.outputs:
        match output:
            case ColumnOutput(key, operand):
                column = None if operand is None else operand.column
                sealing = column.sealing if isinstance(column, Column) else None
                found[key] = None if sealing is None else sealing.place
            case EmbedOutput(embed):
                found |= _embedded(embed)
    if node.aggregated and any(opened is not None for opened in _joined(node)):
        raise PlanError(
            "PGRST127",
            "Feature not implemented",
            details=f"Rows of {node.table.name} cannot be grouped by an encrypted column.",
        )
    return found


def _joined(node: Node) -> Iterator[Opened | None]:
    """What stands in the rows of *node* themselves, of which groups are made."""
    for output in node.outputs:
        if isinstance(output, ColumnOutput):
            column = None if output.operand is None else output.operand.column
            yield column.sealing.place if isinstance(column, Column) and column.sealing is not None else None
        elif output.embed.relation.to_one:
            yield from _joined(output.embed.node)


def _embedded(embed: EmbedPlan) -> dict[str, Opened | None]:
    inside = _entries(embed.node)
    if embed.spread and embed.relation.to_one:
        return inside
    if embed.spread:
        return {key: None if opened is None else Each(opened) for key, opened in inside.items()}
    return {embed.key: _objects(embed.node)} if inside else {}


def _sought(node: Node) -> Iterator[Sought]:
    yield from _of(node.conditions, node)
    for embed in node.embeds:
        yield from _sought(embed.node)


def _of(conditions: Sequence[Condition], node: Node, *, turned: bool = False) -> Iterator[Sought]:
    for condition in conditions:
        match condition:
            case Group(_, terms, negated):
                yield from _of(terms, node, turned=turned != negated)
            case Compare(operand, _, Slot(index), negated):
                if isinstance(operand.column, Column) and operand.column.blind_for is not None:
                    yield Sought(index, operand.column, turned != negated, node)
            case _:
                pass
