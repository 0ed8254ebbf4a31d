"""What a SQLite file says about itself: its pragmas and the texts of its schema → `Facts`.

1. Declared types are a habit, not a promise: all columns are `AsStored`.
2. A key without a name has the one that PostgreSQL would give it.
3. The columns of a view know where they come from: SQLite tells the origin of every result column.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import apsw
import sqlalchemy as sa

from backstay.adapters.sqlite.connection import Location, connect
from backstay.catalog.facts import WRITINGS, ColumnFacts, Facts, KeyFacts, Name, TableFacts, ViewKey
from backstay.catalog.opaque import (
    StoredArray,
    StoredBigInteger,
    StoredBoolean,
    StoredBytes,
    StoredFloat,
    StoredInteger,
    StoredJSON,
    StoredJSONB,
    StoredMoment,
    StoredNumeric,
    StoredOther,
    StoredText,
)
from backstay.db.failures import from_sqlite
from backstay.sql.quoted import quoted

_LENGTH: Final = re.compile(
    r"(?:VAR(?:YING )?CHAR(?:ACTER)?|CHARACTER VARYING|NVARCHAR|VARCHAR)\s*\(\s*(\d+)\s*\)", re.I
)
_NAMED: Final = r'CONSTRAINT\s+("(?:[^"]|"")+"|`[^`]+`|\[[^\]]+\]|\w+)\s+'


def reflect_sqlite(path: str, schema: str) -> Facts:
    """Describe the file at *path*; *schema* is the name that its tables' place is given.

    Raises:
        DatabaseError: PGRST000, the file cannot be opened; XX001, it is not a database.
    """
    try:
        connection = connect(Location.at(path), "reader")
        try:
            return facts_of(connection, schema)
        finally:
            connection.close()
    except apsw.Error as error:
        raise from_sqlite(error) from error


def facts_of(connection: apsw.Connection, schema: str) -> Facts:
    """`Facts` of an open database."""
    listing: list[tuple[Any, ...]] = connection.execute("PRAGMA main.table_list").fetchall()
    listed = [
        (name, kind, bool(without_rowid))
        for _, name, kind, _, without_rowid, _ in listing
        if kind in ("table", "view", "virtual") and not name.startswith("sqlite_")
    ]
    schema_rows: list[tuple[Any, ...]] = connection.execute("SELECT name, sql FROM sqlite_schema").fetchall()
    texts: dict[str, str] = {name: text or "" for name, text in schema_rows}
    tables = [
        found
        for name, kind, without_rowid in listed
        if (found := _table(connection, Name(schema, name), kind, without_rowid, texts.get(name) or "")) is not None
    ]
    known = {table.name.table.lower(): table for table in tables}
    keys = [key for table in tables if not table.is_view for key in _keys(connection, table, known, texts)]
    origins = {t.name: _origins(connection, t.name.table, known) for t in tables if t.is_view}
    return Facts(tuple(tables), tuple(keys), tuple(_view_keys(origins, keys, known)))


def _table(connection: apsw.Connection, name: Name, kind: str, without_rowid: bool, text: str) -> TableFacts | None:
    try:
        rows: list[tuple[Any, ...]] = connection.execute(f"PRAGMA main.table_xinfo({quoted(name.table)})").fetchall()
    except apsw.SQLError:
        # A view of something that is no longer there: nobody can read it.
        return None
    visible = [row for row in rows if row[6] != 1]
    primary = [row[1] for row in sorted((row for row in visible if row[5]), key=lambda row: row[5])]
    integer_key = len(primary) == 1 and not without_rowid
    columns = tuple(
        ColumnFacts(
            name=column,
            type=type_of(declared),
            # SQLite lets most keys be NULL, and means none of it.
            nullable=not required and not key,
            has_default=default is not None or bool(key and integer_key and declared.upper() == "INTEGER"),
            computed=hidden in (2, 3),
            default=None if default is None or hidden else _default(default),
        )
        for _, column, declared, required, default, key, hidden in visible
    )
    return TableFacts(
        name=name,
        columns=columns,
        primary_key=tuple(primary),
        uniques=tuple(_uniques(connection, name.table, text)),
        writes=WRITINGS if kind == "table" else frozenset(),
        is_view=kind == "view",
        has_rowid=kind == "table" and not without_rowid,
    )


def _default(text: str) -> str:
    """The expression of a DEFAULT.  In double quotes it is a text, as nowhere else."""
    return "'" + text[1:-1].replace('""', '"').replace("'", "''") + "'" if text.startswith('"') else text


def type_of(declared: str) -> sa.types.TypeEngine[Any]:
    """The type that a declaration suggests (sqlite.org/datatype3.html, and the names that other databases use).

    >>> [type(type_of(t)).__name__ for t in ("VARCHAR(30)", "BIGINT", "boolean", "DECIMAL(10,2)", "DATETIME", "")]
    ['StoredText', 'StoredBigInteger', 'StoredBoolean', 'StoredNumeric', 'StoredMoment', 'StoredOther']
    """
    word = declared.upper()
    if word.endswith("[]"):
        return StoredArray(type_of(declared[:-2].rstrip("[] ")))
    if "BOOL" in word:
        return StoredBoolean()
    if "JSON" in word:
        return StoredJSONB() if "JSONB" in word else StoredJSON()
    if "DATETIME" in word or "TIMESTAMP" in word:
        return StoredMoment(declared)
    if any(part in word for part in ("DATE", "TIME", "UUID", "INTERVAL", "POINT")):
        return StoredOther(declared)
    if "INT" in word:
        return StoredBigInteger() if "BIG" in word or "INT8" in word else StoredInteger()
    if any(part in word for part in ("CHAR", "CLOB", "TEXT", "STRING", "ENUM")):
        length = _LENGTH.search(declared)
        return StoredText(int(length[1]) if length else None)
    if "BLOB" in word or "BYTEA" in word or "BINARY" in word:
        return StoredBytes()
    if any(part in word for part in ("REAL", "FLOA", "DOUB")):
        return StoredFloat()
    if any(part in word for part in ("DEC", "NUM", "MONEY")):
        return StoredNumeric()
    return StoredOther(declared or "text")


def _uniques(connection: apsw.Connection, table: str, text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    listed: list[tuple[Any, ...]] = connection.execute(f"PRAGMA main.index_list({quoted(table)})").fetchall()
    for _, index, unique, origin, partial in listed:
        rows: list[tuple[Any, ...]] = connection.execute(f"PRAGMA main.index_info({quoted(index)})").fetchall()
        columns = tuple(row[2] for row in rows)
        if not unique or partial or origin == "pk" or None in columns:
            continue
        named = _constraint(text, rf"UNIQUE\s*\(\s*{_list(columns)}\s*\)") if origin == "u" else index
        yield named or f"{table}_{'_'.join(columns)}_key", columns


def _keys(
    connection: apsw.Connection, table: TableFacts, known: Mapping[str, TableFacts], texts: Mapping[str, str]
) -> Iterator[KeyFacts]:
    name = table.name
    found: dict[int, list[tuple[str, str, str | None]]] = {}
    listed: list[tuple[Any, ...]] = connection.execute(f"PRAGMA main.foreign_key_list({quoted(name.table)})").fetchall()
    for number, _, other, column, target, *_ in listed:
        found.setdefault(number, []).append((other, column, target))
    uniques = [frozenset(columns) for _, columns in table.uniques] + [frozenset(table.primary_key)]
    own = {column.name.lower(): column.name for column in table.columns}
    for _, rows in sorted(found.items()):
        referred = known.get(rows[0][0].lower())
        if referred is None:
            continue
        theirs = {column.name.lower(): column.name for column in referred.columns}
        here: tuple[str, ...] = tuple(own.get(row[1].lower(), row[1]) for row in rows)
        there: tuple[str, ...] = tuple(theirs.get((row[2] or "").lower(), row[2] or "") for row in rows)
        if not all(there):
            there = referred.primary_key
        if len(there) != len(here) or not set(there) <= set(theirs.values()):
            continue
        text = texts.get(name.table) or ""
        named = _constraint(text, rf"FOREIGN\s+KEY\s*\(\s*{_list(here)}\s*\)\s*REFERENCES\s+{_one(rows[0][0])}")
        constraint = named or f"{name.table}_{'_'.join(here)}_fkey"
        pairs = tuple(zip(here, there, strict=True))
        yield KeyFacts(constraint, name, referred.name, pairs, frozenset(here) in uniques)


# -- the texts of the schema -----------------------------------------------------------------------------------------


def _one(name: str) -> str:
    word = re.escape(name)
    return rf'(?:"{re.escape(name.replace(chr(34), chr(34) * 2))}"|`{word}`|\[{word}\]|\b{word}\b)'


def _list(names: Sequence[str]) -> str:
    return r"\s*,\s*".join(map(_one, names))


def _constraint(text: str, clause: str) -> str | None:
    found = re.search(_NAMED + clause, text, re.I)
    if found is None:
        return None
    name = found[1]
    return name if name[0] not in '"`[' else name[1:-1].replace('""', '"')


# -- views -----------------------------------------------------------------------------------------------------------


def _origins(
    connection: apsw.Connection, view: str, known: Mapping[str, TableFacts]
) -> Mapping[tuple[Name, str], tuple[str, ...]]:
    """For each (table, column), the view's columns that come from it."""
    found: dict[tuple[Name, str], tuple[str, ...]] = {}
    cursor = connection.cursor()
    columns: list[tuple[Any, ...]] = []

    def look(cursor: apsw.Cursor, sql: str, bindings: Any) -> bool:
        # Called when the statement is prepared: its columns are known, and False ends it before its first row.
        columns.extend(cursor.description_full)
        return False

    cursor.exec_trace = look
    try:
        cursor.execute(f"SELECT * FROM main.{quoted(view)}")  # noqa: S608 - a name of the schema, quoted
    except apsw.ExecTraceAbort:
        pass
    except apsw.Error:
        return {}
    for name, _, _, table, column in columns:
        base = known.get(table.lower()) if table else None
        if base is not None and column:
            key = (base.name, column)
            found[key] = (*found.get(key, ()), name)
    return found


def _view_keys(
    origins: Mapping[Name, Mapping[tuple[Name, str], tuple[str, ...]]],
    keys: Sequence[KeyFacts],
    known: Mapping[str, TableFacts],
) -> Iterator[ViewKey]:
    for view, shown in origins.items():
        for table in known.values():
            primary = table.primary_key
            if primary and all((table.name, column) in shown for column in primary):
                yield ViewKey(
                    view, table.name, "", "p", tuple((column, shown[table.name, column]) for column in primary)
                )
        for key in keys:
            for kind, base, columns in (
                ("f", key.table, [a for a, _ in key.pairs]),
                ("f_ref", key.referred, [b for _, b in key.pairs]),
            ):
                if all((base, column) in shown for column in columns):
                    pairs = tuple((column, shown[base, column]) for column in columns)
                    yield ViewKey(view, base, key.name, kind, pairs)  # type: ignore[arg-type]
