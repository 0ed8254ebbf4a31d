"""What PostgreSQL itself answers otherwise than SQLAlchemy says, or refuses only when there is a row."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql import elements as e
from sqlalchemy.sql import operators as op
from sqlalchemy.sql import visitors

from backstay.sql.sqlite.element import CAST_WHOLE, TAKEN_OUT, kind_of, known
from backstay.sql.unlike import Unlike


def misleading(rows: Any) -> Unlike | None:
    """The first part of *rows* that is so."""
    for element in visitors.iterate(rows):
        try:
            _refuse_misleading(element)
        except Unlike as found:
            return found
    return None


def _refuse_misleading(element: Any) -> None:
    if isinstance(element, e.BinaryExpression) and element.operator is op.floordiv:
        # SQLAlchemy writes "/" of what it takes for whole numbers.
        if "whole" in (known(kind_of, element.left), known(kind_of, element.right)):
            raise Unlike("numeric // integer", CAST_WHOLE, element)
    elif isinstance(element, sa.Extract):
        kind, is_of_clock = known(kind_of, element.expr), element.field.lower() in _OF_THE_CLOCK
        if (kind == "date" and is_of_clock) or (kind == "time" and not is_of_clock):
            raise Unlike(f"extract({element.field}) of a value that is {kind}", TAKEN_OUT)


#: Fields that days do not have.
_OF_THE_CLOCK: Final = frozenset(
    {"hour", "minute", "second", "millisecond", "milliseconds", "microsecond", "microseconds", "timezone"}
)
