"""The SQLAlchemy dialect ``sqlite+apsw``, sync and async.

``create_engine("sqlite+apsw:///app.db")`` and ``create_async_engine`` of the same URL both work, and so does Alembic.
The storage of each type is `storage`'s; a ``BIGINT`` key that counts by itself becomes ``INTEGER``, which alone does so
in SQLite; ``now()`` gives text in the storage form.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy import Column, pool
from sqlalchemy import types as sqltypes
from sqlalchemy.dialects.sqlite import JSON
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler, SQLiteDDLCompiler, SQLiteDialect, SQLiteTypeCompiler
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError
from sqlalchemy.util import memoized_property

from backstay.adapters.sqlite.storage import COLSPECS, is_exact_number
from backstay.sql.sqlite.path import DECIMALS
from backstay.sql.sqlite.rendered import rendered

#: Now in UTC, to the millisecond, without the zeros that end the fraction.
_NOW = "rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f', 'now'), '0'), '.')"


class ApswExpressionCompiler(SQLiteCompiler):
    """What a schema is made of, which other programs read too: the present in the storage form."""

    def visit_now_func(self, fn: Any, **kw: Any) -> str:
        return f"({_NOW} || '+00:00')"

    visit_current_timestamp_func = visit_now_func

    def visit_localtimestamp_func(self, func: Any, **kw: Any) -> str:
        return _NOW


class ApswCompiler(ApswExpressionCompiler):
    """Statements: operators and functions mean what they mean on PostgreSQL (`rendered`)."""

    def visit_binary(self, binary: Any, **kw: Any) -> str:  # type: ignore[override]
        return self._rendered(binary, super().visit_binary, kw)

    def visit_expression_clauselist(self, clauselist: Any, **kw: Any) -> str:
        return self._rendered(clauselist, super().visit_expression_clauselist, kw)

    def visit_unary(self, unary: Any, **kw: Any) -> str:  # type: ignore[override]
        return self._rendered(unary, super().visit_unary, kw)

    def visit_cast(self, cast: Any, **kw: Any) -> str:
        return self._rendered(cast, super().visit_cast, kw)

    def visit_extract(self, extract: Any, **kw: Any) -> str:
        return self._rendered(extract, super().visit_extract, kw)

    def visit_case(self, clause: Any, **kw: Any) -> str:
        return self._rendered(clause, super().visit_case, kw)

    def visit_function(self, func: Any, **kw: Any) -> str:  # type: ignore[override]
        return self._rendered(func, super().visit_function, kw)

    def visit_collation(self, element: Any, **kw: Any) -> str:
        # By code point: SQLite's own name for it.
        return "BINARY" if element.collation == "C" else str(super().visit_collation(element, **kw))  # type: ignore[no-untyped-call]

    def _rendered(self, element: Any, usual: Callable[..., str], kw: dict[str, Any]) -> str:
        found = rendered(element)
        return usual(element, **kw) if found is None else self.process(found.self_group(), **kw)


class ApswDDLCompiler(SQLiteDDLCompiler):
    """Tables."""

    @memoized_property
    def sql_compiler(self) -> Any:
        return ApswExpressionCompiler(self.dialect, None, schema_translate_map=self.schema_translate_map)

    def get_column_default_string(self, column: Column[Any]) -> str | None:
        text = super().get_column_default_string(column)
        if text is None:
            return None
        if text.strip("()").upper() == "CURRENT_TIMESTAMP":
            text = f"({_NOW} || '+00:00')"
        if isinstance(column.type, sqltypes.DateTime) and not column.type.timezone:
            text = text.replace(f"({_NOW} || '+00:00')", f"({_NOW})")
        return text


class ApswTypeCompiler(SQLiteTypeCompiler):
    """Type names: each gives the affinity that its storage needs, and is recognised when a table is reflected."""

    def visit_uuid(self, type_: Any, **kw: Any) -> str:
        return "UUID"

    visit_UUID = visit_uuid

    def visit_datetime(self, type_: Any, **kw: Any) -> str:
        return "TIMESTAMPTZ" if type_.timezone else "TIMESTAMP"

    visit_DATETIME = visit_datetime
    visit_TIMESTAMP = visit_datetime

    def visit_date(self, type_: Any, **kw: Any) -> str:
        return "DATE"

    visit_DATE = visit_date

    def visit_time(self, type_: Any, **kw: Any) -> str:
        return "TIME"

    visit_TIME = visit_time

    def visit_duration_text(self, type_: Any, **kw: Any) -> str:
        return "DURATION_TEXT"  # not INTERVAL: a name with INT in it has integer affinity

    visit_INTERVAL = visit_duration_text

    def visit_numeric(self, type_: Any, *, type_expression: Any = None, **kw: Any) -> str:
        size = ""
        if type_.precision is not None:
            size = f"({type_.precision})" if type_.scale is None else f"({type_.precision}, {type_.scale})"
        if is_exact_number(type_.precision):
            return f"NUMERIC{size}"
        if isinstance(type_expression, Column):
            return f"DECIMAL_TEXT{size} COLLATE {DECIMALS}"
        return f"DECIMAL_TEXT{size}"

    visit_NUMERIC = visit_numeric
    visit_DECIMAL = visit_numeric

    def visit_JSON(self, type_: Any, **kw: Any) -> str:
        return "JSONTEXT"  # not JSON, whose numeric affinity would turn the text 1.0 into 1

    visit_JSONB = visit_JSON
    visit_ARRAY = visit_JSON

    def visit_big_integer(self, type_: Any, *, type_expression: Any = None, **kw: Any) -> str:
        if isinstance(type_expression, Column) and type_expression is _counting(type_expression):
            return "INTEGER"
        return "BIGINT"

    visit_BIGINT = visit_big_integer

    def visit_small_integer(self, type_: Any, *, type_expression: Any = None, **kw: Any) -> str:
        if isinstance(type_expression, Column) and type_expression is _counting(type_expression):
            return "INTEGER"
        return "SMALLINT"

    visit_SMALLINT = visit_small_integer


def _counting(column: Column[Any]) -> Column[Any] | None:
    return column.table.autoincrement_column if column.table is not None else None


_COLSPECS: Any = {**SQLiteDialect.colspecs, **COLSPECS}
_NAMES: Any = {
    **SQLiteDialect.ischema_names,
    "UUID": sqltypes.Uuid,
    "TIMESTAMPTZ": partial(sqltypes.TIMESTAMP, True),
    "TIMESTAMP": sqltypes.TIMESTAMP,
    "DURATION_TEXT": sqltypes.Interval,
    "DECIMAL_TEXT": sqltypes.Numeric,
    "JSONTEXT": JSON,
}


class ApswDialect(SQLiteDialect):
    """Sync; `get_async_dialect_cls` gives the async one."""

    driver = "apsw"
    supports_statement_cache = True
    returns_native_bytes = True
    default_paramstyle = "qmark"
    statement_compiler = ApswCompiler
    ddl_compiler = ApswDDLCompiler
    type_compiler_cls = ApswTypeCompiler
    colspecs = _COLSPECS
    ischema_names = _NAMES

    def __init__(self, **kw: Any) -> None:
        kw.setdefault(
            "json_serializer", partial(json.dumps, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        )
        super().__init__(**kw)

    @classmethod
    def import_dbapi(cls) -> Any:
        from backstay.adapters.sqlite import dbapi

        return dbapi

    @classmethod
    def get_async_dialect_cls(cls, url: URL) -> Any:
        from backstay.adapters.sqlite.dialect_async import ApswAsyncDialect

        return ApswAsyncDialect

    @classmethod
    def get_pool_class(cls, url: URL) -> Any:
        return pool.QueuePool if _is_file(url) else pool.SingletonThreadPool

    def create_connect_args(self, url: URL) -> Any:
        if url.username or url.password or url.host or url.port:
            raise ArgumentError(
                f"not a SQLite URL: {url}; write sqlite+apsw:///relative.db or sqlite+apsw:////absolute.db"
            )
        return [url.database or ":memory:"], dict(url.query)

    def _get_server_version_info(self, connection: Any) -> tuple[int, ...]:
        return tuple(self.dbapi.sqlite_version_info)  # type: ignore[union-attr]

    def set_isolation_level(self, dbapi_connection: Any, level: str) -> None:
        dbapi_connection.autocommit = level == "AUTOCOMMIT"
        if level != "AUTOCOMMIT":
            super().set_isolation_level(dbapi_connection, level)  # type: ignore[arg-type]

    def get_isolation_level_values(self, dbapi_conn: Any) -> Any:
        return ("AUTOCOMMIT", "SERIALIZABLE", "READ UNCOMMITTED")

    def detect_autocommit_setting(self, dbapi_conn: Any) -> bool:
        return bool(dbapi_conn.autocommit)

    def is_disconnect(self, e: Any, connection: Any, cursor: Any) -> bool:
        return isinstance(e, self.loaded_dbapi.ProgrammingError) and "closed" in str(e)


def _is_file(url: URL) -> bool:
    return bool(url.database) and url.database != ":memory:"


dialect = ApswDialect
