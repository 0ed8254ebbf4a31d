"""The outermost part of every statement whose first column is a finished text: no text leaves too large, or cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from backstay.sql.dialect import Expression, SqlDialect


def answer(
    dialect: SqlDialect, columns: Sequence[Expression], source: sa.FromClause | None, guards: Sequence[Expression] = ()
) -> sa.Select[Any]:
    """Select *columns* of *source*; the first of them is the text that clients are sent.

    Where the database has to be told so, it refuses that text beyond the bound itself: whoever takes the row, for
    whatever, cannot forget to.
    """
    if dialect.whole is None:
        return _selected(columns, source, guards)
    named = [column.label(f"_a{number}") for number, column in enumerate(columns)]
    # An OFFSET keeps the planner from writing the text's expression wherever it is mentioned.
    made = _selected(named, source, guards).offset(sa.literal_column("0")).subquery("_b")
    text, *rest = made.c
    return sa.select(dialect.whole(text), *rest)


def _selected(
    columns: Sequence[Expression], source: sa.FromClause | None, guards: Sequence[Expression]
) -> sa.Select[Any]:
    statement = sa.select(*columns) if source is None else sa.select(*columns).select_from(source)
    return statement.where(*guards)
