"""Rows and arguments from a body."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import RequestError
from backstay.request import BodyLimits, parse_arguments, parse_body
from backstay.request.body import Payload

CSV = "text/csv"
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b"{}", None, Payload(({},), ())),
        (b"{}", "", Payload(({},), ())),
        (b"[]", "application/json", Payload((), ())),
        (b'{"b": 1, "a": 2.50}', "application/json", Payload(({"b": 1, "a": Decimal("2.50")},), ("b", "a"))),
        (b'[{"a": 1}, {"a": 2}]', "Application/JSON; charset=UTF-8", Payload(({"a": 1}, {"a": 2}), ("a",))),
        (
            b'[{"a": 1, "b": 2}, {"b": 3, "a": 4}]',
            None,
            Payload(({"a": 1, "b": 2}, {"b": 3, "a": 4}), ("a", "b")),
        ),
        (b"[{}, {}]", None, Payload(({}, {}), ())),
        (b'{"a": 1}', "application/vnd.pgrst.array+json", Payload(({"a": 1},), ("a",))),
        (b"a,b\n1,hi\n2,NULL\n", CSV, Payload(({"a": "1", "b": "hi"}, {"a": "2", "b": None}), ("a", "b"))),
        (b'a,b\r\n1,"x, ""y""\nz"\r\n', CSV, Payload(({"a": "1", "b": 'x, "y"\nz'},), ("a", "b"))),
        (b"a,b\n1,\n\n,2", CSV, Payload(({"a": "1", "b": ""}, {"a": "", "b": "2"}), ("a", "b"))),
        (b"a\n", "text/csv; charset=utf-8", Payload((), ("a",))),
        (b"\xef\xbb\xbfa\n1", CSV, Payload(({"a": "1"},), ("a",))),
        (b"a=1&b=x+y%26&c=", FORM, Payload(({"a": "1", "b": "x y&", "c": ""},), ("a", "b", "c"))),
        (b"", FORM, Payload(({},), ())),
        (b"%C3%A9=%E4%B8%AD", FORM, Payload(({"é": "中"},), ("é",))),
    ],
)
def test_rows(body: bytes, content_type: str | None, expected: Payload) -> None:
    """JSON, CSV and forms become rows, with the keys as they first stand."""
    assert expected == parse_body(body, content_type)


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (b"", None, "Empty or invalid json"),
        (b"}{ x = 2", None, "Empty or invalid json"),
        (b"5", None, "Empty or invalid json"),
        (b'"a"', None, "Empty or invalid json"),
        (b"null", None, "Empty or invalid json"),
        (b"[1]", None, "All object keys must match"),
        (b"[[]]", None, "All object keys must match"),
        (b'[{"a": 1}, null]', None, "All object keys must match"),
        (b'[{"a": 1}, {"b": 1}]', None, "All object keys must match"),
        (b'[{"a": 1}, {}]', None, "All object keys must match"),
        (b'[{}, {"a": 1}]', None, "All object keys must match"),
        (b'[{"a": 1}, {"a": 1, "b": 2}]', None, "All object keys must match"),
        (b"", CSV, "not enough input"),
        (b"\n1", CSV, "not enough input"),
        (b"a,a\n1,2", CSV, "Invalid CSV header"),
        (b"a,\n1,2", CSV, "Invalid CSV header"),
        (b"a,b\n1\n", CSV, "All lines must have same number of fields"),
        (b"a,b\n1,2,3\n", CSV, "All lines must have same number of fields"),
        (b'a\n"x"y\n', CSV, "Invalid CSV"),
        (b'a\n"x\n', CSV, "Invalid CSV"),
        (b"a\n" + b"x" * 200_000, CSV, "Invalid CSV"),
        (b"a\n\x00", CSV, "Invalid body"),
        (b"a\n\xff", CSV, "Invalid body"),
        (b"a=1&a=2", FORM, "Invalid form"),
        (b"a=%ff", FORM, "Invalid form"),
        (b"a=%00", FORM, "Invalid form"),
        (b"a=\xff", FORM, "Invalid body"),
    ],
)
def test_malformed_rows(body: bytes, content_type: str | None, message: str) -> None:
    """Each fault is PGRST102 in PostgREST's words, with details."""
    with pytest.raises(RequestError) as caught:
        parse_body(body, content_type)
    assert ("PGRST102", 400, message) == (caught.value.code, caught.value.status, caught.value.message)
    assert caught.value.details


def test_columns_let_keys_differ() -> None:
    """With the columns parameter objects may leave keys out; all keys are told."""
    expected = Payload(({"a": 1}, {"b": 2}, {}), ("a", "b"))
    assert expected == parse_body(b'[{"a": 1}, {"b": 2}, {}]', None, columns_given=True)
    with pytest.raises(RequestError):
        parse_body(b"[1]", None, columns_given=True)


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/xml",
        "multipart/form-data; boundary=x",
        "application/json; charset=latin-1",
        "json",
        "*/*",
    ],
)
def test_unknown_types(content_type: str) -> None:
    """A type that no parser takes is 415."""
    for parse in (parse_body, parse_arguments):
        with pytest.raises(RequestError) as caught:
            parse(b"{}", content_type)
        assert ("BST415", 415) == (caught.value.code, caught.value.status)


@pytest.mark.parametrize(
    ("at", "past", "content_type"),
    [
        (b"[" + b"{}," * 999 + b"{}]", b"[" + b"{}," * 1000 + b"{}]", None),
        (b"a\n" + b"1\n" * 1000, b"a\n" + b"1\n" * 1001, CSV),
        (b'"' + b" " * (2**20 - 2) + b'"', b'"' + b" " * (2**20 - 1) + b'"', None),
        ("&".join(f"a{i}=" for i in range(200)).encode(), "&".join(f"a{i}=" for i in range(201)).encode(), FORM),
        (",".join(f"a{i}" for i in range(200)).encode(), ",".join(f"a{i}" for i in range(201)).encode(), CSV),
    ],
)
def test_limits(at: bytes, past: bytes, content_type: str | None) -> None:
    """The last allowed row, field or byte is not too many; the next is 413 (LM3, LM7, LM8)."""
    code: str | None = None
    try:
        parse_body(at, content_type)
    except RequestError as error:
        code = error.code
    # A megabyte of one string is no row, but not too large.
    assert code in (None, "PGRST102")
    with pytest.raises(RequestError) as caught:
        parse_body(past, content_type)
    assert ("BST413", 413) == (caught.value.code, caught.value.status)
    assert caught.value.hint


def test_limits_are_the_callers() -> None:
    """A room may allow less."""
    with pytest.raises(RequestError) as caught:
        parse_arguments(b'{"a": 1}', None, BodyLimits(size_bytes=4))
    assert "BST413" == caught.value.code


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b"", None, {}),
        (b"", "application/json", {}),
        (b"{}", None, {}),
        (b'{"a": 1, "b": [1, {"c": 0.10}]}', "application/json", {"a": 1, "b": [1, {"c": Decimal("0.10")}]}),
        (b"a=1&b=", FORM, {"a": "1", "b": ""}),
    ],
)
def test_arguments(body: bytes, content_type: str | None, expected: dict[str, Any]) -> None:
    """Arguments are an object or a form; none is none."""
    assert expected == parse_arguments(body, content_type)


@pytest.mark.parametrize("body", [b"[]", b"1", b" ", b'{"a": 1, "a": 2}', b"null"])
def test_malformed_arguments(body: bytes) -> None:
    """Anything but an object is PGRST102."""
    with pytest.raises(RequestError) as caught:
        parse_arguments(body, None)
    assert "PGRST102" == caught.value.code


def test_csv_is_not_arguments() -> None:
    """Arguments have names; lines do not."""
    with pytest.raises(RequestError) as caught:
        parse_arguments(b"a\n1", CSV)
    assert "BST415" == caught.value.code


@given(
    st.binary() | st.text('[]{}":,\\a=&%0+\r\n').map(str.encode),
    st.sampled_from((None, CSV, FORM)) | st.text(),
    st.booleans(),
)
def test_any_body_is_read_or_refused(body: bytes, content_type: str | None, columns_given: bool) -> None:
    """No body and no type raise anything but a RequestError; rows hold only the keys that are told."""
    refused: str | None = None
    try:
        found = parse_body(body, content_type, columns_given=columns_given)
    except RequestError as error:
        refused = error.code
    else:
        assert all(set(row) <= set(found.keys) for row in found.rows)
    assert refused in (None, "PGRST102", "BST415")


@pytest.mark.parametrize("reader", [parse_body, parse_arguments])
def test_names_are_bounded(reader: Any) -> None:
    """S7: so many names as any table has columns, and no more, of one object or of all."""
    body = json.dumps({f"c{n}": 1 for n in range(2000)})
    assert reader(body.encode(), None)
    with pytest.raises(RequestError) as caught:
        reader(body.replace("{", '{"more": 1, ').encode(), None)
    assert ("BST413", 413) == (caught.value.code, caught.value.status)


def test_names_of_all_rows_are_bounded() -> None:
    """S7: rows of which each has others have no more together."""
    rows = [{f"c{row}_{n}": 1 for n in range(50)} for row in range(41)]
    assert parse_body(json.dumps(rows[:40]).encode(), None, columns_given=True)
    with pytest.raises(RequestError) as caught:
        parse_body(json.dumps(rows).encode(), None, columns_given=True)
    assert ("BST413", 413) == (caught.value.code, caught.value.status)
