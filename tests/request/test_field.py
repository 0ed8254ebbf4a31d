"""Columns and JSON paths."""

from __future__ import annotations

import pytest
from hypothesis import given

from backstay.errors import RequestError
from backstay.request.field import Field, Step, render_field, scan_field
from backstay.request.limits import QueryLimits
from tests.request import strategies

LIMITS = QueryLimits()


@pytest.mark.parametrize(
    ("text", "field", "end"),
    [
        ("id", Field("id"), 2),
        ("a->text", Field("a", (Step("text"),)), 7),
        ("a->>text", Field("a", (Step("text", True),)), 8),
        ("a->!@#$%^&*_a", Field("a", (Step("!@#$%^&*_a"),)), 13),
        ("a->1", Field("a", (Step(1),)), 4),
        ("a->>-1", Field("a", (Step(-1, True),)), 6),
        ("a->0,other", Field("a", (Step(0),)), 4),
        ("a->0.desc", Field("a", (Step(0),)), 4),
        ("a->0::int", Field("a", (Step(0),)), 4),
        ("a->0)", Field("a", (Step(0),)), 4),
        ("a->0 ,b", Field("a", (Step(0),)), 5),
        ("a->b->0->>c", Field("a", (Step("b"), Step(0), Step("c", True))), 11),
        ("a->1st", Field("a", (Step("1st"),)), 6),
        ("a->b-c->d", Field("a", (Step("b-c"), Step("d"))), 9),
        ("a-b->c", Field("a-b", (Step("c"),)), 6),
        ("a -> b ", Field("a", (Step("b"),)), 7),
        ('a->"x.y,z"->>"w"', Field("a", (Step("x.y,z"), Step("w", True))), 16),
        ('a->""', Field("a", (Step(""),)), 5),
        ('a->"0"', Field("a", (Step("0"),)), 6),
        ('"a.b"->c', Field("a.b", (Step("c"),)), 8),
    ],
)
def test_fields(text: str, field: Field, end: int) -> None:
    """A field is a name and its arrows; an index is digits up to the end of a step."""
    assert (field, end) == scan_field(text, 0, "test", LIMITS)
    rendered = render_field(field)
    assert (field, len(rendered)) == scan_field(rendered, 0, "test", LIMITS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "->a",
        "a->",
        "a->>",
        "a->.b",
        "a->>--34",
        "a->>-xy-4",
        "a->>-78xy",
        'a->"b',
        "a-> ",
        "a->99999999999",
        "a->2147483648",
    ],
)
def test_malformed_fields(text: str) -> None:
    """An arrow needs a key or an index that PostgreSQL could count to."""
    with pytest.raises(RequestError) as caught:
        scan_field(text, 0, "test", LIMITS)
    assert "PGRST100" == caught.value.code


@given(strategies.fields)
def test_render_and_scan_are_inverse(field: Field) -> None:
    """Every column and path can be written."""
    text = render_field(field)
    assert (field, len(text)) == scan_field(text, 0, "test", LIMITS)
