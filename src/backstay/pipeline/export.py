"""``Accept: application/x-ndjson``: a row a line, streamed, with one chunk in memory at a time.

1. Policies, filters, order, embeds and ``limit`` mean what they mean in any read.
2. ``max_rows`` does not cut the rows, since they are never in memory together; `Settings.max_export_rows` does.  It
   still cuts the arrays of embeds, which are.
3. Nothing is counted and no time zone is changed: the preferences for both are not applied, and not said to be.
4. The first chunk is read before the status is sent, so that a query that fails is answered with its error.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Final

from backstay.db.statement import Database, Rows, Statement
from backstay.response.reply import Headers, Reply

_NO_ROWS: Final[Rows] = ()


async def export(
    database: Database, statement: Statement, headers: Headers, change: Callable[[str], str] | None = None
) -> Reply:
    """The reply that streams the rows of *statement*, each of which is one JSON text that *change* may change.

    Raises:
        DatabaseError: BST503 when too many exports run; and what the first rows raise.
    """
    rows = database.stream(statement)
    try:
        first = await anext(rows)
    except StopAsyncIteration:
        first = _NO_ROWS
    except BaseException:
        await rows.aclose()
        raise
    try:
        begun = _joined(first, change)
    except BaseException:
        await rows.aclose()
        raise
    return Reply(200, headers, stream=_lines(begun, rows, change))


async def _lines(
    begun: bytes, rest: AsyncGenerator[Rows, None], change: Callable[[str], str] | None
) -> AsyncGenerator[bytes, None]:
    try:
        yield begun
        async for rows in rest:
            yield _joined(rows, change)
    finally:
        await rest.aclose()


def _joined(rows: Rows, change: Callable[[str], str] | None) -> bytes:
    if change is not None:
        return "".join(change(row[0]) + "\n" for row in rows).encode()
    # A line break in JSON is only ever space between tokens; PostgreSQL's json type keeps those that were sent.
    return "".join(row[0].replace("\n", " ").replace("\r", " ") + "\n" for row in rows).encode()
