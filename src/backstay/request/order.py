"""The ``order`` parameter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from backstay.request.field import Field


@dataclass(frozen=True, slots=True)
class OrderTerm:
    """``field.desc.nullslast``, or ``relation(field).desc`` for a column of a to-one embed.

    *nulls* is ``None`` where the client did not say; PostgreSQL's default then holds on every database
    (last when ascending, first when descending).
    """

    field: Field
    relation: str | None = None
    descending: bool = False
    nulls: Literal["first", "last"] | None = None
