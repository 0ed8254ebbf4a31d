"""A library to search in, with fields that SQL computes, for the tests of searches and computed fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ForeignKey
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column, relationship

from backstay import Backstay, Me, Searchable, Settings, allow
from backstay import Model as Base
from tests.http.shop_app import SECRET


class Model(DeclarativeBase):
    """A base and registry of its own: other apps of the tests have classes of the same names."""

    type_annotation_map = Base.type_annotation_map
    metadata = sa.MetaData(naming_convention=Base.metadata.naming_convention)


class Author(Model):
    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    first: Mapped[str]
    last: Mapped[str]
    born: Mapped[int | None]
    secret: Mapped[str]

    @hybrid_property
    def full_name(self) -> str:
        """First and last name."""
        return self.first + " " + self.last

    @hybrid_property
    def length(self) -> int:
        return len(self.last)

    @length.inplace.expression
    @classmethod
    def _length(cls) -> Any:
        return sa.func.length(cls.last)

    @hybrid_property
    def modern(self) -> bool:
        return self.born is not None and self.born > 1900

    @modern.inplace.expression
    @classmethod
    def _modern(cls) -> Any:
        return cls.born > 1900

    @hybrid_property
    def whisper(self) -> str:
        return self.secret + "!"

    @hybrid_property
    def shout(self) -> str:
        """Works on instances only, so the API does not have it."""
        return self.last.upper()


class Book(Model):
    __tablename__ = "books"
    __searchable__ = ("title", "body")
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    body: Mapped[str | None]
    note: Mapped[str | None]
    public: Mapped[bool] = mapped_column(default=True)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author | None] = relationship()


class Leaf(Model):
    """No integer primary key, no English, and a name of its own for the field."""

    __tablename__ = "leaves"
    __searchable__ = Searchable("words", language="simple", name="found")
    key: Mapped[str] = mapped_column(primary_key=True)
    words: Mapped[str | None]


Book.title_length = column_property(sa.func.length(Book.title, type_=sa.Integer()))  # type: ignore[attr-defined]
Author.books_count = column_property(  # type: ignore[attr-defined]
    sa.select(sa.func.count(Book.id)).where(Book.author_id == Author.id).correlate_except(Book).scalar_subquery()
)


@allow("read", Book, to=["anon", "authenticated"])
def public_books(me: Me) -> Any:
    """Everybody reads what is public."""
    return Book.public


@allow("read", "create", "update", "delete", Book, to="staff")
@allow("read", Author, to="staff")
@allow("read", "create", "update", "delete", Leaf)
def everything(me: Me) -> Any:
    """Staff reads and writes all books."""
    return True


@allow("read", Author, columns=["id", "first", "last", "born"])
def names(me: Me) -> Any:
    """Everybody knows the authors, and not their secrets."""
    return True


@allow("read", Book, to="clerk", columns=["id", "title"])
def titles(me: Me) -> Any:
    """Clerks see titles only."""
    return True


ROWS: Mapping[str, list[dict[str, Any]]] = {
    "authors": [
        {"id": 1, "first": "Ada", "last": "Lovelace", "born": 1815, "secret": "s1"},
        {"id": 2, "first": "Zoë", "last": "Ångström", "born": 1950, "secret": "s2"},
        {"id": 3, "first": "No", "last": "Body", "born": None, "secret": "s3"},
    ],
    "books": [
        {"id": 1, "title": "The fat cat", "body": "A fat cat ate the fat rat.", "author_id": 1},
        {"id": 2, "title": "Big rats", "body": "Rats and cats are running around the house", "author_id": 1},
        {"id": 3, "title": "Dogs", "body": None, "author_id": 2},
        {"id": 4, "title": "Supernova stars", "body": "Stars that explode: a cat, a star, and a dog", "author_id": 2},
        {"id": 5, "title": "Über Katzen", "body": "cat cat cat", "public": False, "author_id": 1},
        {"id": 6, "title": "To be or not to be", "body": "that is the question of cats and of kings", "author_id": 3},
        {"id": 7, "title": "Quotes \" ' * ^ NEAR", "body": "AND OR NOT title: (x) {y}", "author_id": None},
        {"id": 8, "title": "Foot-ball_42", "body": "a football is a ball for the foot", "author_id": None},
    ],
    "leaves": [
        {"key": "b", "words": "the green leaf"},
        {"key": "a", "words": "a red Leaf and leaves"},
        {"key": "c", "words": None},
    ],
}
for _row in ROWS["books"]:
    _row.setdefault("public", True)
    _row.setdefault("note", f"note of {_row['id']}")


def library(url: str) -> Backstay:
    settings = Settings(database=url, jwt_secret=SECRET)
    return Backstay(models=Model, policies=[public_books, everything, names, titles], settings=settings)
