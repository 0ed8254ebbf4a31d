"""`Encrypted`: a column whose values the database never sees.

1. The key of a row must be known before the row is written, because it is a part of what is encrypted: keys that the
   database makes are refused when the app starts.
2. Whatever the database would have to understand (an index, a default, a foreign key) is refused there too.
3. A value gets in and out with its row: through the API, and through instances in a session.  A bare value that reaches
   SQL is refused, never written as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final
from uuid import UUID
from weakref import WeakSet

import sqlalchemy as sa
from sqlalchemy import event

from backstay.catalog.family import Family, family_of
from backstay.catalog.sealing import Place, Sealing
from backstay.catalog.table import Column
from backstay.crypt import context_of
from backstay.errors import ConfigError

#: What can be encrypted, and what a row's key may be made of.
_VALUES: Final[frozenset[Family]] = frozenset(("text", "integer", "boolean", "uuid", "date", "json"))
_KEYS: Final[frozenset[Family]] = frozenset(("integer", "text", "uuid", "date"))

#: In ``Column.info``: the column is the blind index of another one.
BLIND: Final = "blind"


@dataclass(frozen=True, slots=True, eq=False)
class Sealed:
    """What the database holds of an encrypted value.  *plain* is what it was made of, on its way in."""

    stored: bytes
    plain: Any = None

    def __repr__(self) -> str:
        return "<sealed>"


class Encrypted(sa.types.TypeDecorator[Any]):
    """A column of AES-256-GCM ciphertext, bound to its row.

    ::

        ssn: Mapped[str] = mapped_column(Encrypted(String(11), blind_index=True))
        notes: Mapped[str | None] = mapped_column(Encrypted())

    Args:
        type_: of the value: text, whole numbers, booleans, UUIDs, dates or JSON.
        blind_index: adds the column ``<name>_blind`` with an HMAC of the value, so that clients may filter by ``eq``,
            ``neq`` and ``in``.  Whoever reads the database then sees which rows have equal values.
        place: what the values are bound to in the place of ``table`` and ``column``; set it to the old names after a
            column has been renamed.
    """

    impl = sa.LargeBinary
    cache_ok = True

    def __init__(
        self,
        type_: sa.types.TypeEngine[Any] | type[sa.types.TypeEngine[Any]] = sa.Text,
        blind_index: bool = False,
        place: tuple[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.type_: sa.types.TypeEngine[Any] = type_() if isinstance(type_, type) else type_
        self.blind_index = blind_index
        self.place = place

    def process_bind_param(self, value: Any, dialect: Any) -> bytes | None:
        """The ciphertext of a value that came with its row.

        Raises:
            TypeError: for any other.
        """
        if value is None:
            return None
        if isinstance(value, Sealed):
            return value.stored
        raise TypeError(
            "a bare value cannot be encrypted: its row is not known here. Set the attribute of an instance and flush "
            "it; to find rows, filter by the blind index through the API"
        )

    def process_literal_param(self, value: Any, dialect: Any) -> str:
        """Never: a literal has no row."""
        raise TypeError("an encrypted value cannot be written as a literal")

    def process_result_value(self, value: bytes | None, dialect: Any) -> Sealed | None:
        """What is stored; an instance opens it when it is loaded."""
        return None if value is None else Sealed(bytes(value))


def json_text(value: Any, family: Family) -> str:
    """The JSON text of a value of that *family*: a model's attribute, or canonical as in ``plan/value.py``.

    >>> json_text("a", "text"), json_text(1, "boolean"), json_text(7, "integer"), json_text({"a": 1}, "json")
    ('"a"', 'true', '7', '{"a":1}')
    """
    match family:
        case "integer":
            return str(int(value))
        case "boolean":
            return "true" if value else "false"
        case "json":
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        case _:
            return json.dumps(str(value), ensure_ascii=False)


def python_value(text: str, family: Family) -> Any:
    """The Python value that a model's attribute has for the JSON *text*.

    >>> python_value('"2026-02-01"', "date"), python_value("true", "boolean")
    (datetime.date(2026, 2, 1), True)
    """
    value = json.loads(text)
    match family:
        case "uuid":
            return UUID(value)
        case "date":
            return date.fromisoformat(value)
        case _:
            return value


#: Tables that have all the columns they were made with: a copy brings the indexes of the original itself.
_MADE: Final[WeakSet[sa.Table]] = WeakSet()


@event.listens_for(sa.Table, "after_parent_attach", propagate=True)
def _table_made(table: sa.Table, metadata: Any) -> None:
    """The index stands beside its column in the table itself, so that migrations see it."""
    _MADE.add(table)
    for column in list(table.columns):
        _add_blind_index(column, table)


@event.listens_for(sa.Column, "after_parent_attach", propagate=True)
def _column_added(column: sa.Column[Any], parent: Any) -> None:
    """A table may get more columns afterwards: those of a class that shares it."""
    if parent in _MADE:
        _add_blind_index(column, parent)


def _add_blind_index(column: sa.Column[Any], table: sa.Table) -> None:
    name = f"{column.name}_blind"
    if isinstance(column.type, Encrypted) and column.type.blind_index and name not in table.columns:
        # 64 hexadecimal digits: text compares alike on every database.
        info = {"backstay": BLIND, "of": column.name}
        table.append_column(sa.Column(name, sa.String(64), index=True, nullable=True, info=info))


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


def place_of(column: sa.Column[Any], type_: Encrypted) -> Place:
    """Where the values of *column* belong."""
    return Place(context_of(*(type_.place or (str(column.table.name), str(column.name)))))


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
