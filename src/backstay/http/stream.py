"""A body that is sent while it is made.

1. A chunk is made when the one before has been taken: a slow client costs no memory.
2. A client that leaves, or that takes no chunk in time, ends the stream, and with it what the database does.
3. After the status is out an error can only break the answer off, so that nobody takes half of it for all.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Final

from starlette.types import Receive, Scope, Send

from backstay.errors import BackstayError
from backstay.response.reply import Headers, Reply

_LOG: Final = logging.getLogger("backstay.http")


async def stream(
    scope: Scope, receive: Receive, send: Send, reply: Reply, headers: Headers, *, seconds: float = 30.0
) -> None:
    """Send *reply*, whose body is its stream, and close the stream whatever happens.

    *seconds* is the longest wait for a client to take a chunk.

    Raises:
        BackstayError: the stream failed after its beginning: the server must abort the connection.
    """
    assert reply.stream is not None  # noqa: S101 - the caller has looked
    gone = asyncio.ensure_future(_left(receive))
    try:
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await _send_chunks(send, reply.stream, gone, seconds)
    except OSError:
        # ASGI: what send() raises when the client has gone.
        _LOG.debug("the client left during its answer")
    except BackstayError as error:
        _LOG.warning("%s %.200r was broken off: %s", scope["method"], scope["path"], error.code, exc_info=error)
        raise
    finally:
        gone.cancel()
        await reply.stream.aclose()


async def _send_chunks(
    send: Send, chunks: AsyncGenerator[bytes, None], gone: asyncio.Future[None], seconds: float
) -> None:
    async for chunk in chunks:
        if gone.done():
            return
        async with asyncio.timeout(seconds):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        # A server whose client has gone takes chunks without waiting: nobody else would ever get a turn.
        await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    """Ends when the client does."""
    while (await receive())["type"] != "http.disconnect":
        pass
