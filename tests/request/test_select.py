"""The select parameter."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from backstay.errors import RequestError
from backstay.request.field import Field, Step
from backstay.request.select import ColumnItem, Embed, Item, Star, parse_select, render_select
from tests.request import strategies

ID = ColumnItem(Field("id"))
AMOUNT = Field("amount")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        (" ", ()),
        ("*", (Star(),)),
        (" * ", (Star(),)),
        ("id", (ID,)),
        ("id,name", (ID, ColumnItem(Field("name")))),
        (" id , name ", (ID, ColumnItem(Field("name")))),
        ("*,id", (Star(), ID)),
        ("first name", (ColumnItem(Field("first name")),)),
        ('"a,b"', (ColumnItem(Field("a,b")),)),
        (
            "fullName:full_name,birthDate:birth_date",
            (ColumnItem(Field("full_name"), "fullName"), ColumnItem(Field("birth_date"), "birthDate")),
        ),
        ('"x:y":id', (ColumnItem(Field("id"), "x:y"),)),
        ("x : id", (ColumnItem(Field("id"), "x"),)),
        ("id::text", (ColumnItem(Field("id"), None, "text"),)),
        ("x:id::text", (ColumnItem(Field("id"), "x", "text"),)),
        ("id ::  double precision ", (ColumnItem(Field("id"), None, "double precision"),)),
        ("id::text[]", (ColumnItem(Field("id"), None, "text[]"),)),
        ("id::int[3][]", (ColumnItem(Field("id"), None, "int[3][]"),)),
        ("id::numeric(10,2)", (ColumnItem(Field("id"), None, "numeric(10,2)"),)),
        (
            "id::timestamp(3) with time zone,x",
            (ColumnItem(Field("id"), None, "timestamp(3) with time zone"), ColumnItem(Field("x"))),
        ),
        ("count", (ColumnItem(Field("count")),)),
        ("count::text", (ColumnItem(Field("count"), None, "text"),)),
        ("count()", (ColumnItem(None, None, None, "count"),)),
        ("n:count()", (ColumnItem(None, "n", None, "count"),)),
        ("n: count()::text", (ColumnItem(None, "n", None, "count", "text"),)),
        ("amount.sum()", (ColumnItem(AMOUNT, None, None, "sum"),)),
        ("amount.avg()::int", (ColumnItem(AMOUNT, None, None, "avg", "int"),)),
        ("amount::int.min()", (ColumnItem(AMOUNT, None, "int", "min"),)),
        ("x:amount::int.max()::text", (ColumnItem(AMOUNT, "x", "int", "max", "text"),)),
        ("amount.count()", (ColumnItem(AMOUNT, None, None, "count"),)),
        ("sum.sum()", (ColumnItem(Field("sum"), None, None, "sum"),)),
        ("data->a->>0", (ColumnItem(Field("data", (Step("a"), Step(0, True)))),)),
        ("x:data->a::int.sum()", (ColumnItem(Field("data", (Step("a"),)), "x", "int", "sum"),)),
        ("data->-1,id", (ColumnItem(Field("data", (Step(-1),))), ID)),
        ("name->!@#$%^&*_a::cast", (ColumnItem(Field("name", (Step("!@#$%^&*_a"),)), None, "cast"),)),
        ("rel(*)", (Embed("rel", (Star(),)),)),
        ("rel()", (Embed("rel", ()),)),
        ("rel( )", (Embed("rel", ()),)),
        ("id,rel(id),x", (ID, Embed("rel", (ID,)), ColumnItem(Field("x")))),
        ("alias:rel(*)", (Embed("rel", (Star(),), "alias"),)),
        ("rel!hint(*)", (Embed("rel", (Star(),), None, "hint"),)),
        ("rel!inner(*)", (Embed("rel", (Star(),), None, None, "inner"),)),
        ("rel!left(*)", (Embed("rel", (Star(),), None, None, "left"),)),
        ("rel!hint!inner(*)", (Embed("rel", (Star(),), None, "hint", "inner"),)),
        ("alias:rel!inner!hint(*)", (Embed("rel", (Star(),), "alias", "hint", "inner"),)),
        ('rel!"inner"!inner(*)', (Embed("rel", (Star(),), None, "inner", "inner"),)),
        ("rel!innermost(*)", (Embed("rel", (Star(),), None, "innermost"),)),
        ("a : rel ! hint ! left ( id )", (Embed("rel", (ID,), "a", "hint", "left"),)),
        ('"count"(id)', (Embed("count", (ID,)),)),
        ('"a b":"x(y"(id)', (Embed("x(y", (ID,), "a b"),)),
        ("...rel(id)", (Embed("rel", (ID,), spread=True),)),
        ("id, ...rel!hint!inner(id)", (ID, Embed("rel", (ID,), None, "hint", "inner", True))),
        ("a(b(c(*)),id)", (Embed("a", (Embed("b", (Embed("c", (Star(),)),)), ID)),)),
        ("a(b(c())),id", (Embed("a", (Embed("b", (Embed("c", ()),)),)), ID)),
        ("a(data->0)", (Embed("a", (ColumnItem(Field("data", (Step(0),))),)),)),
        (
            "a(id::int,n:count())",
            (Embed("a", (ColumnItem(Field("id"), None, "int"), ColumnItem(None, "n", None, "count"))),),
        ),
        (
            "director:directors!inner(last_name)",
            (Embed("directors", (ColumnItem(Field("last_name")),), "director", None, "inner"),),
        ),
    ],
)
def test_items(text: str, expected: tuple[Item, ...]) -> None:
    """Each form of an item is read into its value, and back."""
    assert expected == parse_select(text)
    assert expected == parse_select(render_select(expected))


@pytest.mark.parametrize(
    "text",
    [
        ",",
        "id,",
        ",id",
        "id,,name",
        "*x",
        "**",
        "*!hint",
        "x:*",
        "name!hint",
        "id name!",
        "name::",
        "name:",
        ":name",
        "a:b:c",
        "name::a-b",
        "name::a.b",
        "name::a(b)",
        "name::a(1,2,3)",
        "name::a[b]",
        "name::a::b",
        "name.sum",
        "name.sum(x)",
        "name.median()",
        "name.sum().avg()",
        "count(id)",
        "count()x",
        "count!hint()",
        "count.x()",
        "rel(",
        "rel(id",
        "rel(id,",
        "rel(,)",
        "rel(id))",
        "rel)",
        ")",
        "(id)",
        "rel(id)x",
        "rel(id)::text",
        "rel!(id)",
        "rel!a!b(id)",
        "rel!inner!left(id)",
        "rel!inner!inner(id)",
        "rel!hint",
        "rel->a(*)",
        "rel->jsonpath!hint(*)",
        "...rel",
        "...rel->x(*)",
        "..rel(*)",
        "alias:...rel(*)",
        "...alias:rel(*)",
        "id,clients(name[])",
        "data->>-78xy",
        "projects(count)'",
        '"id',
        '"":id',
    ],
)
def test_malformed_items(text: str) -> None:
    """Anything else is PGRST100, text behind a complete list included."""
    with pytest.raises(RequestError) as caught:
        parse_select(text)
    assert "PGRST100" == caught.value.code
    assert caught.value.message.startswith('"failed to parse select parameter (')


def test_depth_is_not_pythons() -> None:
    """Thousands of parentheses meet our limit, not the interpreter's."""
    with pytest.raises(RequestError, match="levels of embedding"):
        parse_select("a(" * 100_000)


@pytest.mark.parametrize(
    "text",
    [
        "a::b" + "c " * 4000 + "!",
        "a::b(1)" + "c" * 8000 + "!",
        "a::b" + "[1]" * 2700 + "!",
        "a::b(" + "1" * 8000,
        '"' + "\\a" * 4000,
        "a->" + '"\\a' * 2700,
        "a" + "-a" * 4000 + "!",
        " " * 8000 + "!",
    ],
)
def test_no_text_takes_long(text: str) -> None:
    """Eight thousand hostile characters are refused in one pass; a backtracking pattern would not come back."""
    with pytest.raises(RequestError):
        parse_select(text)


@settings(deadline=None)
@given(strategies.items)
def test_render_and_parse_are_inverse(items: tuple[Item, ...]) -> None:
    """Every list of items can be written."""
    assert items == parse_select(render_select(items))
