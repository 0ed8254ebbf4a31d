"""Texts of HTML cleaned again, after the list of what is kept has changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from backstay.catalog import Catalog, Table
from backstay.catalog.onwrite import OnWrite
from backstay.db.statement import Database
from backstay.errors import ConfigError
from backstay.upkeep.rewrite import BATCH, Change, rewrite


async def reclean(database: Database, catalog: Catalog, *, batch: int = BATCH) -> int:
    """Write every text of *catalog* as it would be written now, *batch* rows at a time; how many have changed.

    It may be stopped at any time, and begun again.

    Raises:
        ConfigError: BST-E507, for a table without a primary key, before anything is changed.
    """
    found = [(table, names) for table in catalog.tables.values() if (names := _names(table))]
    for table, _ in found:
        if not table.primary_key:
            raise ConfigError("BST-E507", f"{table.name} has no primary key to go through its rows by")
    changed = 0
    for table, names in found:
        if isinstance(table.sql, sa.Table):
            changed += await rewrite(database, table.sql, names, sa.Text(), _cleaned(table), batch=batch)
    return changed


def _names(table: Table) -> tuple[str, ...]:
    return tuple(name for name, column in table.columns.items() if isinstance(column.type, OnWrite))


def _cleaned(table: Table) -> Change:
    def change(key: tuple[Any, ...], stored: Mapping[str, Any]) -> Mapping[str, Any]:
        new = {}
        for name, value in stored.items():
            type_ = table.columns[name].type
            if value is not None and isinstance(type_, OnWrite) and (clean := type_.written(value)) != value:
                new[name] = clean
        return new

    return change
