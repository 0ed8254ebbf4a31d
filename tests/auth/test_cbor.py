"""Bounds for CBOR of strangers; ``tests/auth/test_ceremony.py`` has what stands behind them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.auth.cbor import MAX_DEPTH, MAX_ITEMS, end_of_item

#: An item, and the message that refuses it: 4,000 bytes of each would cost a decoder more than they cost us.
BOMBS: dict[str, tuple[bytes, str]] = {
    "a regular expression": (cbor2.dumps(cbor2.CBORTag(35, "(a+)+$" + "a" * 4000)), "a tag"),
    "a decimal fraction": (cbor2.dumps(cbor2.CBORTag(4, [10**9, 1])), "a tag"),
    "a rational": (cbor2.dumps(cbor2.CBORTag(30, [1, 7])), "a tag"),
    "a bignum": (b"\xc2\x59\x0f\xa0" + b"\xff" * 4000, "a tag"),
    "a negative bignum": (b"\xc3\x41\x01", "a tag"),
    "a time": (b"\xc1\x1a\x51\x4b\x67\xb0", "a tag"),
    "a text of a time": (cbor2.dumps(cbor2.CBORTag(0, "2013-03-21T20:04:00Z")), "a tag"),
    "a shared value": (b"\xd8\x1c\x81\xd8\x1d\x00", "a tag"),
    "an address": (cbor2.dumps(cbor2.CBORTag(260, b"\x7f\x00\x00\x01")), "a tag"),
    "a mime message": (cbor2.dumps(cbor2.CBORTag(36, "a: b")), "a tag"),
    "a tag of eight bytes": (b"\xdb" + b"\xff" * 8 + b"\x00", "a tag"),
    "a tag in a key": (b"\xa1\xc1\x00\x00", "a tag"),
    "nested arrays": (b"\x81" * 4000 + b"\x00", "too deep"),
    "nested maps": (b"\xa1\x00" * 4000 + b"\x00", "too deep"),
    "many items": (b"\x99\x0f\xa0" + b"\x00" * 4000, "too many"),
    "many items in many arrays": (b"\x98\x64" + (b"\x85" + b"\x00" * 5) * 100, "too many"),
    "an array that says it is long": (b"\x9b" + b"\xff" * 8, "too many"),
    "a map that says it is long": (b"\xbb" + b"\xff" * 8, "too many"),
    "bytes that say they are long": (b"\x5b" + b"\xff" * 8 + b"a", "cut off"),
    "an array without an end": (b"\x9f\x00\xff", "no definite"),
    "a map without an end": (b"\xbf\x00\x00\xff", "no definite"),
    "bytes without an end": (b"\x5f\x41\x00\xff", "no definite"),
    "text without an end": (b"\x7f\x61a\xff", "no definite"),
    "a reserved length": (b"\x1c", "no definite"),
    "a float": (b"\xfb" + bytes(8), "not true"),
    "undefined": (b"\xf7", "not true"),
    "a simple value": (b"\xf8\xff", "not true"),
    "a break": (b"\xff", "not true"),
    "a key twice": (b"\xa2\x01\x00\x01\x00", "twice"),
    "a key twice, longer": (b"\xa2\x01\x00\x18\x01\x00", "twice"),
    "a text twice": (b"\xa2\x61a\x00\x61a\x00", "twice"),
    "a key of bytes": (b"\xa1\x41a\x00", "that is none"),
    "a key that is true": (b"\xa1\xf5\x00", "that is none"),
    "a key that is an array": (b"\xa1\x80\x00", "that is none"),
    "a key that is a map": (b"\xa1\xa0\x00", "that is none"),
    "text that is none": (b"\x62\xff\xff", "codec"),
    "nothing": (b"", "cut off"),
    "half a length": (b"\x19\x00", "cut off"),
    "no length": (b"\x18", "cut off"),
    "a map without a value": (b"\xa1\x01", "cut off"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_is_refused_unread(name: str) -> None:
    """A2: tags, floats, other keys, lengths without an end, depth, number and repetition, alone and inside of others."""
    raw, message = BOMBS[name]
    for around in (raw, b"\x82\x00" + raw, b"\xa1\x01" + raw, b"\xa1\x61a\x81" + raw):
        with pytest.raises(ValueError, match=message):
            end_of_item(around)


@pytest.mark.parametrize(
    "value",
    [
        0,
        2**64 - 1,
        -(2**64),
        "é" * 300,
        b"x" * 70_000,
        [],
        {},
        {"fmt": "packed", "attStmt": {"alg": -7, "sig": b"s" * 72, "x5c": [b"c" * 900]}, "authData": b"d" * 164},
        {1: 2, 3: -7, -1: 1, -2: b"x" * 32, -3: b"y" * 32},
        {"credProtect": 2, "hmac-secret": True, "uvm": [[2, 4, 2]], "none": None, "false": False},
        {1: 0, -1: 0, "1": 0, 0: 0, -2: 0},
    ],
)
def test_what_authenticators_write(value: Any) -> None:
    """It ends where it ends, whatever follows and comes before."""
    raw = cbor2.dumps(value)
    assert len(raw) == end_of_item(raw)
    assert 2 + len(raw) == end_of_item(b"\xff\xff" + raw + b"\xff", 2)
    with pytest.raises(ValueError, match="cut off"):
        end_of_item(raw[:-1])


def test_depth_and_number_to_the_last() -> None:
    """A2: as deep and as many as promised, and no more: six levels, two hundred items."""
    assert (6, 200) == (MAX_DEPTH, MAX_ITEMS)
    assert 7 == end_of_item(b"\x81" * 6 + b"\x00")
    with pytest.raises(ValueError, match="too deep"):
        end_of_item(b"\x81" * 7 + b"\x00")
    # What is empty has no level of its own.
    assert 7 == end_of_item(b"\x81" * 6 + b"\x80") == end_of_item(b"\x81" * 6 + b"\xa0")
    assert 2 + 199 == end_of_item(b"\x98\xc7" + b"\x00" * 199)
    with pytest.raises(ValueError, match="too many"):
        end_of_item(b"\x98\xc8" + b"\x00" * 200)


SCALARS = st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=40) | st.text(max_size=40) | st.booleans() | st.none()
ITEMS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.integers(-9, 9) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=20,
)


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return (1 if inner else 0) + max(map(depth, inner), default=0)


@given(ITEMS)
def test_it_agrees_with_the_decoder(value: Any) -> None:
    """What it lets through, the decoder reads to the same end."""
    raw = cbor2.dumps(value)
    if depth(value) <= MAX_DEPTH:
        assert len(raw) == end_of_item(raw)
    else:
        with pytest.raises(ValueError, match="too deep"):
            end_of_item(raw)


@given(st.binary(max_size=200))
def test_nothing_else_escapes(raw: bytes) -> None:
    """Any bytes are an item that the decoder reads as well, or a `ValueError`."""
    try:
        end = end_of_item(raw)
    except ValueError:
        return
    cbor2.loads(raw[:end], allow_duplicate_keys=False)


def work(run: Callable[[], Any]) -> int:
    """How many calls *run* makes, in Python and in C."""
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("name", BOMBS)
def test_the_work_is_bounded(name: str) -> None:
    """A2: no bytes, however many, are more than two hundred items' work."""
    raw = b"\x98\xc8" + BOMBS[name][0] * 10

    def run() -> None:
        with pytest.raises(ValueError, match=r"CBOR|codec"):
            end_of_item(raw)

    assert work(run) < 30 * MAX_ITEMS
