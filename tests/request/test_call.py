"""What a call of a database's function brings."""

from __future__ import annotations

from typing import Any

import pytest

from backstay.errors import RequestError
from backstay.request import BodyLimits, Sent, parse_call, sent_pairs

FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("body", "kind", "columns", "named"),
    [
        (b"", None, None, {}),
        (b'{"a": 1}', None, None, {"a": 1}),
        (b'[{"a": 1}, {"a": 2}]', "application/json", None, {"a": 1}),
        (b"[]", "application/json", None, {}),
        (b'{"a": 1, "b": 2}', None, ("a", "c"), {"a": 1, "c": None}),
        (b"a,b\n1,NULL\n3,4", "text/csv", None, {"a": "1", "b": None}),
        (b"a,b\n", "text/csv", None, {}),
        (b"a=1&b=%C3%A9&a=2", FORM, None, {"a": "2", "b": "é"}),
        (b"", FORM, None, {}),
    ],
)
def test_named_arguments(body: bytes, kind: str | None, columns: tuple[str, ...] | None, named: Any) -> None:
    """The first of several objects counts, the last of several fields, and of the keys those in ``columns``."""
    assert named == parse_call(body, kind, columns).named


@pytest.mark.parametrize(
    ("body", "kind", "whole", "text"),
    [
        (b'{"a": 1}', None, "json", '{"a": 1}'),
        (b"", None, "json", "{}"),
        (b"plain", "text/plain; charset=utf-8", "text", "plain"),
        (b"<a/>", "text/xml", "xml", "<a/>"),
        (b"\x00\xff", "application/octet-stream", "bytea", "\\x00ff"),
        (b"a=1", FORM, None, ""),
    ],
)
def test_a_whole_body(body: bytes, kind: str | None, whole: str | None, text: str) -> None:
    """A body may be one argument, in the text that PostgreSQL reads."""
    sent = parse_call(body, kind)
    assert (whole, text) == (sent.whole, sent.body)


def test_several_values_of_a_name() -> None:
    """All of them are kept, in their order; the last stands for the name."""
    assert Sent({"v": "b", "w": ""}, {"v": ("a", "b"), "w": ("",)}) == sent_pairs([("v", "a"), ("w", ""), ("v", "b")])


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"7", None, "PGRST102"),
        (b"}{", None, "PGRST102"),
        (b'[{"a": 1}, 2]', None, "PGRST102"),
        (b'{"a": 1, "a": 2}', None, "PGRST102"),
        (b"\xff", "text/plain", "PGRST102"),
        (b"a\x00", "text/plain", "PGRST102"),
        (b"a=%FF", FORM, "PGRST102"),
        (b"a=%00", FORM, "PGRST102"),
        (b"x", "image/png", "BST415"),
        (b"&".join([b"a=1"] * 4), FORM, "BST413"),
        (b"a=1&b=1&c=1", FORM, "BST413"),
        (b"x" * 101, "text/plain", "BST413"),
    ],
)
def test_refused_bodies(body: bytes, kind: str | None, code: str) -> None:
    """LM3, LM7: a body that is not of its type, or is over a limit, is refused before anything is called."""
    with pytest.raises(RequestError) as refused:
        parse_call(body, kind, limits=BodyLimits(size_bytes=100, rows=3, fields=2))
    assert code == refused.value.code
