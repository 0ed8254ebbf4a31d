"""How long a function that a request calls may take, and keep its transaction open: it waits for more than that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from backstay.db.caller import CALLER
from backstay.errors import DatabaseError

#: Longest run of a function that a request calls, with its transaction or without.  The app's own sessions take the
#: time they need.
SESSION_SECONDS: Final = 30.0


@asynccontextmanager
async def bounded(seconds: float | None = None, what: str = "transaction") -> AsyncIterator[None]:
    """End a block of code of a request, which is its *what*, after *seconds*; `SESSION_SECONDS` by default.

    Raises:
        DatabaseError: 57014.
    """
    if not CALLER.get().key:
        yield
        return
    limit = asyncio.timeout(SESSION_SECONDS if seconds is None else seconds)
    try:
        async with limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise  # the function's own
        message = f"canceling statement due to statement timeout: the {what} took too long"
        raise DatabaseError("57014", message) from error
