"""How values stand in the file, through the dialect and back."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Engine,
    Float,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Time,
    Uuid,
    create_engine,
    func,
    insert,
    inspect,
    literal,
    select,
    text,
)
from sqlalchemy import Enum as SqlEnum
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.types import TypeEngine

import backstay.adapters.sqlite  # noqa: F401 - names the dialect
from backstay.plan.moment import instant_text


class Color(Enum):
    red = "r"


ID = uuid.UUID("12345678-1234-5678-1234-56789ABCDEF0")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite+apsw:///{tmp_path}/app.db")
    yield engine
    engine.dispose()


def _table(type_: TypeEngine[Any], **kw: Any) -> Table:
    return Table("t", MetaData(), Column("id", Integer, primary_key=True), Column("v", type_, **kw))


@pytest.mark.parametrize(
    ("type_", "declared", "value", "stored", "back"),
    [
        (Uuid(), "UUID", ID, "12345678-1234-5678-1234-56789abcdef0", ID),
        (Uuid(as_uuid=False), "UUID", str(ID).upper(), str(ID), str(ID)),
        (postgresql.UUID(), "UUID", ID, str(ID), ID),
        (
            DateTime(timezone=True),
            "TIMESTAMPTZ",
            datetime(2024, 1, 1, 2, 0, 0, 500000, tzinfo=timezone(timedelta(hours=2))),
            "2024-01-01T00:00:00.5+00:00",
            datetime(2024, 1, 1, 0, 0, 0, 500000, tzinfo=UTC),
        ),
        (
            DateTime(timezone=True),
            "TIMESTAMPTZ",
            datetime(2024, 1, 1),
            "2024-01-01T00:00:00+00:00",
            datetime(2024, 1, 1, tzinfo=UTC),
        ),
        (DateTime(), "TIMESTAMP", datetime(2024, 1, 1, 10, 20), "2024-01-01T10:20:00", datetime(2024, 1, 1, 10, 20)),
        (Date(), "DATE", date(2024, 1, 1), "2024-01-01", date(2024, 1, 1)),
        (Time(), "TIME", time(12, 30, 0, 120000), "12:30:00.12", time(12, 30, 0, 120000)),
        (Interval(), "DURATION_TEXT", timedelta(days=1, hours=2), "1 day 02:00:00", timedelta(days=1, hours=2)),
        (Boolean(), "BOOLEAN", True, 1, True),
        (Numeric(10, 2), "NUMERIC(10, 2)", Decimal("1.10"), 1.1, Decimal("1.10")),
        (Numeric(10, 2), "NUMERIC(10, 2)", Decimal("3"), 3, Decimal("3.00")),
        (Numeric(15, 2), "NUMERIC(15, 2)", Decimal("9999999999999.99"), 9999999999999.99, Decimal("9999999999999.99")),
        (Numeric(), "DECIMAL_TEXT", Decimal("1.10"), "1.10", Decimal("1.10")),
        (Numeric(), "DECIMAL_TEXT", Decimal("1E+3"), "1000", Decimal("1000")),
        (
            Numeric(38, 10),
            "DECIMAL_TEXT(38, 10)",
            Decimal("12345678901234567890.0123456789"),
            "12345678901234567890.0123456789",
            Decimal("12345678901234567890.0123456789"),
        ),
        (Numeric(10, 2, asdecimal=False), "NUMERIC(10, 2)", 1.5, 1.5, 1.5),
        (Float(), "FLOAT", 1.5, 1.5, 1.5),
        (JSON(none_as_null=True), "JSONTEXT", {"ä": [1.0, None]}, '{"ä":[1.0,null]}', {"ä": [1.0, None]}),
        (JSON(none_as_null=True), "JSONTEXT", 1.0, "1.0", 1.0),
        (postgresql.JSONB(none_as_null=True), "JSONTEXT", {"a": 1}, '{"a":1}', {"a": 1}),
        (ARRAY(Integer), "JSONTEXT", [1, None, 3], "[1,null,3]", [1, None, 3]),
        (ARRAY(Integer, dimensions=2), "JSONTEXT", [[1], [2]], "[[1],[2]]", [[1], [2]]),
        (postgresql.ARRAY(Uuid), "JSONTEXT", [ID], f'["{ID}"]', [ID]),
        (
            ARRAY(DateTime(timezone=True)),
            "JSONTEXT",
            [datetime(2024, 1, 1, tzinfo=UTC)],
            '["2024-01-01T00:00:00+00:00"]',
            [datetime(2024, 1, 1, tzinfo=UTC)],
        ),
        (SqlEnum(Color), "VARCHAR(3)", Color.red, "red", Color.red),
        (LargeBinary(), "BLOB", b"\x00\xff", b"\x00\xff", b"\x00\xff"),
        (String(5), "VARCHAR(5)", "1.0", "1.0", "1.0"),
    ],
)
def test_types(engine: Engine, type_: TypeEngine[Any], declared: str, value: Any, stored: Any, back: Any) -> None:
    """Declared, stored, found again by value, and read back; NULL stays NULL."""
    table = _table(type_)
    table.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(table), [{"id": 1, "v": value}, {"id": 2, "v": None}])
        raw = connection.execute(text("SELECT v FROM t ORDER BY id")).scalars().all()
        kind = connection.execute(text("SELECT type FROM pragma_table_info('t') WHERE name = 'v'")).scalar()
        read = connection.execute(select(table.c.v).order_by(table.c.id)).scalars().all()
        found = connection.execute(select(table.c.id).where(table.c.v == literal(value, type_))).scalars().all()
    assert (kind, raw, read, found) == (declared, [stored, None], [back, None], [1])


def test_text_written_by_the_usual_dialect_is_read(engine: Engine) -> None:
    """A file from SQLAlchemy's own SQLite dialect opens unchanged."""
    table = Table(
        "t",
        MetaData(),
        Column("a", DateTime(timezone=True)),
        Column("b", DateTime),
        Column("c", Uuid),
        Column("d", Time),
        Column("e", Numeric),
    )
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (a DATETIME, b DATETIME, c CHAR(32), d TIME, e NUMERIC)"))
        connection.execute(
            text(
                "INSERT INTO t VALUES ('2024-01-01 00:00:00.000000', '2024-01-01 00:00:00.000000',"
                f" '{ID.hex}', '12:00:00.000000', 1.5)"
            )
        )
        row = connection.execute(select(table)).one()
    assert tuple(row) == (
        datetime(2024, 1, 1, tzinfo=UTC),
        datetime(2024, 1, 1),
        ID,
        time(12),
        Decimal("1.5"),
    )


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (DateTime(), datetime(2024, 1, 1, tzinfo=UTC)),
        (DateTime(), "2024-01-01"),
        (Date(), "2024-01-01"),
        (Time(), "12:00"),
        (Uuid(), "no uuid"),
        (JSON(), float("nan")),
    ],
)
def test_refused_values(engine: Engine, type_: TypeEngine[Any], value: Any) -> None:
    """What asyncpg would refuse is refused here, while the app still runs on SQLite."""
    table = _table(type_)
    table.metadata.create_all(engine)
    with pytest.raises(StatementError), engine.begin() as connection:
        connection.execute(insert(table).values(v=value))


@pytest.mark.parametrize(
    ("timezone_", "default"), [(True, func.now()), (False, func.now()), (True, func.current_timestamp())]
)
def test_now_has_the_storage_form(engine: Engine, timezone_: bool, default: Any) -> None:
    """A default of the server sorts and prints like every other value."""
    table = _table(DateTime(timezone=timezone_), server_default=default)
    table.metadata.create_all(engine)
    before = datetime.now(UTC) - timedelta(seconds=1)
    with engine.begin() as connection:
        connection.execute(insert(table).values(id=1))
        stored = connection.execute(text("SELECT v FROM t")).scalar_one()
        below = connection.execute(select(table.c.id).where(table.c.v <= func.now())).scalars().all()
    value = datetime.fromisoformat(stored)
    assert stored == (instant_text(value) if timezone_ else value.isoformat().rstrip("0" if value.microsecond else ""))
    assert (value.tzinfo is not None, below) == (timezone_, [1])
    assert before <= value.replace(tzinfo=UTC) <= datetime.now(UTC)


@pytest.mark.parametrize("type_", [BigInteger(), SmallInteger(), Integer()])
def test_keys_count_by_themselves(engine: Engine, type_: TypeEngine[Any]) -> None:
    """A BIGINT key is INTEGER PRIMARY KEY on SQLite; a BIGINT that is no key stays one."""
    table = Table("t", MetaData(), Column("id", type_, primary_key=True), Column("n", BigInteger))
    table.metadata.create_all(engine)
    with engine.begin() as connection:
        keys = [connection.execute(insert(table)).inserted_primary_key for _ in range(2)]
    types = {column["name"]: str(column["type"]) for column in inspect(engine).get_columns("t")}
    assert (keys, types) == ([(1,), (2,)], {"id": "INTEGER", "n": "BIGINT"})


def test_decimals_are_exact_in_sql(engine: Engine) -> None:
    """Order, equality and uniqueness of decimal text are those of the numbers."""
    table = _table(Numeric(38, 10), unique=True)
    table.metadata.create_all(engine)
    values = [Decimal("10"), Decimal("9"), Decimal("12345678901234567890.01"), Decimal("-1")]
    with engine.begin() as connection:
        connection.execute(insert(table), [{"v": value} for value in values])
        ordered = connection.execute(select(table.c.v).order_by(table.c.v)).scalars().all()
        above = connection.execute(select(table.c.v).where(table.c.v > Decimal("9.50")).order_by(table.c.v)).scalars()
        assert (ordered, list(above)) == (sorted(values), sorted(values)[2:])
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(insert(table).values(v=Decimal("10.000")))
