"""What PostgreSQL's types refuse, refused where a function writes by its session (P3, VA).

SQLite keeps a text of any length in ``VARCHAR(40)``.  What clients send is judged before it is written; what the app's
own code writes is judged here, by triggers that only its connection has.  So they hold for a file that was there
before, for every way to write a column, and cost nothing but to sessions.

A value is judged when its column is written; what stands there already stays, as long as nobody writes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any, Final

import apsw
from sqlalchemy import Column, MetaData, Table
from sqlalchemy import types as sqltypes
from sqlalchemy.types import TypeDecorator, TypeEngine

from backstay.errors import DatabaseError
from backstay.sql.quoted import quoted

_EXACT: Final = Context(prec=140_000)
_INTEGERS: Final[tuple[tuple[type[TypeEngine[Any]], str, int], ...]] = (
    (sqltypes.BigInteger, "bigint", 63),
    (sqltypes.SmallInteger, "smallint", 15),
    (sqltypes.Integer, "integer", 31),
)


def bound(connection: apsw.Connection, metadata: MetaData) -> None:
    """Have *connection* keep the bounds of the columns in *metadata*, as far as their tables are there."""
    connection.create_scalar_function("backstay_refuse", _refuse, 2)
    connection.create_scalar_function("backstay_rounded", lambda *given: rounded(*given), 3, deterministic=True)
    judged, connection.authorizer = connection.authorizer, None
    try:
        for table in metadata.tables.values():
            if table.schema is None:
                there = {row[1] for row in connection.execute(f"PRAGMA main.table_info({quoted(table.name)})")}
                for statement in _triggers(table, there):
                    connection.execute(statement)
    finally:
        connection.authorizer = judged


def rounded(value: Any, precision: int, scale: int) -> Any:
    """*value* as ``numeric(precision, scale)`` holds it: halves are rounded away from zero.

    >>> rounded("1.005", 10, 2), rounded(7, 5, 2), rounded(0.125, 5, 2)
    ('1.01', 7, 0.13)

    Raises:
        DatabaseError: 22003.
    """
    try:
        number = Decimal(str(value))
        kept = number.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP, _EXACT)
    except InvalidOperation:
        return value  # NULL, and what is no number
    if not kept.is_finite():
        return value
    if kept and kept.adjusted() >= precision - scale:
        raise DatabaseError(
            "22003",
            "numeric field overflow",
            details=(
                f"A field with precision {precision}, scale {scale} must round to an absolute value "
                f"less than 10^{precision - scale}."
            ),
        )
    if isinstance(value, str):
        return format(kept, "f")
    return value if kept == number else float(kept)


def _refuse(*said: Any) -> None:
    code, message = said
    raise DatabaseError(code, message)


def _triggers(table: Table, there: set[str]) -> Iterator[str]:
    """Two for each bounded column: one before it is written, and for a scale one that rounds it afterwards."""
    bounded = [
        (column, _judged(column)) for column in table.columns if column.name in there and column.computed is None
    ]
    columns = [(column, condition) for column, condition in bounded if condition is not None]
    if not columns:
        return
    name = quoted(table.name)
    listed = ", ".join(quoted(column.name) for column, _ in columns)
    for action in ("INSERT", f"UPDATE OF {listed}"):
        # Of an update only what was changed is judged.
        changed = action != "INSERT"
        body = "".join(
            f"SELECT {refusal} WHERE {condition}"
            f"{f' AND NEW.{quoted(column.name)} IS NOT OLD.{quoted(column.name)}' if changed else ''}; "
            for column, (condition, refusal) in columns
        )
        label = quoted(f"backstay_{action[:6].lower()}_{table.name}")
        yield f"CREATE TEMP TRIGGER {label} BEFORE {action} ON main.{name} BEGIN {body}END"
    exact = [column for column, _ in columns if isinstance(_plain(column.type), sqltypes.Numeric)]
    if not exact:
        return
    keys = [quoted(column.name) for column in table.primary_key] or ["rowid"]
    row = " AND ".join(f"{key} IS NEW.{key}" for key in keys)
    sets = ", ".join(f"{quoted(column.name)} = {_rounding(column)}" for column in exact)
    rough = " OR ".join(f"NEW.{quoted(column.name)} IS NOT {_rounding(column)}" for column in exact)
    listed = ", ".join(quoted(column.name) for column in exact)
    for action in ("INSERT", f"UPDATE OF {listed}"):
        label = quoted(f"backstay_round_{action[:6].lower()}_{table.name}")
        body = f"BEGIN UPDATE {name} SET {sets} WHERE {row}; END"  # noqa: S608 - names of the models, quoted
        yield f"CREATE TEMP TRIGGER {label} AFTER {action} ON main.{name} WHEN {rough} {body}"


def _judged(column: Column[Any]) -> tuple[str, str] | None:
    """When a value of *column* is refused, and by what; ``None`` for a column of any values."""
    type_, value = _plain(column.type), f"NEW.{quoted(column.name)}"
    if isinstance(type_, sqltypes.Enum):
        if not type_.native_enum or not type_.enums:
            return None
        labels = ", ".join(_text(label) for label in type_.enums)
        said = f"{_text(f'invalid input value for enum {type_.name or column.name}: ')} || quote({value})"
        return f"{value} NOT IN ({labels})", f"backstay_refuse('22P02', {said})"
    if isinstance(type_, sqltypes.String) and type_.length is not None:
        said = _text(f"value too long for type character varying({type_.length})")
        return f"length({value}) > {type_.length} AND typeof({value}) = 'text'", f"backstay_refuse('22001', {said})"
    if isinstance(type_, sqltypes.Numeric) and not isinstance(type_, sqltypes.Float) and type_.precision is not None:
        return f"{value} IS NOT NULL", _rounding(column)
    for kind, name, bits in _INTEGERS:
        if isinstance(type_, kind):
            most = (1 << bits) - 1
            # SQLite makes a float of what 64 bits do not hold.
            outside = "" if bits == 63 else f" OR {value} NOT BETWEEN {-most - 1} AND {most}"
            condition = f"(typeof({value}) = 'real'{outside} AND typeof({value}) = 'integer')"
            return condition, f"backstay_refuse('22003', '{name} out of range')"
    return None


def _rounding(column: Column[Any]) -> str:
    type_: Any = _plain(column.type)
    return f"backstay_rounded(NEW.{quoted(column.name)}, {type_.precision}, {type_.scale or 0})"


def _plain(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    """What is declared, without decorators."""
    while isinstance(type_, TypeDecorator):
        type_ = type_.impl_instance
    return type_


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
