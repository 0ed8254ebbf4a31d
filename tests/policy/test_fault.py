"""What a policy raised, in the words of a finding."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from backstay.policy.fault import told_fault


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        (ValueError("x"), "ValueError: x"),
        (ValueError(), "ValueError"),
        (ValueError("one\ntwo"), "ValueError: one"),
        (TypeError("x"), "x"),
        (TypeError(), "TypeError"),
        (sa.exc.ArgumentError("x"), "x"),
        (sa.exc.ArgumentError("a column expected, got <object at 0x7f>."), "a column expected"),
        (sa.exc.ArgumentError("<Column> object resolved from <object at 0x7f>"), "<Column>"),
        (sa.exc.ArgumentError("x should be explicitly declared as text('x')"), "x"),
        (TypeError("x" * 160), "x" * 160),
        (TypeError("x" * 161), "x" * 159 + "…"),
    ],
)
def test_what_was_raised(fault: Exception, seen: str) -> None:
    """P2: the first line of what it says, without addresses in memory, 160 letters at most."""
    assert seen == told_fault(fault, None).seen
