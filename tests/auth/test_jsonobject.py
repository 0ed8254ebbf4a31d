"""JSON of strangers: an object, no name twice, and no deeper than what walks it later can bear."""

from __future__ import annotations

import json
from typing import Any

import pytest

from backstay.auth.jsonobject import read_object


def nested(depth: int, inner: str, *, lists: bool = False) -> bytes:
    """An object with *inner* below *depth* objects, or lists within one object."""
    opening, closing = ("[", "]") if lists else ('{"a":', "}")
    return ('{"a":' + opening * (depth - 1) + inner + closing * (depth - 1) + "}").encode()


@pytest.mark.parametrize(
    "text",
    [
        b"{}",
        b'{"a": {"a": 1}, "b": [{"a": 2}, {"a": 3}]}',
        '{"é": "\U0001f600", "e": null, "f": [1.5, true]}'.encode(),
        nested(31, "1"),
        nested(31, "1", lists=True),
        nested(31, "{}"),
    ],
)
def test_what_is_read(text: bytes) -> None:
    """As the standard library reads it."""
    assert json.loads(text) == read_object(text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b'[{"a": 1}]',
        b'"a"',
        b"null",
        b'{"a": 1, "a": 1}',
        b'{"b": {"a": 1, "a": 2}}',
        b'{"b": [{"a": 1, "\\u0061": 2}]}',
        b'{"a": NaN}',
        b'{"a": [Infinity]}',
        b'{"a": -Infinity}',
        b'{"a": "\xff"}',
        b'{"a": 1}x',
        nested(32, "1"),
        nested(32, "1", lists=True),
        nested(33, ""),
        nested(33, "{}"),
    ],
)
def test_what_is_refused(text: bytes) -> None:
    """Another value, a name twice at any depth or in any spelling, what is not JSON, and a level too many."""
    with pytest.raises(ValueError, match=r".+"):
        read_object(text)


def test_no_depth_escapes() -> None:
    """A hundred thousand levels are one of the two errors that the callers refuse."""
    found: Any = None
    try:
        read_object(nested(100_000, "1", lists=True))
    except (ValueError, RecursionError) as error:
        found = error
    assert found is not None
