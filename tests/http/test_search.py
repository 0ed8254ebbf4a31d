"""Full-text search: the four forms, with the same answers from FTS5 as from PostgreSQL."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.http.api import Api

#: What PostgreSQL answers; FTS5 must answer the same.
SEARCHES: list[tuple[str, str, Any]] = [
    ("wfts", "cat", [1, 2, 4, 5, 6]),
    ("wfts", "cats -dog", [1, 2, 5, 6]),
    ("wfts", "-dog", [1, 2, 5, 6, 7, 8]),
    ("wfts", '"fat cat"', [1]),
    ("wfts", '"the fat cat"', [1]),
    ("wfts", "star or rats", [1, 2, 4]),
    ("wfts", "or cat", [1, 2, 4, 5, 6]),
    ("wfts", "cat or", [1, 2, 4, 5, 6]),
    ("wfts", "the", []),
    ("wfts", "", []),
    ("wfts", "-", []),
    ("wfts", '"', []),
    ("wfts", 'cat"fat', [1]),
    ("wfts", "-the cat", [1, 2, 4, 5, 6]),
    ("wfts", "running", [2]),
    ("wfts", '"cat dog"', []),
    ("wfts", 'cat -"fat rat"', [2, 4, 5, 6]),
    ("wfts", "--cat", [1, 2, 4, 5, 6]),
    ("wfts", "foot-ball", [8]),
    ("wfts", "OR", []),
    ("wfts", "Ångström", []),
    ("wfts", "ca*", []),
    ("wfts", "cat & dog", [4]),
    ("wfts", "title:dog", []),
    ("wfts", "cat -dog or rat", [1, 2, 5, 6]),
    ("wfts", "katzen", [5]),
    ("wfts", "don't", []),
    ("wfts", "cat or -dog", [1, 2, 4, 5, 6, 7, 8]),
    ("wfts", "-cat -dog", [7, 8]),
    ("wfts", '"a star" or kings', [4, 6]),
    ("fts", "cat", [1, 2, 4, 5, 6]),
    ("fts", "cat & dog", [4]),
    ("fts", "cat | dog", [1, 2, 3, 4, 5, 6]),
    ("fts", "!dog", [1, 2, 5, 6, 7, 8]),
    ("fts", "cat & !dog", [1, 2, 5, 6]),
    ("fts", "cat:*", [1, 2, 4, 5, 6]),
    ("fts", "fat <-> cat", [1]),
    ("fts", "fat <-> rat | kings", [1, 6]),
    ("fts", "star:*", [4]),
    ("fts", "!(cat | dog)", [7, 8]),
    ("fts", "the", []),
    ("fts", "the & cat", [1, 2, 4, 5, 6]),
    ("fts", "cat cat", "42601"),
    ("fts", "cat &", "42601"),
    ("fts", "& cat", "42601"),
    ("fts", "", []),
    ("fts", "  ", []),
    ("fts", "(cat", "42601"),
    ("fts", "cat)", "42601"),
    ("fts", "'fat cat'", [1]),
    ("fts", "'fat cat' & rat", [1]),
    ("fts", "cat:", [1, 2, 4, 5, 6]),
    ("fts", "cat<->dog", []),
    ("fts", "!!cat", [1, 2, 4, 5, 6]),
    ("fts", "cat | !dog", [1, 2, 4, 5, 6, 7, 8]),
    ("fts", "fat <-> (cat|rat)", [1]),
    ("fts", "katz:*", [5]),
    ("fts", "run & around", [2]),
    ("fts", "!the", []),
    ("fts", "x | (the & cat)", [1, 2, 4, 5, 6, 7]),
    ("fts", "foot-ball", [8]),
    ("fts", "a:*", []),
    ("fts", "cat !dog", "42601"),
    ("plfts", "the cats", [1, 2, 4, 5, 6]),
    ("plfts", "cat dog", [4]),
    ("plfts", "", []),
    ("plfts", "fat & rat", [1]),
    ("plfts", "-dog", [3, 4]),
    ("plfts", "foot-ball", [8]),
    ("phfts", "fat cat", [1]),
    ("phfts", "cat fat", []),
    ("phfts", "the fat cat", [1]),
    ("phfts", "fat rat", [1]),
    ("phfts", "", []),
    ("phfts", "football is a ball", [8]),
    ("phfts", "rats and cats", [2]),
]


@pytest.mark.parametrize(("op", "query", "expected"), SEARCHES)
def test_forms(library: Api, op: str, query: str, expected: Any) -> None:
    """Each form finds what PostgreSQL's function of that form finds, and refuses what it refuses."""
    reply = library.get(f"books?select=id&search={op}.{quote(query, safe='')}&order=id", as_="dee")
    assert expected == (reply.code or reply.ids)


@pytest.mark.parametrize(("op", "query", "expected"), [row for row in SEARCHES if isinstance(row[2], list)])
def test_negated_forms(library: Api, op: str, query: str, expected: list[int]) -> None:
    """`not.` finds all other rows: also for an empty query, and for one that is a negation itself."""
    reply = library.get(f"books?select=id&search=not.{op}.{quote(query, safe='')}&order=id", as_="dee")
    assert sorted(set(range(1, 9)) - set(expected)) == reply.ids


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ("body=wfts.cat", [1, 2, 4, 5, 6]),
        ("body=wfts(english).cat", [1, 2, 4, 5, 6]),
        ("title=fts.cat", [1]),
        ("body=not.fts.cat", [7, 8]),  # not the third, whose body is null
        ("body=not.fts.!cat", [1, 2, 4, 5, 6]),
        ("search=fts(english).dog", [3, 4]),
        ("or=(search.plfts.dog,title.phfts.be)", [3, 4]),
        ('or=(search.wfts."fat cat",id.eq.3)', [1, 3]),
        ("and=(search.wfts.cat,search.not.wfts.rat)", [4, 5, 6]),
        ("not.and=(search.wfts.cat,search.not.wfts.rat)", [1, 2, 3, 7, 8]),
    ],
)
def test_columns_and_trees(library: Api, filters: str, ids: list[int]) -> None:
    """A declared column is searched alone; searches stand in logic trees like any filter."""
    assert ids == library.get(f"books?select=id&{filters}&order=id", as_="dee").ids


def test_embeds(library: Api) -> None:
    """A search narrows embedded rows, and the parents of an inner embed."""
    reply = library.get("authors?select=id,books!inner(id)&books.search=wfts.star&order=id", as_="dee")
    assert [{"id": 2, "books": [{"id": 4}]}] == reply.json


def test_language_simple(library: Api) -> None:
    """Without a language words are taken as they are, stop words too, and the field may have any name."""
    assert ["b"] == [row["key"] for row in library.get("leaves?found=wfts.the").json]
    assert ["a", "b"] == [row["key"] for row in library.get("leaves?found=wfts.leaf&order=key").json]
    assert ["a"] == [row["key"] for row in library.get("leaves?found=plfts.LEAVES").json]


def test_undeclared_column(library: Api) -> None:
    """PostgreSQL reads any text; SQLite says what to declare."""
    reply = library.get("books?select=id&note=wfts.note", as_="dee")
    if library.name == "postgresql":
        assert 8 == len(reply.ids)
    else:
        assert ("PGRST127", 'Declare it in the model of books: __searchable__ = ("note",)') == (
            reply.code,
            reply.json["hint"],
        )


def test_language_of_the_index(library: Api) -> None:
    """An index on SQLite has one language; PostgreSQL reads the query in any that it knows."""
    reply = library.get("books?select=id&search=wfts(german).cat", as_="dee")
    assert reply.code == ("PGRST127" if library.name == "sqlite" else None)


def test_what_a_search_field_is_not(library: Api) -> None:
    """It has no value to select or compare, no place in `*`, and no relevance without a search."""
    assert {"id", "title", "body", "note", "public", "author_id"} == set(library.get("books?limit=1").json[0])
    for query in ("select=search", "search=eq.x", "search=is.null", "order=search", "order=search&search=not.wfts.a"):
        assert "PGRST127" == library.get(f"books?{query}").code, query
    assert "42883" == library.get("books?id=fts.x").code
    assert "PGRST204" == library.post("books", {"id": 99, "title": "x", "search": "y"}, as_="dee").code


def test_relevance(library: Api) -> None:
    """The order by the search field is that of PostgreSQL's `ts_rank`, best first when descending."""
    asked = "books?select=id&order=search.desc,id&search="
    assert [5, 1, 2, 4, 6] == library.get(asked + "wfts.cat", as_="dee").ids
    assert [2, 1] == library.get(asked + "wfts.cat rat", as_="dee").ids
    assert [4, 5, 1, 2, 3, 6] == library.get(asked + "wfts.cat or dog", as_="dee").ids
    assert [1, 2] == library.get("books?select=id&order=search&search=plfts.cat rat", as_="dee").ids


def test_hidden_rows_have_no_say(library: Api) -> None:
    """A hidden book is not found, and neither what it says nor that it exists moves the others (AC9)."""
    before = library.get("books?select=id&search=wfts.cat or stars&order=search.desc,id").ids
    assert 5 not in before
    for number in range(100, 120):
        library.post("books", {"id": number, "title": "stars " * 9, "body": "stars", "public": False}, as_="dee")
    assert before == library.get("books?select=id&search=wfts.cat or stars&order=search.desc,id").ids


def test_hidden_columns_hide_the_search(library: Api) -> None:
    """Who may not read one of the columns cannot search in it: the field is not there (AC10)."""
    assert [1] == library.get("books?select=id&title=wfts.cat", as_="cleo").ids
    for query in ("search=wfts.cat", "body=wfts.cat", "order=search.desc", "or=(search.wfts.cat,id.eq.1)"):
        assert "42703" == library.get(f"books?select=id&{query}", as_="cleo").code, query


def test_index_follows_writes(library: Api) -> None:
    """What is inserted, changed and deleted is found, found differently and not found."""

    def found(word: str) -> list[int]:
        ids: list[int] = library.get(f"books?select=id&search=wfts.{word}&order=id", as_="dee").ids
        return ids

    assert 201 == library.post("books", {"id": 50, "title": "zebra", "body": "stripes"}, as_="dee").status
    assert [50] == found("zebras")
    library.patch("books?search=wfts.zebra", {"body": "quagga", "id": 51}, as_="dee")
    assert ([51], [], [51]) == (found("zebra"), found("stripes"), found("quagga"))
    library.patch("books?id=eq.51", {"note": "unrelated"}, as_="dee")
    library.delete("books?search=wfts.quagga", as_="dee")
    assert [] == found("zebra")


def test_keys_that_are_no_numbers(library: Api) -> None:
    """A table without an integer key is searched by its hidden row number."""
    library.post("leaves", {"key": "z", "words": "Blatt"})
    library.delete("leaves?key=eq.b")
    assert (["z"], []) == (
        [row["key"] for row in library.get("leaves?found=wfts.blatt").json],
        library.get("leaves?found=wfts.green").json,
    )
    assert ["a"] == [row["key"] for row in library.get("leaves?found=not.wfts.blatt&words=not.is.null").json]


HOSTILE = [
    *('"', "'", "*", "^", "{title}:x", "title:x", "NEAR(a b)", "a AND b", "a NOT b", "(((((", ")))", "a\\", "\\"),
    *(
        "''",
        "'a",
        "a:*:*",
        "<1>",
        "a <0> b",
        "a <-> ",
        "!",
        "!!!",
        "🐈",
        "ﬀ",
        "a\u0301",
        "\u200b",
        "%",
        "--",
        "/*",
        ";",
    ),
    *(
        "a" * 3000,
        "(" * 500 + "a" + ")" * 500,
        "!" * 500 + "a",
        "a | " * 99 + "a",
        "a " * 150,
        "1.5e3",
        "x_y",
        "-" * 500,
    ),
]


@pytest.mark.parametrize("op", ["fts", "plfts", "phfts", "wfts"])
@pytest.mark.parametrize("query", HOSTILE)
def test_hostile_queries(library: Api, op: str, query: str) -> None:
    """No text of a client is read as FTS5 syntax: an answer or a refusal, never a failure (SQ3)."""
    for column in ("search", "title"):
        reply = library.get(f"books?select=id&{column}={op}.{quote(query, safe='')}&order=id", as_="dee")
        assert reply.status == 200 or reply.code in ("42601", "PGRST100", "PGRST127"), reply.body
