"""A request's coroutine as the steps of somebody else's transaction."""

from __future__ import annotations

import pytest

from backstay.db.statement import Rows, Statement, Steps
from backstay.db.transaction import drive, run_inside, steps_of
from backstay.errors import BackstayError, DatabaseError, PlanError
from backstay.pipeline.unit import Joined

JOINED = Joined("sqlite")


def answered(statement: Statement) -> Rows:
    """A database that says its SQL back, and refuses what is called bad."""
    if statement.sql == "bad":
        raise DatabaseError("23505", "duplicate")
    return [(statement.sql,)]


async def fetched(*texts: str) -> list[str]:
    return [(await JOINED.fetch(Statement(text)))[0] for text in texts]


def test_statements_go_to_the_transaction_around() -> None:
    """Each statement is run there, in order, and its rows come back."""
    assert ["a", "b"] == drive(steps_of(lambda: fetched("a", "b")), answered)


def test_a_transaction_inside_is_a_part_of_it() -> None:
    """Steps inside of steps are driven by the same transaction."""

    def inner() -> Steps[str]:
        rows = yield Statement("inner")
        return str(rows[0][0]).upper()

    async def outer() -> str:
        return await JOINED.transact(inner)

    assert "INNER" == drive(steps_of(outer), answered)


def test_failures_reach_the_one_who_asked() -> None:
    """It may raise a better error, which ends the transaction."""

    async def explain() -> None:
        try:
            await run_inside(Statement("bad"))
        except DatabaseError as error:
            raise PlanError("PGRST116", "better") from error

    with pytest.raises(PlanError, match="better"):
        drive(steps_of(explain), answered)


def test_nothing_is_asked_after_a_failure() -> None:
    """A failed transaction runs no more statements, so that SQLite does what PostgreSQL would."""
    asked: list[str] = []

    def run(statement: Statement) -> Rows:
        asked.append(statement.sql)
        return answered(statement)

    async def ask_again() -> None:
        try:
            await run_inside(Statement("bad"))
        except DatabaseError:
            await run_inside(Statement("more"))

    with pytest.raises(BackstayError) as caught:
        drive(steps_of(ask_again), run)
    assert (["bad"], "25P02") == (asked, caught.value.code)


def test_a_failure_cannot_be_swallowed() -> None:
    """Who goes on after a failure has failed all the same."""

    async def swallow() -> str:
        try:
            await run_inside(Statement("bad"))
        except DatabaseError:
            return "fine"
        return "never"

    with pytest.raises(DatabaseError) as caught:
        drive(steps_of(swallow), answered)
    assert "23505" == caught.value.code


def test_functions_have_no_session_inside() -> None:
    """A function would wait for more than the database."""
    with pytest.raises(PlanError) as caught:
        JOINED.session()
    assert "PGRST127" == caught.value.code
