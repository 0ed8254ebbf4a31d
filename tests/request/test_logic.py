"""Logic trees."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from backstay.errors import RequestError
from backstay.request.field import Field, Step
from backstay.request.filters import Filter
from backstay.request.logic import Condition, Logic, parse_logic, render_logic
from tests.request import strategies

EQ_1 = Filter(Field("a"), "eq", "1")
GT_2 = Filter(Field("b"), "gt", "2")


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("(a.eq.1)", (EQ_1,)),
        ("(a.eq.1,b.gt.2)", (EQ_1, GT_2)),
        (" ( a.eq.1, b.gt.2) ", (EQ_1, GT_2)),
        ("(a.eq.1,and(b.gt.2))", (EQ_1, Logic("and", (GT_2,)))),
        ("(a.eq.1,not.and(b.gt.2,a.eq.1))", (EQ_1, Logic("and", (GT_2, EQ_1), True))),
        ("(not.or (b.gt.2) ,a.eq.1)", (Logic("or", (GT_2,), True), EQ_1)),
        ("(or(and(a.eq.1),b.gt.2))", (Logic("or", (Logic("and", (EQ_1,)), GT_2)),)),
        ("(a.not.eq.1)", (Filter(Field("a"), "eq", "1", True),)),
        ("(a.is.NULL ,b.gt.2)", (Filter(Field("a"), "is", "null"), GT_2)),
        ("(a.not.is.null)", (Filter(Field("a"), "is", "null", True),)),
        ("(a.eq.)", (Filter(Field("a"), "eq", ""),)),
        ("(a.eq.x.y:z)", (Filter(Field("a"), "eq", "x.y:z"),)),
        ('(a.eq."x,y)",b.gt.2)', (Filter(Field("a"), "eq", "x,y)"), GT_2)),
        ('(a.eq."x\\"y\\\\z")', (Filter(Field("a"), "eq", 'x"y\\z'),)),
        ('(a.eq."x"y)', (Filter(Field("a"), "eq", '"x"y'),)),
        ('(a.eq."x)', (Filter(Field("a"), "eq", '"x'),)),
        ('(a.eq.x"y,b.gt.2)', (Filter(Field("a"), "eq", 'x"y'), GT_2)),
        ("(a.in.(1,2),b.gt.2)", (Filter(Field("a"), "in", ("1", "2")), GT_2)),
        ('(a.not.in.("x,y",z))', (Filter(Field("a"), "in", ("x,y", "z"), True),)),
        ("(a.in.())", (Filter(Field("a"), "in", ()),)),
        ("(a.cs.{1,2},b.gt.2)", (Filter(Field("a"), "cs", "{1,2}"), GT_2)),
        ('(a.cs.{"x)y"})', (Filter(Field("a"), "cs", '{"x)y"}'),)),
        ("(a.eq.{1}x)", (Filter(Field("a"), "eq", "{1}x"),)),
        ('(a.cd."[1,2]")', (Filter(Field("a"), "cd", "[1,2]"),)),
        ("(a.like(any).{x*,y},b.gt.2)", (Filter(Field("a"), "like", ("x*", "y"), False, "any"), GT_2)),
        ('(a.eq(all)."{\\"x\\"}")', (Filter(Field("a"), "eq", ("x",), False, "all"),)),
        ("(a.fts(english).x y)", (Filter(Field("a"), "fts", "x y", False, None, "english"),)),
        ("(a->b->>0.eq.1)", (Filter(Field("a", (Step("b"), Step(0, True))), "eq", "1"),)),
        ('("a.b".eq.1)', (Filter(Field("a.b"), "eq", "1"),)),
        (
            "(and_starting_col.eq.1,or_starting_col.gt.2)",
            (Filter(Field("and_starting_col"), "eq", "1"), Filter(Field("or_starting_col"), "gt", "2")),
        ),
        (
            "(and.eq.1,or.gt.2,not.eq.3)",
            (Filter(Field("and"), "eq", "1"), Filter(Field("or"), "gt", "2"), Filter(Field("not"), "eq", "3")),
        ),
        ("(not_x.is.null)", (Filter(Field("not_x"), "is", "null"),)),
        ("(clients.is.null,id.eq.1)", (Filter(Field("clients"), "is", "null"), Filter(Field("id"), "eq", "1"))),
    ],
)
def test_trees(text: str, terms: tuple[Condition, ...]) -> None:
    """Terms are filters or trees; a value ends at a comma or a parenthesis outside quotes and braces."""
    assert Logic("or", terms) == parse_logic("or", text)[0]


def test_filters_are_counted() -> None:
    """The caller learns how many filters a tree holds."""
    assert 4 == parse_logic("and", "(a.eq.1,or(b.eq.2,not.and(c.eq.3,d.is.null)))")[1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.eq.1",
        "()",
        "( )",
        "(",
        ")(",
        "(a.eq.1",
        "(a.eq.1))x",
        "(a.eq.1)x",
        "(a.eq.1,)",
        "(,a.eq.1)",
        "(a)",
        "(a.eq)",
        "(a.noop.1)",
        "(a.eq(any)x)",
        "(a.b.eq.1)",
        "(id.in.1,2,id.eq.3)",
        "(ord(id.eq.1,id.eq.1),id.eq.2)",
        "(id.eq.1,not.xor(id.eq.2,id.eq.3))",
        "(not.and.eq.3)",
        "(not.not.and(a.eq.1))",
        "(and())",
        "(or)",
        "(a.is.maybe)",
        "(a.is.null.x)",
        "(a.in.(1)",
        "(a.in.(1)x)",
        "(a.fts(x-y).z)",
        "(a.cd.[1,2])",
        "(*.eq.1)",
    ],
)
def test_malformed_trees(text: str) -> None:
    """What does not close, or holds no term, is PGRST100; text behind the tree too."""
    with pytest.raises(RequestError) as caught:
        parse_logic("or", text)
    assert "PGRST100" == caught.value.code


def test_depth_is_not_pythons() -> None:
    """Thousands of parentheses meet our limit, not the interpreter's."""
    with pytest.raises(RequestError, match="levels of and/or"):
        parse_logic("or", "(and" * 100_000)


@settings(deadline=None)
@given(strategies.logic)
def test_render_and_parse_are_inverse(tree: Logic) -> None:
    """Every tree can be written."""
    assert tree == parse_logic(tree.kind, render_logic(tree), negated=tree.negated)[0]
