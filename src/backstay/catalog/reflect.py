"""`Facts` → `Catalog`: an existing database as tables, columns and relations."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.elements import quoted_name

from backstay.catalog.facts import ColumnFacts, Facts, KeyFacts, Name, TableFacts
from backstay.catalog.family import family_of
from backstay.catalog.related import relations_of, view_primary_keys
from backstay.catalog.table import Catalog, Column, Relation, Table

#: Every table of SQLite that is not WITHOUT ROWID has it under this name, unless a column took it.
ROWID = "_rowid_"


def reflect_catalog(facts: Facts, schema: str, *, qualified: bool, shown: str | None = None) -> Catalog:
    """The tables and views of *schema*.

    Args:
        qualified: whether SQL names the schema (``test.projects``).
        shown: the name under which errors speak of it; *schema* itself by default.
    """
    listed = [table for table in facts.tables if table.name.schema == schema]
    views = view_primary_keys(facts)
    primary_keys: dict[Name, tuple[str, ...]] = {t.name: t.primary_key or views.get(t.name, ()) for t in facts.tables}
    relations = relations_of(facts, schema, primary_keys)
    metadata = sa.MetaData()
    keys = [key for key in facts.keys if key.table.schema == schema]
    tables = {
        table.name.table: _table(table, primary_keys[table.name], relations, metadata, keys, qualified)
        for table in sorted(listed, key=lambda t: t.name.table)
    }
    return Catalog(tables=tables, schema=shown or schema, metadata=metadata)


def _table(
    facts: TableFacts,
    primary_key: tuple[str, ...],
    relations: tuple[Relation, ...],
    metadata: sa.MetaData,
    keys: list[KeyFacts],
    qualified: bool,
) -> Table:
    name = facts.name.table
    own = [_sql_column(column, column.name in primary_key) for column in facts.columns]
    hidden = sa.Column(ROWID, sa.BigInteger()) if facts.has_rowid and not primary_key else None
    sql = sa.Table(
        quoted_name(name, quote=True),
        metadata,
        *own,
        *([hidden] if hidden is not None else []),
        *(sa.UniqueConstraint(*columns, name=constraint) for constraint, columns in facts.uniques),
        schema=quoted_name(facts.name.schema, quote=True) if qualified else None,
        comment=facts.comment,
    )
    _name_keys(sql, facts, keys)
    columns = {c.name: _column(c, s, c.name in primary_key) for c, s in zip(facts.columns, own, strict=True)}
    return Table(
        name=name,
        sql=sql,
        columns=columns,
        primary_key=primary_key,
        relations=tuple(r for r in relations if r.table == name),
        # Where SQL names schemas, the database refuses by itself, and says why it cannot be written.
        read_only=not facts.writes and not qualified,
        is_view=facts.is_view,
        description=facts.comment,
        writes=facts.writes,
        row_number=None if hidden is None else _column(ColumnFacts(ROWID, hidden.type), hidden, False),
    )


def _name_keys(sql: sa.Table, facts: TableFacts, keys: list[KeyFacts]) -> None:
    """Foreign keys by name: SQLite's errors look them up.  They refer by text, so that order does not matter."""
    schema = f"{sql.schema}." if sql.schema else ""
    for key in keys:
        if key.table == facts.name and key.referred.schema == facts.name.schema and "." not in key.referred.table:
            here, there = zip(*key.pairs, strict=True)
            if all("." not in column for column in there):
                targets = [f"{schema}{key.referred.table}.{column}" for column in there]
                sql.append_constraint(sa.ForeignKeyConstraint(here, targets, name=key.name, link_to_name=True))


def _sql_column(facts: ColumnFacts, primary: bool) -> sa.Column[Any]:
    return sa.Column(
        quoted_name(facts.name, quote=True),
        facts.type,
        primary_key=primary,
        # The database fills what a client leaves out, and refuses NULL where there may be none: nothing of ours does.
        autoincrement=False,
        nullable=True,
        comment=facts.comment,
    )


def _column(facts: ColumnFacts, sql: sa.Column[Any], primary: bool) -> Column:
    return Column(
        name=facts.name,
        sql=sql,
        family=family_of(facts.type),
        nullable=facts.nullable,
        has_default=facts.has_default,
        generated=facts.computed,
        primary=primary,
        description=facts.comment,
        identity=facts.identity,
        default_sql=facts.default,
    )
