"""Array literals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import RequestError
from backstay.request.array import parse_array, render_array
from tests.request import strategies


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", ()),
        ("{ }", ()),
        (" {a} ", ("a",)),
        ("{a,b}", ("a", "b")),
        ("{ a , b c }", ("a", "b c")),
        ('{"a,b","c\\"d","\\\\"}', ("a,b", 'c"d', "\\")),
        ('{"", " a " }', ("", " a ")),
        ("{a\\,b,c\\ }", ("a,b", "c ")),
        ("{a\\\\ }", ("a\\",)),
        ('{"NULL",nullx}', ("NULL", "nullx")),
        ("{O*,P*}", ("O*", "P*")),
        ("{1.5,-2}", ("1.5", "-2")),
        ("{\xa0}", ("\xa0",)),
    ],
)
def test_literals(text: str, expected: tuple[str, ...]) -> None:
    """Elements are read as PostgreSQL's array_in reads them."""
    assert expected == parse_array(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a,b",
        "{",
        "}",
        "{a",
        "a}",
        "{a,}",
        "{,a}",
        "{,}",
        "{{a}}",
        '{"a}',
        '{"a"b}',
        '{b"a"}',
        "{a\\}",
        "{null}",
        "{NULL,a}",
        "{a}}",
        "[1:2]={a,b}",
    ],
)
def test_malformed_literals(text: str) -> None:
    """A malformed literal is what PostgreSQL calls it, and so are nested ones and nulls."""
    with pytest.raises(RequestError) as caught:
        parse_array(text)
    assert ("22P02", 400, f'malformed array literal: "{text}"') == (
        caught.value.code,
        caught.value.status,
        caught.value.message,
    )


@given(st.lists(strategies.texts).map(tuple))
def test_render_and_parse_are_inverse(elements: tuple[str, ...]) -> None:
    """Every list of texts can be written."""
    assert elements == parse_array(render_array(elements))
