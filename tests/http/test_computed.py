"""Computed fields: `hybrid_property` and `column_property` of the models, on request."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.api import Api


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("select=full_name&id=eq.2", [{"full_name": "Zoë Ångström"}]),
        ("select=id,name:full_name&id=eq.1", [{"id": 1, "name": "Ada Lovelace"}]),
        ("select=length,modern&order=id", [
            {"length": 8, "modern": False}, {"length": 8, "modern": True}, {"length": 4, "modern": None}
        ]),
        ("select=id&full_name=eq.Ada Lovelace", [{"id": 1}]),
        ("select=id&full_name=ilike.*ÅNG*", [{"id": 2}]),
        ("select=id&full_name=in.(\"No Body\",x)", [{"id": 3}]),
        ("select=id&length=gte.8&order=id", [{"id": 1}, {"id": 2}]),
        ("select=id&modern=is.true", [{"id": 2}]),
        ("select=id&modern=is.null", [{"id": 3}]),
        ("select=id&modern=not.eq.true", [{"id": 1}]),
        ("select=id&or=(length.lt.5,full_name.like.Ada*)&order=id", [{"id": 1}, {"id": 3}]),
        ("select=id&order=length,full_name.desc", [{"id": 3}, {"id": 2}, {"id": 1}]),
        ("select=id&order=modern.desc.nullslast", [{"id": 2}, {"id": 1}, {"id": 3}]),
        ("select=length::text&id=eq.3", [{"length": "4"}]),
        ("select=id,books(title_length)&books.order=id&id=eq.3", [{"id": 3, "books": [{"title_length": 18}]}]),
    ],
)  # fmt: skip
def test_use(library: Api, query: str, expected: Any) -> None:
    """A computed field is selected, renamed, cast, filtered by and ordered by as a column is, with its own type."""
    assert expected == library.get(f"authors?{query}").json


def test_embedded(library: Api) -> None:
    """It stands in embeds, orders their parents and is spread."""
    reply = library.get("books?select=id,...authors(full_name)&order=authors(full_name).desc,id&limit=2&author_id=gt.0")
    assert [{"id": 3, "full_name": "Zoë Ångström"}, {"id": 4, "full_name": "Zoë Ångström"}] == reply.json


def test_only_on_request(library: Api) -> None:
    """`*` does not hold computed fields, beside them it holds the columns."""
    assert {"id", "first", "last", "born"} == set(library.get("authors?limit=1").json[0])
    assert {"id", "first", "last", "born", "full_name"} == set(library.get("authors?select=*,full_name").json[0])


def test_not_writable(library: Api) -> None:
    """A write to one is refused as one to a column that is not there; a returned row may hold it."""
    assert "PGRST204" == library.post("books", {"id": 70, "title": "x", "title_length": 1}, as_="dee").code
    reply = library.post(
        "books?select=id,title_length", {"id": 70, "title": "four"}, as_="dee", prefer="return=representation"
    )
    assert [{"id": 70, "title_length": 4}] == reply.json
    reply = library.patch(
        "books?title_length=eq.4&select=title_length", {"title": "seven"}, as_="dee", prefer="return=representation"
    )
    assert {5} == {row["title_length"] for row in reply.json}


@pytest.mark.parametrize("query", ["select=whisper", "whisper=eq.s1!", "order=whisper", "select=shout", "select=_x"])
def test_hidden(library: Api, query: str) -> None:
    """A field that uses a hidden column is missing wherever it is named, and so is one for instances only (AC10)."""
    reply = library.get(f"authors?{query}")
    assert (400, "42703") == (reply.status, reply.code)
    if "whisper" in query:
        assert 200 == library.get(f"authors?{query}", as_="dee").status


def test_rules_stay_apart(library: Api) -> None:
    """Only a rule that shows every column that a field uses shows its rows."""
    assert 3 == len(library.get("authors?select=full_name").json)
    assert [1, 2, 3, 4, 5, 6, 7, 8] == library.get("books?select=id&title_length=gt.0&order=id", as_="cleo").ids
    assert 5 not in library.get("books?select=id&title_length=gt.0").ids


def test_fields_that_look_at_other_rows(library: Api) -> None:
    """A count over another table exists for those who may read all of its rows: it would tell of hidden ones (AC2)."""
    for query in ("select=id,number:books_count", "books_count=eq.3", "order=books_count"):
        assert "42703" == library.get(f"authors?{query}").code, query
    assert [3, 2, 1] == [
        row["books_count"] for row in library.get("authors?select=books_count&order=books_count.desc", as_="dee").json
    ]
    assert [1] == library.get("authors?select=id&books_count=eq.3", as_="svc").ids


def test_typed(library: Api) -> None:
    """A JSON path into a computed text, and an operator that its type lacks, are refused as for a column."""
    assert "42883" == library.get("authors?select=full_name->x").code
    assert "42883" == library.get("authors?length=like.x").code
    assert "22P02" == library.get("authors?length=eq.x").code
