"""Which foreign key broke.  SQLite says only "FOREIGN KEY constraint failed".

The statement runs once more with its foreign keys deferred, inside a savepoint that is then rolled back; what it leaves
dangling is looked up.  Rows that it wrote are looked up by their rowid; children of rows that it removed are searched
for, but no longer than `_SECONDS`: a constraint without a name is better than a writer that stands still.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import apsw
from sqlalchemy import MetaData

from backstay.adapters.sqlite.connection import Budget
from backstay.db.failures import foreign_key_name
from backstay.db.statement import Statement
from backstay.db.violation import FOREIGN_KEY, ConstraintError, Violation, broken_constraint
from backstay.sql.quoted import quoted

#: Longest search, in seconds.
_SECONDS: Final = 0.05
#: Most written rows to look at.
_ROWS: Final = 1000


@dataclass(frozen=True, slots=True)
class _Key:
    """A foreign key of *child* as SQLite knows it."""

    child: str
    columns: tuple[str, ...]
    parent: str
    referred: tuple[str, ...]

    def dangling(self, where: str) -> str:
        """SQL for the values of one row of *child* whose parent is missing."""
        both = list(zip(self.columns, self.referred, strict=True))
        present = " AND ".join(f"c.{quoted(mine)} IS NOT NULL" for mine in self.columns)
        match = " AND ".join(f"p.{quoted(theirs)} = c.{quoted(mine)}" for mine, theirs in both)
        values = ", ".join(f"c.{quoted(mine)}" for mine in self.columns)
        return (
            f"SELECT {values} FROM {quoted(self.child)} AS c WHERE {where} AND {present} AND NOT EXISTS"  # noqa: S608
            f" (SELECT 1 FROM {quoted(self.parent)} AS p WHERE {match}) LIMIT 1"
        )


def has_deferred(connection: apsw.Connection) -> bool:
    """Whether COMMIT would be refused as things stand: a foreign key that is checked only then is broken."""
    return bool(connection.status(apsw.SQLITE_DBSTATUS_DEFERRED_FKS)[0])


def refuse_deferred(connection: apsw.Connection) -> None:
    """Raises `ConstraintError` where COMMIT would be refused."""
    if has_deferred(connection):
        raise broken_constraint(Violation(FOREIGN_KEY))


def broken_foreign_key(
    connection: apsw.Connection, statement: Statement, metadata: MetaData | None, budget: Budget
) -> ConstraintError:
    """The violation of *statement*, which has just failed on *connection* inside a transaction.

    When SQLite gives up the transaction meanwhile, the caller finds ``in_transaction`` false.
    """
    written: dict[tuple[str, int], None] = {}
    touched: dict[str, None] = {}

    def changed(kind: int, database: str, table: str, rowid: int) -> None:
        if kind != apsw.SQLITE_INSERT:
            touched[table] = None
        if kind != apsw.SQLITE_DELETE and len(written) < _ROWS:
            written[table, rowid] = None

    allowed, budget.seconds = budget.seconds, _SECONDS
    budget.start()
    try:
        connection.execute("SAVEPOINT diagnosis")
        connection.execute("PRAGMA defer_foreign_keys = ON")
        connection.set_update_hook(changed)
        connection.execute(statement.sql, statement.args).fetchall()
        return _search(connection, written, touched, metadata)
    except apsw.Error:
        return broken_constraint(Violation(FOREIGN_KEY))
    finally:
        connection.set_update_hook(None)
        budget.seconds = allowed
        budget.start()
        if connection.in_transaction:
            with contextlib.suppress(apsw.Error):
                connection.execute("ROLLBACK TO diagnosis")
                connection.execute("RELEASE diagnosis")
                connection.execute("PRAGMA defer_foreign_keys = OFF")


def _search(
    connection: apsw.Connection,
    written: dict[tuple[str, int], None],
    touched: dict[str, None],
    metadata: MetaData | None,
) -> ConstraintError:
    for table, rowid in written:
        for key in _keys(connection, table):
            values = connection.execute(key.dangling("c.rowid = ?"), (rowid,)).fetchone()
            if values is not None:
                shown = _shown(key.columns, values)
                return broken_constraint(
                    Violation(FOREIGN_KEY, table, key.columns, _name(key, metadata), key.parent),
                    secret_details=f'{shown} is not present in table "{key.parent}".',
                )
    for parent in touched:
        tables: list[Any] = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        for (child,) in tables:
            for key in _keys(connection, child):
                if key.parent != parent:
                    continue
                values = connection.execute(key.dangling("true")).fetchone()
                if values is not None:
                    shown = _shown(key.referred, values)
                    return broken_constraint(
                        Violation(FOREIGN_KEY, parent, key.referred, _name(key, metadata), child, True),
                        secret_details=f'{shown} is still referenced from table "{child}".',
                    )
    return broken_constraint(Violation(FOREIGN_KEY))


def _keys(connection: apsw.Connection, table: str) -> Iterator[_Key]:
    """The foreign keys of *table*; a key that names no columns of its parent means the parent's primary key."""
    found: dict[int, list[tuple[Any, ...]]] = {}
    listed: list[Any] = connection.execute("SELECT * FROM pragma_foreign_key_list(?)", (table,)).fetchall()
    for row in listed:
        found.setdefault(row[0], []).append(row)
    for rows in found.values():
        parent = rows[0][2]
        columns = tuple(row[3] for row in rows)
        referred = tuple(row[4] for row in rows)
        if None in referred:
            primary = connection.execute(
                "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", (parent,)
            ).fetchall()
            referred = tuple(name for (name,) in primary)
        if len(referred) == len(columns):
            yield _Key(table, columns, parent, referred)


def _name(key: _Key, metadata: MetaData | None) -> str:
    for table in metadata.tables.values() if metadata is not None else ():
        if table.name == key.child:
            for constraint in table.foreign_key_constraints:
                if tuple(column.name for column in constraint.columns) == key.columns:
                    return foreign_key_name(constraint)
    return f"{key.child}_{'_'.join(key.columns)}_fkey"


def _shown(columns: tuple[str, ...], values: tuple[Any, ...]) -> str:
    return f"Key ({', '.join(columns)})=({', '.join(map(str, values))})"
