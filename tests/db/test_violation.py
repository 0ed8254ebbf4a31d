"""Broken constraints, with and without their values."""

from __future__ import annotations

from typing import Any

import pytest

from backstay.db.violation import Violation, broken_constraint, details_of


@pytest.mark.parametrize(
    ("violation", "values", "details"),
    [
        (Violation("23505", "t", ("a", "b")), {"a": 1, "b": "x"}, "Key (a, b)=(1, x) already exists."),
        (Violation("23503", "t", ("a",), None, "u"), {"a": 1}, 'Key (a)=(1) is not present in table "u".'),
        (Violation("23503", "t", ("a",), None, "u", True), {"a": 1}, 'Key (a)=(1) is still referenced from table "u".'),
        (Violation("23503", "t", ("a",)), {"a": 1}, None),
        (Violation("23505", "t", ("a", "b")), {"a": 1}, None),
        (Violation("23505", "t", ("a",)), None, None),
        (Violation("23502", "t", ("a",)), {"a": None}, None),
        (Violation("23514", "t", (), "c"), {"a": 1}, None),
    ],
)
def test_details_only_on_request(violation: Violation, values: dict[str, Any] | None, details: str | None) -> None:
    """AC5, AC6: the error itself has none; the function makes them from the caller's own values."""
    error = broken_constraint(violation)
    assert (error.details, details_of(error, values)) == (None, details)
