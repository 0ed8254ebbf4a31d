"""Columns that Backstay's own tables got after they were made somewhere: added when an app starts.

1. Only a column that says so itself (`later`) is added, and only one that may be NULL: an app's tables are the app's,
   and a process of the version before goes on beside.
2. What older rows hold in it is said by one statement, run in the transaction that adds the column, and never again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.schema import CreateColumn

_LATER: Final = "backstay.later"


def later(fill: Callable[[], sa.Update] | None = None) -> dict[Any, Any]:
    """The ``info`` of a column that databases of earlier versions lack; *fill* says what older rows hold."""
    return {_LATER: fill}


def add_columns(connection: sa.Connection, metadata: sa.MetaData) -> None:
    """Add every column marked by `later` that is not there, and fill it."""
    tables = [table for table in metadata.sorted_tables if any(_LATER in column.info for column in table.columns)]
    # One question for all tables of a schema: the server takes longer for each of these than the app for its start.
    found: dict[tuple[str | None, str], list[ReflectedColumn]] = {}
    for schema in {table.schema for table in tables}:
        names = [table.name for table in tables if table.schema == schema]
        found |= sa.inspect(connection).get_multi_columns(schema=schema, filter_names=names)
    for table in tables:
        there = {column["name"] for column in found[table.schema, table.name]}
        added = [column for column in table.columns if _LATER in column.info and column.name not in there]
        compiler = connection.dialect.identifier_preparer
        for column in added:
            # Names and types are those of our own models.
            described = str(CreateColumn(column).compile(dialect=connection.dialect))
            connection.exec_driver_sql(f"ALTER TABLE {compiler.format_table(table)} ADD COLUMN {described}")
        for index in table.indexes:
            if any(column in added for column in index.columns):
                index.create(connection)
        for column in added:
            if column.info[_LATER] is not None:
                connection.execute(column.info[_LATER]())
