"""A dictionary that forgets: what plans are remembered in.

1. It is bounded by entries and by bytes, those of its keys too: a plan of a large request takes a thousand times the
   room of a small one, and so does a key that a client has written.
2. What has been asked for once is forgotten before what has been asked for again: a flood of shapes that nobody asks
   for twice goes by without touching those that everybody uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import is_dataclass
from sys import getsizeof
from threading import Lock
from typing import Any, Final, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

#: Bytes of one dictionary unless it is told otherwise.
MOST_BYTES: Final = 16 << 20
#: Letters of a request, its query string and the headers that decide together, that are remembered.
MOST_LETTERS: Final = 2048
#: The part of it, in entries and in bytes, that those have which were asked for once.
_NEW: Final = 4
#: Bytes of what is remembered about anything, besides its SQL, its key and what was read of that.
_ENTRY: Final = 2_000
#: A plan takes this much memory for each letter of its SQL.
_PER_LETTER: Final = 10


def room_of(*statements: Any) -> int:
    """About how many bytes a plan takes, by the SQL of what was prepared for it; ``None`` takes none."""
    return _ENTRY + _PER_LETTER * sum(len(one.sql) for one in statements if one is not None)


def letters(parts: Iterable[Any]) -> int:
    """How long the texts among *parts* are together."""
    return sum(len(part) for part in parts if isinstance(part, str | bytes))


def held(value: Any) -> int:
    """How many bytes *value* holds.  What is equal to nothing but itself, such as a table, is held by others.

    >>> held("a" * 1000) > 1000, held(("a" * 1000, "b" * 1000)) > 2000, held(object())
    (True, True, 0)
    """
    if isinstance(value, str | bytes | int | float):
        return getsizeof(value)
    if isinstance(value, tuple | list | set | frozenset):
        return getsizeof(value) + sum(map(held, value))
    if isinstance(value, Mapping):
        return getsizeof(value) + sum(held(key) + held(item) for key, item in value.items())
    if is_dataclass(value) and type(value).__eq__ is not object.__eq__:
        return getsizeof(value) + sum(held(getattr(value, name)) for name in value.__dataclass_fields__)
    return 0


def _alike(_: Any, __: Any) -> int:
    return _ENTRY


class Remembered(Generic[K, V]):
    """At most *most* values, of at most *most_bytes* together as *weigh* counts them with their keys.

    A look-up is one dictionary access (60 ns) for what has been asked for twice; the order is that of insertion, not of
    use, because moving an entry on every hit would cost more than planning again now and then.
    """

    __slots__ = ("_bytes", "_kept", "_lock", "_most", "_most_bytes", "_new", "_weigh")

    def __init__(self, most: int, *, most_bytes: int = MOST_BYTES, weigh: Callable[[K, V], int] = _alike) -> None:
        self._most = (most - most // _NEW, max(1, most // _NEW))
        self._most_bytes = (most_bytes - most_bytes // _NEW, most_bytes // _NEW)
        self._weigh = weigh
        self._lock = Lock()
        #: Values with what they weigh.
        self._kept: dict[K, tuple[V, int]] = {}
        self._new: dict[K, tuple[V, int]] = {}
        self._bytes = [0, 0]

    @property
    def size_bytes(self) -> int:
        """What all values weigh."""
        return sum(self._bytes)

    def get(self, key: K) -> V | None:
        """The value of *key*, if it is remembered."""
        found = self._kept.get(key)
        if found is None and key in self._new:
            with self._lock:
                found = self._new.pop(key, None)
                if found is not None:
                    self._bytes[1] -= found[1]
                    self._keep(key, found)
        return None if found is None else found[0]

    def put(self, key: K, value: V) -> V:
        weighed = value, self._weigh(key, value)
        # Plans are made in threads, too: two must not forget at once.
        with self._lock:
            if key not in self._kept:
                self._bring(key, weighed)
        return value

    def _keep(self, key: K, weighed: tuple[V, int]) -> None:
        self._kept[key] = weighed
        self._bytes[0] += weighed[1]
        while len(self._kept) > self._most[0] or (self._bytes[0] > self._most_bytes[0] and len(self._kept) > 1):
            oldest = next(iter(self._kept))
            old = self._kept.pop(oldest)
            self._bytes[0] -= old[1]
            # It may be asked for at any moment: so it is the last of the new ones to go.
            self._bring(oldest, old)

    def _bring(self, key: K, weighed: tuple[V, int]) -> None:
        before = self._new.pop(key, None)
        self._bytes[1] += weighed[1] - (0 if before is None else before[1])
        self._new[key] = weighed
        while self._new and (len(self._new) > self._most[1] or self._bytes[1] > self._most_bytes[1]):
            self._bytes[1] -= self._new.pop(next(iter(self._new)))[1]
