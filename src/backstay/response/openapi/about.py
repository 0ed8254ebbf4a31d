"""What a document says besides what the catalog says."""

from __future__ import annotations

from dataclasses import dataclass, field

from backstay.request.media import MediaKind


@dataclass(frozen=True, slots=True)
class About:
    """The app around its tables.

    *server* is the URL under which the paths lie, absolute or relative to the document; *version* is the app's own.
    """

    title: str = "Backstay"
    version: str = "1.0.0"
    server: str = "/rest/v1"
    max_rows: int | None = 1000
    max_export_rows: int = 100_000
    offered: frozenset[MediaKind] = field(default=frozenset(("array", "object")))
    #: Whether ``Idempotency-Key`` is understood.
    keeps_keys: bool = True
    #: Whether ``Prefer: timezone=`` is.
    zones: bool = False
    #: Whether ``Prefer: tx=`` is.
    ends: bool = False
