"""Times as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.plan.duration import duration_text, parse_duration
from backstay.plan.moment import instant_text


@given(st.lists(st.datetimes(timezones=st.just(UTC)), max_size=20))
def test_instants_sort_as_text(instants: list[datetime]) -> None:
    """``+`` < ``.`` < digits: text order is time order."""
    assert sorted(map(instant_text, instants)) == [instant_text(instant) for instant in sorted(instants)]


@given(st.timedeltas(min_value=timedelta(days=-100_000), max_value=timedelta(days=100_000)))
def test_intervals_come_back(value: timedelta) -> None:
    """What is written is read."""
    assert parse_duration(duration_text(value)) == value


@pytest.mark.parametrize("text_", ["", "1 day 2", "month", "1 day 02:00:00 "])
def test_no_interval(text_: str) -> None:
    """Other text is refused."""
    with pytest.raises(ValueError, match="interval"):
        parse_duration(text_)
