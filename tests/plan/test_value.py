"""Values of clients as the database holds them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from backstay.catalog import Column
from backstay.catalog.geometry import Geometry
from backstay.errors import PlanError
from backstay.plan.value import canonical


def column(type_: sa.types.TypeEngine[Any]) -> Column:
    return Column("price", sa.Column("price", type_), "numeric", True, False, False, False)


@pytest.mark.parametrize(
    ("precision", "scale", "value", "stored"),
    [
        (10, 2, "1.005", "1.01"),
        (10, 2, "-1.005", "-1.01"),
        (10, 2, "0.125", "0.13"),
        (10, 2, 12345678.99, "12345678.99"),
        (10, 2, Decimal("0E+1000"), "0.00"),
        (10, 0, 0.5, "1"),
        (38, 4, "1234567890123456789012345678901234.56789", "1234567890123456789012345678901234.5679"),
        (2, 2, "0.994", "0.99"),
        (10, 2, "0." + "9" * 900, "1.00"),
    ],
)
def test_numbers_are_rounded_as_postgresql_rounds(precision: int, scale: int, value: Any, stored: str) -> None:
    """Halves go away from zero, and no digit that the column has room for is lost."""
    assert stored == canonical(value, column(sa.Numeric(precision, scale)))[1]


def test_a_geometry_is_checked_and_stored_as_it_is() -> None:
    """As an object, or as the text of one; null is null."""
    text = '{"type":"Point","coordinates":[7.1,50.70]}'
    expected = '{"type":"Point","coordinates":[7.1,50.7]}'
    assert [(expected, expected)] * 2 == [canonical(value, column(Geometry())) for value in (text, json.loads(text))]
    assert (None, None) == canonical(None, column(Geometry()))


@pytest.mark.parametrize(
    "value", [{}, "", "POINT(1 2)", "[" * 5000, '{"type":"Point","coordinates":[NaN,1]}', "null", True]
)
def test_what_is_no_geometry(value: Any) -> None:
    """22P02, with what is wrong in the message."""
    with pytest.raises(PlanError, match="invalid input syntax for type geometry: ") as raised:
        canonical(value, column(Geometry()))
    assert "22P02" == raised.value.code


@pytest.mark.parametrize(
    ("precision", "scale", "value"),
    [(10, 2, -3.4e38), (10, 2, "123456789"), (10, 2, "99999999.995"), (2, 2, "0.995"), (38, 4, "1e999")],
)
def test_numbers_that_do_not_fit(precision: int, scale: int, value: Any) -> None:
    """A number with too many digits before the point is refused, whatever its size."""
    with pytest.raises(PlanError, match="numeric field overflow") as raised:
        canonical(value, column(sa.Numeric(precision, scale)))
    assert "22003" == raised.value.code
    assert f"less than 10^{precision - scale}." in raised.value.details
