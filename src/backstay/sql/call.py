"""A call of a database's function → one statement, with everything a read can say of its rows (PostgreSQL)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.elements import quoted_name

from backstay.catalog.facts import ArgumentFacts
from backstay.catalog.routine import Routine
from backstay.plan.intent import Node
from backstay.sql.dialect import Expression, Form, SqlDialect
from backstay.sql.parameters import SlotParameter
from backstay.sql.postgresql import bare
from backstay.sql.select import Build


def call_rows(
    routine: Routine,
    given: Sequence[ArgumentFacts],
    node: Node,
    dialect: SqlDialect,
    slots: int,
    *,
    max_rows: int | None,
    form: Form,
    count: bool,
) -> sa.Select[Any]:
    """One row of (body, number of rows, total or NULL); the arguments are slots *slots* and on."""
    if routine.rows is None:
        raise AssertionError(f"{routine.name} gives no rows")
    source = _called(routine, given, slots).table_valued(*routine.rows.columns, name="_f")
    layer = Build(dialect, max_rows, form).layer(node, source)
    page = layer.page()
    total: Any = layer.total() if count else sa.null()
    return sa.select(layer.body(page), sa.func.count(), total).select_from(page)


def call_value(routine: Routine, given: Sequence[ArgumentFacts], slots: int) -> sa.Select[Any]:
    """One row of (JSON text, number of values, NULL)."""
    called = _called(routine, given, slots)
    nothing: Any = sa.null()
    one: Any = sa.literal_column("1")
    if routine.facts.gives == "void":
        ran: Any = sa.cast(called, sa.Text())
        return sa.select(sa.literal_column("''"), one, ran)
    if not routine.facts.is_set:
        text: Any = sa.func.coalesce(sa.cast(sa.func.to_json(called), sa.Text()), sa.literal_column("'null'"))
        return sa.select(text, one, nothing)
    values = called.table_valued("_v", name="_f").render_derived()
    listed: Any = sa.func.coalesce(sa.func.json_agg(values.c["_v"]), sa.literal_column("'[]'::json"))
    text = sa.cast(listed, sa.Text())
    return sa.select(text, sa.func.count(), nothing).select_from(values)


def _called(routine: Routine, given: Sequence[ArgumentFacts], slots: int) -> Any:
    schema = getattr(sa.func, quoted_name(routine.facts.name.schema, quote=True))
    function = getattr(schema, quoted_name(routine.name, quote=True))
    return function(*(_argument(argument, slots + at) for at, argument in enumerate(given)))


def _argument(argument: ArgumentFacts, slot: int) -> Expression:
    value: Expression = SlotParameter.of(slot, lambda text: text, sa.Text())
    target = bare(argument.type)
    typed = value if target is None else sa.cast(value, target)
    if not argument.name:
        return typed
    name: Expression = sa.literal_column('"' + argument.name.replace('"', '""') + '"')
    return name.op(":=")(typed)
