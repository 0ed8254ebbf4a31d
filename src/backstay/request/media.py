"""The ``Accept`` header (RFC 9110 §12.5.1) and the representations a table has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

MediaKind: TypeAlias = Literal["array", "object", "csv", "geojson", "ndjson", "plan", "openapi", "text", "octet"]


@dataclass(frozen=True, slots=True)
class Media:
    """The representation to send.

    *nulls_stripped* belongs to ``application/vnd.pgrst.array+json`` and ``…object+json``; *plan_format*, *plan_for*
    and *plan_options* to ``application/vnd.pgrst.plan``.
    """

    kind: MediaKind = "array"
    nulls_stripped: bool = False
    plan_format: Literal["text", "json"] = "text"
    plan_for: str | None = None
    plan_options: frozenset[str] = field(default_factory=frozenset)
