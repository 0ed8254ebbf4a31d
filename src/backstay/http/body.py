"""The body of a request, counted while it arrives."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping
from typing import Final

from starlette.types import Receive

from backstay.db.failures import RETRY
from backstay.db.turns import share_of
from backstay.errors import RequestError
from backstay.http.headers import CLOSE
from backstay.http.limits import HttpLimits

#: Pieces that any body may come in, and bytes that they have on average beyond: each is a message, whatever is in it.
_PIECES: Final = 1_000
_PIECE_BYTES: Final = 16


class BodyReader:
    """Reads bodies under the limits, and knows how many bytes are waiting for their end over all requests (LM10).

    One per process; what is unfinished is its only state.  One address has no more than *share* percent of it.
    """

    def __init__(self, limits: HttpLimits, share: int = 0) -> None:
        self._limits = limits
        self._most_of = share_of(limits.unfinished_bytes, share)
        self._unfinished_of: Counter[str] = Counter()
        #: Bytes held for bodies that have not ended.
        self.unfinished = 0

    async def read(self, receive: Receive, headers: Mapping[bytes, bytes], address: str = "") -> bytes:
        """Return the whole body, that a client at *address* sends.

        Raises:
            RequestError: BST415 for a content encoding, BST413 over the limit or in too many pieces, BST408 when it
                takes too long, BST503 when too many unfinished bodies wait, BST400 for a Content-Length that is not a
                number and for a body that breaks off.
        """
        encoding = headers.get(b"content-encoding")
        if encoding is not None and encoding.strip().lower() != b"identity":
            # Decompression would let 1 KiB of request become 1 GiB of memory (LM3).
            raise RequestError("BST415", "A content encoding is not supported", hint="Send the body uncompressed.")
        declared = headers.get(b"content-length")
        if declared is not None:
            # isdigit of bytes is ASCII only: no sign, no underscore, no other script, as int() would take.
            if not declared.isdigit() or len(declared) > 19:
                raise RequestError(
                    "BST400", "The Content-Length header is not a number of bytes", hint="Send how many the body has."
                )
            if int(declared) > self._limits.body_bytes:
                raise self._too_large()
            if int(declared) == 0:
                return b""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.body_seconds):
                return await self._collect(receive, address)
        # Not in a handler of that error, whose frames hold the wait for the body; see ``kernel.py``.
        raise RequestError(
            "BST408",
            f"The body did not arrive within {self._limits.body_seconds:g} seconds",
            hint="Send it again, in smaller parts or over a faster connection.",
            headers=CLOSE,
        )

    async def _collect(self, receive: Receive, address: str) -> bytes:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _broken_off()
        chunk: bytes = message.get("body", b"")
        if not message.get("more_body", False):
            if len(chunk) > self._limits.body_bytes:
                raise self._too_large()
            return chunk
        # A bytearray grows in place: a list of one-byte chunks would hold 60 bytes of object for each.
        body, pieces = bytearray(), 0
        try:
            while True:
                body += chunk
                pieces += 1
                self.unfinished += len(chunk)
                self._unfinished_of[address] += len(chunk)
                if len(body) > self._limits.body_bytes:
                    raise self._too_large()
                mine = self._unfinished_of[address]
                if self.unfinished > self._limits.unfinished_bytes or mine > self._most_of:
                    raise RequestError(
                        "BST503", "Too many large requests at once", hint="Try again in a second.", headers=RETRY
                    )
                if not message.get("more_body", False):
                    return bytes(body)
                if pieces > _PIECES + len(body) // _PIECE_BYTES:
                    raise RequestError(
                        "BST413", "The body comes in too many pieces", hint="Send larger chunks.", headers=CLOSE
                    )
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _broken_off()
                chunk = message.get("body", b"")
        finally:
            self.unfinished -= len(body)
            self._unfinished_of[address] -= len(body)
            if self._unfinished_of[address] <= 0:
                del self._unfinished_of[address]

    def _too_large(self) -> RequestError:
        # The connection stays open: closing it while the client still sends would reset it, and the client would never
        # read the 413.
        return RequestError(
            "BST413",
            f"The body is larger than {self._limits.body_bytes} bytes",
            hint="Split it into several requests.",
        )


def _broken_off() -> RequestError:
    # Granian says of chunks that are malformed, and of extensions and trailers beyond its bounds, that nobody is there.
    return RequestError(
        "BST400",
        "The body breaks off, or its chunks are malformed or too large",
        hint="Send all of it, with its length or in chunks as RFC 9112 writes them.",
        headers=CLOSE,
    )
