"""S1: whether judging a row looks at other rows follows from the rules that judge it, and from no others."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from backstay.policy import Grant, Part

ROWS = sa.table("t", sa.column("a"), sa.column("b"))
OTHERS = sa.exists(sa.select(ROWS.alias().c.a))
PLAIN = Part(ROWS.c.a == 1, frozenset("ab"), "plain")
LOOKING = Part(OTHERS, frozenset("ab"), "looking", has_subquery=True)
NARROW = Part(OTHERS, frozenset("a"), "narrow", has_subquery=True)


@pytest.mark.parametrize(
    ("parts", "written", "expected"),
    [
        ((PLAIN,), "a", False),
        ((LOOKING,), "", True),
        ((LOOKING,), "a", True),
        ((LOOKING,), "ab", True),  # every column of the rule
        ((PLAIN, LOOKING), "ab", True),
        ((PLAIN, NARROW), "a", True),
        ((PLAIN, NARROW), "ab", False),  # the narrow rule does not judge such a row
        ((PLAIN, NARROW), "b", False),
        ((), "a", False),
    ],
)
def test_has_subquery(parts: tuple[Part, ...], written: str, expected: bool) -> None:
    """S1: a row is judged on the state before by every rule that shows what is written, also all of its columns."""
    grant = Grant(parts)
    assert expected is grant.has_subquery(frozenset(written))
    judged = str(grant.rows(frozenset(written)))
    assert expected is ("EXISTS" in judged)
