"""The query string as a whole."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backstay.errors import RequestError
from backstay.request import QueryLimits, canonical_query, parse_query, render_query
from backstay.request.field import Field
from backstay.request.filters import Filter
from backstay.request.order import OrderTerm
from backstay.request.page import Page
from backstay.request.read import Query
from backstay.request.select import ColumnItem, Star
from tests.counting import lines
from tests.request import strategies

#: Text from PostgREST's documentation, parts of which the fuzzer puts together anew.
VALID = (
    "select=first_name,age&age=gte.18&student=is.true",
    "or=(age.lt.18,age.gt.21)",
    "grade=gte.90&student=is.true&or=(age.eq.14,not.and(age.gte.11,age.lte.17))",
    "last_name=like(any).{O*,P*}",
    "my_tsv=not.phfts(english).The%20Fat%20Cats",
    "select=id,json_data->>blood_type,json_data->phones->0->>number::text",
    "select=title,directors!films_director_id_fkey!inner(id,last_name)&directors.last_name=eq.x",
    "select=*,actors(*)&actors.order=last_name,first_name&actors.limit=10&actors.offset=2",
    "name=in.(%22Hebdon,John%22,%22Williams,Mary%22)&%22information.cpe%22=like.*MS*",
    "select=name,amount.sum()::int,c:count()&order=director(id).desc.nullslast",
    'columns="a","b c"&on_conflict=a,b',
)


def _query(text: str) -> Query:
    return parse_query(text).query


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Query()),
        ("&&", Query()),
        ("select=", Query()),
        ("select=*", Query()),
        ("a=eq.1", Query(conditions=(((), Filter(Field("a"), "eq", "1")),))),
        ("a=eq.b=c", Query(conditions=(((), Filter(Field("a"), "eq", "b=c")),))),
        ("a=eq.b;c", Query(conditions=(((), Filter(Field("a"), "eq", "b;c")),))),
        ("a+b=eq.c+d%2Be", Query(conditions=(((), Filter(Field("a b"), "eq", "c d+e")),))),
        ("%C3%A9=eq.%E4%B8%AD", Query(conditions=(((), Filter(Field("é"), "eq", "中")),))),
        ("é=eq.中", Query(conditions=(((), Filter(Field("é"), "eq", "中")),))),
        ("x.y.a=eq.1", Query(conditions=((("x", "y"), Filter(Field("a"), "eq", "1")),))),
        ('"x.y".a=eq.1', Query(conditions=((("x.y",), Filter(Field("a"), "eq", "1")),))),
        ('"order"=eq.1', Query(conditions=(((), Filter(Field("order"), "eq", "1")),))),
        ('x."limit"=eq.1', Query(conditions=((("x",), Filter(Field("limit"), "eq", "1")),))),
        ("order=a", Query(orders=(((), (OrderTerm(Field("a")),)),))),
        ("x.order=a", Query(orders=((("x",), (OrderTerm(Field("a")),)),))),
        ("limit=5", Query(pages=(((), Page(5)),))),
        ("offset=5", Query(pages=(((), Page(None, 5)),))),
        ("limit=5&offset=7", Query(pages=(((), Page(5, 7)),))),
        ("offset=7&limit=5", Query(pages=(((), Page(5, 7)),))),
        ("x.limit=1&limit=2&x.offset=3", Query(pages=((("x",), Page(1, 3)), ((), Page(2))))),
        ("columns=a,%22b c%22", Query(columns=("a", "b c"))),
        ("on_conflict=a,b", Query(on_conflict=("a", "b"))),
    ],
)
def test_each_parameter_has_its_place(text: str, expected: Query) -> None:
    """A query string is read into the value that it says, and back."""
    assert expected == _query(text)
    assert expected == _query(render_query(expected))


@pytest.mark.parametrize(
    ("key", "path", "kind", "negated"),
    [
        ("and", (), "and", False),
        ("or", (), "or", False),
        ("not.and", (), "and", True),
        ("not.or", (), "or", True),
        ("child.or", ("child",), "or", False),
        ("child.not.or", ("child",), "or", True),
        ("a.b.not.and", ("a", "b"), "and", True),
        ('"not".or', ("not",), "or", False),
        ('"a.b".or', ("a.b",), "or", False),
    ],
)
def test_logic_keys(key: str, path: tuple[str, ...], kind: str, negated: bool) -> None:
    """What stands before and/or is a path and perhaps a negation."""
    [(found, tree)] = _query(f"{key}=(a.eq.1,b.eq.2)").conditions
    assert (path, kind, negated) == (found, tree.kind, tree.negated)  # type: ignore[union-attr]


def test_conditions_keep_their_order_and_may_repeat() -> None:
    """Two filters on one column are two conditions, and trees stand among them."""
    found = _query("a=gt.1&or=(b.eq.1)&a=lt.5").conditions
    assert ["gt", "or", "lt"] == [getattr(condition, "op", None) or condition.kind for _, condition in found]  # type: ignore[union-attr]


@pytest.mark.parametrize("word", ["select", "columns", "on_conflict", "order", "limit", "offset"])
@pytest.mark.parametrize("second", ["{}={}", "{}=1"])
def test_a_reserved_parameter_stands_once(word: str, second: str) -> None:
    """A repeated reserved parameter is refused even if it says the same (LM4)."""
    text = f"{word}=1&" + second.format(word, 1)
    with pytest.raises(RequestError) as caught:
        parse_query(text)
    assert ("PGRST100", f'The parameter "{word}" is given more than once') == (caught.value.code, caught.value.message)


def test_the_same_word_at_another_path_is_another_parameter() -> None:
    """Only the same path twice is a repetition, however it is quoted."""
    assert 2 == len(_query("x.order=a&order=a").orders)
    with pytest.raises(RequestError):
        parse_query('x.order=a&"x".order=a')


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "=eq.1",
        "a=1",
        "a=",
        "a=eq",
        "a=noop.0",
        "a=not.null",
        "a=EQ.1",
        "a=%zz",
        "a=eq.%",
        "a=eq.%2",
        "a=eq.%ff",
        "a=eq.%C3",
        "%ED%A0%80=eq.1",
        "a=eq.\udcff",
        "a=eq.%00",
        "a=eq.\0",
        "%00=eq.1",
        ".a=eq.1",
        "a.=eq.1",
        "a..b=eq.1",
        "a->b.c=eq.1",
        '"a=eq.1',
        '""=eq.1',
        ".order=a",
        "a->b.order=c",
        "not.order=a",
        "not.limit=1",
        "order=",
        "columns=",
        "columns=a,",
        "columns=a b,,c",
        "on_conflict=",
        "limit=",
        "limit=a",
        "limit=1.5",
        "limit=1e3",
        "limit=0x1",
        "limit=１",
        "limit=" + "9" * 5000,
        "offset=b",
        "and=",
        "or=a.eq.1",
        "a.b.c.d.e.f.g=eq.1",
        "a.b.c.d.e.f.order=g",
        "*=eq.1",
        "a b!=eq.1",
    ],
)
def test_malformed_query_strings(text: str) -> None:
    """What does not parse is PGRST100, with details or a hint that help."""
    with pytest.raises(RequestError) as caught:
        parse_query(text)
    assert ("PGRST100", 400) == (caught.value.code, caught.value.status)
    assert caught.value.details or caught.value.hint


def test_error_text_is_like_the_original() -> None:
    """The message names the parameter's kind, its text and the place."""
    with pytest.raises(RequestError) as caught:
        parse_query("id=noop.0")
    assert '"failed to parse filter (noop.0)" (line 1, column 1)' == caught.value.message
    assert 'unexpected "n" expecting "not" or operator (eq, gt, ...)' == caught.value.details


@pytest.mark.parametrize(
    ("text", "arguments", "filtered"),
    [
        ("a=1&b=2", [("a", "1"), ("b", "2")], 0),
        ("a=eq.1", [("a", "eq.1")], 0),
        ("c=eq.1&a=1", [("a", "1")], 1),
        ("c=hello.world", [("c", "hello.world")], 0),
        ("c=", [("c", "")], 0),
        ("c=not.in.(1)", [], 1),
        ("c=fts(english).x", [], 1),
        ("x.c=eq.1", [], 1),
        ("a={1,2}&a=3", [("a", "{1,2}"), ("a", "3")], 0),
        ("select=id&limit=1&a=x%26y+z", [("a", "x&y z")], 0),
    ],
)
def test_arguments_of_a_function(text: str, arguments: list[tuple[str, str]], filtered: int) -> None:
    """A declared name is an argument, an operator expression a filter, anything else an argument to be refused."""
    found = parse_query(text, arguments=frozenset(("a", "b")))
    assert (tuple(arguments), filtered) == (found.arguments, len(found.query.conditions))


def test_without_a_function_there_are_no_arguments() -> None:
    """On a table a parameter that is no filter is an error, never ignored."""
    with pytest.raises(RequestError):
        parse_query("a=1")


def _terms(count: int, form: str, between: str) -> str:
    return between.join(form.format(index) for index in range(count))


def _nested(depth: int) -> str:
    return "and=" + "(and" * (depth - 1) + "(a.eq.1)" + ")" * (depth - 1)


def _embedded(depth: int) -> str:
    return "select=" + "a(" * depth + ")" * depth


@pytest.mark.parametrize(
    ("name", "at", "past"),
    [
        ("filters", _terms(50, "a{}=eq.1", "&"), _terms(51, "a{}=eq.1", "&")),
        ("filters", "or=(" + _terms(50, "a.eq.{}", ",") + ")", "or=(" + _terms(51, "a.eq.{}", ",") + ")"),
        ("filters", _terms(25, "or=(a.eq.{},b.eq.1)", "&"), _terms(26, "or=(a.eq.{},b.eq.1)", "&")),
        ("list_items", "a=in.(" + _terms(1000, "{}", ",") + ")", "a=in.(" + _terms(1001, "{}", ",") + ")"),
        ("list_items", "a=eq(any).{" + "1," * 999 + "1}", "a=eq(any).{" + "1," * 1000 + "1}"),
        ("list_items", "or=(a.in.(" + "1," * 999 + "1))", "or=(a.in.(" + "1," * 1000 + "1))"),
        ("pattern_chars", "a=like." + "x" * 1000, "a=like." + "x" * 1001),
        ("pattern_chars", "a=ilike(any).{" + "xx," * 499 + "xx}", "a=ilike(all).{" + "xx," * 500 + "x}"),
        ("pattern_chars", _terms(50, "a{}=not.like." + "x" * 20, "&"), _terms(50, "a{}=not.%6Cike." + "x" * 21, "&")),
        (
            "pattern_chars",
            "or=(a.like." + "x" * 500 + ",and(b.like." + "x" * 500 + "))",
            "b.or=(a.like." + "x" * 500 + ",and(b.like." + "x" * 501 + "))",
        ),
        ("logic_depth", _nested(5), _nested(6)),
        ("embeds", "select=" + _terms(10, "a{}()", ","), "select=" + _terms(11, "a{}()", ",")),
        ("embed_depth", _embedded(5), _embedded(6)),
        ("embed_depth", "a.b.c.d.e.f=eq.1", "a.b.c.d.e.f.g=eq.1"),
        ("embed_depth", "a.b.c.d.e.limit=1", "a.b.c.d.e.f.limit=1"),
        ("order_terms", "order=" + _terms(8, "a{}", ","), "order=" + _terms(9, "a{}", ",")),
        ("order_terms", _terms(4, "x{}.order=a,b", "&"), _terms(5, "x{}.order=a,b", "&")),
        ("select_items", "select=" + _terms(200, "a{}", ","), "select=" + _terms(201, "a{}", ",")),
        ("select_items", "select=x(" + _terms(199, "a{}", ",") + ")", "select=x(" + _terms(200, "a{}", ",") + ")"),
        ("select_items", "columns=" + _terms(200, "a{}", ","), "columns=" + _terms(201, "a{}", ",")),
        ("select_items", "on_conflict=" + _terms(200, "a{}", ","), "on_conflict=" + _terms(201, "a{}", ",")),
        ("json_steps", "a" + "->b" * 20 + "=eq.1", "a" + "->b" * 21 + "=eq.1"),
        ("json_steps", "select=a" + "->b" * 20, "select=a" + "->b" * 21),
    ],
)
def test_limits(name: str, at: str, past: str) -> None:
    """Each limit lets its last through and refuses the next by its name (LM4)."""
    parse_query(at)
    with pytest.raises(RequestError) as caught:
        parse_query(past)
    limit = getattr(QueryLimits(), name)
    assert ("PGRST100", 400, True) == (
        caught.value.code,
        caught.value.status,
        f"the limit {name} is {limit}." in str(caught.value.hint),
    )


@pytest.mark.parametrize(
    "text",
    [
        "a=in.(" + '"\\",' * 900,
        "a=in.(" + '",' * 900,
        'a=in.("' + "\\a" * 4000 + ")x",
        "a=eq(any).{" + '"\\",' * 900,
        "a=eq(any).{" + "\\ " * 4000,
        "or=(a.eq." + '"\\",' * 2000,
        "or=(a.eq." + "{" * 8000,
        "or=" + "(" * 8000,
        "a" + "->0" * 2700 + "=eq.1",
        "a." * 4000 + "a=eq.1",
        "a." * 4000 + "order=a",
        "order=" + "a(" * 4000,
        "a=fts(" + "a " * 4000,
        "a=" + "not." * 2000 + "eq.1",
        "columns=" + '"a' * 4000,
    ],
)
def test_no_text_takes_long(text: str) -> None:
    """S7: eight thousand hostile characters are refused in one pass; a backtracking pattern would not come back."""

    def read() -> None:
        with pytest.raises(RequestError):
            parse_query(text)

    assert lines(read) < 10 * len(text) + 500


def test_limits_are_the_callers() -> None:
    """The same text is read anew under other limits, remembered or not."""
    parse_query("select=a,b,c&order=a,b")
    with pytest.raises(RequestError):
        parse_query("select=a,b,c", limits=QueryLimits(select_items=2))
    with pytest.raises(RequestError):
        parse_query("order=a,b", limits=QueryLimits(order_terms=1))


def test_long_texts_are_read_as_short_ones() -> None:
    """Parameters too long to be remembered mean the same."""
    long = "x" * 1000
    found = _query(f"select={long}&order={long}&{long}=eq.1")
    assert (
        (ColumnItem(Field(long)),),
        (((), (OrderTerm(Field(long)),)),),
        (((), Filter(Field(long), "eq", "1")),),
    ) == (found.items, found.orders, found.conditions)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(strategies.queries)
def test_render_and_parse_are_inverse(query: Query) -> None:
    """What a query says survives being written down, whatever its names and values hold."""
    text = render_query(query)
    assert text.isascii()
    assert query == parse_query(text).query


def _parses_or_refuses(text: str) -> None:
    for arguments in (None, frozenset(("a", "age"))):
        refused: RequestError | None = None
        try:
            found = parse_query(text, arguments=arguments)
        except RequestError as error:
            refused = error
        if refused is None:
            assert found.query == parse_query(render_query(found.query)).query
        else:
            assert refused.code in ("PGRST100", "22P02")
            assert 400 == refused.status


@settings(max_examples=300, deadline=None)
@given(st.text(st.one_of(st.sampled_from(strategies.ODD + "\0"), st.characters())))
def test_random_text_is_read_or_refused(text: str) -> None:
    """No text raises anything but a RequestError, surrogates and NUL included."""
    _parses_or_refuses(text)
    for key in ("select", "order", "or", "columns", "a", "a.limit", "not.and"):
        _parses_or_refuses(f"{key}={text}")
    _parses_or_refuses(f"{text}=eq.1")


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_mutations_are_read_or_refused(data: st.DataObject) -> None:
    """Nor does a valid query with pieces cut out, doubled, moved or swapped for odd letters."""
    text = data.draw(st.sampled_from(VALID))
    for _ in range(data.draw(st.integers(1, 4))):
        begin = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(begin, min(len(text), begin + 8)))
        to = data.draw(st.integers(0, len(text)))
        piece = data.draw(
            st.sampled_from((text[begin:end], "", *strategies.ODD, "not.", "(any)", "->", "::", "{", "%22"))
        )
        text = text[:begin] + piece + text[end:] if data.draw(st.booleans()) else text[:to] + piece + text[to:]
    _parses_or_refuses(text)


@pytest.mark.parametrize("text", VALID)
def test_documented_examples_parse(text: str) -> None:
    """The examples that the fuzzer begins with are valid themselves."""
    query = _query(text)
    assert query == _query(render_query(query))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("b=eq.2&a=eq.1", "a=eq.1&b=eq.2"),
        ("select=id,name&order=id+desc", "order=id%20desc&select=id%2Cname"),
        ("a=lt.2&a=gt.1", "a=lt.2&a=gt.1"),
        ("a=eq.%c3%a9-_.~", "a=eq.%C3%A9-_.~"),
    ],
)
def test_canonical_query(text: str, expected: str) -> None:
    """Content-Location shows the keys in order; equal keys keep theirs."""
    assert expected == canonical_query(text)


def test_default_items_are_every_column() -> None:
    """No select means all columns, and so does an empty one."""
    assert ((Star(),), (Star(),)) == (_query("").items, _query("select=").items)
