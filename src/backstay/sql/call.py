"""A call of a database's function → one statement, with everything a read can say of its rows (PostgreSQL)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from backstay.catalog.facts import ArgumentFacts
from backstay.catalog.routine import Routine
from backstay.plan.intent import Node
from backstay.sql.answer import answer
from backstay.sql.dialect import Expression, Form, SqlDialect
from backstay.sql.function import call
from backstay.sql.parameters import SlotParameter
from backstay.sql.postgresql import bare
from backstay.sql.quoted import quoted
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
    """One row of (body, number of rows, total or NULL, headers, status); the arguments are slots *slots* and on."""
    if routine.rows is None:
        raise AssertionError(f"{routine.name} gives no rows")
    source = _called(routine, given, slots).table_valued(*routine.rows.columns, name="_f")
    build = Build(dialect, max_rows, form)
    layer = build.layer(node, source)
    # The order of a function's rows is its own, unless another is asked for.
    layer.tied = bool(node.sort)
    page = layer.page()
    total: Any = layer.total() if count else sa.null()
    return answer(dialect, (layer.body(page), sa.func.count(), total, *_said()), page, build.guards)


def call_value(routine: Routine, given: Sequence[ArgumentFacts], dialect: SqlDialect, slots: int) -> sa.Select[Any]:
    """One row of (JSON text, number of values, NULL, headers, status)."""
    called = _called(routine, given, slots)
    nothing: Any = sa.null()
    one: Any = sa.literal_column("1")
    if routine.facts.gives == "void":
        ran: Any = sa.cast(called, sa.Text())
        return sa.select(sa.literal_column("''"), one, ran, *_said())
    if not routine.facts.is_set:
        text: Any = sa.func.coalesce(sa.cast(sa.func.to_json(called), sa.Text()), sa.literal_column("'null'"))
        return answer(dialect, (text, one, nothing, *_said()), None)
    # In the select list a record needs no list of its columns, which nobody knows here.
    values = sa.select(called.label("_v")).subquery("_f")
    listed: Any = sa.func.coalesce(sa.func.json_agg(values.c["_v"]), sa.literal_column("'[]'::json"))
    text = sa.cast(listed, sa.Text())
    return answer(dialect, (text, sa.func.count(), nothing, *_said()), values)


def _said() -> tuple[Expression, Expression]:
    """What the function has said about the answer; it stands behind the call, and so is read after it."""
    headers, status = (
        sa.func.current_setting(sa.literal_column(f"'response.{what}'"), sa.true(), type_=sa.Text())
        for what in ("headers", "status")
    )
    return headers, status


def _called(routine: Routine, given: Sequence[ArgumentFacts], slots: int) -> Any:
    arguments = (_argument(argument, slots + at) for at, argument in enumerate(given))
    return call(routine.facts.name.schema, routine.name, *arguments)


def _argument(argument: ArgumentFacts, slot: int) -> Expression:
    value: Expression = SlotParameter.plain(slot, sa.Text())
    target = bare(argument.type)
    typed = value if target is None else sa.cast(value, target)
    if not argument.name:
        return typed
    keyword = "VARIADIC " if argument.variadic else ""
    name: Expression = sa.literal_column(keyword + quoted(argument.name))
    return name.op(":=")(typed)
