"""S8: every fact that an answer may depend on tells callers apart, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from backstay import Me, allow
from backstay.catalog import build_catalog
from backstay.pipeline.standing import Standing, is_nobody
from backstay.policy import Principal, compile_rules

METADATA = sa.MetaData()
THINGS = sa.Table("things", METADATA, sa.Column("id", sa.Integer, primary_key=True), sa.Column("org", sa.Integer))


@allow("read", THINGS)
def by_org(me: Me) -> Any:
    return THINGS.c.org == me.claim("app_metadata", "org")


@allow("update", THINGS)
def by_second(me: Me) -> Any:
    """In a subquery, too."""
    other = THINGS.alias()
    return sa.exists(sa.select(other.c.id).where(other.c.org == me.claim("exp")))


CLAIMS = {"app_metadata": {"org": 1, "plan": "free"}, "exp": 5, "iat": 1, "team": 7}
ANN = Principal("authenticated", "1", frozenset(("editor",)), CLAIMS, "aal1")


@pytest.mark.parametrize(
    ("change", "by_rules", "by_functions"),
    [
        (lambda who: who, False, False),
        (lambda who: replace(who, role="staff"), True, True),
        (lambda who: replace(who, id="2"), True, True),
        (lambda who: replace(who, roles=frozenset()), True, True),
        (lambda who: replace(who, roles=who.roles | {"boss"}), True, True),
        (lambda who: replace(who, aal="aal2"), True, True),
        (lambda who: replace(who, aal=None), True, True),
        (lambda who: replace(who, read_only=True), True, True),
        (lambda who: replace(who, claims={**CLAIMS, "key_id": "k"}), True, True),
        (lambda who: replace(who, claims={**CLAIMS, "app_metadata": {"org": 2, "plan": "free"}}), True, True),
        (lambda who: replace(who, claims={**CLAIMS, "app_metadata": {"org": 1, "plan": "gold"}}), False, True),
        (lambda who: replace(who, claims={**CLAIMS, "team": 8}), False, True),
        (lambda who: replace(who, claims={**CLAIMS, "iat": 2}), False, False),
        # Some rule reads it; a function of this app may as well, but then no retry would survive a refresh.
        (lambda who: replace(who, claims={**CLAIMS, "exp": 6}), True, False),
    ],
)
def test_facts(change: Callable[[Principal], Principal], by_rules: bool, by_functions: bool) -> None:
    """S8: each fact by itself, for answers of rules and for those of functions."""
    standing = Standing.under(compile_rules([by_org, by_second], build_catalog(METADATA)))
    other = change(ANN)
    assert by_rules == (standing.of(ANN) != standing.of(other))
    assert by_functions == (standing.of(ANN, every_claim=True) != standing.of(other, every_claim=True))


def test_who_is_nobody() -> None:
    """S8: no account and no role of one's own; a publishable key is in everybody's hands."""
    assert [True, True, False, False, False] == [
        is_nobody(who)
        for who in (
            Principal(),
            Principal(claims={"key_id": "published"}),
            Principal("service_role"),
            Principal("authenticated"),
            Principal("anon", "1"),
        )
    ]
