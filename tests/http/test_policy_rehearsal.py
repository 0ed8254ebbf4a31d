"""P1: a rule that the database cannot run ends the start, and is never told to clients as their fault."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column

from backstay import Backstay, ConfigError, Settings, allow
from tests.http.api import database, opened, quick_folder
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


#: What is no SQL there, and what to write instead.
LACKS: list[tuple[Callable[[Any], Any], str, str]] = [
    (lambda me: Sheet.n.in_(sa.select(other.n).except_all(sa.select(other.id))), "EXCEPT ALL", "except_()"),
    (lambda me: Sheet.n.in_(sa.select(other.n).intersect_all(sa.select(other.id))), "INTERSECT ALL", "intersect()"),
    (lambda me: Sheet.n.between(3, 1, symmetric=True), "BETWEEN SYMMETRIC", "symmetric="),
    (lambda me: Sheet.n.in_(sa.select(_values())), "rows of values", ".in_([…])"),
    (
        lambda me: sa.exists(
            sa.select(other.id, sa.select(twin.n).where(twin.id == other.id).lateral().c.n).where(other.id == Sheet.id)
        ),
        "a lateral subquery",
        "exists()",
    ),
    (lambda me: sa.extract("isodow", sa.cast(Sheet.kind, sa.Date)) == 1, "extract(isodow)", "dow"),
    (
        lambda me: sa.select(sa.func.array_agg(other.n)).scalar_subquery()[1] == 1,
        "an operator that means something else",
        "PostgreSQL",
    ),
]


def _values() -> Any:
    return sa.values(sa.column("n", sa.Integer), name="given").data([(1,), (2,)])


@pytest.mark.parametrize(("says", "seen", "hint"), LACKS, ids=range(len(LACKS)))
def test_what_sqlite_lacks_is_told(says: Callable[[Any], Any], seen: str, hint: str) -> None:
    """P1: with what to write instead, and no object in memory."""
    fault = _refused_at_start("sqlite", says)
    assert ("BST-E082", True, True) == (fault.code, seen in fault.message, hint in str(fault.hint))
    assert " object at " not in fault.message


EACH_TIME: list[tuple[Callable[[Any], Any], str]] = [
    (lambda me: sa.func.random() < 0.5, "random"),
    (lambda me: sa.cast(sa.func.random(), sa.Integer) == Sheet.n, "random"),
    (lambda me: sa.case((Sheet.n > 1, sa.func.RANDOM() > 0), else_=False), "random"),
    (lambda me: sa.exists().where(sa.func.pg_catalog.random() < other.n, other.id == Sheet.id), "random"),
    (lambda me: sa.func.gen_random_uuid() == Sheet.key, "gen_random_uuid"),
    (lambda me: sa.func.clock_timestamp() > sa.func.now(), "clock_timestamp"),
    (lambda me: sa.func.timeofday() == Sheet.kind, "timeofday"),
    (lambda me: sa.func.pg_sleep(0).is_not(None), "pg_sleep"),
    (lambda me: sa.func.pg_try_advisory_lock(Sheet.n), "pg_try_advisory_lock"),
]
other = aliased(Sheet)
twin = aliased(Sheet)


def _refused_at_start(database: str, says: Callable[[Any], Any]) -> ConfigError:
    def rule(me: Any) -> Any:
        return says(me)

    def sheets(url: str) -> Backstay:
        policies = [allow("read", Sheet)(rule)]
        return Backstay(models=Base, policies=policies, settings=Settings(database=url, jwt_secret=SECRET))

    with (
        quick_folder() as folder,
        pytest.raises(ConfigError) as refused,
        opened(database, folder, sheets, {}, "rehearsed"),
    ):
        pass
    return refused.value


@pytest.mark.parametrize(("says", "name"), EACH_TIME, ids=range(len(EACH_TIME)))
def test_chance_and_clocks_are_no_condition(says: Callable[[Any], Any], name: str) -> None:
    """P1: what is another value at each call says something else each time; SQLite has none of these that it may call."""
    fault = _refused_at_start("postgresql", says)
    assert ("BST-E082", True, True) == (
        fault.code,
        f"{name}(), whose value may be another" in fault.message,
        bool(fault.hint),
    )
    assert _refused_at_start("sqlite", says).code in ("BST-E028", "BST-E082")


FUNCTIONS = """
CREATE SCHEMA api; CREATE SCHEMA internal;
CREATE TABLE api.sheets (id int PRIMARY KEY);
CREATE FUNCTION internal.open(id int) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT id > 0';
CREATE FUNCTION internal.shut(id int) RETURNS boolean LANGUAGE sql AS 'SELECT id > 0';
CREATE FUNCTION api.open(id int) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN id > 0; END';
"""


@pytest.mark.parametrize(
    ("says", "refused"),
    [
        (lambda rows: sa.func.internal.open(rows.id), None),
        (lambda rows: sa.func.internal.shut(rows.id), "internal.shut"),
        (lambda rows: sa.func.api.open(rows.id), "api.open"),
        (lambda rows: sa.func.open(rows.id), "open"),
    ],
)
def test_a_function_of_the_database_says_that_it_only_reads(says: Callable[[Any], Any], refused: str | None) -> None:
    """P1: PostgreSQL takes every function for one that changes something, unless it is told otherwise."""

    @allow("read", "sheets")
    def rule(me: Any, rows: Any) -> Any:
        return says(rows)

    async def start(url: str) -> str | None:
        own = await asyncpg.connect(url)
        await own.execute(FUNCTIONS)
        await own.close()
        app = Backstay.reflect(url, schema=["api"], policies=[rule], settings=Settings(jwt_secret=SECRET))
        try:
            async with app.started():
                return None
        except ConfigError as fault:
            return fault.hint

    with (
        quick_folder() as folder,
        closing(asyncio.new_event_loop()) as loop,
        database("postgresql", folder, loop, "rehearsed") as url,
    ):
        hint = loop.run_until_complete(start(url))
    assert (refused is None) == (hint is None)
    assert refused is None or f"ALTER FUNCTION {refused} STABLE" in str(hint)


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
