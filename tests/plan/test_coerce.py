"""Texts that are no value of a type are told quickly, however long they are."""

from __future__ import annotations

import contextlib
import time

import pytest
import sqlalchemy as sa

from backstay.errors import PlanError
from backstay.plan.coerce import coerce

#: Every type that reads its text, and texts that a reader might divide in many ways.
TYPES = (
    sa.Integer(),
    sa.Numeric(),
    sa.Double(),
    sa.Boolean(),
    sa.Uuid(),
    sa.DateTime(timezone=True),
    sa.Date(),
    sa.Time(),
    sa.Interval(),
    sa.LargeBinary(),
    sa.JSON(),
    sa.ARRAY(sa.Numeric()),
    sa.ARRAY(sa.Text()),
)
TEXTS = (
    "1",
    " ",
    "1 ",
    "0.",
    "\\x",
    "ab",
    "{",
    "{a,",
    '{"',
    "\\",
    "[",
    '{"a":',
    "1e",
    "-",
    "2024-01-01T",
    "{1,",
    "\t\n",
)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("type_", TYPES, ids=lambda type_: str(type(type_).__name__))
def test_a_long_text_is_refused_quickly(type_: sa.types.TypeEngine[object], text: str) -> None:
    """S7: a body of 300 kB that is nearly a number, a list or a moment takes no more than its length."""
    for long in (text * (300_000 // len(text)) + "!", "{" + text * (300_000 // len(text)) + "!}"):
        started = time.thread_time()
        with contextlib.suppress(PlanError):
            coerce(long, type_)
        assert time.thread_time() - started < 0.5


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", "1"), (" +1.50 ", "1.50"), ("1.", "1"), (".5", "0.5"), ("-1e3", "-1000"), ("1.5E-2", "0.015")],
)
def test_numbers(text: str, value: str) -> None:
    """S7: what PostgreSQL reads as a number still is one."""
    assert value == coerce(text, sa.Numeric())


@pytest.mark.parametrize("text", ["", ".", "1e", "e5", "1.5.2", "1 2", "--1", "1_000"])
def test_no_numbers(text: str) -> None:
    with pytest.raises(PlanError):
        coerce(text, sa.Numeric())
