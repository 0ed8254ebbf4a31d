"""``Prefer: timezone=…``: one transaction in another time zone (PostgreSQL)."""

from __future__ import annotations

from typing import TypeVar

from backstay.sql.statement import Rows, Statement, Steps

T = TypeVar("T")

_SET = "SELECT set_config('timezone', $1, true)"


def in_zone(zone: str, steps: Steps[T]) -> Steps[T]:
    """*steps* behind a statement that sets the time zone until the transaction ends."""
    yield Statement(_SET, (zone,))
    return (yield from steps)


def rows_of(statement: Statement) -> Steps[Rows]:
    """The rows of one statement."""
    return (yield statement)
