"""Whether SQLite says the same of a rule as PostgreSQL.

SQLite compares, adds and calls whatever it is given, and has an answer where PostgreSQL has another one or none: a
moment is a text to it, LIKE does not see capitals, ``0.1 + 0.2`` is no ``0.3``.  So what may stand in a rule is listed
by operator, function and type: what SQLite says alike, and what `rendered` makes it say.  Anything else is `Unlike`.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql import elements as e
from sqlalchemy.sql import operators as op
from sqlalchemy.sql import selectable as s
from sqlalchemy.sql import visitors

from backstay.sql.chosen import BETWEEN, chosen, sorted_by
from backstay.sql.single import several
from backstay.sql.sqlite.element import (
    ASK_POSTGRESQL,
    ONE_KIND,
    bare,
    is_computed_decimal,
    kind_of,
    parts_of,
    sortable,
)
from backstay.sql.sqlite.kind import WHOLE_ONES, listed, named
from backstay.sql.sqlite.operators import JSON_ITEMS, LISTS
from backstay.sql.unlike import Unlike


def unlike(rows: Any) -> Unlike | None:
    """The first part of *rows* of which SQLite says something else than PostgreSQL.

    >>> unlike(sa.column("n", sa.Integer) > 1) is None, unlike(sa.func.random() > 1).seen
    (True, 'the function random()')
    """
    every = (each for each in visitors.iterate(rows) if isinstance(each, e.BinaryExpression))
    parts = {id(each.right) for each in every if each.operator in _WITH_PARTS}
    try:
        for element in visitors.iterate(rows):
            if id(element) in parts:
                continue
            _judge_query(element)
            if isinstance(element, sa.ColumnElement) and not isinstance(bare(element), _PARTS):
                kind_of(element)
    except Unlike as found:
        return found
    return chosen(rows) or several(rows)


#: What is judged with the operator or function that it is a part of.
_PARTS: Final = (e.CollationClause, e.TypeClause, e.ClauseList, e.ExpressionClauseList)
#: So are the keys of JSON, a list and two bounds, on the right of these.
_WITH_PARTS: Final = JSON_ITEMS | LISTS | BETWEEN


def _judge_query(element: Any) -> None:
    if isinstance(element, s.Lateral):
        raise Unlike("a lateral subquery", "Ask by exists(), or for one value by scalar_subquery().")
    if isinstance(element, sa.Values):
        raise Unlike("rows of values", "Write .in_([…]), of tuple_(…) for rows, or ask a table.")
    if isinstance(element, sa.CompoundSelect) and element.keyword in _NOT_THERE:
        raise Unlike(element.keyword.value, "Write intersect() or except_(), or ask by exists().")
    if isinstance(element, sa.TableValuedAlias):
        raise Unlike("rows of a function", ASK_POSTGRESQL, element)
    if isinstance(element, s.GenerativeSelect):
        for clause in element._order_by_clauses:
            inner = sorted_by(clause)
            sortable(kind_of(inner), inner, inner)
        for clause in element._group_by_clauses:
            _told_apart(clause)
    if isinstance(element, sa.Select) and element._distinct:
        for column in element.selected_columns:
            _told_apart(column)
    if isinstance(element, sa.UnaryExpression) and element.operator is op.distinct_op:
        _told_apart(element.element)
    if isinstance(element, sa.CompoundSelect) and element.keyword not in _ALL:
        _judge_set(element)


_NOT_THERE: Final = frozenset({s._CompoundSelectKeyword.INTERSECT_ALL, s._CompoundSelectKeyword.EXCEPT_ALL})
_ALL: Final = frozenset(
    {s._CompoundSelectKeyword.UNION_ALL, s._CompoundSelectKeyword.INTERSECT_ALL, s._CompoundSelectKeyword.EXCEPT_ALL}
)


def _judge_set(element: Any) -> None:
    """SQLite tells rows apart by what is stored of them, whatever each part of the set has."""
    for beside in zip(*(part.selected_columns for part in parts_of(element)), strict=False):
        kinds = {kind_of(each) for each in beside} - {"null"}
        if len(kinds) > 1 and not kinds <= WHOLE_ONES:
            raise Unlike(f"a set of values of several kinds, {listed(kinds)}", ONE_KIND)
        for each in beside:
            _told_apart(each)


def _told_apart(value: Any) -> None:
    value, kind = bare(value), kind_of(value)
    if kind in ("interval", "json", "char", "other") or is_computed_decimal(value, kind):
        told = f"values that are {named(kind)}" + (" and computed" if is_computed_decimal(value, kind) else "")
        raise Unlike(f"{told} told apart by DISTINCT, GROUP BY or a set", "Ask by exists() and ==.", value)
