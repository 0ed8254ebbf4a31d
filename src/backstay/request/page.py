"""``limit``, ``offset`` and the ``Range`` header."""

from __future__ import annotations

from dataclasses import dataclass

from backstay.request.filters import Slot


@dataclass(frozen=True, slots=True)
class Page:
    """Rows *offset* to *offset* + *limit* - 1; *limit* is ``None`` where the client did not say.

    In a shape both are slots.
    """

    limit: int | Slot | None = None
    offset: int | Slot = 0
