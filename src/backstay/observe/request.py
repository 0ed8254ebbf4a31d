"""The id of the request that is being answered: in its answer, in every line logged meanwhile, in the audit log."""

from __future__ import annotations

import re
from contextvars import ContextVar
from random import Random
from secrets import randbits
from typing import Final

#: What a proxy or a client may call its request; anything else could write into a log what it likes.
_FORM: Final = re.compile(rb"[A-Za-z0-9._~:+=/-]{1,128}")

#: Set when a request begins, for the task that answers it and those it starts; ``None`` outside of any.
REQUEST_ID: Final[ContextVar[str | None]] = ContextVar("backstay_request_id", default=None)


class RequestIds:
    """Ids for requests that bring none: 64 random bits, which tell nobody how many there were.

    They are names and no secrets, so a generator that is seeded once does: asking the system costs 1 µs a request.
    """

    def __init__(self) -> None:
        self._bits = Random(randbits(256)).getrandbits  # noqa: S311

    def begin(self, given: bytes | None) -> bytes:
        """The id of a request that begins now: *given* (its ``X-Request-Id``) when that is well formed."""
        id = given if given is not None and _FORM.fullmatch(given) else b"%016x" % self._bits(64)
        REQUEST_ID.set(id.decode("ascii"))
        return id
