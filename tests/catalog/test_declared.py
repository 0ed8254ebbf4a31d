"""S3: a relationship's own condition speaks of the two rows and of constants, or it is not served."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, configure_mappers, foreign, mapped_column, relationship

from backstay.catalog.declared import declared_relation
from backstay.catalog.table import Relation


def _relation(condition: Callable[[Any, Any, Any], Any]) -> Relation | str:
    """What becomes of a to-many relationship from A to B with *condition*, of (A, B, a third table)."""

    class Base(DeclarativeBase):
        pass

    class A(Base):
        __tablename__ = "a"
        id: Mapped[int] = mapped_column(primary_key=True)
        least: Mapped[int]

    class B(Base):
        __tablename__ = "b"
        id: Mapped[int] = mapped_column(primary_key=True)
        a_id: Mapped[int]
        worth: Mapped[int]

    class Third(Base):
        __tablename__ = "third"
        id: Mapped[int] = mapped_column(primary_key=True)
        least: Mapped[int]

    A.many = relationship(  # type: ignore[attr-defined]
        B, primaryjoin=sa.and_(A.id == foreign(B.a_id), condition(A, B, Third)), viewonly=True, uselist=True
    )
    configure_mappers()
    tables = [model.__table__ for model in (A, B, Third)]
    return declared_relation(A.many.property, tables, lambda table: {frozenset({"id"})})  # type: ignore[attr-defined,arg-type]


@pytest.mark.parametrize(
    "condition",
    [
        lambda a, b, third: b.worth >= a.least,
        lambda a, b, third: b.worth > 3,
        lambda a, b, third: b.worth > sa.literal_column("3"),
        lambda a, b, third: sa.func.abs(b.worth) == a.least,
    ],
)
def test_served(condition: Any) -> None:
    """A condition over both rows is a part of the relation."""
    found = _relation(condition)
    assert isinstance(found, Relation)
    assert (("id", "a_id"),) == found.pairs
    assert found.join is not None


@pytest.mark.parametrize(
    "condition",
    [
        lambda a, b, third: b.worth == third.least,
        lambda a, b, third: third.least > b.worth,
        lambda a, b, third: b.worth == sa.select(sa.func.max(b.worth)).correlate(None).scalar_subquery(),
        lambda a, b, third: sa.exists(sa.select(third.id).where(third.least == b.worth)),
        lambda a, b, third: sa.text("b.worth > 3"),
        lambda a, b, third: b.worth > sa.literal_column("third.least"),
        lambda a, b, third: b.worth > sa.literal_column("(select max(worth) from b)"),
        lambda a, b, third: b.worth > sa.column("least"),
        lambda a, b, third: b.worth > sa.table("third", sa.column("least")).c.least,
        lambda a, b, third: b.worth == sa.func.max(b.worth),
        lambda a, b, third: b.worth == sa.func.max(b.worth).over(),
    ],
)
def test_not_served(condition: Any) -> None:
    """S3: a third table, other rows and whatever has no owner would tell of rows that no policy was asked about."""
    assert isinstance(_relation(condition), str)
