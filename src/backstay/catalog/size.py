"""How large an expression may be that statements carry: a policy, or a computed field.

Each statement about the table is made with it, several times in a write.  SQLite takes a thousand levels of brackets,
among which it counts ``a OR b OR c`` as three; Python takes a thousand calls within one another, and whoever looks at
an expression calls itself for each level.  So it is measured, without such calls, before anybody looks at it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BindParameter, BooleanClauseList, ExpressionClauseList

from backstay.errors import ConfigError

#: Columns, values, those of lists among them, operators and brackets.
MAX_PARTS: Final = 2_000
#: What stands within one another.
MAX_LEVELS: Final = 50
#: What AND and OR join, within one another.
MAX_JOINED: Final = 500


@dataclass(frozen=True, slots=True)
class Oversized:
    """What was *seen*, and the *hint* what to write instead."""

    seen: str
    hint: str


_MANY: Final = (
    "Write fewer conditions; ask a table for values, as in column.in_(select(Allowed.value).where(Allowed.of == …))."
)
TOO_DEEP: Final = Oversized(
    f"stands more than {MAX_LEVELS} levels within one another",
    "Write side by side what stands within one another, as in or_(a, b, c), or let a column of a table tell it.",
)


def oversized(expression: Any) -> Oversized | None:
    """Why *expression* is too large; ``None`` where it is not.

    >>> column = sa.column("n", sa.Integer)
    >>> oversized(column.in_([1, 2, 3])) is None, oversized(column.in_(range(3_000))).seen
    (True, 'has more than 2000 parts, each value of a list counted')
    """
    parts = 0
    waiting = [(expression, 1, 0)]
    while waiting:
        element, level, joined = waiting.pop()
        parts += _parts(element)
        if isinstance(element, BooleanClauseList):
            joined += len(element.clauses)
        elif isinstance(element, ExpressionClauseList) and element.operator is not operators.comma_op:
            # ``a + b + c`` is (a + b) + c.
            level += len(element.clauses) - 1
        if parts > MAX_PARTS:
            return Oversized(f"has more than {MAX_PARTS} parts, each value of a list counted", _MANY)
        if joined > MAX_JOINED:
            return Oversized(f"joins more than {MAX_JOINED} conditions by & and |", _MANY)
        if level > MAX_LEVELS:
            return TOO_DEEP
        waiting.extend((child, level + 1, joined) for child in element.get_children())
    return None


def refuse_oversized(expression: Any, what: str) -> None:
    """Refuse an *expression* that is too large; *what* names it.

    Raises:
        ConfigError: BST-E056.
    """
    found = oversized(expression)
    if found is not None:
        raise too_large(what, found)


def too_large(what: str, found: Oversized = TOO_DEEP) -> ConfigError:
    """BST-E056 for *what*, which is as it was *found*."""
    return ConfigError("BST-E056", f"{what} {found.seen}", hint=found.hint)


def _parts(element: Any) -> int:
    if isinstance(element, BindParameter) and isinstance(element.value, list | tuple):
        return sum(len(each) if isinstance(each, list | tuple) else 1 for each in element.value) or 1
    if isinstance(element, sa.Values):
        return sum(len(row) for data in element._data for row in data) or 1
    return 1
