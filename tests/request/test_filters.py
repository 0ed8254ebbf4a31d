"""The right-hand side of a filter."""

from __future__ import annotations

import pytest
from hypothesis import given

from backstay.errors import RequestError
from backstay.request.field import Field
from backstay.request.filters import (
    IS_VALUES,
    OPERATORS,
    QUANTIFIABLE,
    SEARCH,
    SIMPLE,
    Filter,
    Slot,
    is_operation,
    parse_filter,
    render_operation,
)
from tests.request import strategies

A = Field("a")


def test_the_operators_are_those_of_the_grammar() -> None:
    """No operator is lost or added by accident."""
    expected = (
        "eq gt gte lt lte like ilike match imatch neq cs cd ov sl sr nxr nxl adj in is isdistinct fts plfts phfts wfts"
    )
    assert set(expected.split()) == OPERATORS


@pytest.mark.parametrize("op", sorted(SIMPLE | SEARCH))
@pytest.mark.parametrize("value", ["", "1", "a.b", "(any).1", "not.eq.1", '"quoted"', "{a,b}", " x,y) ", "é\n"])
@pytest.mark.parametrize("negated", [False, True])
def test_a_value_is_all_that_follows(op: str, value: str, negated: bool) -> None:
    """Outside logic trees nothing in a value is special."""
    text = ("not." if negated else "") + f"{op}.{value}"
    assert Filter(A, op, value, negated) == parse_filter(A, text)


@pytest.mark.parametrize("op", sorted(QUANTIFIABLE))
@pytest.mark.parametrize("quantifier", ["any", "all"])
def test_quantifiers_take_lists(op: str, quantifier: str) -> None:
    """(any) and (all) read an array literal."""
    found = parse_filter(A, f'not.{op}({quantifier}).{{x,"y,z"}}')
    assert (op, ("x", "y,z"), True, quantifier) == (found.op, found.value, found.negated, found.quantifier)


@pytest.mark.parametrize("op", sorted(SEARCH))
def test_search_takes_a_language(op: str) -> None:
    """fts(language) keeps the language apart from the query."""
    found = parse_filter(A, f"{op}( english ).The Fat (Cats)")
    assert (op, "The Fat (Cats)", "english") == (found.op, found.value, found.language)


@pytest.mark.parametrize("value", sorted(IS_VALUES))
@pytest.mark.parametrize("case", [str.lower, str.upper, str.title])
def test_is_ignores_case(value: str, case: object) -> None:
    """The words of is are lower case in the value, whatever the client wrote."""
    written = case(value)  # type: ignore[operator]
    assert Filter(A, "is", value) == parse_filter(A, f"is.{written}")
    assert Filter(A, "is", value, True) == parse_filter(A, f"not.is. {written} ")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("in.()", ()),
        ("in.( )", ()),
        ('in.("")', ("",)),
        ("in.(1)", ("1",)),
        ("in.(1,2,3)", ("1", "2", "3")),
        ("in.(,)", ("", "")),
        ("in.(a,)", ("a", "")),
        ('in.("Hebdon,John","Williams,Mary")', ("Hebdon,John", "Williams,Mary")),
        ('in.("Double\\"Quote\\"McGraw\\"")', ('Double"Quote"McGraw"',)),
        ('in.("Back\\\\slash")', ("Back\\slash",)),
        ('in.(Double"Quote"McGraw")', ('Double"Quote"McGraw"',)),
        ("in.(/\\Slash/\\Beast/\\)", ("/\\Slash/\\Beast/\\",)),
        ('in.("a"b,c)', ('"a"b', "c")),
        ('in.(",b)', ('"', "b")),
        ('in.("1)', ('"1',)),
        ('in.(a, "b")', ("a", ' "b"')),
        ("in. ( a,b ) ", ("a", "b ")),
        ("in.((a,b)", ("(a", "b")),
        ("in.({1,2})", ("{1", "2}")),
    ],
)
def test_lists(text: str, values: tuple[str, ...]) -> None:
    """A list is split at commas outside quotes; a quote counts only if its element ends with one."""
    assert Filter(A, "in", values) == parse_filter(A, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "eq",
        "not",
        "not.",
        "not.eq",
        "not.not.eq.1",
        "noop.0",
        "Eq.1",
        " eq.1",
        ".1",
        "1.5",
        "eq().1",
        "eq(some).1",
        "eq(any)1",
        "eq(any",
        "neq(any).{1}",
        "cs(all).{1}",
        "is(any).null",
        "in(any).(1)",
        "isdistinct(any).{1}",
        "fts().x",
        "fts(a-b).x",
        "fts(a.b).x",
        "fts( ).x",
        "is.",
        "is.nul",
        "is.nulll",
        "is.not null",
        "is.1",
        "in.",
        "in.1,2",
        "in.(",
        "in.(1",
        "in.(1,",
        "in.(1)2",
        "in.(1))",
    ],
)
def test_malformed_filters(text: str) -> None:
    """What is not an operator expression is PGRST100 and says where."""
    with pytest.raises(RequestError) as caught:
        parse_filter(A, text)
    assert ("PGRST100", True) == (caught.value.code, caught.value.message.startswith('"failed to parse filter ('))
    assert caught.value.details


@pytest.mark.parametrize("text", ["eq(any).1", "eq(any).", "like(all).{a", "gt(any).{{1}}", "eq(all).{null}"])
def test_malformed_quantified_lists(text: str) -> None:
    """(any) and (all) without a list are the database's error, as they would be on PostgreSQL."""
    with pytest.raises(RequestError) as caught:
        parse_filter(A, text)
    assert "22P02" == caught.value.code


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("eq.1", True),
        ("not.eq.1", True),
        ("is.x", True),
        ("in.x", True),
        ("isdistinct.1", True),
        ("like(any).x", True),
        ("wfts(english).x", True),
        ("eq", False),
        ("not.1", False),
        ("hello.world", False),
        ("1.5", False),
        ("{1,2}", False),
        ("", False),
    ],
)
def test_is_operation(text: str, expected: bool) -> None:
    """An operator and its dot make a value a filter."""
    assert expected == is_operation(text)


@given(strategies.filters)
def test_render_and_parse_are_inverse(condition: Filter) -> None:
    """Every filter can be written."""
    assert condition == parse_filter(condition.field, render_operation(condition))


def test_a_shape_cannot_be_rendered() -> None:
    """A slot has no text; asking for it is a bug of the caller."""
    with pytest.raises(ValueError, match="no values"):
        render_operation(Filter(A, "eq", Slot(0)))
