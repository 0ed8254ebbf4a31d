"""The operators that compare two values, as the judges of a policy know them."""

from __future__ import annotations

from typing import Final

from sqlalchemy.sql import operators as op

#: Whether two values are the same, or one is among others.
EQUALITIES: Final = frozenset(
    {op.eq, op.ne, op.is_distinct_from, op.is_not_distinct_from, op.in_op, op.not_in_op, op.is_, op.is_not}
)
#: Those, and which of two values is the greater.
COMPARISONS: Final = EQUALITIES | {op.lt, op.le, op.gt, op.ge, op.between_op, op.not_between_op}
