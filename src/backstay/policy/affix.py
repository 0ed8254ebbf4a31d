"""``startswith()``, ``endswith()`` and ``contains()`` look for the text that they are given, as they do in Python.

SQLAlchemy makes patterns of it: ``Doc.path.startswith(me.claim("org"))`` would show everything to an organisation that
is called ``%``, and ``startswith("team_")`` is true of ``teams``.  Its ``autoescape=True`` is for constants alone.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql import operators as op
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import BinaryExpression, ExpressionClauseList, Grouping

from backstay.policy.me import MeParameter

_AFFIXES: Final = frozenset(
    {
        *(op.startswith_op, op.not_startswith_op, op.istartswith_op, op.not_istartswith_op),
        *(op.endswith_op, op.not_endswith_op, op.iendswith_op, op.not_iendswith_op),
        *(op.contains_op, op.not_contains_op, op.icontains_op, op.not_icontains_op),
    }
)
#: Those whose pattern ends with what they are given.
_ENDING: Final = frozenset(
    {
        *(op.like_op, op.not_like_op, op.ilike_op, op.not_ilike_op),
        *(op.endswith_op, op.not_endswith_op, op.iendswith_op, op.not_iendswith_op),
    }
)
#: No letter: those of ``icontains()`` are made small ones.
_ESCAPE: Final = "/"


def take_literally(rows: Any) -> None:
    """Escape what is looked for in *rows*, where its author named no escape: a pattern is written by ``like()``.

    >>> said = sa.column("path", sa.String).startswith("50%")
    >>> take_literally(said)
    >>> said.modifiers["escape"]
    '/'
    """
    for element in list(visitors.iterate(rows)):
        if isinstance(element, BinaryExpression) and element.operator in _AFFIXES and _is_taken_for_a_pattern(element):
            element.modifiers = {**element.modifiers, "escape": _ESCAPE}
            element.right = _escaped(element.right)


def _is_taken_for_a_pattern(element: Any) -> bool:
    """``ARRAY.contains()`` and that of JSON are other operators, or of other types."""
    return element.left.type._type_affinity is sa.String and element.modifiers.get("escape") is None


def _escaped(text: Any) -> Any:
    for special in (_ESCAPE, "%", "_"):
        plain, escaped = sa.literal(special, sa.Text()), sa.literal(_ESCAPE + special, sa.Text())
        text = sa.func.replace(text, plain, escaped, type_=sa.Text())
    return text


def end_patterns(rows: Any) -> None:
    """Tell each claim at the end of a pattern of *rows* of its escape: one that ends within it is none, and NULL.

    PostgreSQL complains about such a pattern only when a row makes it look so far, and SQLite at once.
    """
    element: Any
    for element in list(visitors.iterate(rows)):
        escape = escape_of(element)
        if escape is not None:
            element.right = _ended(element.right, escape)


def escape_of(element: Any) -> str | None:
    """What escapes in the pattern that is the right side of *element*, and its end; ``None`` where there is none."""
    if not isinstance(element, BinaryExpression) or element.operator not in _ENDING:
        return None
    if element.left.type._type_affinity is not sa.String and element.operator in _AFFIXES:
        return None
    escape = element.modifiers.get("escape")
    return "\\" if escape is None else escape or None


def ends_within(pattern: str, escape: str) -> bool:
    r"""Whether the last *escape* of *pattern* escapes nothing.

    >>> ends_within("a\\", "\\"), ends_within("a\\\\", "\\"), ends_within("a", "\\")
    (True, False, False)
    """
    return (len(pattern) - len(pattern.rstrip(escape))) % 2 == 1


def _ended(part: Any, escape: str) -> Any:
    """A copy of *part*, which may stand elsewhere too, whose last claim knows of *escape*."""
    is_sum = getattr(part, "operator", None) in (op.add, op.concat_op)
    if not isinstance(part, MeParameter | Grouping) and not is_sum:
        return part
    found = part._clone()
    match found:
        case MeParameter():
            found.me_escape = escape
        case Grouping():
            found.element = _ended(part.element, escape)
        case BinaryExpression():
            found.right = _ended(part.right, escape)
        case ExpressionClauseList():
            found.clauses = (*part.clauses[:-1], _ended(part.clauses[-1], escape))
    return found
