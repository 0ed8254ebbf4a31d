"""Which rules a database may fail at, and which functions they call."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from backstay.policy.fallible import called, may_fail
from backstay.policy.me import MeParameter
from tests.policy.written import Note, Word

WORDS = sa.select(Word.note_id)

SURE: dict[str, Any] = {
    "a constant": sa.true(),
    "a column": sa.inspect(Note).c.public,
    "not": sa.not_(Note.public),
    "equal": Note.stars == 4,
    "greater": Note.stars > 4,
    "between": Note.stars.between(1, 4),
    "one of": Note.stars.in_([1, 2]),
    "none of": Note.stars.not_in([1, 2]),
    "missing": Note.team.is_(None),
    "distinct": Note.team.is_distinct_from("a"),
    "and, or": sa.and_(Note.public, sa.or_(Note.stars == 1, Note.team == "a")),
    "joined texts": Note.team + "b" == "ab",
    "collated": Note.team.collate("C") == "a",
    "a case": sa.case((Note.public, Note.stars), else_=0) == 1,
    "a known function": sa.func.LOWER(sa.func.coalesce(Note.team, "A")) == "a",
    "a written pattern": Note.team.like("a%"),
    "no such pattern": Note.team.not_ilike("a%"),
    "whether there is one": WORDS.where(Word.note_id == Note.id).exists(),
    "among others": Note.id.in_(WORDS),
    "not among others": Note.id.not_in(WORDS),
    "among the first": Note.id.in_(WORDS.order_by(Word.text.desc(), Word.id.asc()).limit(3)),
    "among the most": Note.id.in_(sa.select(sa.func.max(Word.note_id)).group_by(Word.text)),
    "pairs": sa.tuple_(Note.id, Note.team).in_([(1, "a")]),
}
ABLE: dict[str, Any] = {
    "a quotient": Note.stars / 2 == 1,
    "a sum": Note.stars + 1 == 2,
    "a negative": -Note.stars == 1,
    "a cast": sa.cast(Note.team, sa.Integer) == 1,
    "a part of a value": Note.meta["a"].as_string() == "b",
    "an unknown function": sa.func.sqrt(Note.stars) == 2,
    "somebody's type": sa.type_coerce(Note.stars, sa.Integer).op("%%")(2) == 1,
    "the only one": sa.select(Word.text).where(Word.note_id == Note.id).scalar_subquery() == "a",
    "a pattern of the row": sa.literal("a").like(Note.team),
    "a pattern of the caller": Note.team.like(MeParameter("team", sa.String())),
    "in another": sa.or_(Note.public, sa.not_(Note.stars / 2 == 1)),
    "where it is looked": WORDS.where(Word.id / 2 == Note.id).exists(),
    "what it is among": Note.id.in_(sa.select(Word.note_id / 2)),
    "one of a kind, in what is among": Note.id.in_(sa.select(WORDS.scalar_subquery())),
    "how others are ordered": Note.id.in_(WORDS.order_by((Word.id / 2).desc())),
}


@pytest.mark.parametrize("rows", SURE.values(), ids=SURE)
def test_sure(rows: Any) -> None:
    """Comparisons of what is there, by whatever way."""
    assert (False, frozenset[str]()) == (may_fail(rows), called(rows))


@pytest.mark.parametrize("rows", ABLE.values(), ids=ABLE)
def test_may_fail(rows: Any) -> None:
    """What some value cannot be put into, and what may be two where one is asked for, at any depth."""
    assert may_fail(rows)


def test_called() -> None:
    """Functions that may be somebody's own, whatever their case, and no others."""
    rows = sa.and_(sa.func.LOWER(Note.team) == "a", sa.func.Near(sa.func.far(Note.id)), Note.id.in_(WORDS))
    assert frozenset({"near", "far"}) == called(rows)
