"""S2: which conditions any row may be asked, and which only rows that the policy shows."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from backstay.catalog import Relation, Table
from backstay.catalog.computed import Computed
from backstay.plan.intent import Compare, Condition, EmbedPlan, Group, Node, Operand, Present
from backstay.policy import Grant
from backstay.request.field import Step
from backstay.request.filters import Slot
from backstay.request.page import Page
from backstay.sql.barrier import behind, is_total, is_total_embed
from tests.sql.memory import compared, written

INDEXED = frozenset({"text", "tsvector"})
ORDINARY = [
    sa.Boolean(),
    sa.Integer(),
    sa.Double(),
    sa.Numeric(10, 2),
    sa.Text(),
    sa.Uuid(),
    sa.DateTime(timezone=True),
    sa.DateTime(),
    sa.Date(),
    sa.Time(),
    sa.Interval(),
    sa.Enum("a", "b"),
    sa.LargeBinary(),
]
UNSURE = [sa.JSON(), pg.JSONB(), sa.ARRAY(sa.Integer()), pg.INT4RANGE(), pg.TSVECTOR(), sa.types.NULLTYPE]
SAFE = ["eq", "neq", "gt", "gte", "lt", "lte", "in", "isdistinct", "like", "ilike"]


@pytest.mark.parametrize("type_", ORDINARY, ids=str)
def test_ordinary_comparisons(type_: Any) -> None:
    """S2: a comparison of ordinary values has an answer for every row, and may come first, as indexes want it."""
    assert dict.fromkeys(SAFE, True) == {op: is_total(compared(type_, op), INDEXED) for op in SAFE}


@pytest.mark.parametrize("type_", UNSURE, ids=repr)
def test_other_values(type_: Any) -> None:
    """S2: what may fail or take long on a value is not asked of hidden ones; whether there is one may be."""
    assert dict.fromkeys(SAFE, False) == {op: is_total(compared(type_, op), INDEXED) for op in SAFE}
    assert is_total(compared(type_, "is", "null"), INDEXED)


@pytest.mark.parametrize("op", ["match", "imatch", "cs", "cd", "ov", "sl", "sr", "nxr", "nxl", "adj"])
def test_other_operators(op: str) -> None:
    """S2: a regular expression and its like take their time with a value, whatever its type."""
    assert not is_total(compared(sa.Text(), op), INDEXED)


@pytest.mark.parametrize("op", ["eq", "is", "like", "match"])
@pytest.mark.parametrize("type_", [sa.JSON(), sa.Text(), sa.Integer()], ids=str)
def test_paths(op: str, type_: Any) -> None:
    """S2: a path reads JSON first, which may fail, even where only a null is asked for."""
    assert not is_total(compared(type_, op, "null" if op == "is" else Slot(0), path=(Step("a", True),)), INDEXED)


@pytest.mark.parametrize("op", ["eq", "is", "in", "like"])
def test_computed_fields(op: str) -> None:
    """S2: a computed field is an expression of somebody else's, and may fail."""
    field = Computed(
        "share", sa.literal_column("1 / 0", sa.Integer()), sa.Integer(), frozenset(), {}, sa.Table("t", sa.MetaData())
    )
    assert not is_total(Compare(Operand(field), op, "null" if op == "is" else Slot(0)), INDEXED)


@pytest.mark.parametrize("op", ["fts", "plfts", "phfts", "wfts"])
@pytest.mark.parametrize(
    ("type_", "path", "total"),
    [
        (sa.Text(), (), True),
        (pg.TSVECTOR(), (), True),
        (sa.JSON(), (), False),
        (sa.Enum("a"), (), False),
        (sa.Text(), (Step("a", True),), False),
    ],
    ids=repr,
)
def test_searches(op: str, type_: Any, path: tuple[Step, ...], total: bool) -> None:
    """S2: a search may come first where an index has read the values before."""
    assert total == is_total(compared(type_, op, path=path), INDEXED)
    assert not is_total(compared(type_, op, path=path), frozenset())


TOTAL = compared(sa.Integer(), "eq")
PARTIAL = compared(sa.Text(), "match")


@pytest.mark.parametrize("kind", ["and", "or"])
@pytest.mark.parametrize("negated", [False, True])
def test_groups(kind: Any, negated: bool) -> None:
    """S2: one part that may fail makes the whole of a group one, at any depth."""
    assert is_total(Group(kind, (), negated), INDEXED)
    assert is_total(Group(kind, (TOTAL, TOTAL), negated), INDEXED)
    assert not is_total(Group(kind, (TOTAL, PARTIAL), negated), INDEXED)
    assert not is_total(Group(kind, (TOTAL, Group("or", (PARTIAL, TOTAL))), negated), INDEXED)


def embed(*conditions: Condition, below: tuple[EmbedPlan, ...] = (), inner: bool = True) -> EmbedPlan:
    table = Table("t", sa.table("t"), {}, (), ())
    node = Node(table, Grant(()), (), conditions, (), Page(), below, frozenset())
    return EmbedPlan("t", Relation("t", "t", "one-to-many", "", ()), node, inner, spread=False)


@pytest.mark.parametrize(
    ("plan", "total"),
    [
        (embed(), True),
        (embed(TOTAL), True),
        (embed(TOTAL, PARTIAL), False),
        (embed(below=(embed(PARTIAL),)), False),
        (embed(below=(embed(TOTAL), embed(below=(embed(PARTIAL),)))), False),
        # An embed that drops no row of the one above is only shown.
        (embed(below=(embed(PARTIAL, inner=False),)), True),
        (embed(below=(embed(TOTAL),)), True),
        (embed(PARTIAL, below=(embed(TOTAL),)), False),
    ],
)
def test_embeds(plan: EmbedPlan, total: bool) -> None:
    """S2: whether a row has related rows is as sure as what is asked of those, and of theirs."""
    assert total == is_total_embed(plan, INDEXED)
    assert total == is_total(Present(plan), INDEXED)
    assert total == is_total(Present(plan, negated=True), INDEXED)


A, B, C, D = (sa.column(name, sa.Boolean()) for name in "abcd")


@pytest.mark.parametrize(
    ("visible", "conditions", "expected"),
    [
        ([], [], []),
        ([A], [], []),
        ([], [C, D], ["c", "d"]),
        ([A, B], [C, D], ["CASE WHEN (a AND b) THEN c AND d ELSE false END"]),
    ],
)
def test_behind(visible: list[Any], conditions: list[Any], expected: list[str]) -> None:
    """S2: a CASE is the one thing whose order SQL promises; a row that is hidden is none, and is not asked."""
    assert expected == [written(condition) for condition in behind(visible, conditions)]
