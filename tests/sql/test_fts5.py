"""Trees of words → FTS5 expressions."""

from __future__ import annotations

from itertools import product

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import PlanError
from backstay.plan.tsquery import And, Not, Or, Phrase, Tree, parse_search
from backstay.sql.fts5 import Found, fts5_query


@pytest.mark.parametrize(
    ("query", "expression", "left_out"),
    [
        ("a", '"a"', False),
        ("a & b & c", '("a" AND "b" AND "c")', False),
        ("a & !b & !c", '("a" NOT ("b" OR "c"))', False),
        ("!a & !b", '("a" OR "b")', True),
        ("a | !b", '("b" NOT "a")', True),
        ("!a | !b", '("a" AND "b")', True),
        ("!(a | !b)", '("b" NOT "a")', False),
        ("a:* & (b <-> c:*)", '("a"* AND "b c"*)', False),
        ("'x \" y'", '"x y"', False),
    ],
)
def test_rendered(query: str, expression: str, left_out: bool) -> None:
    """A negation moves outwards until FTS5 can say it, or until it is the whole."""
    assert Found(expression, left_out) == fts5_query(parse_search("fts", query, frozenset()))


def test_columns_are_quoted() -> None:
    """A column's name is quoted, whatever the model calls it."""
    assert '{"a ""b"""} : ("x")' == fts5_query(Phrase(("x",)), ['a "b"']).expression


TREES = st.recursive(
    st.sampled_from([Phrase((letter,)) for letter in "abc"]),
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=1, max_size=3).map(lambda terms: And(tuple(terms))),
        st.lists(inner, min_size=1, max_size=3).map(lambda terms: Or(tuple(terms))),
    ),
    max_leaves=8,
)

DOCUMENTS = [
    " ".join(letter for letter, there in zip("abc", bits, strict=True) if there) for bits in product((0, 1), repeat=3)
]


@pytest.fixture(scope="module")
def index() -> apsw.Connection:
    """Every subset of three words, as a document each; its number is its place."""
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE VIRTUAL TABLE f USING fts5(t)")
    connection.executemany("INSERT INTO f(rowid, t) VALUES (?, ?)", enumerate(DOCUMENTS))
    return connection


def holds(tree: Tree, words: list[str]) -> bool:
    match tree:
        case Phrase((word,)):
            return word in words
        case Not(term):
            return not holds(term, words)
        case And(terms):
            return all(holds(term, words) for term in terms)
        case Or(terms):
            return any(holds(term, words) for term in terms)
    raise AssertionError(tree)


@given(tree=TREES)
def test_any_tree_means_what_it_says(index: apsw.Connection, tree: Tree) -> None:
    """FTS5 finds, or leaves out, exactly the documents for which the tree holds."""
    expression, left_out = fts5_query(tree)
    found = {row[0] for row in index.execute("SELECT rowid FROM f WHERE f MATCH ?", (expression,))}
    wanted = {number for number, text in enumerate(DOCUMENTS) if holds(tree, text.split())}
    assert wanted == (set(range(len(DOCUMENTS))) - found if left_out else found)


@given(
    op=st.sampled_from(["fts", "plfts", "phfts", "wfts"]),
    text=st.text(max_size=60) | st.text("ab'\"-!&|()<>:*\\ or", max_size=60),
)
def test_any_text_is_read_or_refused(index: apsw.Connection, op: str, text: str) -> None:
    """Whatever a client sends, FTS5 understands what is made of it; only `fts` and `<->` refuse."""
    try:
        tree = parse_search(op, text, frozenset())
    except PlanError as error:
        if op != "fts" or error.code not in ("42601", "PGRST127"):
            raise
        return
    index.execute("SELECT rowid FROM f WHERE f MATCH ?", (fts5_query(tree).expression,)).fetchall()
