"""What one request has compared of blind indexes and the values beside them, and the time that it took.

1. That a value and its index belong together follows from them alone, so it is looked at once for each, however many
   conditions, operations of a batch or states of the data they are met in.
2. It is a part of finding rows, so it has the time that a statement has: all of it together, in one request.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import blake2b
from typing import Final

import msgspec

from backstay.catalog.sealing import Place
from backstay.crypt import Keyring
from backstay.db.failures import TIMEOUT_MESSAGE
from backstay.errors import DatabaseError
from backstay.response.opened import open_value

_rows: Final = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode
_now: Final[Callable[[], float]] = time.monotonic
#: Values of one request that are remembered, with about 100 bytes each: what is met again beyond them is opened again.
_REMEMBERED: Final = 50_000


class Compared:
    """Of one request, whose comparisons may take *seconds* together."""

    __slots__ = ("_left", "_seen")

    def __init__(self, seconds: float) -> None:
        self._left = seconds
        self._seen: set[bytes] = set()

    def compare(self, body: str, place: Place, keyring: Keyring) -> None:
        """Compare the values of *place* in *body*, an array of rows of nothing else, with their indexes.

        Raises:
            Unsealable: one does not open, is not that of its index, or is missing.
            DatabaseError: 57014, when the time is over.
        """
        began = _now()
        ends, own = began + self._left, place.purpose.encode()
        whole = _print(own, body.encode())
        if whole in self._seen:
            return
        try:
            for row in _rows(body):
                for raw in row.values():
                    if _now() > ends:
                        raise DatabaseError("57014", TIMEOUT_MESSAGE)
                    self._one(bytes(raw), own, place, keyring)
            self._remember(whole)
        finally:
            self._left -= _now() - began

    def _one(self, raw: bytes, own: bytes, place: Place, keyring: Keyring) -> None:
        if raw == b"null":
            raise place.without_value()
        seen = _print(own, raw)
        if seen not in self._seen:
            open_value(raw, place, keyring)
            self._remember(seen)

    def _remember(self, seen: bytes) -> None:
        if len(self._seen) < _REMEMBERED:
            self._seen.add(seen)


def _print(own: bytes, text: bytes) -> bytes:
    return blake2b(own + b"\0" + text, digest_size=16).digest()
