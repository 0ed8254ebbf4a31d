"""How values stand in a SQLite file, so that SQL alone can turn them into the JSON that PostgreSQL would give.

========================  =======================================  =====================================
type                      stored as                                declared as
========================  =======================================  =====================================
Uuid                      36 lower-case characters                 ``UUID``
DateTime(timezone=True)   ``2024-01-01T00:00:00.5+00:00``, UTC     ``TIMESTAMPTZ``
DateTime                  ``2024-01-01T00:00:00.5``                ``TIMESTAMP``
Date, Time                ``2024-01-01``, ``12:30:00.5``           ``DATE``, ``TIME``
Interval                  ``1 day 02:00:00``                       ``DURATION_TEXT``
Numeric(p ≤ 15, s)        number, exact up to 15 digits            ``NUMERIC(p, s)``
other Numeric             decimal text, with its own collation     ``DECIMAL_TEXT``
JSON, ARRAY               JSON text                                ``JSONTEXT``
Boolean                   0 or 1                                   ``BOOLEAN``
========================  =======================================  =====================================

The zeros that end a fraction are left out, as PostgreSQL does; such text sorts by time, since ``+`` < ``.`` < digits.
A naive datetime given to a ``TIMESTAMPTZ`` column is taken as UTC.  An aware one given to a ``TIMESTAMP`` column is
refused, as asyncpg refuses it.  Reading also takes what SQLAlchemy's own SQLite dialect has written.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import types as sqltypes
from sqlalchemy.dialects.sqlite import JSON as SqliteJson
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.sqltypes import _AbstractInterval
from sqlalchemy.sql.type_api import NativeForEmulated
from sqlalchemy.types import TypeEngine

from backstay.adapters.sqlite.compute import check_size
from backstay.plan.duration import duration_text, parse_duration
from backstay.plan.moment import instant_text, trimmed

_Process = Callable[[Any], Any] | None


def _both(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def process(value: Any) -> Any:
        return None if value is None else convert(value)

    return process


class _Text:
    """Literals are the bound value in quotes."""

    def literal_processor(self, dialect: Dialect) -> Callable[[Any], str]:
        bind = self.bind_processor(dialect)  # type: ignore[attr-defined]

        def process(value: Any) -> str:
            text = str(bind(value) if bind is not None else value)
            return "'" + text.replace("'", "''") + "'"

        return process


class UuidText(_Text, sqltypes.Uuid[Any]):
    """A UUID as 36 characters; text is accepted in any form that `UUID` reads."""

    def bind_processor(self, dialect: Dialect) -> _Process:
        return _both(lambda value: str(value if isinstance(value, UUID) else UUID(str(value))))

    def result_processor(self, dialect: Dialect, coltype: object) -> _Process:
        if self.as_uuid:
            return _both(lambda value: value if isinstance(value, UUID) else UUID(value))
        return _both(lambda value: str(UUID(value)))


class DateTimeText(_Text, sqltypes.DateTime):
    """A datetime as ISO text; in UTC with ``+00:00`` when the column has a zone."""

    def bind_processor(self, dialect: Dialect) -> _Process:
        write = instant_text if self.timezone else _local_text

        def convert(value: Any) -> str:
            if isinstance(value, datetime):
                return write(value)
            if isinstance(value, date):
                return write(datetime(value.year, value.month, value.day))
            raise TypeError("a DateTime column takes datetime and date objects only")

        return _both(convert)

    def result_processor(self, dialect: Dialect, coltype: object) -> _Process:
        def aware(text: str) -> datetime:
            value = datetime.fromisoformat(text)
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

        def naive(text: str) -> datetime:
            value = datetime.fromisoformat(text)
            return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)

        return _both(aware if self.timezone else naive)


def _local_text(value: datetime) -> str:
    if value.tzinfo is not None:
        raise ValueError("a datetime with a zone was given to a column without: use DateTime(timezone=True)")
    return trimmed(value)


class DateText(_Text, sqltypes.Date):
    """A date as ISO text."""

    def bind_processor(self, dialect: Dialect) -> _Process:
        def convert(value: Any) -> str:
            if isinstance(value, datetime):
                value = value.date()
            if isinstance(value, date):
                return value.isoformat()
            raise TypeError("a Date column takes date objects only")

        return _both(convert)

    def result_processor(self, dialect: Dialect, coltype: object) -> _Process:
        return _both(date.fromisoformat)


class TimeText(_Text, sqltypes.Time):
    """A time of day as ISO text."""

    def bind_processor(self, dialect: Dialect) -> _Process:
        def convert(value: Any) -> str:
            if isinstance(value, time):
                return trimmed(value)
            raise TypeError("a Time column takes time objects only")

        return _both(convert)

    def result_processor(self, dialect: Dialect, coltype: object) -> _Process:
        return _both(time.fromisoformat)


class IntervalText(_Text, NativeForEmulated, _AbstractInterval):
    """A duration as PostgreSQL's text."""

    __visit_name__ = "duration_text"

    @classmethod
    def adapt_emulated_to_native(cls, impl: Any, **kw: Any) -> IntervalText:
        return cls()

    @property
    def _type_affinity(self) -> type[sqltypes.Interval]:
        return sqltypes.Interval

    def bind_processor(self, dialect: Dialect) -> _Process:
        return _both(duration_text)

    def result_processor(self, dialect: Dialect, coltype: object) -> _Process:
        return _both(parse_duration)


def is_exact_number(precision: int | None) -> bool:
    """Whether a 64-bit float holds every decimal of *precision* digits."""
    return precision is not None and precision <= 15


class NumericText(sqltypes.Numeric[Any]):
    """A decimal: a number where a float is exact, else text in BACKSTAY_DECIMAL order."""

    def bind_processor(self, dialect: Dialect) -> _Process:
        if is_exact_number(self.precision):
            return _both(_number)
        return _both(_decimal_text)

    def literal_processor(self, dialect: Dialect) -> Callable[[Any], str]:
        if is_exact_number(self.precision):
            return lambda value: str(_number(value))
        return lambda value: f"'{_decimal_text(value)}'"

    def result_processor(self, dialect: Dialect, coltype: object) -> _Process:
        if not self.asdecimal:
            return _both(float)
        scale = self.scale
        if is_exact_number(self.precision) and scale is not None:
            return _both(lambda value: Decimal(f"{value:.{scale}f}" if isinstance(value, float | int) else value))
        return _both(lambda value: Decimal(value) if isinstance(value, str | int) else Decimal(repr(value)))


def _decimal_text(value: Any) -> str:
    return format(check_size(Decimal(str(value))), "f")


def _number(value: Any) -> int | float:
    number = check_size(Decimal(str(value)))
    whole = number.is_finite() and number == number.to_integral_value() and abs(number) < 2**63
    return int(number) if whole else float(number)


class ArrayText(sqltypes.ARRAY[Any]):
    """An array as JSON text; its items are stored as their own type would be."""

    def bind_processor(self, dialect: Dialect) -> _Process:
        if _is_decimal(self.item_type):
            # As numbers of any length, as those are that a request brings.
            return _both(lambda value: msgspec.json.encode(_each(value, _written)).decode())
        return _both(lambda value: _dumps(_each(value, _item(self.item_type, dialect, reading=False))))

    def literal_processor(self, dialect: Dialect) -> Callable[[Any], str]:
        write = self.bind_processor(dialect)
        assert write is not None  # noqa: S101 - for the type checker
        return lambda value: "'" + str(write(value)).replace("'", "''") + "'"

    def result_processor(self, dialect: Dialect, coltype: object) -> _Process:
        read = _item(self.item_type, dialect, reading=True)
        exact = str if _is_decimal(self.item_type) else float

        def convert(text: str) -> Any:
            items = _each(json.loads(text, parse_float=exact), read)
            return tuple(items) if self.as_tuple else items

        return _both(convert)


def _item(type_: TypeEngine[Any], dialect: Dialect, *, reading: bool) -> Callable[[Any], Any] | None:
    impl = type_.dialect_impl(dialect)
    if isinstance(type_, sqltypes.Boolean) and not reading:
        return bool  # JSON has true and false, where a column has 1 and 0
    return impl.result_processor(dialect, None) if reading else impl.bind_processor(dialect)


def _is_decimal(type_: TypeEngine[Any]) -> bool:
    return isinstance(type_, sqltypes.Numeric) and not isinstance(type_, sqltypes.Float)


def _written(value: Any) -> msgspec.Raw:
    text = _decimal_text(value)
    return msgspec.Raw((text if text[-1].isdigit() else f'"{text}"').encode())


def _each(value: Any, convert: Callable[[Any], Any] | None) -> Any:
    if isinstance(value, list | tuple | set | frozenset):
        return [_each(item, convert) for item in value]
    return value if convert is None or value is None else convert(value)


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


#: For `Dialect.colspecs`.
COLSPECS: Final[dict[type[TypeEngine[Any]], type[TypeEngine[Any]]]] = {
    sqltypes.Uuid: UuidText,
    sqltypes.DateTime: DateTimeText,
    sqltypes.Date: DateText,
    sqltypes.Time: TimeText,
    sqltypes.Interval: IntervalText,
    sqltypes.Numeric: NumericText,
    sqltypes.ARRAY: ArrayText,
    sqltypes.JSON: SqliteJson,
}
