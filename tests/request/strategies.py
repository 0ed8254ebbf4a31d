"""Values that cover the whole grammar, for properties of the parsers."""

from __future__ import annotations

from typing import Any, cast

from hypothesis import strategies as st

from backstay.request.field import Field, Step
from backstay.request.filters import IS_VALUES, QUANTIFIABLE, SEARCH, SIMPLE, Filter
from backstay.request.logic import Condition, Logic
from backstay.request.order import OrderTerm
from backstay.request.page import Page
from backstay.request.read import Query
from backstay.request.select import ColumnItem, Embed, Item, Star

#: Letters that mean something somewhere, among others that do not.
ODD = "ab1_$ \t\n-\"'\\,.:;()[]{}<>*!?&=%+#/|~^@é😀 中\u0301\xa0\u200d"

texts = st.text(st.one_of(st.sampled_from(ODD), st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
words = ("select", "order", "limit", "offset", "and", "or", "not", "count", "inner", "left", "columns", "null", "id")
names = st.one_of(st.sampled_from(words), st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True), texts.filter(bool))
languages = st.from_regex(r"[a-z_$][a-z_$ ]{0,5}[a-z]", fullmatch=True)
casts = st.sampled_from(("int", "text[]", "numeric(10,2)", "timestamp(3) with time zone", "double precision", "$x"))

steps = st.builds(Step, st.one_of(st.integers(-(2**31) + 1, 2**31 - 1), texts), st.booleans())
fields = st.builds(Field, names, st.lists(steps, max_size=3).map(tuple))

_lists = st.lists(texts, max_size=4).map(tuple)
filters = st.one_of(
    st.builds(Filter, fields, st.sampled_from(sorted(SIMPLE)), texts, st.booleans()),
    st.builds(Filter, fields, st.just("is"), st.sampled_from(sorted(IS_VALUES)), st.booleans()),
    st.builds(Filter, fields, st.just("in"), _lists, st.booleans()),
    st.builds(
        Filter, fields, st.sampled_from(sorted(QUANTIFIABLE)), _lists, st.booleans(), st.sampled_from(("any", "all"))
    ),
    st.builds(Filter, fields, st.sampled_from(sorted(SEARCH)), texts, st.booleans(), st.none(), st.none() | languages),
)


def _logic(terms: st.SearchStrategy[Condition]) -> st.SearchStrategy[Logic]:
    several = st.lists(terms, min_size=1, max_size=3).map(tuple)
    return st.builds(Logic, st.sampled_from(("and", "or")), several, st.booleans())


_one: st.SearchStrategy[Condition] = filters
_two = st.one_of(_one, _logic(_one))
logic = _logic(st.one_of(_two, _logic(_two)))

_columns = st.builds(
    ColumnItem,
    fields,
    st.none() | names,
    st.none() | casts,
    st.sampled_from((None, "sum", "avg", "count", "min", "max")),
).flatmap(
    lambda item: (
        st.just(item)
        if item.aggregate is None
        else st.builds(
            ColumnItem,
            st.just(item.field),
            st.just(item.alias),
            st.just(item.cast),
            st.just(item.aggregate),
            st.none() | casts,
        )
    )
)
_counts = st.builds(ColumnItem, st.none(), st.none() | names, st.none(), st.just("count"), st.none() | casts)
_plain = st.one_of(st.just(Star()), _columns, _counts)


def _embeds(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Embed]:
    inside = st.lists(items, max_size=2).map(tuple)
    hint, join = st.none() | names, st.sampled_from((None, "inner", "left"))
    return st.one_of(
        st.builds(Embed, names, inside, st.none() | names, hint, join),
        st.builds(Embed, names, inside, st.none(), hint, join, st.just(True)),
    )


def _count_embeds(items: tuple[Item, ...]) -> int:
    return sum(1 + _count_embeds(item.items) for item in items if isinstance(item, Embed))


items = (
    st.lists(st.one_of(_plain, _embeds(st.one_of(_plain, _embeds(_plain)))), max_size=4)
    .map(lambda found: cast("tuple[Item, ...]", tuple(found)))
    .filter(lambda found: _count_embeds(found) <= 10)
)

paths = st.lists(names, max_size=2).map(tuple)
orders = st.lists(
    st.builds(OrderTerm, fields, st.none() | names, st.booleans(), st.sampled_from((None, "first", "last"))),
    min_size=1,
    max_size=2,
).map(tuple)
pages = st.builds(Page, st.none() | st.integers(-(10**17), 10**17), st.integers(0, 10**17))
name_lists = st.lists(names, min_size=1, max_size=3, unique=True).map(tuple)

queries = st.builds(
    Query,
    items.map(lambda found: found or (Star(),)),
    st.lists(st.tuples(paths, st.one_of(filters, logic)), max_size=3)
    .map(tuple)
    .filter(lambda found: len(repr(found)) < 20_000),
    st.dictionaries(paths, orders, max_size=2).map(lambda found: tuple(found.items())),
    st.dictionaries(paths, pages, max_size=2).map(lambda found: tuple(found.items())),
    st.none() | name_lists,
    st.none() | name_lists,
)
