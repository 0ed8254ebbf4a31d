"""`Store`: the tables that Backstay itself keeps, asked with `query` statements."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy.engine import Dialect as SaDialect

from backstay.db.statement import Database
from backstay.db.transaction import run_inside, steps_of
from backstay.errors import DatabaseError
from backstay.sql.query import Asked

T = TypeVar("T")

#: Two transactions waited for each other, or could not have run one after the other: neither has done anything.
_MET: Final = frozenset({"40P01", "40001"})
#: How long is waited before each further try, at most, in seconds.
_PAUSES: Final = (0.02, 0.1, 0.5)


class Asks(Protocol):
    """What runs queries: a `Store` by itself, or a `Transaction` of it."""

    async def one(self, asked: Asked) -> Any:
        """The first row, or ``None``."""
        ...

    async def all(self, asked: Asked) -> Sequence[Any]:
        """Every row."""
        ...


class Transaction:
    """A transaction at work.  A flow in it may wait for nothing but this.

    A statement that fails has failed the transaction: its error may be made a better one, but nothing goes on.
    """

    __slots__ = ("_dialect",)

    def __init__(self, dialect: SaDialect) -> None:
        self._dialect = dialect

    async def one(self, asked: Asked) -> Any:
        """The first row, or ``None``: a conditional UPDATE … RETURNING that found nothing to change gives ``None``."""
        rows = await self.all(asked)
        return rows[0] if rows else None

    async def all(self, asked: Asked) -> Sequence[Any]:
        compiled = asked.query.compiled(self._dialect)
        return compiled.read(await run_inside(compiled.bind(asked.values)))

    async def run(self, asked: Asked) -> None:
        """Run it for its effect."""
        compiled = asked.query.compiled(self._dialect)
        await run_inside(compiled.bind(asked.values))


class Store:
    """Reads by itself, writes in transactions.

    Args:
        database: open, or opened before the first use.
        dialect: `SqlDialect.compiler` of that database.
    """

    def __init__(self, database: Database, dialect: SaDialect) -> None:
        self.database = database
        self.dialect = dialect

    async def one(self, asked: Asked) -> Any:
        """The first row of a reading query, or ``None``; outside of any transaction."""
        compiled = asked.query.compiled(self.dialect)
        row = await self.database.fetch(compiled.bind(asked.values))
        return compiled.read([row])[0] if row else None

    async def all(self, asked: Asked) -> Sequence[Any]:
        """Every row of a reading query; outside of any transaction."""
        compiled = asked.query.compiled(self.dialect)
        return compiled.read(await self.database.fetch_all(compiled.bind(asked.values)))

    async def transact(self, flow: Callable[[Transaction], Coroutine[Any, Any, T]]) -> T:
        """Run *flow* in one transaction and return its outcome after the commit is durable.

        *flow* has no effect but its statements: it is called again when the transaction has to be run again, a few
        times at most where it met another one.
        What it raises rolls everything back; what must stay although the request is refused is an outcome.
        """
        transaction = Transaction(self.dialect)
        for pause in (*_PAUSES, None):
            try:
                return await self.database.transact(lambda: steps_of(lambda: flow(transaction)))
            except DatabaseError as error:
                if error.code not in _MET or pause is None:
                    raise
                # Unequal, so that the two do not meet again.
                await asyncio.sleep(pause * random.random())  # noqa: S311 - no secret
        raise AssertionError("unreachable")
