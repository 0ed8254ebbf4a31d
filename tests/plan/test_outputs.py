"""What a select becomes: keys, aggregates, and ``count`` as PostgREST used to write it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import JSON, ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backstay import Me, allow
from backstay.catalog import build_catalog
from backstay.errors import PlanError
from backstay.plan.intent import ColumnOutput, Node, Present
from backstay.plan.read import plan_read
from backstay.plan.scope import Scope
from backstay.policy import compile_rules
from backstay.request import parse_query


class Base(DeclarativeBase):
    """The models of this file."""


class Shelf(Base):
    __tablename__ = "shelves"
    id: Mapped[int] = mapped_column(primary_key=True)
    count: Mapped[int]


class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    price: Mapped[int]
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    shelf_id: Mapped[int | None] = mapped_column(ForeignKey("shelves.id", name="books_shelf"))
    sold: Mapped[bool]


@allow("read", Shelf, Book)
def everyone(me: Me) -> Any:
    """Anyone reads everything."""
    return True


CATALOG = build_catalog(Base)
RULES = compile_rules([everyone], CATALOG)


def _node(table: str, query: str, aggregates: frozenset[str] | None = frozenset()) -> Node:
    scope = Scope(CATALOG, RULES, ("anon", frozenset(), False), aggregates)
    return plan_read(table, parse_query(query).query, scope).node


def _told(node: Node) -> list[tuple[str, str | None, str | None]]:
    """Key, column and aggregate of each output."""
    return [
        (o.key, None if o.operand is None else o.operand.column.name, o.aggregate)
        for o in node.outputs
        if isinstance(o, ColumnOutput)
    ]


OUTPUTS = [
    ("books", "select=id,price", [("id", "id", None), ("price", "price", None)]),
    ("books", "select=a:price", [("a", "price", None)]),
    ("books", "select=count", [("count", None, "count")]),
    ("books", "select=n:count", [("n", None, "count")]),
    ("shelves", "select=count", [("count", "count", None)]),
    ("shelves", "select=n:count", [("n", "count", None)]),
    ("books", "select=data->a->>b", [("b", "data", None)]),
    ("books", "select=data->a->0", [("a", "data", None)]),
    ("books", "select=data->0", [("data", "data", None)]),
    ("books", "select=x:data->a", [("x", "data", None)]),
]


@pytest.mark.parametrize(("table", "query", "told"), OUTPUTS)
def test_keys_of_outputs(table: str, query: str, told: list[tuple[str, str | None, str | None]]) -> None:
    """A bare ``count`` counts visible rows, unless a column is called so; it needs no leave to aggregate."""
    assert told == _told(_node(table, query))


AGGREGATED = [
    ("select=price.sum()", ("sum", "price", "sum")),
    ("select=t:price.max()", ("t", "price", "max")),
    ("select=count()", ("count", None, "count")),
]


@pytest.mark.parametrize(("query", "told"), AGGREGATED)
def test_aggregates_need_leave(query: str, told: tuple[str, str | None, str | None]) -> None:
    """PGRST123: a table that is not listed is not aggregated; None is all of them."""
    for allowed in (None, frozenset({"books"}), frozenset({"books", "shelves"})):
        assert [told] == _told(_node("books", query, allowed))
        assert _node("books", query, allowed).aggregated
    for refused in (frozenset[str](), frozenset({"shelves"})):
        with pytest.raises(PlanError) as raised:
            _node("books", query, refused)
        assert "PGRST123" == raised.value.code
    assert not _node("books", "select=price").aggregated


PRESENT = [
    ("select=id,shelves()&shelves=not.is.null", False),
    ("select=id,shelves()&shelves=is.null", True),
    ("select=id,shelves()&shelves=is.not_null", False),
    ("select=id,shelves()&shelves=not.is.not_null", True),
    ("select=id,s:shelves(id)&s=is.null", True),
    ("select=id,s:shelves(id)&shelves=is.null", True),
]


@pytest.mark.parametrize(("query", "negated"), PRESENT)
def test_embeds_are_there_or_not(query: str, negated: bool) -> None:
    """Whether a related row is there, by the embed's name or its alias."""
    (condition,) = _node("books", query).conditions
    assert isinstance(condition, Present)
    assert (negated, "shelves") == (condition.negated, condition.embed.relation.remote)


NOT_PLANNED = [
    ("select=id,shelves(id)&shelves=eq.1", "PGRST120"),
    ("select=id,shelves(id)&shelves=is.true", "PGRST120"),
    ("select=id,shelves(id)&order=gone(id)", "PGRST108"),
    ("select=id,shelves(id)&gone.id=eq.1", "PGRST108"),
    ("select=id,shelves(id),shelves(count)", "42712"),
    ("select=id,a:shelves(id),a:shelves(count)", "42712"),
    ("sold=like.x", "42883"),
    ("price=is.true", "42804"),
    ("price->a=eq.1", "42883"),
    ("select=data->>a->b", "42883"),
    ("price=fts.x", "42883"),
    ("price=cs.1", "42883"),
    ("data=ov.1", "42883"),
    ("price=sl.1", "42883"),
]


@pytest.mark.parametrize(("query", "code"), NOT_PLANNED)
def test_what_is_not_planned(query: str, code: str) -> None:
    """Refused before any SQL runs: SQLite itself would compare anything with anything."""
    with pytest.raises(PlanError) as raised:
        _node("books", query)
    assert code == raised.value.code


def test_an_order_by_embeds_is_to_one() -> None:
    """PGRST118: of several related rows none says where their parent stands."""
    (term,) = _node("books", "select=id,shelves(id)&order=shelves(count).desc").sort
    assert (True, True, "count") == (term.descending, term.nulls_first, term.operand.column.name)
    with pytest.raises(PlanError) as raised:
        _node("shelves", "select=id,books(id)&order=books(price)")
    assert "PGRST118" == raised.value.code


NULLS = [("price", False), ("price.asc", False), ("price.desc", True), ("price.desc.nullslast", False)]


@pytest.mark.parametrize(("order", "nulls_first"), [*NULLS, ("price.nullsfirst", True), ("price.nullslast", False)])
def test_where_nulls_stand(order: str, nulls_first: bool) -> None:
    """As in PostgreSQL: last when ascending, first when descending, unless it is said."""
    (term,) = _node("books", f"order={order}").sort
    assert nulls_first == term.nulls_first
