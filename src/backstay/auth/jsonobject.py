"""JSON objects of unknown authors in which no name comes twice: two readers might each believe another one."""

from __future__ import annotations

import json
from typing import Any, Final

_MAX_DEPTH: Final = 32


def read_object(text: bytes) -> dict[str, Any]:
    """Decode a JSON object in which no name comes twice, at any depth.

    >>> read_object(b'{"sub": "a"}')
    {'sub': 'a'}

    Raises:
        ValueError: it is none, too deep, or has a name twice.
        RecursionError: it is so deep that the decoder gave up.
    """
    value = json.loads(text.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    # Some Pythons decode a thousand levels and some give up; whatever walks the claims later must not.
    layer: list[Any] = [value]
    for _ in range(_MAX_DEPTH):
        layer = [
            inner
            for outer in layer
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not layer:
            return value
    raise ValueError("too deep")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name came twice")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
