"""What goes to a database and what comes back."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

T = TypeVar("T")

Row: TypeAlias = Sequence[Any]
Rows: TypeAlias = Sequence[Row]


class Statement(NamedTuple):
    """SQL text in the driver's own parameter style, and its driver-ready arguments.

    A tuple, as `Reply` and `DataRequest` are: one is made for every request, and a frozen dataclass costs 0.5 µs more.

    SQLite: ``?`` and int, float, str, bytes or None.  PostgreSQL: ``$1`` and what asyncpg encodes.
    The *sql* of one plan is the same object on every request, so that a driver can key its statement cache by it.
    """

    sql: str
    args: tuple[Any, ...] = ()


#: A transaction as a generator without I/O: it yields statements and is sent their rows; what it returns is the
#: outcome, committed; what it raises rolls everything back.
Steps: TypeAlias = Generator[Statement, Rows, T]
