"""What ``sql/`` makes: as text for either database, or asked of an SQLite database in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import apsw
import sqlalchemy as sa

from backstay.adapters.load import sql_dialect
from backstay.adapters.sqlite.functions import register
from backstay.adapters.sqlite.matching import free
from backstay.catalog import Column, family_of
from backstay.plan.intent import Compare, Operand
from backstay.policy import Principal
from backstay.request.field import Step
from backstay.request.filters import Quantifier, Slot, Value
from backstay.sql.dialect import SqlDialect
from backstay.sql.prepared import prepare

SQLITE: Final = sql_dialect("sqlite")
POSTGRESQL: Final = sql_dialect("postgresql")
#: The only value of a request.
SENT: Final = Slot(0)


def column(name: str, type_: Any, **more: Any) -> Column:
    """A plain column of *type_*, in no table."""
    own = sa.Column(name, type_)
    given = {"nullable": True, "has_default": False, "generated": False, "primary": False, **more}
    return Column(name, own, family_of(own.type), **given)


def compared(
    type_: Any, op: str, value: Value = SENT, *, path: tuple[Step, ...] = (), quantifier: Quantifier | None = None
) -> Compare:
    """The condition ``v op value`` about a column of *type_*."""
    return Compare(Operand(column("v", type_), path), op, value, quantifier=quantifier)


def written(statement: Any, dialect: SqlDialect = POSTGRESQL) -> str:
    """*statement* as *dialect*'s SQL, in one line."""
    return " ".join(str(statement.compile(dialect=dialect.compiler)).split())


@contextmanager
def memory(*script: str) -> Iterator[apsw.Connection]:
    """A database in memory that knows what ours know, after *script*."""
    connection = apsw.Connection(":memory:")
    register(connection, free)
    try:
        for statement in script:
            connection.execute(statement)
        yield connection
    finally:
        connection.close()


def asked(
    connection: apsw.Connection, statement: Any, *values: Any, who: Principal | None = None
) -> Sequence[tuple[Any, ...]]:
    """The rows of *statement*, where *values* are those of the request."""
    found = prepare(statement, SQLITE.compiler).bind(values, who or Principal())
    return connection.execute(found.sql, found.args).fetchall()


def computed(expression: Any, *values: Any) -> Any:
    """The value of *expression*, of no table."""
    with memory() as connection:
        return asked(connection, sa.select(expression), *values)[0][0]


def shown(expression: Any, *values: Any) -> Any:
    """What *expression* is in JSON."""
    return json.loads(computed(sa.func.json_array(expression), *values))[0]
