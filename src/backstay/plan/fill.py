"""Rows of a body → rows of values, with the model's defaults filled in and every fault listed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, Literal

from backstay.catalog import Column
from backstay.errors import BackstayError, PlanError
from backstay.plan.quick import Convert, Pair
from backstay.plan.value import converter

_MAX_FAULTS: Final = 100


class Filler:
    """Rows of a body → tuples of values, for columns that are looked at once.

    Columns outside *written* take the model's default (or ``onupdate``), called anew for each row.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        written: frozenset[str],
        which: Literal["default", "onupdate"] = "default",
    ) -> None:
        #: Name, default (``None``: the row's own value counts) and conversion of each column.
        self._columns = [
            (column.name, None, _required(column))
            if column.name in written
            else (column.name, default_of(column, which), converter(column))
            for column in columns
        ]

    def fill(self, rows: Sequence[Mapping[str, Any]], *, nulls_refused: bool = True) -> list[tuple[Pair, ...]]:
        """One tuple of values for each of *rows*, in the order of the columns.

        *nulls_refused* makes a NULL where none may be one of the faults; else it is the database's to say.

        Raises:
            PlanError: the first fault's code and message; with more than one fault, *details* lists them all (at most
                100) as ``{"row", "column", "code", "message"}``, rows counted from 0.
        """
        faults: list[dict[str, Any]] = []
        found: list[tuple[Pair, ...]] = []
        for number, row in enumerate(rows):
            pairs: list[Pair] = []
            for name, default, convert in self._columns:
                value = row.get(name) if default is None else default(row)
                try:
                    pairs.append(convert(value))
                except BackstayError as refusal:
                    fault = {"row": number, "column": name, "code": refusal.code, "message": refusal.message}
                    faults.append(fault)
                    pairs.append((None, None))
            found.append(tuple(pairs))
        # Where the database tells more about a lone row's NULL than we could, that is left to it.  Among several rows,
        # or beside other faults, it is listed: everything that is wrong is told at once, and alike by both databases.
        if faults and (nulls_refused or len(rows) > 1 or any(fault["code"] != "23502" for fault in faults)):
            first = faults[0]
            raise PlanError(first["code"], first["message"], details=faults[:_MAX_FAULTS] if len(faults) > 1 else None)
        return found


def fill_rows(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], written: frozenset[str]
) -> list[tuple[Pair, ...]]:
    """`Filler.fill`, for columns that are needed once."""
    return Filler(columns, written).fill(rows)


def _required(column: Column) -> Convert:
    convert = converter(column)
    if column.nullable:
        return convert

    def required(value: Any) -> Pair:
        pair = convert(value)
        if pair[0] is None:
            # Said here: SQLite would take a NULL for "count on" where the column is the table's counter.
            raise broken_null(column)
        return pair

    return required


def broken_null(column: Column) -> PlanError:
    """PostgreSQL's words for a NULL where none may be."""
    relation = column.sql.table.name
    return PlanError(
        "23502", f'null value in column "{column.name}" of relation "{relation}" violates not-null constraint'
    )


def default_of(column: Column, which: Literal["default", "onupdate"] = "default") -> Callable[[Mapping[str, Any]], Any]:
    """What the model fills *column* of a row with; only where that is a value of ours and no SQL expression."""
    default: Any = getattr(column.sql, which)
    argument = default.arg
    return (lambda row: argument(_Context(row))) if default.is_callable else (lambda row: argument)


class _Context:
    """What a context-sensitive default asks SQLAlchemy's execution context for."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self._row = row

    @cached_property
    def current_parameters(self) -> dict[str, Any]:
        """The row's own copy: most defaults do not look, and those that do may change it."""
        return dict(self._row)

    def get_current_parameters(self, isolate_multiinsert_groups: bool = True) -> dict[str, Any]:
        return self.current_parameters
