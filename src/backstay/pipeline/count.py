"""``Prefer: count=exact|planned|estimated``: how the rows of a read are counted.

1. What is counted is always the filtered query of this caller (AC8).
2. The planner of a database knows of all rows, hidden ones too: what it expects of a filter would tell of them.  So it
   is asked only for the service role, and for callers whom every table of the query shows every row.
3. ``planned`` is what the planner expects.  ``estimated`` is exact up to the largest page, and beyond it what the
   planner expects, but no less than was counted.
4. Where the planner is not asked, and on SQLite, which has none that counts, both are exact up to `COUNTED_ROWS`; one
   more stands for any greater number.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy.sql.elements import True_

from backstay.pipeline.surface import Surface
from backstay.plan.intent import Node
from backstay.policy import Grant, Principal
from backstay.sql.prepared import Prepared
from backstay.sql.statement import Row, Statement

#: As far as rows are counted one by one where an estimate would do: as far as an offset reaches.
COUNTED_ROWS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Counting:
    """How a read is counted: in its statement (*here*), up to *most* rows there, and by the planner (*asks*)."""

    here: bool = False
    most: int | None = None
    asks: bool = False


def counting(
    preference: Literal["exact", "planned", "estimated"] | None, node: Node, surface: Surface, principal: Principal
) -> Counting:
    """How the rows of *node* are counted for *principal*, who prefers it so."""
    if preference is None:
        return Counting()
    if preference == "exact":
        return Counting(here=True)
    if surface.dialect.explain.expects is None or not (principal.is_service or _sees_all(node)):
        return Counting(here=True, most=max(surface.max_rows or 0, COUNTED_ROWS))
    if preference == "planned":
        return Counting(asks=True)
    return Counting(here=True, most=surface.max_rows or COUNTED_ROWS, asks=True)


def _sees_all(node: Node) -> bool:
    """Whether no row of any table of *node* is hidden; a view may hide some by itself."""
    return (
        not node.table.is_view
        and _is_open(node.grant, node.mentioned)
        and all(_sees_all(embed.node) for embed in node.embeds)
        and all(
            _is_open(each.grant, each.junction.columns) for embed in node.embeds if (each := embed.middle) is not None
        )
    )


def _is_open(grant: Grant, mentioned: frozenset[str]) -> bool:
    return isinstance(grant.rows(mentioned), True_)


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """Asks the planner, where more than *most* rows were counted or none was."""

    prepared: Prepared
    most: int | None
    ask: Callable[[Statement, Any, Any], Statement]
    expects: Callable[[Row], int]

    async def total(
        self,
        counted: int | None,
        values: tuple[Any, ...],
        principal: Principal,
        fetch: Callable[[Statement], Awaitable[Row]],
    ) -> int:
        """How many rows there are, about; *counted* is what the statement counted."""
        if counted is not None and self.most is not None and counted <= self.most:
            return counted
        expected = self.expects(await fetch(self.ask(self.prepared.bind(values, principal), "json", ())))
        return max(expected, counted or 0)
