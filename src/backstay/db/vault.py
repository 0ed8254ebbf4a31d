"""A column of a table of ours that holds sealed values: what a rotation of the encryption keys must know of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa


@dataclass(frozen=True, slots=True, eq=False)
class Vault:
    """*column* of *table* holds what a keyring sealed for *purpose*, in the *context* that follows from a row's key."""

    table: sa.Table
    column: str
    purpose: str
    context: Callable[[tuple[Any, ...]], str]
