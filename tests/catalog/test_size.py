"""P1: the size of an expression, told without going into it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column

from backstay.catalog import build_catalog
from backstay.catalog.size import oversized

N = sa.table("leaves", sa.column("n", sa.Integer)).c.n


@pytest.mark.parametrize(
    ("rows", "seen"),
    [
        (N.in_([None]), None),
        (N.in_([]), None),
        (N.in_(range(1_990)), None),
        (N.in_(range(2_000)), "has more than 2000 parts, each value of a list counted"),
        (N.in_([sa.literal(at) for at in range(2_000)]), "has more than 2000 parts, each value of a list counted"),
        (sa.tuple_(N, N).in_([(1, 2)] * 1_000), "has more than 2000 parts, each value of a list counted"),
        (sa.or_(*[N == 1] * 500), None),
        (sa.or_(*[N == 1] * 501), "joins more than 500 conditions by & and |"),
        (sa.and_(N == 1, sa.or_(*[N == 1] * 499)), "joins more than 500 conditions by & and |"),
        (sum([N] * 47) > 0, None),
        (sum([N] * 50) > 0, "stands more than 50 levels within one another"),
    ],
    ids=range(11),
)
def test_what_is_too_large_says_so(rows: object, seen: str | None) -> None:
    found = oversized(rows)
    assert seen == (None if found is None else found.seen)


def _lowered(times: int) -> sa.ColumnElement[str]:
    found: sa.ColumnElement[str] = sa.literal("a")
    for _ in range(times):
        found = sa.func.lower(found)
    return found


def test_a_computed_field_that_is_too_large_is_not_served() -> None:
    """AC13: nobody's start ends without a word."""

    class Base(DeclarativeBase):
        pass

    class Leaf(Base):
        __tablename__ = "leaves"
        id: Mapped[int] = mapped_column(primary_key=True)
        far: Mapped[str] = column_property(_lowered(150))

    catalog = build_catalog(Base)
    said = "the computed field leaves.far is not served: it stands more than 50 levels within one another"
    assert any(each.startswith(said) for each in catalog.findings)
