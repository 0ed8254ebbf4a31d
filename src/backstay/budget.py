"""What one request may cost, as one value that is handed down.

Each figure is an upper bound on one request, whoever sends it; ``docs/reference/limits.md`` lists them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class RequestBudget:
    """The bounds of one request.  A room takes the field that it spends, not the settings."""

    #: Longest time that one step may hold the event loop.  On SQLite a read that takes longer is stopped there and
    #: begun again in a thread.
    loop_seconds: float = 0.025
    #: Bytes of values that our own SQL functions look at on the event loop; more of them are for a thread.
    loop_bytes: int = 1 << 20
    #: Time of all statements of one request together.
    database_seconds: float = 5.0
    #: Bytes of one whole answer, whatever it is made of; exports are counted by the chunk.
    answer_bytes: int = 8 << 20
    #: Bytes of memory that one request may hold at its peak.
    memory_bytes: int = 64 << 20

    @property
    def sqlite_bytes(self) -> int:
        """Those of them that SQLite may take: it holds a value up to five times while it makes an answer of it."""
        return max(5 * self.answer_bytes, self.memory_bytes // 2)


#: What a request may cost unless the operator says otherwise.
DEFAULT_BUDGET: Final = RequestBudget()
