"""What a function returned → JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from backstay.catalog.annotation import mismatch


def encode_value(value: Any) -> str:
    """JSON text of a scalar, a struct (dataclass, ``TypedDict``, msgspec, pydantic), or a list of them.

    >>> from decimal import Decimal
    >>> encode_value({"total": Decimal("12.50"), "tags": ("a", "b")})
    '{"total":12.50,"tags":["a","b"]}'
    """
    return _ENCODER.encode(value).decode()


class WrongResult(TypeError):
    """A function returned what it is not annotated with: a bug of the app's, and no answer."""


def encode_result(name: str, value: Any, hint: Any) -> str:
    """JSON text of what the function *name* returned, if it is what its annotation *hint* says.

    Raises:
        WrongResult: it is something else, which a client that believes the description would not read.
    """
    body = _ENCODER.encode(value)
    wrong = mismatch(value, body, hint)
    if wrong is not None:
        raise WrongResult(f"the function {name} returned a {type(value).__name__} that is not {hint}: {wrong}")
    return body.decode()


def _other(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump(mode="json")
    if hasattr(value, "_mapping"):
        return dict(value._mapping)
    raise TypeError(f"a function returned a {type(value).__name__}, which has no JSON form")


_ENCODER = msgspec.json.Encoder(enc_hook=_other, decimal_format="number")
