"""The four search grammars: what each text looks for, and what is refused."""

from __future__ import annotations

import pytest

from backstay.errors import PlanError
from backstay.plan.tsquery import ENGLISH_STOP, MAX_SPREAD, And, Not, Or, Phrase, Tree, bounded_search, parse_search

A, B, C = (Phrase((word,)) for word in "xyz")
XY = Phrase(("x", "y"))
PREFIX = Phrase(("x",), prefix=True)

FOUND: list[tuple[str, str, Tree | None]] = [
    ("plfts", "x Y, z!", And((A, B, C))),
    ("plfts", "x-y z", And((XY, C))),
    ("plfts", "x or y", And((A, B))),
    ("plfts", "the x", A),
    ("plfts", "the of", None),
    ("plfts", " ,. ", None),
    ("phfts", "x y", XY),
    ("phfts", "the x the", A),
    ("phfts", "x the y", Phrase(("x", "the", "y"))),
    ("phfts", "the", None),
    ("wfts", "", None),
    ("wfts", "x y", And((A, B))),
    ("wfts", '"x y" z', And((XY, C))),
    ("wfts", '"x y', XY),
    ("wfts", "x or y", Or((A, B))),
    ("wfts", "x OR y z", Or((A, And((B, C))))),
    ("wfts", "x or y or z", Or((A, B, C))),
    ("wfts", "or x", A),
    ("wfts", "x or", A),
    ("wfts", "x or  ", A),
    ("wfts", "x or or y", Or((A, B))),
    ("wfts", "-x", Not(A)),
    ("wfts", "x -y z", And((A, Not(B), C))),
    ("wfts", '-"x y" z', And((Not(XY), C))),
    ("wfts", "--x", A),
    ("wfts", "-the x", A),
    ("wfts", "x -or y", And((A, B))),
    ("wfts", "x !& (y):|", And((A, B))),
    ("fts", "", None),
    ("fts", "  ", None),
    ("fts", "x", A),
    ("fts", " x ", A),
    ("fts", "the", None),
    ("fts", "x & y", And((A, B))),
    ("fts", "x | y", Or((A, B))),
    ("fts", "x & y & z", And((A, B, C))),
    ("fts", "x | y & z", Or((A, And((B, C))))),
    ("fts", "x & y | z", Or((And((A, B)), C))),
    ("fts", "(x | y) & z", And((Or((A, B)), C))),
    ("fts", "x & (y & z)", And((A, B, C))),
    ("fts", "((x))", A),
    ("fts", "!x", Not(A)),
    ("fts", "!!x", A),
    ("fts", "!x & y", And((Not(A), B))),
    ("fts", "!(x | y)", Not(Or((A, B)))),
    ("fts", "!the & y", B),
    ("fts", "x <-> y", XY),
    ("fts", "x <1> y <-> z", Phrase(("x", "y", "z"))),
    ("fts", "x <-> y & z", And((XY, C))),
    ("fts", "(x | y) <-> z", Or((Phrase(("x", "z")), Phrase(("y", "z"))))),
    ("fts", "z <-> (x | y)", Or((Phrase(("z", "x")), Phrase(("z", "y"))))),
    ("fts", "the <-> y", B),
    ("fts", "x <-> the", A),
    ("fts", "x:*", PREFIX),
    ("fts", "y <-> x:*", Phrase(("y", "x"), prefix=True)),
    ("fts", "'x y'", XY),
    ("fts", "'x y':*", Phrase(("x", "y"), prefix=True)),
    ("fts", "'x''y'", XY),
    ("fts", r"x\:y", XY),
    ("fts", "x & the | y", Or((A, B))),
]


@pytest.mark.parametrize(("op", "text", "tree"), FOUND)
def test_what_a_search_looks_for(op: str, text: str, tree: Tree | None) -> None:
    """SQ3: words, joined as PostgreSQL joins them; stop words and punctuation count for nothing."""
    assert tree == parse_search(op, text, ENGLISH_STOP)


REFUSED = [
    *((text, "42601") for text in ("x y", "x &", "x |", "!", "x <->", "(x", "x)", "()", "& x", "| x", "x & | y", ":*")),
    *((text, "42601") for text in ("x & (y", "'x", "(x | y", "x !", "<-> x")),
    *((text, "PGRST127") for text in ("x <2> y", "x <0> y", "x:A", "x:*b", "x <-> !y", "!x <-> y", "x:* <-> y")),
    *((text, "PGRST127") for text in ("x <-> (y & z)", "(x & y) <-> z")),
]


@pytest.mark.parametrize(("text", "code"), REFUSED)
def test_what_is_no_search(text: str, code: str) -> None:
    """Malformed as PostgreSQL has it, or something that SQLite cannot do."""
    with pytest.raises(PlanError) as refused:
        parse_search("fts", text, ENGLISH_STOP)
    assert code == refused.value.code


FITS = ["x" * 500, "x " * 100, "(" * 20 + "x" + ")" * 20, "!" * 20 + "x", "(x) " * 30, "-x " * 30, ")" * 60]
TOO_LONG = ["x" * 501, "x " * 101, "(" * 21 + "x", "(x " * 21, "!" * 21 + "x", "-" * 21 + "x", "!(" * 11, "! " * 21]


@pytest.mark.parametrize("text", FITS)
def test_searches_that_fit(text: str) -> None:
    """LM6: 500 characters, 100 words, 20 within each other."""
    assert text == bounded_search(text)


@pytest.mark.parametrize("text", TOO_LONG)
def test_searches_that_do_not_fit(text: str) -> None:
    """LM6: one more of each is refused before any database parses it."""
    with pytest.raises(PlanError) as refused:
        bounded_search(text)
    assert "PGRST100" == refused.value.code


def test_no_search_has_a_nul() -> None:
    """SQ3: as in every text."""
    with pytest.raises(PlanError) as refused:
        bounded_search("x\x00")
    assert "22021" == refused.value.code


EITHER = "(x|y)"


def spread(text: str) -> int:
    """The words of all phrases of *text*."""
    tree = parse_search("fts", text, frozenset())
    assert isinstance(tree, Or)
    return sum(len(term.words) for term in tree.terms if isinstance(term, Phrase))


@pytest.mark.parametrize(
    ("fits", "words", "beyond"),
    [
        ("<->".join([EITHER] * 6), 6 * 64, "<->".join([EITHER] * 7)),
        (
            f"({'|'.join('x' * 50)})<->(a|b|c|d|e|f|g|h|i|j)",
            MAX_SPREAD,
            f"({'|'.join('x' * 50)})<->(a|b|c|d|e|f|g|h|i|j|k)",
        ),
        ("|".join(["<->".join([EITHER] * 5)] * 3), 3 * 5 * 32, "|".join(["<->".join([EITHER] * 5)] * 4)),
    ],
)
def test_alternatives_do_not_multiply_without_end(fits: str, words: int, beyond: str) -> None:
    """S5, S11, LM6: whatever a search comes to is counted before it is made, in all of its parts together."""
    assert words == spread(fits)
    with pytest.raises(PlanError) as refused:
        parse_search("fts", beyond, frozenset())
    assert "PGRST100" == refused.value.code


def test_the_longest_chain_of_alternatives_is_refused_at_once() -> None:
    """S5: two to the power of fifty phrases are never made."""
    with pytest.raises(PlanError) as refused:
        parse_search("fts", bounded_search("<->".join([EITHER] * 50)), frozenset())
    assert "PGRST100" == refused.value.code
    assert Phrase(("x",) * 100) == parse_search("fts", "<->".join("x" * 100), frozenset())
