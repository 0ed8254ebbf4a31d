"""What differs between the databases, as one frozen value of functions: no ``if dialect ==`` anywhere else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Dialect as SaDialect
from sqlalchemy.sql.elements import ColumnElement

from backstay.plan.intent import Compare
from backstay.request.field import Step
from backstay.sql.parameters import SlotParameter

Expression: TypeAlias = ColumnElement[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Typed:
    """An expression and the type it has for the API."""

    expression: Expression
    type: sa.types.TypeEngine[Any]


@dataclass(frozen=True, slots=True, eq=False)
class SqlDialect:
    """How one database says what every plan needs said.

    Every function returns SQLAlchemy expressions; texts of clients are always bind parameters.
    """

    name: str
    sa: SaDialect
    #: JSON object of (key, JSON-ready value) pairs; keys are bound.
    json_object: Callable[[Sequence[tuple[str, Expression]]], Expression]
    #: Aggregate: JSON array of JSON-ready values, ``[]`` when there is none.
    json_array: Callable[[Expression], Expression]
    #: Marks a subquery's JSON as JSON, so that it is not encoded twice.
    nested: Callable[[Expression], Expression]
    #: The finished JSON as text.
    body: Callable[[Expression], Expression]
    #: A column's value, ready to stand in JSON.
    json_value: Callable[[Typed], Expression]
    #: A JSON path into a column.
    path: Callable[[Typed, tuple[Step, ...]], Typed]
    #: A sort key: the expression whose order is that of PostgreSQL.
    sort_key: Callable[[Typed, tuple[Step, ...]], Expression]
    #: ``operand op value``, without its negation.
    compare: Callable[[Typed, Compare], Expression]
    #: ``::type`` from the allow-list; raises `PlanError` 42704.
    cast: Callable[[Typed, str], Typed]
    #: An aggregate over a value.
    aggregate: Callable[[str, Typed | None], Typed]
    #: A bound integer of the request.
    integer: Callable[[int, Callable[[Any], int]], SlotParameter]
