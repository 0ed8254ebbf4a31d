"""Declarations of full-text search."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backstay import Searchable
from backstay.catalog import build_catalog
from backstay.errors import ConfigError


def model(declared: Any) -> Any:
    class Base(DeclarativeBase):
        pass

    class Post(Base):
        __tablename__ = "posts"
        __searchable__ = declared
        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[str]
        search: Mapped[str | None]

    return Base


def test_declared() -> None:
    """The model's declaration is on its table, and in the table's info, where adapters find it."""
    base = model(Searchable("title", name="words"))
    search = build_catalog(base).tables["posts"].search
    assert search is not None
    assert (Searchable("title", name="words"), "words", frozenset({"title"})) == (
        search.declared,
        search.name,
        search.uses,
    )
    assert search.declared is base.metadata.tables["posts"].info["searchable"]


def test_declared_on_a_plain_table() -> None:
    """A table without a model says it in its info."""
    metadata = sa.MetaData()
    sa.Table("t", metadata, sa.Column("x", sa.Text()), info={"searchable": ("x",)})
    search = build_catalog(metadata).tables["t"].search
    assert search is not None
    assert Searchable("x") == search.declared


@pytest.mark.parametrize(
    "declared",
    [("id",), ("nope",), ("title",), "title", Searchable("title", name="title"), 5],
    ids=["no text", "no column", "name taken by search", "a text", "name of a column", "a number"],
)
def test_refused(declared: Any) -> None:
    """A declaration that does not fit the table stops the start."""
    with pytest.raises(ConfigError) as caught:
        build_catalog(model(declared))
    assert "BST-E025" == caught.value.code


@pytest.mark.parametrize(
    "arguments",
    [((), {}), (("a", "a"), {}), ((1,), {}), (("a",), {"language": "x'; drop"}), (("a",), {"name": "a b"})],
)
def test_refused_alone(arguments: tuple[Any, Any]) -> None:
    """Names are checked where they are written."""
    with pytest.raises(ConfigError) as caught:
        Searchable(*arguments[0], **arguments[1])
    assert "BST-E025" == caught.value.code
