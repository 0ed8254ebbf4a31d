"""A dictionary that forgets: what plans are remembered in.

1. It is bounded by entries and by bytes: a plan of a large request takes a thousand times the room of a small one.
2. What has been asked for once is forgotten before what has been asked for again: a flood of shapes that nobody asks
   for twice goes by without touching those that everybody uses.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any, Final, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

#: Bytes of one dictionary unless it is told otherwise.
MOST_BYTES: Final = 16 << 20
#: The part of it, in entries and in bytes, that those have which were asked for once.
_NEW: Final = 4
#: Bytes of what is remembered about anything: its key, and what it holds besides SQL.
_ENTRY: Final = 2_000
#: A plan takes this much memory for each letter of its SQL.
_PER_LETTER: Final = 10


def room_of(*statements: Any) -> int:
    """About how many bytes a plan takes, by the SQL of what was prepared for it; ``None`` takes none."""
    return _ENTRY + _PER_LETTER * sum(len(one.sql) for one in statements if one is not None)


def _alike(_: Any) -> int:
    return _ENTRY


class Remembered(Generic[K, V]):
    """At most *most* values, of at most *most_bytes* together as *weigh* counts them.

    A look-up is one dictionary access (60 ns) for what has been asked for twice; the order is that of insertion, not of
    use, because moving an entry on every hit would cost more than planning again now and then.
    """

    __slots__ = ("_bytes", "_kept", "_lock", "_most", "_most_bytes", "_new", "_weigh")

    def __init__(self, most: int, *, most_bytes: int = MOST_BYTES, weigh: Callable[[V], int] = _alike) -> None:
        self._most = (most - most // _NEW, max(1, most // _NEW))
        self._most_bytes = (most_bytes - most_bytes // _NEW, most_bytes // _NEW)
        self._weigh = weigh
        self._lock = Lock()
        self._kept: dict[K, V] = {}
        self._new: dict[K, V] = {}
        self._bytes = [0, 0]

    @property
    def size_bytes(self) -> int:
        """What all values weigh."""
        return sum(self._bytes)

    def get(self, key: K) -> V | None:
        """The value of *key*, if it is remembered."""
        value = self._kept.get(key)
        if value is None and key in self._new:
            with self._lock:
                value = self._new.pop(key, None)
                if value is not None:
                    self._bytes[1] -= self._weigh(value)
                    self._keep(key, value)
        return value

    def put(self, key: K, value: V) -> V:
        # Plans are made in threads, too: two must not forget at once.
        with self._lock:
            if key not in self._kept:
                self._bring(key, value)
        return value

    def _keep(self, key: K, value: V) -> None:
        self._kept[key] = value
        self._bytes[0] += self._weigh(value)
        while len(self._kept) > self._most[0] or (self._bytes[0] > self._most_bytes[0] and len(self._kept) > 1):
            oldest = next(iter(self._kept))
            old = self._kept.pop(oldest)
            self._bytes[0] -= self._weigh(old)
            # It may be asked for at any moment: so it is the last of the new ones to go.
            self._bring(oldest, old)

    def _bring(self, key: K, value: V) -> None:
        before = self._new.pop(key, None)
        self._bytes[1] += self._weigh(value) - (0 if before is None else self._weigh(before))
        self._new[key] = value
        while self._new and (len(self._new) > self._most[1] or self._bytes[1] > self._most_bytes[1]):
            self._bytes[1] -= self._weigh(self._new.pop(next(iter(self._new))))
