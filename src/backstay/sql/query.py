"""`query`: a statement of ours, written once in SQLAlchemy and compiled once for each database.

For the tables that Backstay itself keeps (accounts, outbox, audit), whose statements are known when the code is
written.  What clients ask of an app's own tables goes through ``plan/`` instead.
"""

from __future__ import annotations

import inspect
import json
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any, Generic, NamedTuple, ParamSpec

import sqlalchemy as sa
from sqlalchemy.engine import Dialect as SaDialect

from backstay.sql.expanded import expanded
from backstay.sql.statement import Rows, Statement

P = ParamSpec("P")


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """A `Query` for one database: SQL text, how arguments are made driver-ready, and how rows are read."""

    sql: str
    arguments: tuple[tuple[str, Any, Callable[[Any], Any] | None], ...]
    columns: tuple[tuple[str, Callable[[Any], Any] | None], ...]
    row: Callable[..., Any]

    def bind(self, values: Mapping[str, Any]) -> Statement:
        args = []
        for name, constant, process in self.arguments:
            value = values.get(name, constant)
            args.append(process(value) if process is not None else value)
        return Statement(self.sql, tuple(args))

    def read(self, rows: Rows) -> Sequence[Any]:
        """Rows as named tuples of Python values; none for a statement that returns no columns."""
        if not self.columns:
            return ()
        processes = [process for _, process in self.columns]
        return [
            self.row(
                *[
                    value if process is None or value is None else process(value)
                    for value, process in zip(row, processes, strict=True)
                ]
            )
            for row in rows
        ]


class Asked(NamedTuple):
    """A query and the values of its parameters."""

    query: Query[...]
    values: Mapping[str, Any]


class Query(Generic[P]):
    """Call it with its parameters to get what a `Store` runs; see `query`."""

    def __init__(self, build: Callable[P, sa.Executable]) -> None:
        update_wrapper(self, build)
        self._signature = inspect.signature(build)
        self._build = build
        self._compiled: dict[str, Compiled] = {}

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Asked:
        return Asked(self, self._signature.bind(*args, **kwargs).arguments)

    def compiled(self, dialect: SaDialect) -> Compiled:
        """The query in *dialect*'s SQL: made when it is first asked for."""
        found = self._compiled.get(dialect.name)
        if found is None:
            parameters: Any = {name: sa.bindparam(name, None, required=False) for name in self._signature.parameters}
            build: Callable[..., sa.Executable] = self._build
            found = self._compiled[dialect.name] = _compile(build(**parameters), dialect)
        return found


def query(build: Callable[P, sa.Executable]) -> Query[P]:
    """Make a statement of a function that is called once, with a bind parameter for each of its parameters.

    ::

        @query
        def user_by_email(email: str) -> sa.Select[Any]:
            return sa.select(User).where(User.email == email)

        found = await store.one(user_by_email("a@example.org"))

    The annotations are those of the values.  A parameter takes its type from the column it is compared with or stored
    in; give it one where there is none: ``sa.type_coerce(at, sa.DateTime(timezone=True))``.

    A row is a named tuple of the selected or returned columns.  Column defaults written in Python are not applied: an
    insert names every value.  A list of values is no parameter, though it may be a constant.
    """
    return Query(build)


def _compile(statement: sa.Executable, dialect: SaDialect) -> Compiled:
    sql, places = expanded(statement, dialect)
    columns = []
    for column in getattr(statement, "exported_columns", ()) if _gives_rows(statement) else ():
        columns.append((str(column.key), _reader(column.type, dialect)))
    row: Any = namedtuple("Row", [name for name, _ in columns])  # type: ignore[misc]
    arguments = tuple((place.key, place.value, place.process) for place in places)
    return Compiled(sql, arguments, tuple(columns), row)


def _gives_rows(statement: Any) -> bool:
    return isinstance(statement, sa.sql.expression.SelectBase) or bool(getattr(statement, "_returning", ()))


def _reader(type_: sa.types.TypeEngine[Any], dialect: SaDialect) -> Callable[[Any], Any] | None:
    if isinstance(type_, sa.JSON):
        # asyncpg gives the text, SQLite keeps it.
        return json.loads
    process: Callable[[Any], Any] | None = type_.dialect_impl(dialect).result_processor(dialect, None)
    return process
