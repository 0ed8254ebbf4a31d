"""What a client asks of rows is asked only of rows that the policy shows, where the asking could be noticed.

A database looks at the parts of a WHERE in any order.  Most comparisons have an answer for every row, at once, and so
may come first: that is what indexes are for.  The others could tell of a hidden row by an error (JSON that cannot be
read, a computed field that divides) or by their time (a regular expression).  They stand behind the policy, in the one
thing whose order SQL promises: ``CASE WHEN policy THEN condition ELSE false END``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from backstay.catalog import Column, Family
from backstay.plan.intent import Compare, Condition, EmbedPlan, Group, Present
from backstay.request.filters import SEARCH

_SIMPLE: Final = frozenset({"eq", "neq", "gt", "gte", "lt", "lte", "in", "isdistinct", "like", "ilike"})
_PLAIN: Final[frozenset[Family]] = frozenset(
    {
        "boolean",
        "integer",
        "float",
        "numeric",
        "text",
        "uuid",
        "timestamptz",
        "timestamp",
        "date",
        "time",
        "interval",
        "enum",
        "bytes",
    }
)


def is_total(condition: Condition, indexed: frozenset[Family]) -> bool:
    """Whether *condition* has an answer for every row, whatever the row holds.

    A search of a column of an *indexed* family reads what an index has read before.
    """
    match condition:
        case Group(_, terms):
            return all(is_total(term, indexed) for term in terms)
        case Present(embed):
            return is_total_embed(embed, indexed)
        case Compare(operand, op):
            if op in SEARCH:
                return operand.column.family in indexed and not operand.path
            if not isinstance(operand.column, Column) or operand.path:
                return False
            return op == "is" or (op in _SIMPLE and operand.column.family in _PLAIN)


def is_total_embed(embed: EmbedPlan, indexed: frozenset[Family]) -> bool:
    """Whether it can be said of every row if it has a row of *embed*."""
    node = embed.node
    return all(is_total(condition, indexed) for condition in node.conditions) and all(
        is_total_embed(below, indexed) for below in node.embeds if below.inner
    )


def behind(
    visible: Sequence[ColumnElement[bool]], conditions: Sequence[ColumnElement[bool]]
) -> list[ColumnElement[bool]]:
    """*conditions*, asked only of rows that are *visible*."""
    if not visible or not conditions:
        return list(conditions)
    return [sa.case((sa.and_(*visible), sa.and_(*conditions)), else_=sa.false())]
