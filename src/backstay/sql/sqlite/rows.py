"""Rows that a request brings."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from backstay.catalog import Column
from backstay.catalog.opaque import AsStored
from backstay.errors import PlanError
from backstay.sql.dialect import Expression, Listed
from backstay.sql.parameters import SlotParameter
from backstay.sql.sqlite.value import is_native

_PLAIN: Final = frozenset((str, int, type(None)))


def listed(columns: Sequence[Column], slot: int) -> Listed:
    """``json_each(?)`` over an array of arrays: one parameter, whatever the number of rows."""
    parameter = SlotParameter.plain(slot, sa.Text())
    rows = sa.func.json_each(parameter).table_valued("key", "value", name=f"_l{slot}")
    values = tuple(_unpacked(column, rows.c.value, i) for i, column in enumerate(columns))
    return Listed(rows, values, rows.c.key)


def _unpacked(column: Column, row: Expression, index: int) -> Expression:
    found = row.op("->>", return_type=column.type)(sa.literal_column(str(index)))
    if column.family == "bytes":
        return sa.func.unhex(found, type_=column.type)
    if column.family == "numeric" and not is_native(column.type) and not isinstance(column.type, AsStored):
        # A text, as in its column: only then is a number that a policy compares it with made one too.
        return sa.type_coerce(sa.cast(found, sa.Text()), column.type)
    return found


def packed(rows: Sequence[Sequence[Any]]) -> str:
    # Texts and integers, nearly all values, go as they are: a call for each would cost as much as writing it.
    plain = [[v if type(v) in _PLAIN else v.hex() if isinstance(v, bytes) else finite(v) for v in row] for row in rows]
    return json.dumps(plain, ensure_ascii=False)


def finite(value: Any) -> Any:
    """*value*, unless it is a float that SQLite would store as NULL, or could not show in JSON."""
    if isinstance(value, float) and not math.isfinite(value):
        raise PlanError(
            "PGRST127", "Feature not implemented", details="On SQLite, a float is neither NaN nor an infinity."
        )
    return value


def default(column: Column) -> Expression | None:
    """The default of a column, written out: SQLite's UPDATE has no word for it, and none for a generated column."""
    if column.generated:
        return None
    if column.default_sql is not None:
        return sa.literal_column(f"({column.default_sql})")
    own: Any = getattr(column.sql.server_default, "arg", None)
    if isinstance(own, str):
        return sa.literal_column("'" + own.replace("'", "''") + "'")
    return own if isinstance(own, sa.ClauseElement) else sa.null()  # type: ignore[return-value]


def key_out(column: Column) -> Expression:
    return sa.func.hex(column.sql) if column.family == "bytes" else sa.type_coerce(column.sql, sa.types.NULLTYPE)
