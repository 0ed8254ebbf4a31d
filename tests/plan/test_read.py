"""Planning reads: names, grants, and what counts as mentioned."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backstay import Me, allow
from backstay.catalog import build_catalog
from backstay.errors import PlanError
from backstay.plan.intent import ReadPlan
from backstay.plan.read import plan_read
from backstay.plan.scope import Scope
from backstay.policy import Principal, compile_rules
from backstay.request import parse_query


class Base(DeclarativeBase):
    """The models of this file."""


class Writer(Base):
    __tablename__ = "writers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Letter(Base):
    __tablename__ = "letters"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str]
    writer_id: Mapped[int] = mapped_column(ForeignKey("writers.id"))
    secret: Mapped[str]


@allow("read", Letter, columns=("id", "owner"))
def everyone_sees_envelopes(me: Me) -> Any:
    """Anyone reads the outside."""
    return True


@allow("read", Letter, columns=("id", "owner", "writer_id"))
def owners_see_writers(me: Me) -> Any:
    """Owners read who wrote."""
    return Letter.owner == me.id


@allow("read", Writer)
def writers_are_known(me: Me) -> Any:
    """Anyone reads who writes."""
    return True


CATALOG = build_catalog(Base)
RULES = compile_rules([everyone_sees_envelopes, owners_see_writers, writers_are_known], CATALOG)


def plan(query: str, principal: Principal) -> ReadPlan:
    """The plan of a read of letters."""
    return plan_read("letters", parse_query(query).query, Scope(CATALOG, RULES, principal.kind))


ANN = Principal(role="authenticated", id="ann")


@pytest.mark.parametrize(
    ("query", "mentioned"),
    [
        ("select=id", {"id"}),
        ("select=*", {"id", "owner"}),
        ("select=id&owner=eq.x", {"id", "owner"}),
        ("select=id&or=(owner.eq.x,writer_id.eq.1)", {"id", "owner", "writer_id"}),
        ("select=id&order=writer_id", {"id", "writer_id"}),
        ("select=id,writers(name)", {"id", "writer_id"}),
        ("select=id,writers()", {"id", "writer_id"}),
        ("select=id,...writers(name)", {"id", "writer_id"}),
    ],
)
def test_every_clause_mentions_its_columns(query: str, mentioned: set[str]) -> None:
    """AC10: a column counts as mentioned wherever it is used; an embed mentions the key that it follows."""
    assert mentioned == plan(query, ANN).node.mentioned


def test_rows_come_from_one_rule_that_shows_all_that_is_mentioned() -> None:
    """AC10: rows of a rule are not shown with the columns of another, and an embed's key is such a column."""
    wide = plan("select=id", ANN).node
    narrow = plan("select=id,writers(name)", ANN).node

    assert "true" == str(wide.grant.rows(wide.mentioned))
    assert "letters.owner" in str(narrow.grant.rows(narrow.mentioned))


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("select=secret", "42703"),
        ("select=nope", "42703"),
        ("secret=eq.x", "42703"),
        ("order=secret", "42703"),
        ("select=id,writers(nope)", "42703"),
        ("select=id,readers(*)", "PGRST200"),
        ("writers.name=eq.x", "PGRST108"),
        ("select=id.count()", "PGRST123"),
    ],
)
def test_hidden_and_missing_look_alike(query: str, code: str) -> None:
    """AC4, AC10: what no rule shows does not exist, in any clause."""
    with pytest.raises(PlanError) as refused:
        plan(query, ANN)

    assert code == refused.value.code


def test_a_relation_over_a_hidden_key_does_not_exist() -> None:
    """AC10: who may not see the foreign key sees no relation; here an anonymous caller, whom only one rule reaches."""
    with pytest.raises(PlanError) as refused:
        plan("select=id,writers(name)", Principal())

    assert "PGRST200" == refused.value.code
