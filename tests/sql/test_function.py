"""Calls by schema and name."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from backstay.sql.function import call


def test_both_names_are_quoted() -> None:
    """A schema with capitals or quotes in it is meant as it is written."""
    called = call('My "own"', "Find", sa.literal_column("1"))
    written = sa.select(called).compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]
    assert 'SELECT "My ""own"""."Find"(1) AS "Find_1"' == " ".join(str(written).split())


def test_rows_of_a_call() -> None:
    """It stands in FROM too."""
    rows = call("Maps", "near", sa.literal_column("1")).table_valued("id", name="f")
    assert 'SELECT f.id FROM "Maps"."near"(1) AS f' == " ".join(str(sa.select(rows.c.id)).split())
