"""Large answers, as long as their clients have not taken them.

1. A piece is sent when the one before has been taken: a server that is given all at once holds all, for as long as the
   client likes, and no deadline reaches it.
2. What waits to be taken is counted, over all of the process and by address (LM10).
3. An answer that there is no room for is refused, and may be asked for again; but never that of a request which was
   done, since whoever then asks again does it twice.  That is said to be done, without its rows.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from starlette.types import Message, Send

from backstay.db.failures import RETRY
from backstay.db.turns import share_of
from backstay.errors import BackstayError, RequestError
from backstay.response.reply import Reply
from backstay.response.written import without_rows

#: Seconds that a server is given to find out by itself that its client takes nothing, which is quieter.
_GRACE: Final = 2.0

#: Bytes of one piece; answers that are no larger are sent at once, and not counted.
CHUNK_BYTES: Final = 64 * 1024

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Unsent:
    """How many bytes wait for their clients: at most *most*, and *share* percent of them for one address."""

    def __init__(self, most: int, share: int) -> None:
        self._most = most
        self._most_of = share_of(most, share)
        self.waiting = 0
        self._of: Counter[str] = Counter()

    def begin(self, address: str, size: int) -> bool:
        """Whether *size* bytes more may wait for *address*; then they must `end`.

        One answer of any size may always wait alone.
        """
        if not self.has_room(address, size):
            return False
        self.waiting += size
        self._of[address] += size
        return True

    def has_room(self, address: str, size: int = CHUNK_BYTES + 1) -> bool:
        """Whether *size* bytes, by default the least that is counted, may wait for *address* beside what does."""
        mine = self._of.get(address, 0)
        return not (self.waiting and self.waiting + size > self._most) and not (mine and mine + size > self._most_of)

    def end(self, address: str, size: int) -> None:
        """They have been taken, or never will be."""
        self.waiting -= size
        self._of[address] -= size
        if not self._of[address]:
            del self._of[address]


def may_weigh(method: str, path: str, headers: Mapping[bytes, bytes]) -> bool:
    """Whether a request to the data plane does something, and may then have a large answer."""
    if method in _READING:
        return False
    return path == "batch" or path.startswith("rpc/") or b"return=representation" in headers.get(b"prefer", b"")


def weightless(method: str, reply: Reply, tell: Callable[[BackstayError], Reply]) -> Reply:
    """What is sent in place of *reply*, which there is no room for; *tell* makes an answer of an error."""
    if method in _READING or reply.status >= 400:
        return tell(too_much_unsent())
    return without_rows(method, reply) or tell(_done())


def too_much_unsent() -> BackstayError:
    """BST503, with Retry-After: nothing was done."""
    return RequestError(
        "BST503",
        "Too many large answers wait to be taken",
        hint="Ask for less at a time, or try again in a second.",
        headers=RETRY,
    )


def _done() -> BackstayError:
    # No 503, and no Retry-After: there are clients that obey both by themselves.
    return RequestError(
        "BST5071",
        "The request was done, and there is no room for its answer: too many large ones wait to be taken",
        hint="Do not send it again, but with the Idempotency-Key that it had: then its answer was kept.",
    )


async def send_pieces(send: Send, start: Message, body: bytes, seconds: float) -> None:
    """Send *start* and *body*, piece by piece.

    Raises:
        TimeoutError: a piece was not taken within *seconds*.
        OSError: the client has left.
    """
    seconds += _GRACE
    view = memoryview(body)
    last = (len(body) - 1) // CHUNK_BYTES if body else 0
    async with asyncio.timeout(seconds):
        await send(start)
    for number in range(last + 1):
        piece = bytes(view[number * CHUNK_BYTES : (number + 1) * CHUNK_BYTES])
        async with asyncio.timeout(seconds):
            await send({"type": "http.response.body", "body": piece, "more_body": number < last})
