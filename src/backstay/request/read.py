"""A ``GET`` or ``HEAD`` of a table, as values.  Knows the grammar, never the tables.

There is no guarantee that the ask is sensible: whether a name exists is a question for ``plan/``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from backstay.request.logic import Condition
from backstay.request.order import OrderTerm
from backstay.request.page import Page
from backstay.request.select import Item, Star

#: Names of embeds (aliases where given) from the root to the one meant; ``()`` is the root itself.
Path: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """Everything the query string of a read, a write or a call may say about rows.

    *conditions* keeps the order of the query string; each condition belongs to the embed at its path.
    """

    items: tuple[Item, ...] = (Star(),)
    conditions: tuple[tuple[Path, Condition], ...] = ()
    orders: tuple[tuple[Path, tuple[OrderTerm, ...]], ...] = ()
    pages: tuple[tuple[Path, Page], ...] = ()
    columns: tuple[str, ...] | None = None
    on_conflict: tuple[str, ...] | None = None

    @property
    def page(self) -> Page:
        """The page of the rows themselves, not of what is embedded in them."""
        return next((page for path, page in self.pages if not path), Page())

    @property
    def offset(self) -> int:
        """Where that page begins; 0 in a shape, which has no numbers."""
        offset = self.page.offset
        return offset if isinstance(offset, int) else 0
