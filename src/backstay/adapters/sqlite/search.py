"""The FTS5 index beside each table that declares one, and the triggers that keep it true.

1. The index holds no text of its own (external content); it can be made again from the table at any time.
2. It is made again at the start of the app when its declaration has changed, and when the table's row numbers no
   longer are those of the index: ``VACUUM`` may renumber the rows of a table that has no integer primary key.
3. Names come from the models and are quoted; nothing of a request is ever in this SQL.
"""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from backstay.catalog import SEARCHABLE, Searchable
from backstay.errors import ConfigError
from backstay.sql.fts5 import index_name
from backstay.sql.quoted import quoted


def create_searches(connection: sa.Connection, metadata: sa.MetaData) -> None:
    """Make or mend the index of every table of *metadata* that declares one.

    Raises:
        ConfigError: BST-E025, for a table ``WITHOUT ROWID``.
    """
    for table in metadata.tables.values():
        declared = table.info.get(SEARCHABLE)
        if isinstance(declared, Searchable):
            _create(connection, table, declared)


def _create(connection: sa.Connection, table: sa.Table, declared: Searchable) -> None:
    if table.dialect_options["sqlite"]["with_rowid"] is False:
        raise ConfigError("BST-E025", f"{table.name} is WITHOUT ROWID and cannot be searched on SQLite")
    wanted = dict(_objects(table, declared))
    rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE tbl_name IN (?, ?)", (
        index_name(table.name, declared), table.name
    ))  # fmt: skip
    there = {name: sql for name, sql in rows if name in wanted}
    if there == wanted and _is_true(connection, table, declared):
        return
    index = index_name(table.name, declared)
    for name in there:
        kind = "TABLE" if name == index else "TRIGGER"
        connection.exec_driver_sql(f"DROP {kind} {quoted(name)}")
    for sql in wanted.values():
        connection.exec_driver_sql(sql)
    connection.exec_driver_sql(f"INSERT INTO {quoted(index)}({quoted(index)}) VALUES ('rebuild')")  # noqa: S608


def _is_true(connection: sa.Connection, table: sa.Table, declared: Searchable) -> bool:
    """Whether the index knows as many rows as there are, up to the same number: renumbering closes every gap."""
    documents = quoted(f"{index_name(table.name, declared)}_docsize")
    counted = [
        connection.exec_driver_sql(f"SELECT count(*), max({key}) FROM {name}").one()  # noqa: S608
        for key, name in (("_rowid_", quoted(table.name)), ("id", documents))
    ]
    return counted[0] == counted[1]


def _objects(table: sa.Table, declared: Searchable) -> Iterator[tuple[str, str]]:
    """(name, SQL) of the index and its triggers."""
    index, name = index_name(table.name, declared), quoted(table.name)
    columns = [quoted(column) for column in declared.columns]
    tokenizer = "unicode61 remove_diacritics 2"
    if declared.language == "english":
        tokenizer = f"porter {tokenizer}"
    yield (
        index,
        f"CREATE VIRTUAL TABLE {quoted(index)} USING fts5({', '.join(columns)}, "
        f"content={quoted(table.name)}, content_rowid='_rowid_', tokenize='{tokenizer}')",
    )
    listed = ", ".join(columns)
    target = f"INSERT INTO {quoted(index)}"
    add = f"{target}(rowid, {listed}) VALUES (new._rowid_, {', '.join(f'new.{c}' for c in columns)});"
    drop = (
        f"{target}({quoted(index)}, rowid, {listed}) "
        f"VALUES ('delete', old._rowid_, {', '.join(f'old.{c}' for c in columns)});"
    )
    changed = " OR ".join(f"old.{c} IS NOT new.{c}" for c in ["_rowid_", *columns])
    for event, body in (
        ("INSERT", add),
        ("DELETE", drop),
        ("UPDATE", f"{drop} {add}"),
    ):
        trigger = f"{index}_{event.lower()}"
        when = f" WHEN {changed}" if event == "UPDATE" else ""
        yield trigger, f"CREATE TRIGGER {quoted(trigger)} AFTER {event} ON {name}{when} BEGIN {body} END"
