"""Rows under their keys, batches, and the headers around a write: what the document says of each."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import sqlalchemy as sa
from jsonschema import Draft202012Validator
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backstay import Searchable
from backstay.catalog import build_catalog
from backstay.errors import status_of
from backstay.plan.scope import Scope
from backstay.policy import ANON, AUTHENTICATED, SERVICE, Kind, Me, allow, compile_rules
from backstay.request.prefer import parse_prefer
from backstay.response.openapi import About, describe
from backstay.response.openapi.preference import KINDS

ROOT: Kind = (SERVICE, frozenset(), False)
USER: Kind = (AUTHENTICATED, frozenset(), True)


class Library(DeclarativeBase):
    """Models of their own."""


class Book(Library):
    __tablename__ = "books"
    __searchable__ = Searchable("title", "blurb")
    isbn: Mapped[str] = mapped_column(sa.String(13), primary_key=True, comment="As printed.")
    title: Mapped[str]
    blurb: Mapped[str | None]
    price: Mapped[int]

    @hybrid_property
    def cents(self) -> int:
        """In cents."""
        return self.price * 100


class Copy(Library):
    __tablename__ = "copies"
    isbn: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    cursor: Mapped[str | None]


class Shelf(Library):
    """The name of its path is the functions'."""

    __tablename__ = "rpc"
    id: Mapped[int] = mapped_column(sa.Integer, primary_key=True)


@allow("read", Book, columns=("isbn", "title"))
def titles(me: Me) -> Any:
    return sa.true()


@allow("read", Copy, columns=("number",))
def numbers(me: Me) -> Any:
    return sa.true()


CATALOG = build_catalog(Library)
RULES = compile_rules([titles, numbers], CATALOG)


def described(who: Kind = ROOT, about: About | None = None) -> dict[str, Any]:
    return describe(Scope(CATALOG, RULES, who), {}, about or About())


def names(operation: dict[str, Any]) -> list[str]:
    return [parameter["$ref"].rpartition("/")[2] for parameter in operation["parameters"]]


def test_a_row_has_a_path_of_its_own() -> None:
    """Each part of the key is a parameter of the path with the type of its column."""
    paths = described()["paths"]
    assert ["/books", "/books/{isbn}"] == [path for path in paths if path.startswith("/books")]
    (isbn,) = paths["/books/{isbn}"]["parameters"]
    assert ("isbn", "path", True, "As printed.") == (isbn["name"], isbn["in"], isbn["required"], isbn["description"])
    assert {"type": "string", "maxLength": 13, "minLength": 1} == isbn["schema"]
    keys = paths["/copies/{isbn},{number}"]["parameters"]
    assert [("isbn", "string"), ("number", "integer")] == [(key["name"], key["schema"]["type"]) for key in keys]


def test_operations_of_a_row() -> None:
    """Reading, changing, replacing and removing it, with what each may send and answer."""
    item = described()["paths"]["/books/{isbn}"]
    assert ["parameters", "get", "put", "patch", "delete"] == list(item)
    assert ["readOne_books", "replaceOne_books", "updateOne_books", "deleteOne_books"] == [
        item[verb]["operationId"] for verb in list(item)[1:]
    ]
    assert ["select", "ifNoneMatch", "preferItem"] == names(item["get"])
    assert ["select", "preferUpdate", "ifMatch", "idempotencyKey"] == names(item["patch"])
    assert ["200", "304", "400", "401", "404", "default"] == list(item["get"]["responses"])
    assert ["200", "204", "400", "401", "403", "404", "409", "412", "default"] == list(item["delete"]["responses"])
    ok = item["get"]["responses"]["200"]
    assert {"$ref": "#/components/schemas/books"} == ok["content"]["application/json"]["schema"]
    assert {"ETag", "Preference-Applied"} == set(ok["headers"])


def test_no_path_without_the_whole_key() -> None:
    """AC12: who may not read a column of the key cannot name a row by it, and is not told of it."""
    found = described(USER)
    assert ["/", "/books", "/books/{isbn}", "/copies", "/batch"] == list(found["paths"])
    assert "cursor" not in names(found["paths"]["/copies"]["get"])
    assert "price" not in json.dumps(found)


def test_no_path_below_the_functions() -> None:
    """``/rpc/1`` calls a function, so that a table of that name has no rows of their own."""
    assert ["/rpc"] == [path for path in described()["paths"] if path.startswith("/rpc")]


def test_a_column_that_is_called_cursor_has_no_filter() -> None:
    """It would be a second parameter of the name."""
    assert ["rowFilter.copies.isbn", "rowFilter.copies.number"] == [
        name for name in described()["components"]["parameters"] if name.startswith("rowFilter.copies")
    ]


def test_computed_fields() -> None:
    """A computed field can be read on request and filtered by, and exists where all that it uses is shown (AC12)."""
    found = described()
    schema = found["components"]["schemas"]["books"]
    assert ["integer", "null"] == schema["properties"]["cents"]["type"]
    assert "cents" not in schema["required"]
    assert schema["properties"]["cents"]["readOnly"]
    assert "cents" not in found["components"]["schemas"]["books.insert"]["properties"]
    assert "rowFilter.books.cents" in names(found["paths"]["/books"]["get"])
    assert "cents" not in json.dumps(described(USER))


def test_search() -> None:
    """The search field is a filter with a grammar of its own, for those who may read all that it holds (AC12)."""
    found = described()
    parameter = found["components"]["parameters"]["rowFilter.books.search"]
    assert {"$ref": "#/components/schemas/rest.search"} == parameter["schema"]
    assert "title, blurb" in parameter["description"]
    pattern = re.compile(found["components"]["schemas"]["rest.search"]["pattern"])
    tried = ("wfts.a", "not.fts(english).a & b", "plfts.", "eq.a", "wfts", "fts().a")
    assert [True, True, True, False, False, False] == [bool(pattern.search(text)) for text in tried]
    assert "search" not in found["components"]["schemas"]["books"]["properties"]
    hidden = described(USER)["components"]
    assert "rest.search" not in hidden["schemas"]
    assert "rowFilter.books.search" not in hidden["parameters"]


@pytest.mark.parametrize("kind", KINDS)
def test_preferences_are_those_that_the_parser_knows(kind: str) -> None:
    """What the pattern of ``Prefer`` takes the server understands, each of its choices."""
    parameter = described(about=About(zones=True, ends=True))["components"]["parameters"][kind]
    pattern = re.compile(parameter["schema"]["pattern"])
    told = re.findall(r"`([a-z-]+)=([^`]+)`:", parameter["description"])
    free = {"timezone": "Europe/Oslo", "max-affected": "3"}
    texts = [f"{name}={value}" for name, values in told for value in (free.get(name) or values).split("|")]
    assert len(texts) >= 3
    for text in texts:
        assert pattern.search(text)
        assert () == parse_prefer(text).unknown
    assert pattern.search(", ".join(texts[:3]))
    for text in ("count=all", "wait=10", "", texts[0] + ";"):
        assert not pattern.search(text)


def test_only_what_the_database_can_is_offered() -> None:
    """A time zone where there are several, a key against repetition where there is a table for it."""
    plain, able = described(about=About(keeps_keys=False)), described(about=About(zones=True, ends=True))
    assert "timezone" not in json.dumps(plain["components"]["parameters"])
    assert "timezone" in able["components"]["parameters"]["preferRead"]["schema"]["pattern"]
    told = [each["components"]["parameters"]["preferDelete"]["schema"]["pattern"] for each in (plain, able)]
    assert [False, True] == ["tx=" in pattern for pattern in told]
    key = "#/components/parameters/idempotencyKey"
    assert (False, True) == (key in json.dumps(plain["paths"]), key in json.dumps(able["paths"]))


def test_a_batch() -> None:
    """The grammar of an operation and of its result."""
    found = described()
    post = found["paths"]["/batch"]["post"]
    assert ["idempotencyKey"] == names(post)
    whole = {"$ref": "#/components/schemas/rest.operation", "components": found["components"]}
    valid = Draft202012Validator(whole).is_valid
    assert valid({"path": "books"})
    assert valid({"method": "PATCH", "path": "books/1", "headers": {"If-Match": '"1"'}, "body": {"title": "x"}})
    assert valid({"path": "books", "query": {"limit": 1, "price": ["gt.1", "lt.9"]}})
    assert not any(map(valid, ({}, {"path": ""}, {"path": "books", "method": "HEAD"}, {"path": "books", "verb": 1})))


def test_no_batch_where_a_table_has_the_name() -> None:
    """The path is the table's."""

    class Base(DeclarativeBase):
        pass

    class Batch(Base):
        __tablename__ = "batch"
        id: Mapped[int] = mapped_column(primary_key=True)

    found = describe(Scope(build_catalog(Base), (), ROOT), {}, About())
    assert "create_batch" == found["paths"]["/batch"]["post"]["operationId"]
    assert "rest.operation" not in found["components"]["schemas"]


def test_refusals_by_status() -> None:
    """Each status that an operation names has a response, whose codes are those of that status."""
    found = described()
    for item in found["paths"].values():
        for operation in (operation for verb, operation in item.items() if verb != "parameters"):
            assert {"$ref": "#/components/responses/error"} == operation["responses"]["default"]
    responses = found["components"]["responses"]
    for name, response in responses.items():
        status = name.rpartition(".")[2]
        codes = re.findall(r"`(\w+)`", response["description"].partition("Codes: ")[2])
        assert bool(codes) is status.isdecimal()
        if codes:
            assert {int(status)} == {status_of(code) for code in codes if (status, code) != ("401", "42501")}
    assert {"23505", "23503", "BST409"} <= set(re.findall(r"`(\w+)`", responses["error.409"]["description"]))


def test_the_document_stays_small() -> None:
    """Said once: another table of ten columns, all verbs open, is less than 21 kB."""

    def size(tables: int) -> int:
        metadata = sa.MetaData()
        for number in range(tables):
            columns = [sa.Column(f"column_{n}", sa.Integer) for n in range(9)]
            sa.Table(f"table_{number}", metadata, sa.Column("id", sa.Integer, primary_key=True), *columns)
        return len(json.dumps(describe(Scope(build_catalog(metadata), (), ROOT), {}, About()), separators=(",", ":")))

    assert (size(11) - size(1)) / 10 < 21_000


def test_anonymous_readers_have_no_writes() -> None:
    """AC12: the path of a row shows a reader reading alone."""
    item = described((ANON, frozenset(), False))["paths"]["/books/{isbn}"]
    assert ["parameters", "get"] == list(item)
