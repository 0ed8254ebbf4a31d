"""P1: a rule that the database cannot run ends the start, and is never told to clients as their fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backstay import Backstay, ConfigError, Settings, allow
from tests.http.api import opened, quick_folder
from tests.http.shop_app import SECRET


class Base(DeclarativeBase):
    pass


class Sheet(Base):
    __tablename__ = "sheets"
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[UUID]
    kind: Mapped[str]
    n: Mapped[int]


CANNOT: list[tuple[str, Callable[[Any], Any]]] = [
    ("sqlite", lambda me: sa.func.no_such_function(Sheet.n)),
    ("postgresql", lambda me: sa.func.no_such_function(Sheet.n)),
    ("sqlite", lambda me: sa.func.lower(Sheet.kind, Sheet.kind) == "a"),
    ("postgresql", lambda me: sa.func.lower(Sheet.kind, Sheet.kind) == "a"),
    ("sqlite", lambda me: Sheet.id == sa.select(Sheet.__table__.alias()).scalar_subquery()),
    ("postgresql", lambda me: Sheet.id == sa.select(Sheet.__table__.alias()).scalar_subquery()),
    ("postgresql", lambda me: sa.func.upper(Sheet.n) == "X"),
    ("postgresql", lambda me: sa.func.coalesce(Sheet.n, Sheet.kind) == 1),
]


@pytest.mark.parametrize(("database", "says"), CANNOT, ids=[f"{name}-{at}" for at, (name, _) in enumerate(CANNOT)])
def test_a_rule_that_cannot_run_ends_the_start(database: str, says: Callable[[Any], Any]) -> None:
    """P1: with its name, its table and what the database says."""

    def rule(me: Any) -> Any:
        return says(me)

    def sheets(url: str) -> Backstay:
        return Backstay(
            models=Base, policies=[allow("read", Sheet)(rule)], settings=Settings(database=url, jwt_secret=SECRET)
        )

    with (
        quick_folder() as folder,
        pytest.raises(ConfigError, match="the policy rule cannot run on sheets") as refused,
        opened(database, folder, sheets, {}, "rehearsed"),
    ):
        pass
    assert ("BST-E028", True) == (refused.value.code, "test_policy_rehearsal.py:" in refused.value.message)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_function_that_is_not_there_has_a_near_one(database: str) -> None:
    """P1, M: its name is known, and that of the one that was perhaps meant."""

    @allow("read", Sheet)
    def rule(me: Any) -> Any:
        return sa.func.lenght(Sheet.kind) > 3

    def sheets(url: str) -> Backstay:
        return Backstay(models=Base, policies=[rule], settings=Settings(database=url, jwt_secret=SECRET))

    with (
        quick_folder() as folder,
        pytest.raises(ConfigError, match="lenght") as refused,
        opened(database, folder, sheets, {}, "rehearsed"),
    ):
        pass
    assert "Did you mean func.length()?" == refused.value.hint


CAN: list[Callable[[Any], Any]] = [
    lambda me: True,
    lambda me: (Sheet.key == me.id) | (Sheet.kind == me.role) & me.claim("x"),
    lambda me: Sheet.n.between(me.claim("a"), me.claim("b")) | me.has_role("x") | (me.aal == "aal2"),
    lambda me: Sheet.n.in_([1, 2]) & ~Sheet.kind.in_(["a"]) | me.claim("k").in_(["x", "y"]),
    lambda me: Sheet.id.in_(sa.select(Sheet.n).where(Sheet.key == me.id)),
]


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_every_other_rule_runs(database: str) -> None:
    """P1: values of me, lists and subqueries have types that the database takes."""

    def made(says: Callable[[Any], Any]) -> Any:
        def rule(me: Any) -> Any:
            return says(me)

        return allow("read", "update", Sheet)(rule)

    def sheets(url: str) -> Backstay:
        settings = Settings(database=url, jwt_secret=SECRET)
        return Backstay(models=Base, policies=[made(each) for each in CAN], settings=settings)

    rows = {"sheets": [{"id": 1, "key": str(UUID(int=7)), "kind": "a", "n": 9}]}
    with quick_folder() as folder, opened(database, folder, sheets, rows, "rehearsed") as api:
        assert [{"id": 1}] == api.get("sheets?select=id").json
