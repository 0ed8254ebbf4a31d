"""``and=(…)``, ``or=(…)``: trees of conditions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from backstay.request.filters import Filter


@dataclass(frozen=True, slots=True)
class Logic:
    """Conditions joined by *kind*."""

    kind: Literal["and", "or"]
    terms: tuple[Condition, ...]
    negated: bool = False


Condition: TypeAlias = Filter | Logic
