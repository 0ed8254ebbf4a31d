"""A bounded dictionary that forgets its oldest entry: what plans are remembered in."""

from __future__ import annotations

from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """At most *most* values.  A look-up is one dictionary access (40 ns): the order is that of insertion, not of use,
    because moving an entry on every hit would cost more than planning again now and then.
    """

    __slots__ = ("_lock", "_most", "_values", "get")

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = Lock()
        self._values: dict[K, V] = {}
        self.get = self._values.get

    def put(self, key: K, value: V) -> V:
        # A transaction may plan on the database's thread (``pipeline/unit.py``): two must not forget at once.
        with self._lock:
            if len(self._values) >= self._most:
                del self._values[next(iter(self._values))]
            self._values[key] = value
        return value
