"""The form that a policy's values and texts get, so that they mean what they say."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from backstay.policy.form import join_texts

A, B = sa.column("a", sa.Text), sa.column("b", sa.Text)
NUMBER, TEXT = sa.column("lower", sa.Integer), sa.column("t", sa.Text)


@pytest.mark.parametrize(
    ("rows", "written"),
    [
        (sa.func.lower(A) + sa.func.TRIM(B), "lower(a) || TRIM(b)"),
        (sa.func.lower(A) + TEXT, "lower(a) || t"),
        (TEXT + sa.func.replace(A, B, B), "t || replace(a, b, b)"),
        (sa.func.lower(A) + sa.func.upper(B) + sa.func.concat(A, B), "lower(a) || upper(b) || concat(a, b)"),
        (sa.func.left(A, sa.literal_column("1")) + sa.func.reverse(B), "left(a, 1) || reverse(b)"),
        (sa.func.length(A) + sa.func.length(B), "length(a) + length(b)"),
        (sa.func.lower(A) + sa.func.length(B), "lower(a) + length(b)"),
        # A column is what it is, whatever its name.
        (NUMBER + NUMBER, "lower + lower"),
        (sa.func.abs(NUMBER) + NUMBER, "abs(lower) + lower"),
    ],
)
def test_texts_are_joined(rows: Any, written: str) -> None:
    """P1: ``+`` of what gives texts, all of it, and of nothing else."""
    join_texts(rows)
    assert written == str(rows)
