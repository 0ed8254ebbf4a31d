"""The search field of each table that declares one: a generated ``tsvector`` column and its GIN index.

1. The column is in the database only, not in the model: no ORM statement carries it.
2. Its comment says what it was made from.  When the declaration has changed the column is made again, which rewrites
   the table; a column of that name without our comment is left alone and refused.
3. Names come from the models and are quoted; nothing of a request is ever in this SQL.
"""

from __future__ import annotations

import sqlalchemy as sa

from backstay.catalog import SEARCHABLE, Searchable
from backstay.errors import ConfigError


def create_searches(connection: sa.Connection, metadata: sa.MetaData) -> None:
    """Make the search column and index of every table of *metadata* that declares one.

    Raises:
        ConfigError: BST-E025, when the table has a column of that name that is not ours.
    """
    for table in metadata.tables.values():
        declared = table.info.get(SEARCHABLE)
        if isinstance(declared, Searchable):
            _create(connection, table, declared)


_COMMENT = sa.text(
    "SELECT col_description(a.attrelid, a.attnum) FROM pg_attribute a"
    " WHERE a.attrelid = to_regclass(:name) AND a.attname = :column AND NOT a.attisdropped"
)


def _create(connection: sa.Connection, table: sa.Table, declared: Searchable) -> None:
    preparer = connection.dialect.identifier_preparer
    name, column = preparer.format_table(table), preparer.quote(declared.name)
    origin = f"backstay search: {declared.language} of {', '.join(declared.columns)}"
    found = connection.execute(_COMMENT, {"name": name, "column": declared.name}).all()
    if found and found[0][0] == origin:
        return
    if found:
        if not str(found[0][0] or "").startswith("backstay search: "):
            raise ConfigError(
                "BST-E025",
                f"{table.name} has a column {declared.name!r} in the database already",
                hint='Give the search field another name: Searchable(…, name="words").',
            )
        connection.exec_driver_sql(f"ALTER TABLE {name} DROP COLUMN {column}")
    texts = " || ' ' || ".join(f"coalesce({preparer.quote(c)}, '')" for c in declared.columns)
    index = preparer.quote(f"{table.name}_{declared.name}_idx"[:63])
    for statement in (
        f"ALTER TABLE {name} ADD COLUMN {column} tsvector"
        f" GENERATED ALWAYS AS (to_tsvector({_literal(declared.language)}::regconfig, {texts})) STORED",
        f"COMMENT ON COLUMN {name}.{column} IS {_literal(origin)}",
        f"CREATE INDEX {index} ON {name} USING gin ({column})",
    ):
        connection.exec_driver_sql(statement)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
