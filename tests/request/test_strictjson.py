"""Strict JSON (LM3)."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import RequestError
from backstay.request.limits import BodyLimits
from backstay.request.strictjson import parse_json
from tests.counting import lines
from tests.request import strategies


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{}", {}),
        (b" [ ] ", []),
        (b'{"a": [1, true, null, "x"]}', {"a": [1, True, None, "x"]}),
        (b"9223372036854775807", 2**63 - 1),
        (b"-9223372036854775808", -(2**63)),
        (b"-0", 0),
        (b"19.90", Decimal("19.90")),
        (b"1e3", Decimal("1E+3")),
        (b"12345678901234567890.123456789", Decimal("12345678901234567890.123456789")),
        (b"1e1000", Decimal("1E+1000")),
        (b"1E-1000", Decimal("1E-1000")),
        ('"é😀"'.encode(), "é😀"),
        (b'"\\u00e9\\ud83d\\ude00"', "é😀"),
        (b'"\\\\u0000"', "\\u0000"),
        (b'{"a": {"x": 1}, "b": {"x": 1}}', {"a": {"x": 1}, "b": {"x": 1}}),
    ],
)
def test_values(body: bytes, expected: Any) -> None:
    """Integers stay integers and fractions stay exact."""
    actual = parse_json(body)
    assert expected == actual
    assert repr(expected) == repr(actual)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"{]",
        b"{'a': 1}",
        b'{"a": 1,}',
        b"[1,]",
        b"{} {}",
        b"// x\n{}",
        b"\xef\xbb\xbf{}",
        b"\xff",
        '{"a": 1}'.encode("utf-16"),
        b"NaN",
        b"[Infinity]",
        b'{"a": -Infinity}',
        b"01",
        b"+1",
        b".5",
        b"1.",
        b"0x1",
        b"9223372036854775808",
        b"-9223372036854775809",
        b"1" * 5000,
        b"1e1001",
        b"1e-1001",
        b"0e99999",
        b"1e999999999",
        b"1e" + b"9" * 5000,
        b"1." + b"1" * 1000,
        b'{"a": 1, "a": 1}',
        b'[{"x": {"a": 1, "\\u0061": 2}}]',
        b'"\\u0000"',
        b'{"\\u0000": 1}',
        b'[[{"a": ["\\u0000"]}]]',
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'{"\\ud800": 1}',
        b'"\x00"',
        b'"\n"',
        b'"\\x41"',
        b"[" * 33 + b"]" * 33,
        b"[" * 1_000_000,
        b'{"a":' * 100_000,
        b'"' + b'\\"' * 400_000,
        b"[" * 40 + b'"' + b'\\"' * 400_000,
    ],
)
def test_refused(body: bytes) -> None:
    """LM3: what is not strict JSON is PGRST102 in PostgREST's words, with the reason in the details."""
    with pytest.raises(RequestError) as caught:
        parse_json(body)
    assert ("PGRST102", 400, "Empty or invalid json") == (
        caught.value.code,
        caught.value.status,
        caught.value.message,
    )
    assert caught.value.details
    assert len(str(caught.value.details)) < 200

    def read() -> None:
        with pytest.raises(RequestError):
            parse_json(body)

    # Its expressions go through it once (``test_patterns.py``), and nothing else does.
    assert lines(read) < 500


def test_depth_at_the_limit() -> None:
    """The last allowed level is allowed, and brackets in strings are no levels."""
    parse_json(b"[" * 32 + b"]" * 32)
    parse_json(b'{"a": "' + b"[" * 1000 + b'"}')
    parse_json(b'["\\"", "' + b"[" * 1000 + b'"]')
    parse_json(b"[" + b"[]," * 1000 + b"[]]")


def test_values_at_the_limit() -> None:
    """The last allowed value is allowed, commas in strings are no values, and one more is 413."""
    parse_json(b"[" + b"1," * 99_999 + b"1]")
    parse_json(b'["' + b"," * 300_000 + b'", "\\"' + b"," * 10 + b'"]')
    with pytest.raises(RequestError) as caught:
        parse_json(b"[" + b"1," * 100_000 + b"1]")
    assert "BST413" == caught.value.code


@pytest.mark.parametrize(
    ("one", "most"),
    [(b"[[[[[[[[]]]]]]]]", 12_500), (b'{"a":{"a":{"a":{"a":{}}}}}', 20_000), (b"[[]]", 50_000)],
)
def test_arrays_and_objects_at_the_limit(one: bytes, most: int) -> None:
    """S7: what holds hardly a comma is counted too: arrays of nothing are as many objects of memory."""
    row = b"[" + b",".join([one] * (most - 1)) + b"]"
    assert most - 1 == len(parse_json(row))
    with pytest.raises(RequestError) as caught:
        parse_json(b"[" + b",".join([one] * most) + b"]")
    assert "BST413" == caught.value.code


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b'"]",[' * 40 + b"]" * 41,
        b"[" + b'"\\\\",[' * 40 + b"]" * 41,
        b"[" + b'"\\"]",[' * 40 + b"]" * 41,
        b'{"a":[' * 17 + b"]}" * 17,
    ],
)
def test_strings_do_not_hide_depth(body: bytes) -> None:
    """Brackets and escaped quotes in strings neither close nor open a level."""
    json.loads(body)
    with pytest.raises(RequestError, match="Empty or invalid json") as caught:
        parse_json(body)
    assert "levels" in str(caught.value.details)


def test_limits_are_the_callers() -> None:
    """Depth and number length are the caller's to choose."""
    with pytest.raises(RequestError):
        parse_json(b"[[]]", BodyLimits(depth=1))
    with pytest.raises(RequestError):
        parse_json(b"1.25", BodyLimits(number_chars=3))


_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | strategies.texts,
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(strategies.texts, inside, max_size=4),
    max_leaves=20,
)


@given(_values, st.booleans())
def test_what_json_writes_is_read(value: Any, ascii_only: bool) -> None:
    """Whatever the standard library writes of storable values comes back the same."""
    assert value == parse_json(json.dumps(value, ensure_ascii=ascii_only).encode())


@given(st.binary() | st.text('[]{}":,\\u0d8e+-1. NaNInfty').map(str.encode))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """No body raises anything but a RequestError."""
    try:
        parse_json(body)
    except RequestError as error:
        code = error.code
    else:
        code = "PGRST102"
    assert "PGRST102" == code


_depths = st.recursive(st.just("1"), lambda inside: st.lists(inside, max_size=3).map(lambda of: f"[{','.join(of)}]"))


@given(_depths, st.integers(1, 6))
def test_depth_is_counted_exactly(text: str, limit: int) -> None:
    """A document is refused exactly when its brackets nest deeper than the limit."""
    depth = deepest = 0
    for letter in text:
        depth += {"[": 1, "]": -1}.get(letter, 0)
        deepest = max(deepest, depth)
    refused = False
    try:
        parse_json(text.encode(), BodyLimits(depth=limit))
    except RequestError:
        refused = True
    assert (deepest > limit) == refused
