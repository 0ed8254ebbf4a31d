"""What goes back to the socket."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]


class Reply(NamedTuple):
    """Status, headers (lower-case names) and the finished body."""

    status: int
    headers: Headers = ()
    body: bytes = b""
