"""What SQLite may hold, kept by its own allocator: whatever would take more fails at that very step.

Nothing that looks from outside between two steps could do that: one step joins two hundred values into one text.

1. SQLite counts the bytes of the whole process.  So whoever works has a room, and all of them together hold no more
   than what there was when the first of them began, and their rooms.
2. A statement that is alone is refused for what it takes itself.  Beside others nobody can tell whose fault it is, and
   SQLite's own error goes on.
"""

from __future__ import annotations

from threading import Lock
from types import TracebackType
from typing import Final

import apsw

from backstay.db.failures import no_room

#: The room of a statement that changes rows.  SQLite keeps what they were in memory until it is sure of the change.
CHANGES: Final = 1 << 30

#: Bytes that were held when each of those began who work now, and its room; the oldest is the first.  SQLite has one
#: allocator in a process, and so there is one of these.
_ROOMS: Final[list[tuple[int, int]]] = []
_LOCK: Final = Lock()


class Room:
    """As a context: meanwhile *size* more bytes may be held.

    Raises:
        DatabaseError: BST413, a statement takes more than that.
    """

    __slots__ = ("_mine", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._mine = (0, size)

    def __enter__(self) -> None:
        with _LOCK:
            self._mine = (apsw.memory_used(), self._size)
            _ROOMS.append(self._mine)
            _bound()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _LOCK:
            alone = len(_ROOMS) == 1
            _ROOMS.remove(self._mine)
            _bound()
        if alone and isinstance(error, apsw.NoMemError | MemoryError):
            raise no_room() from error


def _bound() -> None:
    # First none: SQLite would keep the smaller of two bounds as the one from which on it is sparing.
    apsw.hard_heap_limit(0)
    if _ROOMS:
        apsw.hard_heap_limit(_ROOMS[0][0] + sum(size for _, size in _ROOMS))
