"""``startswith()``, ``endswith()`` and ``contains()`` look for the text that they are given, as they do in Python.

SQLAlchemy makes patterns of it: ``Doc.path.startswith(me.claim("org"))`` would show everything to an organisation that
is called ``%``, and ``startswith("team_")`` is true of ``teams``.  Its ``autoescape=True`` is for constants alone.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql import operators as op
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import BinaryExpression

_AFFIXES: Final = frozenset(
    {
        *(op.startswith_op, op.not_startswith_op, op.istartswith_op, op.not_istartswith_op),
        *(op.endswith_op, op.not_endswith_op, op.iendswith_op, op.not_iendswith_op),
        *(op.contains_op, op.not_contains_op, op.icontains_op, op.not_icontains_op),
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
