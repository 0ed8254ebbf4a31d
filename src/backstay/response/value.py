"""What a function returned → JSON."""

from __future__ import annotations

from typing import Any

import msgspec


def encode_value(value: Any) -> str:
    """JSON text of a scalar, a struct (dataclass, ``TypedDict``, msgspec, pydantic), or a list of them.

    >>> from decimal import Decimal
    >>> encode_value({"total": Decimal("12.50"), "tags": ("a", "b")})
    '{"total":12.50,"tags":["a","b"]}'
    """
    return _ENCODER.encode(value).decode()


def _other(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump(mode="json")
    if hasattr(value, "_mapping"):
        return dict(value._mapping)
    raise TypeError(f"a function returned a {type(value).__name__}, which has no JSON form")


_ENCODER = msgspec.json.Encoder(enc_hook=_other, decimal_format="number")
