"""Bounds for CBOR of an unknown author, held before anything decodes it (RFC 8949).

Rules of this file:

1. It finds where an item ends and makes no value of it: each byte is looked at once, so the cost is that of the size.
2. What authenticators write has integers, strings, arrays, maps, true, false and null.  It has no tags: decoders turn
   tags into dates, fractions, regular expressions and references, and the cost of those is the sender's to choose.
3. Lengths are definite, nesting and the number of items are bounded, a map names each of its keys once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: CTAP2 §8 allows four levels; a statement with extensions has one or two more.
MAX_DEPTH: Final = 6
#: The longest object that is known, a statement of a TPM with its certificates, has about forty.
MAX_ITEMS: Final = 200

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_FALSE_TRUE_NULL: Final = (20, 21, 22)


@dataclass(slots=True)
class _Open:
    """A container whose items are still to come; *keys* of a map that were seen, ``None``: an array."""

    left: int
    keys: set[tuple[int, int | bytes]] | None


def end_of_item(data: bytes, start: int = 0) -> int:
    """Where the item that begins at *start* ends.

    >>> end_of_item(bytes.fromhex("a10102")), end_of_item(bytes.fromhex("ff820102"), 1)
    (3, 4)
    >>> end_of_item(bytes.fromhex("d82361615b"))
    Traceback (most recent call last):
    ...
    ValueError: CBOR: a tag

    Raises:
        ValueError: for what is cut off, tagged, of no definite length, too deep, of too many items, or a map with a key
            twice.
    """
    at, items, containers = start, 0, list[_Open]()
    while True:
        items += 1
        if items > MAX_ITEMS:
            raise ValueError("CBOR: too many items")
        major, value, at = _head(data, at)
        content = value if major in (_UNSIGNED, _NEGATIVE) else b""
        if major in (_BYTES, _TEXT):
            end = at + value
            if end > len(data):
                raise ValueError("CBOR: cut off")
            if major == _TEXT:
                content = data[at:end]
                content.decode("utf-8")
            at = end
        if containers:
            _count(containers[-1], major, content)
        if major in (_ARRAY, _MAP) and value:
            if len(containers) == MAX_DEPTH:
                raise ValueError("CBOR: too deep")
            if value > MAX_ITEMS:
                raise ValueError("CBOR: too many items")
            containers.append(_Open(value, None) if major == _ARRAY else _Open(2 * value, set()))
        while containers and containers[-1].left == 0:
            containers.pop()
        if not containers:
            return at


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    """The kind of the item at *at*, its argument, and where what follows begins."""
    if at >= len(data):
        raise ValueError("CBOR: cut off")
    major, value = data[at] >> 5, data[at] & 0x1F
    at += 1
    if major == _TAG:
        raise ValueError("CBOR: a tag")
    if major == _SIMPLE:
        if value not in _FALSE_TRUE_NULL:
            raise ValueError("CBOR: not true, false or null")
        return major, value, at
    if value > 27:
        raise ValueError("CBOR: no definite length")
    if value >= 24:
        size = 1 << (value - 24)
        if at + size > len(data):
            raise ValueError("CBOR: cut off")
        value, at = int.from_bytes(data[at : at + size], "big"), at + size
    return major, value, at


def _count(container: _Open, major: int, content: int | bytes) -> None:
    """One more item of *container*; every other one of a map is a key."""
    if container.keys is not None and container.left % 2 == 0:
        key = (major, content)
        if major not in (_UNSIGNED, _NEGATIVE, _TEXT) or key in container.keys:
            raise ValueError("CBOR: a key twice, or one that is none")
        container.keys.add(key)
    container.left -= 1
