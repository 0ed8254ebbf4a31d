"""Which rules a database can fail at: for a row whose value cannot be divided by, cast, added to or called with.

Nobody can tell from outside whether a fault is the rule's or the request's, so it is enough to know which rules may
bring one.  What is listed here cannot; whatever is not listed may.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql import elements as e
from sqlalchemy.sql import operators as op
from sqlalchemy.sql import selectable as s
from sqlalchemy.sql import visitors
from sqlalchemy.sql.functions import FunctionElement

from backstay.catalog.standing import function_name
from backstay.policy.comparison import COMPARISONS, is_constant

#: Comparisons; what is compared is of one type, or the rehearsal of the rules has ended the start.
_COMPARE: Final = COMPARISONS | {
    *(op.and_, op.or_, op.inv, op.exists, op.comma_op, op.concat_op, op.collate),
    *(op.desc_op, op.asc_op, op.distinct_op, op.is_true, op.is_false),
}
#: A pattern that ends in its own escape is refused; of one that the policy holds that is known (`constant`).
_LIKE: Final = frozenset({op.like_op, op.not_like_op, op.ilike_op, op.not_ilike_op})
_FUNCTIONS: Final = frozenset(
    {
        *("coalesce", "concat", "count", "current_date", "current_time", "current_timestamp", "length", "lower"),
        *("ltrim", "max", "min", "now", "nullif", "rtrim", "trim", "upper"),
    }
)
_PLAIN: Final = (
    *(sa.ColumnClause, e.BindParameter, e.True_, e.False_, e.Null, e.CollationClause, e.TextClause, sa.TypeCoerce),
    *(e.ClauseList, e.Grouping, sa.Label, sa.Case, sa.Tuple, sa.Exists, sa.FromClause),
    *(s.SelectStatementGrouping, s.SelectBase, e.TypeClause),
)


def may_fail(rows: Any) -> bool:
    """Whether the database may fail at *rows*, for some row of some table."""
    asked = {id(part) for each in visitors.iterate(rows) for part in asked_for_rows(each)}
    return any(id(each) not in asked and not _is_sure(each) for each in visitors.iterate(rows))


def called(rows: Any) -> frozenset[str]:
    """The names of the functions that *rows* calls and that may be somebody's own."""
    found = (each for each in visitors.iterate(rows) if isinstance(each, FunctionElement))
    return frozenset(map(function_name, found)) - _FUNCTIONS


def asked_for_rows(element: Any) -> Iterator[Any]:
    """Subqueries that may give any number of rows: is there one, is one among them, how do any or all compare."""
    match element:
        case sa.Exists() | e.CollectionAggregate():
            yield element.element
        case e.BinaryExpression(operator=op.in_op | op.not_in_op):
            yield element.right
        case _:
            return


def _is_sure(element: Any) -> bool:
    match element:
        case sa.ScalarSelect():
            return False
        case FunctionElement():
            return function_name(element) in _FUNCTIONS
        case e.BinaryExpression() if element.operator in _LIKE:
            return is_constant(element.right)
        case e.UnaryExpression() if element.operator is None:
            return element.modifier in _COMPARE
        case e.BinaryExpression() | e.UnaryExpression() | e.ExpressionClauseList():
            return element.operator in _COMPARE
        case _:
            return isinstance(element, _PLAIN)
