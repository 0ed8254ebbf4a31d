"""How each database is asked for its plan of a statement, and what it answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from backstay.sql.statement import Row, Rows, Statement

PlanFormat: TypeAlias = Literal["text", "json"]


@dataclass(frozen=True, slots=True)
class Explain:
    """*options* are those of PostgREST that the database has; others are left out."""

    options: frozenset[str]
    #: The statement that asks for the plan of another one, which it may run (``analyze``).
    ask: Callable[[Statement, PlanFormat, Sequence[str]], Statement]
    #: The plan in its rows, as text or JSON.
    read: Callable[[Rows, PlanFormat], str]
    #: How many rows the JSON plan in a row expects; ``None`` where plans do not say.
    expects: Callable[[Row], int] | None = None


def _ask_postgresql(statement: Statement, form: PlanFormat, options: Sequence[str]) -> Statement:
    listed = ", ".join((f"FORMAT {form.upper()}", *(option.upper() for option in sorted(options))))
    return Statement(f"EXPLAIN ({listed}) {statement.sql}", statement.args)


def _read_postgresql(rows: Rows, form: PlanFormat) -> str:
    return "\n".join(str(row[0]) for row in rows)


def _expects_postgresql(row: Row) -> int:
    return int(json.loads(row[0])[0]["Plan"]["Plan Rows"])


def _ask_sqlite(statement: Statement, form: PlanFormat, options: Sequence[str]) -> Statement:
    return Statement(f"EXPLAIN QUERY PLAN {statement.sql}", statement.args)


def _read_sqlite(rows: Rows, form: PlanFormat) -> str:
    """A line for each step, indented under the step it belongs to; or ``[{"id", "parent", "detail"}]``."""
    if form == "json":
        return json.dumps([{"id": row[0], "parent": row[1], "detail": row[3]} for row in rows], ensure_ascii=False)
    depths: dict[int, int] = {0: -1}
    lines: list[str] = []
    for row in rows:
        depths[row[0]] = depths.get(row[1], -1) + 1
        lines.append("  " * depths[row[0]] + row[3])
    return "\n".join(lines)


POSTGRESQL: Final = Explain(
    frozenset(("analyze", "verbose", "settings", "buffers", "wal")),
    _ask_postgresql,
    _read_postgresql,
    _expects_postgresql,
)
SQLITE: Final = Explain(frozenset(), _ask_sqlite, _read_sqlite)
