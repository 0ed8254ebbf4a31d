"""The order parameter."""

from __future__ import annotations

import pytest
from hypothesis import given

from backstay.errors import RequestError
from backstay.request.field import Field, Step
from backstay.request.order import OrderTerm, parse_order, render_order
from tests.request import strategies

NAME = Field("name")
KEY = Field("json_col", (Step("key"),))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name", (OrderTerm(NAME),)),
        ("name.asc", (OrderTerm(NAME),)),
        ("name.desc", (OrderTerm(NAME, None, True),)),
        ("name.nullsfirst", (OrderTerm(NAME, None, False, "first"),)),
        ("name.desc.nullsfirst", (OrderTerm(NAME, None, True, "first"),)),
        ("name.asc.nullslast", (OrderTerm(NAME, None, False, "last"),)),
        (" name , id ", (OrderTerm(NAME), OrderTerm(Field("id")))),
        ("json_col->key.asc.nullslast", (OrderTerm(KEY, None, False, "last"),)),
        ("json_col->!@#$%^&*_a.asc", (OrderTerm(Field("json_col", (Step("!@#$%^&*_a"),))),)),
        ("data->>0.desc", (OrderTerm(Field("data", (Step(0, True),)), None, True),)),
        ('"a.desc".desc', (OrderTerm(Field("a.desc"), None, True),)),
        ("clients(name)", (OrderTerm(NAME, "clients"),)),
        ("clients(json_col->key).desc.nullsfirst", (OrderTerm(KEY, "clients", True, "first"),)),
        ("clients(data->0)", (OrderTerm(Field("data", (Step(0),)), "clients"),)),
        ("name,clients(name),id", (OrderTerm(NAME), OrderTerm(NAME, "clients"), OrderTerm(Field("id")))),
    ],
)
def test_terms(text: str, expected: tuple[OrderTerm, ...]) -> None:
    """Each form of a term is read into its value, and back."""
    assert expected == parse_order(text)
    assert expected == parse_order(render_order(expected))


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        "name,",
        "name.",
        "name. desc",
        "id.ac",
        "id.descc",
        "id.nulsfist",
        "id.nullslasttt",
        "id.smth34",
        "id.asc.nlsfst",
        "id.asc.nullslasttt",
        "id.nullsfirst.desc",
        "id.asc.desc",
        "id.DESC",
        "clients(name,id)",
        "clients(name",
        "clients()",
        "clients(a(b))",
        "clients(name)x",
        "a->b(c)",
        "a.b.desc",
        "*",
        "(a)",
    ],
)
def test_malformed_terms(text: str) -> None:
    """A misspelt direction is refused, never ignored."""
    with pytest.raises(RequestError) as caught:
        parse_order(text)
    assert ("PGRST100", True) == (caught.value.code, caught.value.message.startswith('"failed to parse order ('))


@given(strategies.orders)
def test_render_and_parse_are_inverse(terms: tuple[OrderTerm, ...]) -> None:
    """Every order can be written."""
    assert terms == parse_order(render_order(terms))
