"""What goes back to the socket."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import NamedTuple, TypeAlias

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]


class Reply(NamedTuple):
    """Status, headers (lower-case names) and the finished body.

    With a *stream* the body comes in chunks instead; who sends the reply closes the stream, however that ends.
    """

    status: int
    headers: Headers = ()
    body: bytes = b""
    stream: AsyncGenerator[bytes, None] | None = None
    #: How many rows were read or written.
    rows: int = 0
