"""What a function returned → JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from backstay.catalog.annotation import mismatch


def encode_result(value: Any) -> bytes:
    """JSON of a scalar, a struct (dataclass, ``TypedDict``, msgspec, pydantic), or a list of them.

    >>> from decimal import Decimal
    >>> encode_result({"total": Decimal("12.50"), "tags": ("a", "b")})
    b'{"total":12.50,"tags":["a","b"]}'
    """
    return _ENCODER.encode(value)


class WrongResult(TypeError):
    """A function returned what it is not annotated with: a bug of the app's, and no answer."""


def check_result(name: str, value: Any, body: bytes, hint: Any) -> None:
    """Refuse what the function *name* returned, which is *body* as JSON, if it is not what its annotation *hint* says.

    Raises:
        WrongResult: it is something else, which a client that believes the description would not read.
    """
    wrong = mismatch(value, body, hint)
    if wrong is not None:
        raise WrongResult(f"the function {name} returned a {type(value).__name__} that is not {hint}: {wrong}")


def _other(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump(mode="json")
    if hasattr(value, "_mapping"):
        return dict(value._mapping)
    raise TypeError(f"a function returned a {type(value).__name__}, which has no JSON form")


_ENCODER = msgspec.json.Encoder(enc_hook=_other, decimal_format="number")
