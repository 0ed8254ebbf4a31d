"""Texts of HTML cleaned again, after the list of what is kept has changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from backstay.catalog import Catalog, Table
from backstay.catalog.nesting import Tangled
from backstay.catalog.onwrite import OnWrite
from backstay.db.statement import Database
from backstay.errors import ConfigError
from backstay.upkeep.rewrite import BATCH, Change, rewrite


@dataclass(frozen=True, slots=True)
class Recleaning:
    """How many *rows* have changed, and of each text that was *left* as it is, which it is and why."""

    rows: int
    left: tuple[str, ...] = ()


async def reclean(database: Database, catalog: Catalog, *, batch: int = BATCH) -> Recleaning:
    """Write every text of *catalog* as it would be written now, *batch* rows at a time.

    A text that nobody could write now, because a parser would take long over it, is left and told of.  It may be
    stopped at any time, and begun again.

    Raises:
        ConfigError: BST-E507, for a table without a primary key, before anything is changed.
    """
    found = [(table, names) for table in catalog.tables.values() if (names := _names(table))]
    for table, _ in found:
        if not table.primary_key:
            raise ConfigError("BST-E507", f"{table.name} has no primary key to go through its rows by")
    rows, left = 0, list[str]()
    for table, names in found:
        if isinstance(table.sql, sa.Table):
            rows += await rewrite(database, table.sql, names, sa.Text(), _cleaned(table, left), batch=batch)
    return Recleaning(rows, tuple(left))


def _names(table: Table) -> tuple[str, ...]:
    return tuple(name for name, column in table.columns.items() if isinstance(column.type, OnWrite))


def _cleaned(table: Table, left: list[str]) -> Change:
    def change(key: tuple[Any, ...], stored: Mapping[str, Any]) -> Mapping[str, Any]:
        new = {}
        for name, value in stored.items():
            type_ = table.columns[name].type
            if value is None or not isinstance(type_, OnWrite):
                continue
            try:
                clean = type_.written(value)
            except Tangled as fault:
                left.append(f"{table.name}.{name} of the row {', '.join(map(str, key))}: {fault}")
                continue
            if clean != value:
                new[name] = clean
        return new

    return change
