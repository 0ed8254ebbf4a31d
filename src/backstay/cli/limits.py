"""How long a connection may take, and how many an address may have."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """Bounds on one connection, which a server keeps, or is told (LM2)."""

    #: Seconds for the first byte and the rest of a head.
    head_seconds: float = 10.0
    #: Seconds between two requests.
    idle_seconds: float = 15.0
    #: Seconds for a body, as the app has them.
    body_seconds: float = 60.0
    #: Seconds in which a client must take something of its answer.
    send_seconds: float = 30.0
    #: Connections of one address; 0: any number.
    per_address: int = 100
    #: Bytes of a head that has not ended.
    head_bytes: int = 64 * 1024
