"""Whether a table can keep its encrypted columns; what cannot be is refused when the app starts.

1. The key of a row must be known before the row is written, because it is a part of what is encrypted; it must be read
   back as it was written, and not change.
2. Whatever the database would have to understand (an index, a default, a foreign key) it cannot.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

import sqlalchemy as sa

from backstay.catalog.encrypted import BLIND, Encrypted, place_of
from backstay.catalog.family import Family, family_of
from backstay.catalog.sealing import Sealing
from backstay.catalog.table import Column
from backstay.errors import ConfigError

#: What can be encrypted, and what a row's key may be made of.
_VALUES: Final[frozenset[Family]] = frozenset(("text", "integer", "boolean", "uuid", "date", "json"))
_KEYS: Final[frozenset[Family]] = frozenset(("integer", "text", "uuid", "date"))


def sealed_columns(table: sa.Table, columns: dict[str, Column]) -> dict[str, Column]:
    """*columns* with the encrypted ones as such, and without their indexes, which clients never see.

    Raises:
        ConfigError: BST-E504, when one cannot be kept as it is declared.
    """
    sealed = [column for column in columns.values() if isinstance(column.sql.type, Encrypted)]
    found = {name: column for name, column in columns.items() if column.sql.info.get("backstay") != BLIND}
    if not sealed:
        return found
    _check_key(table, columns)
    for column in sealed:
        type_: Any = column.sql.type
        _check(column, type_)
        inner_sql: sa.Column[Any] = sa.Column(column.name, type_.type_, nullable=column.nullable)
        inner = replace(column, sql=inner_sql, family=family_of(type_.type_))
        sealing = Sealing(place_of(column.sql, type_), inner)
        if type_.blind_index:
            index = replace(columns[f"{column.name}_blind"], duty=None, blind_for=sealing)
            sealing = replace(sealing, blind=index)
        found[column.name] = replace(column, sealing=sealing)
    return found


def _check(column: Column, type_: Encrypted) -> None:
    sql = column.sql
    if family_of(type_.type_) not in _VALUES:
        raise _unfit(
            column, "holds a type that cannot be encrypted", "Take text, integers, booleans, UUIDs, dates, JSON."
        )
    if type_.blind_index and family_of(type_.type_) == "json":
        raise _unfit(column, "is JSON, which has no blind index", "Equal values need not have equal texts.")
    if sql.primary_key or sql.foreign_keys:
        raise _unfit(column, "is a key", "Encrypt what the rows say, not what tells them apart.")
    table: Any = sql.table
    grouped: Iterable[Any] = [*table.indexes, *(c for c in table.constraints if isinstance(c, sa.UniqueConstraint))]
    if any(sql in set(group.columns) for group in grouped):
        raise _unfit(column, "is unique or indexed, which ciphertext cannot be", "Use Encrypted(…, blind_index=True).")
    default: Any = sql.default
    by_sql = default is not None and (default.is_clause_element or default.is_sequence)
    if by_sql or any(made is not None for made in (sql.server_default, sql.server_onupdate, sql.computed)):
        raise _unfit(column, "has a default that the database makes", "Give it a default in Python.")
    if sql.onupdate is not None:
        raise _unfit(
            column, "has an onupdate, which would change rows whose keys are not known", "Set it where you need it."
        )


def _check_key(table: sa.Table, columns: dict[str, Column]) -> None:
    """The key must be known when the row is written, and read back as it was written."""
    name = str(table.name)
    keys = [columns[str(column.name)] for column in table.primary_key.columns]
    if not keys:
        raise ConfigError("BST-E504", f"{name} has an encrypted column and no primary key to bind its values to")
    for key in keys:
        sql = key.sql
        default: Any = sql.default
        made = table.autoincrement_column is sql or sql.server_default is not None or key.generated or key.identity
        by_sql = default is not None and (default.is_clause_element or default.is_sequence)
        if by_sql or (made and default is None):
            raise ConfigError(
                "BST-E504",
                f"The database makes the key {name}.{key.name}, and {name} has an encrypted column",
                hint="Its values are bound to their row, whose key must be known before: mapped_column(default=uuid4).",
            )
        if key.family not in _KEYS or isinstance(sql.type, sa.CHAR):
            raise ConfigError(
                "BST-E504",
                f"Encrypted values of {name} cannot be bound to a key of the type of {key.name}",
                hint="Take an integer, text, a UUID or a date.",
            )
        if any(str(reference.onupdate or "").upper() == "CASCADE" for reference in sql.foreign_keys):
            raise ConfigError(
                "BST-E504",
                f"{name}.{key.name} changes with the row it refers to, and {name} has an encrypted column",
                hint="Leave ON UPDATE CASCADE out: values that are bound to a key would not open any more.",
            )


def _unfit(column: Column, what: str, hint: str) -> ConfigError:
    return ConfigError("BST-E504", f"The encrypted column {column.sql.table.name}.{column.name} {what}", hint=hint)
