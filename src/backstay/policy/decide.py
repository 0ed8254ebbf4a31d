"""Who may: rules and a principal's kind → a `Grant`.

1. No rule means no rows, and no columns.
2. A rule's rows never borrow another rule's columns: parts stay whole.
3. The service role is the only bypass, and it is a part like any other, with its reason.
4. A row that is marked as deleted (`SoftDeleted`) exists for the service role alone: no rule can show it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement, True_

from backstay.catalog import Table
from backstay.policy.principal import SERVICE
from backstay.policy.rule import Action, Rule

#: `Principal.kind`: (role, further roles, has an id).
Kind = tuple[str, frozenset[str], bool]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What one rule shows: these *columns* of these *rows*.  *rule* is the reason that ``explain`` shows."""

    rows: ColumnElement[bool]
    columns: frozenset[str]
    rule: str
    has_subquery: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Grant:
    """What a principal may touch of one table, for one action."""

    parts: tuple[Part, ...]

    def rows(self, mentioned: frozenset[str]) -> ColumnElement[bool]:
        """Rows that some single rule shows with every column *mentioned* (select, filter, order, embed key).

        No rule means no rows: the empty fold is ``false()``, never a missing WHERE.
        """
        chosen = [part.rows for part in self.parts if mentioned <= part.columns]
        # True swallows the rest; SQLAlchemy would write it out as "1 = 1".
        return sa.true() if any(isinstance(rows, True_) for rows in chosen) else sa.or_(sa.false(), *chosen)

    def shown(self, mentioned: frozenset[str]) -> frozenset[str]:
        """The columns that are shown in each of `rows`: an order by them tells nothing that cannot be read."""
        chosen = [part.columns for part in self.parts if mentioned <= part.columns]
        return frozenset.intersection(*chosen) if chosen else frozenset()

    @property
    def columns(self) -> frozenset[str]:
        """Columns that some rule shows: the names that exist for this principal."""
        return frozenset().union(*(part.columns for part in self.parts))

    @property
    def common(self) -> frozenset[str]:
        """Columns that every rule shows: what ``*`` means, so that a star never narrows the rows."""
        if not self.parts:
            return frozenset()
        return frozenset.intersection(*(part.columns for part in self.parts))

    def has_subquery(self, mentioned: frozenset[str]) -> bool:
        """Whether judging a row by `rows` looks at other rows."""
        return any(part.has_subquery for part in self.parts if mentioned <= part.columns)

    def __bool__(self) -> bool:
        return bool(self.parts)


def decide(rules: Iterable[Rule], kind: Kind, action: Action, table: Table) -> Grant:
    """The grant of a principal of this *kind*.  Pure; an empty grant is falsy."""
    if kind[0] == SERVICE:
        return Grant((Part(sa.true(), frozenset(table.columns), "the service role"),))
    deleted = None if action == "create" else table.column_for("deleted")
    return Grant(
        tuple(
            Part(
                rule.rows if deleted is None else sa.and_(deleted.sql.is_(None), rule.rows),
                rule.columns,
                rule.name,
                rule.has_subquery,
            )
            for rule in rules
            if rule.source is table.sql and rule.action == action and rule.applies_to(*kind)
        )
    )
