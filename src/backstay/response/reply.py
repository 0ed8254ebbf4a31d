"""What goes back to the socket."""

from __future__ import annotations

from dataclasses import dataclass

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, headers (lower-case names) and the finished body."""

    status: int
    headers: Headers = ()
    body: bytes = b""
