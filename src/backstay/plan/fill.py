"""Rows of a body → rows of values, with the model's defaults filled in and every fault listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from backstay.catalog import Column
from backstay.errors import BackstayError, PlanError
from backstay.plan.value import canonical

#: (text for PostgreSQL, stored value for SQLite), see ``plan/value.py``.
Pair: TypeAlias = tuple[str | None, Any]

_MAX_FAULTS: Final = 100


def fill_rows(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[Column],
    written: frozenset[str],
    which: Literal["default", "onupdate"] = "default",
    *,
    nulls_refused: bool = True,
) -> list[tuple[Pair, ...]]:
    """One tuple of values for each of *rows*, in the order of *columns*.

    Columns outside *written* take the model's default (or ``onupdate``), called anew for each row.  *nulls_refused*
    makes a NULL where none may be one of the faults; else it is the database's to say.

    Raises:
        PlanError: the first fault's code and message; with more than one fault, *details* lists them all (at most 100)
            as ``{"row", "column", "code", "message"}``, rows counted from 0.
    """
    faults: list[dict[str, Any]] = []
    found = [_row(number, row, columns, written, which, faults) for number, row in enumerate(rows)]
    # Where the database tells more about a lone row's NULL than we could, that is left to it.  Among several rows, or
    # beside other faults, it is listed: everything that is wrong is told at once, and alike by both databases.
    if faults and (nulls_refused or len(rows) > 1 or any(fault["code"] != "23502" for fault in faults)):
        first = faults[0]
        raise PlanError(first["code"], first["message"], details=faults[:_MAX_FAULTS] if len(faults) > 1 else None)
    return found


def _row(
    number: int,
    row: Mapping[str, Any],
    columns: Sequence[Column],
    written: frozenset[str],
    which: Literal["default", "onupdate"],
    faults: list[dict[str, Any]],
) -> tuple[Pair, ...]:
    found: list[Pair] = []
    for column in columns:
        value = row.get(column.name) if column.name in written else default_value(column, row, which)
        try:
            pair = canonical(value, column)
            if pair[0] is None and not column.nullable and column.name in written:
                # Said here: SQLite would take a NULL for "count on" where the column is the table's counter.
                raise broken_null(column)
        except BackstayError as refusal:
            faults.append({"row": number, "column": column.name, "code": refusal.code, "message": refusal.message})
            pair = (None, None)
        found.append(pair)
    return tuple(found)


def broken_null(column: Column) -> PlanError:
    """PostgreSQL's words for a NULL where none may be."""
    relation = column.sql.table.name
    return PlanError(
        "23502", f'null value in column "{column.name}" of relation "{relation}" violates not-null constraint'
    )


def default_value(column: Column, row: Mapping[str, Any], which: Literal["default", "onupdate"] = "default") -> Any:
    """What the model fills *column* of *row* with; only where that is a value of ours and no SQL expression."""
    default: Any = getattr(column.sql, which)
    return default.arg(_Context(row)) if default.is_callable else default.arg


class _Context:
    """What a context-sensitive default asks SQLAlchemy's execution context for."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self.current_parameters = dict(row)

    def get_current_parameters(self, isolate_multiinsert_groups: bool = True) -> dict[str, Any]:
        return self.current_parameters
