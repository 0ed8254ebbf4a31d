"""How long a request may keep a transaction open: a function waits for more than the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from backstay.db.caller import CALLER
from backstay.errors import DatabaseError

#: Longest transaction of a function that a request calls.  The app's own sessions take the time they need.
SESSION_SECONDS: Final = 30.0


@asynccontextmanager
async def bounded(seconds: float = SESSION_SECONDS) -> AsyncIterator[None]:
    """End a block of code of a request after *seconds*.

    Raises:
        DatabaseError: 57014.
    """
    if not CALLER.get().key:
        yield
        return
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise  # the function's own
        message = "canceling statement due to statement timeout: the transaction took too long"
        raise DatabaseError("57014", message) from error
