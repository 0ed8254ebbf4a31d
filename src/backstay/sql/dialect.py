"""What differs between the databases, as one frozen value of functions: no ``if dialect ==`` anywhere else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Dialect as SaDialect
from sqlalchemy.sql.elements import ColumnElement

from backstay.catalog import Column, Family
from backstay.catalog.geometry import SpatialKind
from backstay.plan.intent import Compare
from backstay.request.field import Step
from backstay.sql.explain import Explain
from backstay.sql.parameters import SlotParameter
from backstay.sql.statement import Statement
from backstay.sql.unlike import Unlike

Expression: TypeAlias = ColumnElement[Any]

#: SQL's signs for the operators that compare.
COMPARISONS: Final = {"eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}

#: What a body is made of: JSON, JSON whose objects have no nulls, the lines of a CSV file, or features of GeoJSON.
Form: TypeAlias = Literal["json", "stripped", "csv", "features"]


@dataclass(frozen=True, slots=True, eq=False)
class Typed:
    """An expression and the type it has for the API."""

    expression: Expression
    type: sa.types.TypeEngine[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Listed:
    """Rows that a request brings, as a FROM: one expression for each column, and their order.

    *values* have the columns' types.  The rows travel in the slots that `SqlDialect.pack` fills.
    """

    from_: sa.FromClause
    values: tuple[Expression, ...]
    ordinal: Expression


@dataclass(frozen=True, slots=True, eq=False)
class SqlDialect:
    """How one database says what every plan needs said.

    Every function returns SQLAlchemy expressions; texts of clients are always bind parameters.
    """

    name: str
    compiler: SaDialect
    #: JSON object of (key, JSON-ready value) pairs; keys are bound.
    json_object: Callable[[Sequence[tuple[str, Expression]]], Expression]
    #: Aggregate: JSON array of JSON-ready values, ``[]`` when there is none.
    json_array: Callable[[Expression], Expression]
    #: Marks a subquery's JSON as JSON, so that it is not encoded twice.
    nested: Callable[[Expression], Expression]
    #: The finished JSON as text.
    body: Callable[[Expression], Expression]
    #: A finished text, or an error where it is larger than an answer may be; ``None``: the database sees to it.
    whole: Callable[[Expression], Expression] | None
    #: A page (a FROM, under its name) whose values of these types have together no more bytes than an answer may have,
    #: or an error before anything is made of them; the rows together, or, in a stream, each.  ``None``: see `whole`.
    bounded: Callable[[sa.FromClause, Sequence[Expression], bool], sa.FromClause] | None
    #: An object without its nulls, and CSV text of (key, value) pairs; ``None``: made from the JSON afterwards.
    stripped: Callable[[Expression], Expression] | None
    csv: Callable[[Sequence[tuple[str, Expression]]], Expression] | None
    #: Whether a write can be a part of the statement that renders its rows.
    writes_inside: bool
    #: How it is asked for its plan of a statement.
    explain: Explain
    #: The texts that JSON has for values, as one JSON array.
    json_texts: Callable[[Sequence[Expression]], Expression]
    #: A column's value, ready to stand in JSON.
    json_value: Callable[[Typed], Expression]
    #: A computed value in the form that its type has in a column.
    computed: Callable[[Typed], Typed]
    #: The kinds of geometries that it has, and one of them as GeoJSON, ready to stand in JSON.
    geometries: frozenset[SpatialKind]
    geojson: Callable[[Typed], Expression]
    #: Ciphertext and the JSON-ready key of its row, as a JSON array; null where there is none.
    sealed: Callable[[Expression, Sequence[Expression]], Expression]
    #: A JSON path into a column.
    path: Callable[[Typed, tuple[Step, ...]], Typed]
    #: What in a rule means something else than on another database.
    unlike: Callable[[Expression], Unlike | None]
    #: Asks which of these functions may give another value at each call; ``None`` where `unlike` knows them all.
    volatile: Callable[[Sequence[str]], Statement] | None
    #: A sort key: the expression whose order is that of PostgreSQL.
    sort_key: Callable[[Typed, tuple[Step, ...]], Expression]
    #: A sort key that tells any two values apart that look different; its order has no further meaning.
    tie_key: Callable[[Typed], Expression]
    #: ``operand op value``, without its negation.
    compare: Callable[[Typed, Compare], Expression]
    #: Full-text search for the condition's value, without its negation; also takes the table that holds the operand.
    search: Callable[[sa.FromClause, Typed, Compare], Expression]
    #: How well a row answers that search: more is better.  It depends on the row alone, and is never shown.
    relevance: Callable[[sa.FromClause, Typed, Compare], Expression]
    #: The families that a search reads from an index, whatever a row holds.
    indexed: frozenset[Family]
    #: True, and an error where the request's value has a flaw: asked once for each statement, whatever the rows.
    guard: Callable[[Compare], Expression | None]
    #: ``::type`` from the allow-list; raises `PlanError` 42704.
    cast: Callable[[Typed, str], Typed]
    #: An aggregate over a value.
    aggregate: Callable[[str, Typed | None], Typed]
    #: A bound integer of the request.
    integer: Callable[[int, Callable[[Any], int]], SlotParameter]
    #: Rows of these columns, packed into slots from the given number on.
    listed: Callable[[Sequence[Column], int], Listed]
    #: The slots' values for rows of (text, stored) pairs, see ``plan/value.py``.
    pack: Callable[[Sequence[Sequence[tuple[str | None, Any]]], int], tuple[Any, ...]]
    #: The slots' values for keys as `key_out` returned them.
    pack_keys: Callable[[Sequence[Sequence[Any]], int], tuple[Any, ...]]
    #: A key column on its way out of a write.
    key_out: Callable[[Column], Expression]
    #: A bound single value on its way into a column, and the type it is bound with.
    stored: Callable[[Column, Expression], Expression]
    stored_type: Callable[[Column], sa.types.TypeEngine[Any]]
    #: Which of (text, stored) `stored` takes.
    pick: Callable[[tuple[str | None, Any]], Any]
    #: The dialect's own INSERT, with ON CONFLICT.
    insert: Callable[[sa.Table], Any]
    #: The present moment, as a ``timestamptz`` column keeps it.
    now: Callable[[], Expression]
    #: Whether a lock of this number was free, and is now held until the transaction ends; ``None`` where writers do not
    #: run side by side.
    try_lock: Callable[[Expression], sa.Select[Any] | None]
    #: The default that the database itself has for a column, as a new value of an UPDATE; ``None``: it has it anyway.
    default: Callable[[Column], Expression | None]
    #: INSERT of one row of defaults.
    insert_nothing: Callable[[sa.Table], Any]

    def form(self, asked: Form) -> Form:
        """What the database itself makes for *asked*."""
        if (asked == "stripped" and self.stripped is None) or (asked == "csv" and self.csv is None):
            return "json"
        return asked


def defaults(table: sa.Table, nothing: Expression) -> dict[Any, Any]:
    """*nothing* for the key columns that have no default: SQLAlchemy would warn of every row that leaves them out."""
    return {
        column: nothing
        for column in table.primary_key.columns
        if column.default is None and column.server_default is None and column is not table.autoincrement_column
    }
