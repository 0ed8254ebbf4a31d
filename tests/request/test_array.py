"""Array literals."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import RequestError
from backstay.request.array import parse_array, parse_list, render_array, render_list
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
    assert expected == parse_list(text)


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
        parse_list(text)
    assert ("22P02", 400, f'malformed array literal: "{text}"') == (
        caught.value.code,
        caught.value.status,
        caught.value.message,
    )


@given(st.lists(strategies.texts).map(tuple))
def test_render_and_parse_are_inverse(elements: tuple[str, ...]) -> None:
    """Every list of texts can be written."""
    assert elements == parse_list(render_list(elements))


NESTED = st.recursive(
    st.none() | st.text(max_size=5), lambda items: st.lists(items, min_size=1, max_size=3), max_leaves=6
)


@given(st.lists(NESTED, max_size=3))
def test_nested_literals_round_trip(items: list[object]) -> None:
    """What is written as PostgreSQL writes it is read back: lists in lists, nulls, texts of any kind."""
    assert items == parse_array(render_array(items))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a", 'Array value must start with "{" or dimension information.'),
        ("{a", "Unexpected end of input."),
        ("{a,}", 'Unexpected "}" character.'),
        ("{a}}", "Junk after closing right brace."),
        ("{" * 7 + "}" * 7, "Number of array dimensions exceeds the maximum allowed (6)."),
        ('{"a"b}', 'Unexpected "b" character.'),
    ],
)
def test_malformed_literals_are_refused_in_postgresqls_words(text: str, said: str) -> None:
    """The detail is the database's own."""
    with pytest.raises(ValueError, match=re.escape(said)):
        parse_array(text)
