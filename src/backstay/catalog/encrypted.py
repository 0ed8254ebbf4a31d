"""`Encrypted`: a column whose values the database never sees.

1. A value gets in and out with its row: through the API, and through instances in a session.  A bare value that reaches
   SQL is refused, never written as it is.
2. What a blind index needs is a column of the table, so that migrations make it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID
from weakref import WeakSet

import sqlalchemy as sa
from sqlalchemy import event

from backstay.catalog.family import Family
from backstay.catalog.sealing import Place
from backstay.crypt import context_of

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
            column has been renamed, with the old schema before them after the table has got another.
    """

    impl: type[sa.types.TypeEngine[Any]] | sa.types.TypeEngine[Any] = sa.LargeBinary
    cache_ok: bool | None = True

    def __init__(
        self,
        type_: sa.types.TypeEngine[Any] | type[sa.types.TypeEngine[Any]] = sa.Text,
        blind_index: bool = False,
        place: tuple[str, str] | tuple[str, str, str] | None = None,
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


def place_of(column: sa.Column[Any], type_: Encrypted) -> Place:
    """Where the values of *column* belong."""
    table: Any = column.table
    # Old names are of the same schema, unless they say another one.
    *schema, name, own = type_.place or (str(table.name), str(column.name))
    return Place(context_of(name, own), schema[0] if schema else str(table.schema or ""), type_.blind_index)
