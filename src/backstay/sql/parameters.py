"""Bind parameters whose value is in the request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.elements import BindParameter

Encode = Callable[[Any], Any]


class SlotParameter(BindParameter[Any]):
    """Value number *slot_index* of the request, made driver-ready by *slot_encode*.

    *slot_encode* takes text (or a tuple of texts, or an integer) and raises `PlanError` when it is not valid.
    """

    inherit_cache = False
    slot_index: int
    slot_encode: Encode

    @classmethod
    def of(cls, index: int, encode: Encode, type_: sa.types.TypeEngine[Any]) -> SlotParameter:
        parameter = cls(f"v{index}", None, type_=type_, unique=True, required=False)
        parameter.slot_index = index
        parameter.slot_encode = encode
        return parameter

    @classmethod
    def plain(cls, index: int, type_: sa.types.TypeEngine[Any]) -> SlotParameter:
        """One whose value the driver takes as it is."""
        return cls.of(index, lambda value: value, type_)
