"""How a plan is asked for, and what is told of it."""

from __future__ import annotations

import json

import pytest

from backstay.sql.explain import POSTGRESQL, SQLITE
from backstay.sql.statement import Statement

ASKED = Statement("SELECT 1", (5,))
STEPS = [
    (3, 0, 216, "SCAN a"),
    (7, 0, 0, "CORRELATED SUBQUERY"),
    (9, 7, 0, "SEARCH b"),
    (12, 9, 0, "ä"),
    (20, 99, 0, "c"),
    (25, 20, 0, "d"),
]


def test_asked_with_options() -> None:
    """The format and the options that are wanted, in one order; the arguments stay."""
    assert Statement("EXPLAIN (FORMAT TEXT) SELECT 1", (5,)) == POSTGRESQL.ask(ASKED, "text", ())
    assert Statement("EXPLAIN (FORMAT JSON, ANALYZE, WAL) SELECT 1", (5,)) == POSTGRESQL.ask(
        ASKED, "json", ("wal", "analyze")
    )


def test_lines_and_expectations() -> None:
    """Line by line; the rows it expects stand at the root of its plan."""
    assert "a\nb" == POSTGRESQL.read([("a",), ("b",)], "text")
    assert POSTGRESQL.expects is not None
    plan = [{"Plan": {"Plan Rows": 7, "Plans": [{"Plan Rows": 9}]}}]
    assert 7 == POSTGRESQL.expects((json.dumps(plan), "other"))


@pytest.mark.parametrize("form", ["text", "json"])
def test_asked_without_options(form: str) -> None:
    """SQLite has one way to ask, and no options."""
    assert Statement("EXPLAIN QUERY PLAN SELECT 1", (5,)) == SQLITE.ask(ASKED, form, ("analyze",))  # type: ignore[arg-type]
    assert (frozenset(), None) == (SQLITE.options, SQLITE.expects)


def test_steps() -> None:
    """Each step stands under the one that it belongs to."""
    assert "SCAN a\nCORRELATED SUBQUERY\n  SEARCH b\n    ä\nc\n  d" == SQLITE.read(STEPS, "text")
    told = SQLITE.read(STEPS, "json")
    assert {"id": 9, "parent": 7, "detail": "SEARCH b"} == json.loads(told)[2]
    assert "ä" in told
