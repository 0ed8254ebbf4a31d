"""Grants: parts stay whole."""

from __future__ import annotations

import sqlalchemy as sa

from backstay.policy import Grant, Part

A, AB = frozenset("a"), frozenset("ab")


def test_a_part_looks_at_other_rows_for_every_set_of_its_columns() -> None:
    """A row that is written with every column of its rule, or with some of them, is judged by that rule's subquery."""
    grant = Grant((Part(sa.true(), AB, "looks", has_subquery=True), Part(sa.true(), A, "plain")))
    found = [grant.has_subquery(frozenset(each)) for each in ("", "a", "b", "ab", "abc")]
    assert [True, True, True, True, False] == found


def test_what_every_part_shows() -> None:
    """``*`` is what all parts show, and nothing without a part."""
    parts = Part(sa.true(), AB, "one"), Part(sa.true(), A, "other")
    assert [A, AB, frozenset()] == [Grant(given).common for given in (parts, parts[:1], ())]
    assert [AB, AB, frozenset()] == [Grant(given).columns for given in (parts, parts[:1], ())]


def test_rows_of_the_parts_that_show_what_is_mentioned() -> None:
    """No part is no row, and ``true()`` swallows the rest."""
    one, other = sa.column("x") == 1, sa.column("y") == 2
    grant = Grant((Part(one, AB, "one"), Part(other, A, "other")))
    found = [
        str(grant.rows(frozenset(each)).compile(compile_kwargs={"literal_binds": True})) for each in ("a", "b", "c")
    ]
    assert ["x = 1 OR y = 2", "x = 1", "false"] == found
    assert "true" == str(Grant((Part(sa.true(), A, "all"), Part(one, A, "one"))).rows(A))
