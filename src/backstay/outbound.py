"""Requests that the app makes itself: the port, which ``adapters/httpx2`` implements.

Whoever calls says what it wants; where the app may not go, and how long it waits, is the adapter's to decide (SR1).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True, repr=False)
class Call:
    """One request.  It may hold credentials: keep it out of logs, which its ``repr`` does by itself.

    Args:
        url: where to; https.
        form: the body, as ``application/x-www-form-urlencoded``.
        private: whether the operator has allowed addresses that are not public for this one.
    """

    url: str
    method: Literal["GET", "POST"] = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None
    private: bool = False

    def __repr__(self) -> str:
        return f"Call({self.method} ***)"


@dataclass(frozen=True, slots=True, repr=False)
class Answered:
    """What came back, whatever its status."""

    status: int
    body: bytes


class OutboundError(Exception):
    """No answer: the address is refused, nobody listens, or it took too long or was too much.

    The text names no address: it is for the log of the operator, who knows it.
    """


Fetch: TypeAlias = Callable[[Call], Awaitable[Answered]]


async def nowhere(call: Call) -> Answered:
    """The port of an app that calls nobody.

    Raises:
        OutboundError: always.
    """
    raise OutboundError("this app makes no requests")
