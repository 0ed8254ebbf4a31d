"""Trees of words → FTS5 expressions."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import apsw
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from backstay.catalog import Searchable
from backstay.errors import PlanError
from backstay.plan.intent import Compare, Operand
from backstay.plan.tsquery import And, Not, Or, Phrase, Tree, parse_search
from backstay.policy import Principal
from backstay.request.filters import Value
from backstay.sql.dialect import Typed
from backstay.sql.fts5 import Found, fts5_query, relevance, search
from backstay.sql.prepared import prepare
from tests.sql.memory import SENT, SQLITE, asked, column, memory, written


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


DECLARED = Searchable("title", language="english")


def wanted(language: str | None = None, declared: Searchable | None = DECLARED, value: Value = SENT) -> Compare:
    return Compare(Operand(column("title", sa.Text())), "fts", value, language=language, searchable=declared)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (wanted(declared=None), "PGRST127"),
        (wanted(language="french"), "PGRST127"),
        (wanted(value="cat"), "PGRST100"),
    ],
)
def test_what_no_index_finds(asked: Compare, code: str) -> None:
    """A search without an index, or in another language than its, is refused, and a value is bound."""
    for made in (search, relevance):
        with pytest.raises(PlanError) as refused:
            made(sa.table("t").alias("t1"), Typed(sa.column("title"), sa.Text()), asked)
        assert code == refused.value.code
    assert search(sa.table("t"), Typed(sa.column("title"), sa.Text()), wanted(language="english")) is not None


@pytest.mark.parametrize(
    ("declared", "query", "all_wanted", "expression"),
    [
        (DECLARED, "cat & dog", 1, '{"title"} : (("cat" AND "dog"))'),
        (DECLARED, "cat | dog", 0, '{"title"} : (("cat" OR "dog"))'),
        (DECLARED, "cat <-> dog", 1, '{"title"} : ("cat dog")'),
        (DECLARED, "cat", 0, '{"title"} : ("cat")'),
        # The commonest words are left out in English, and in English only.
        (DECLARED, "the & cat", 0, '{"title"} : ("cat")'),
        (Searchable("title", language="simple"), "the & cat", 1, '{"title"} : (("the" AND "cat"))'),
        # The field itself is searched in all of its columns.
        (Searchable("other", name="title"), "cat", 0, '"cat"'),
    ],
)
def test_what_is_ranked(declared: Searchable, query: str, all_wanted: int, expression: str) -> None:
    """A row is ranked by the words of its column; whether all of them are wanted is told along."""
    ranked = relevance(sa.table("t").alias("t1"), Typed(sa.column("title"), sa.Text()), wanted(declared=declared))
    args = prepare(sa.select(ranked), SQLITE.compiler).bind((query,), Principal()).args
    assert (all_wanted, expression) == args
    assert f"FROM t_{declared.name}_fts" in written(ranked, SQLITE)


@pytest.mark.parametrize(
    ("query", "negated", "nullable", "found"),
    [
        ("cat", False, True, [1]),
        ("!cat", False, True, [2]),
        ("cat", True, True, [1]),
        ("!cat", False, False, [2, 3]),
    ],
)
def test_rows_found(query: str, negated: bool, nullable: bool, found: list[int]) -> None:
    """A search finds rows, or all others; where the column is NULL it says neither, negated or not."""
    asked_ = replace(wanted(), operand=Operand(column("title", sa.Text(), nullable=nullable)), negated=negated)
    rows = sa.table("t", sa.column("id"), sa.column("title")).alias("t1")
    with memory(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, title)",
        "INSERT INTO t VALUES (1, 'a cat'), (2, 'a dog'), (3, NULL)",
        "CREATE VIRTUAL TABLE t_search_fts USING fts5(title, content='t', content_rowid='id')",
        "INSERT INTO t_search_fts (t_search_fts) VALUES ('rebuild')",
    ) as connection:
        holds = search(rows, Typed(rows.c.title, sa.Text()), asked_)
        assert found == [key for (key,) in asked(connection, sa.select(rows.c.id).where(holds), query)]
