"""The Prefer header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import RequestError
from backstay.request import applied, check_strict, parse_prefer
from backstay.request.prefer import Preferences


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, Preferences()),
        ("", Preferences()),
        (" , ,", Preferences()),
        ("return=minimal", Preferences(returning="minimal")),
        ("return=headers-only", Preferences(returning="headers-only")),
        ("return=representation", Preferences(returning="representation")),
        ("count=exact", Preferences(count="exact")),
        ("count=planned", Preferences(count="planned")),
        ("count=estimated", Preferences(count="estimated")),
        ("resolution=merge-duplicates", Preferences(resolution="merge-duplicates")),
        ("resolution=ignore-duplicates", Preferences(resolution="ignore-duplicates")),
        ("missing=default", Preferences(missing="default")),
        ("missing=null", Preferences(missing="null")),
        ("handling=strict", Preferences(handling="strict")),
        ("handling=lenient", Preferences(handling="lenient")),
        ("tx=commit", Preferences(tx="commit")),
        ("tx=rollback", Preferences(tx="rollback")),
        ("timezone=America/Los_Angeles", Preferences(timezone="America/Los_Angeles")),
        ("timezone=Etc/GMT+5", Preferences(timezone="Etc/GMT+5")),
        ("max-affected=10", Preferences(max_affected=10)),
        ("max-affected=0", Preferences(max_affected=0)),
        ("tx=commit, tx=rollback", Preferences(tx="commit")),
        ("max-affected=1,max-affected=2", Preferences(max_affected=1)),
        ("timezone=UTC,timezone=CET", Preferences(timezone="UTC")),
        (
            "count=exact,    tx=commit   ,return=representation , missing=default, handling=strict, anything",
            Preferences(
                count="exact",
                tx="commit",
                returning="representation",
                missing="default",
                handling="strict",
                unknown=("anything",),
            ),
        ),
        (
            "return=representation,return=everything",
            Preferences(returning="representation", unknown=("return=everything",)),
        ),
        ("count=all", Preferences(unknown=("count=all",))),
        ("Return=minimal", Preferences(unknown=("Return=minimal",))),
        ('return="minimal"', Preferences(unknown=('return="minimal"',))),
        ("return", Preferences(unknown=("return",))),
        ("max-affected=-1", Preferences(unknown=("max-affected=-1",))),
        ("max-affected=a", Preferences(unknown=("max-affected=a",))),
        ("max-affected=" + "9" * 5000, Preferences(unknown=("max-affected=" + "9" * 5000,))),
        ("timezone=", Preferences(unknown=("timezone=",))),
        ("timezone=a'b", Preferences(unknown=("timezone=a'b",))),
        ("respond-async; wait=10, b, a", Preferences(unknown=("respond-async; wait=10", "b", "a"))),
    ],
)
def test_preferences(value: str | None, expected: Preferences) -> None:
    """The first of each name wins; what nobody knows is kept as it stands."""
    assert expected == parse_prefer(value)


def test_known_timezones() -> None:
    """Where the names are given, another name is an unknown preference."""
    known = frozenset(("UTC",))
    assert Preferences(timezone="UTC") == parse_prefer("timezone=UTC", timezones=known)
    assert Preferences(unknown=("timezone=Mars",)) == parse_prefer("timezone=Mars", timezones=known)
    assert Preferences(timezone="Mars") == parse_prefer("timezone=Mars")


def test_strict_refuses_the_unknown() -> None:
    """handling=strict names every preference that nobody knows."""
    with pytest.raises(RequestError) as caught:
        check_strict(parse_prefer("handling=strict, anything, count=exact, other=1"))
    assert (
        "PGRST122",
        400,
        "Invalid preferences given with handling=strict",
        "Invalid preferences: anything, other=1",
        None,
    ) == (caught.value.code, caught.value.status, caught.value.message, caught.value.details, caught.value.hint)


@pytest.mark.parametrize("value", [None, "a", "handling=lenient, a", "handling=strict", "handling=strict, count=exact"])
def test_others_pass(value: str | None) -> None:
    """Without handling=strict, or without anything unknown, there is nothing to refuse."""
    check_strict(parse_prefer(value))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", None),
        ("unknown", None),
        ("max-affected=1", None),
        ("handling=lenient, max-affected=1", "handling=lenient"),
        (
            "max-affected=5,timezone=UTC,handling=strict,tx=rollback,count=exact,return=minimal,missing=default,"
            "resolution=merge-duplicates",
            "resolution=merge-duplicates, missing=default, return=minimal, count=exact, tx=rollback, handling=strict, "
            "timezone=UTC, max-affected=5",
        ),
        ("handling=strict,max-affected=0", "handling=strict, max-affected=0"),
    ],
)
def test_applied(value: str, expected: str | None) -> None:
    """Preference-Applied has PostgREST's order, and max-affected only under strict handling."""
    assert expected == applied(parse_prefer(value))


@given(st.text())
def test_any_header_is_read(value: str) -> None:
    """No header raises anything; what is applied is understood again."""
    found = parse_prefer(value)
    assert found.handling == parse_prefer(applied(found)).handling
