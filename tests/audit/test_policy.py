"""A start with other rules than the last is an event."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backstay import Me, allow
from backstay.adapters.load import sql_dialect
from backstay.audit import note_policy
from backstay.audit.policy import fingerprint
from backstay.audit.read import Wanted, newest
from backstay.catalog import build_catalog
from backstay.db.store import Store
from backstay.policy import Policy, Rule, compile_rules
from tests.audit.chains import AT, KEYS


class Base(DeclarativeBase):
    pass


class Post(Base):
    __tablename__ = "audit_posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str]
    owner: Mapped[str]


@allow("read", Post)
def public(me: Me) -> Any:
    return Post.state == "public"


@allow("read", Post)
def renamed(me: Me) -> Any:
    """With a reason."""
    return Post.state == "public"


@allow("read", Post)
def drafts(me: Me) -> Any:
    return Post.state == "draft"


@allow("read", Post)
def own(me: Me) -> Any:
    return Post.owner == me.id


@allow("read", Post, columns=[Post.id])
def numbers(me: Me) -> Any:
    return Post.state == "public"


@allow("update", Post)
def edit(me: Me) -> Any:
    return Post.state == "public"


@allow("read", Post, to="staff")
def staff(me: Me) -> Any:
    return Post.state == "public"


def rules(*policies: Policy) -> tuple[Rule, ...]:
    return compile_rules(policies, build_catalog(Base))


@pytest.mark.parametrize("name", ["sqlite", "postgresql"])
def test_only_what_rules_allow_counts(name: str) -> None:
    """AU3: rows, their values, columns, action and role; not a name, a reason or an order."""
    compiler = sql_dialect(name).compiler
    prints = {p.name: fingerprint(rules(p), compiler) for p in (public, drafts, own, numbers, edit, staff)}
    assert 6 == len(set(prints.values()))
    assert prints["public"] == fingerprint(rules(renamed), compiler)
    assert fingerprint(rules(own, edit), compiler) == fingerprint(rules(edit, own), compiler)
    assert [32] * 6 == [len(value) for value in prints.values()]


@pytest.mark.parametrize("name", ["sqlite", "postgresql"])
def test_which_fact_is_read_counts(name: str) -> None:
    """AU3: one claim in the place of another is another rule, though the SQL is the same."""

    @allow("read", Post)
    def by_org(me: Me) -> Any:
        return Post.state == me.claim("org")

    @allow("read", Post)
    def by_team(me: Me) -> Any:
        return Post.state == me.claim("team")

    compiler = sql_dialect(name).compiler
    assert fingerprint(rules(by_org), compiler) != fingerprint(rules(by_team), compiler)


async def test_a_change_is_recorded_once(store: Store) -> None:
    """AU3: the first start, then only those that differ from the one before."""
    noted = [await note_policy(store, KEYS, rules(*p), AT) for p in ((own,), (own,), (own, edit), (own, edit), (own,))]
    assert [True, False, True, False, True] == noted
    third, second, first = await newest(store, Wanted(), 10)
    assert [None, first.details["fingerprint"], second.details["fingerprint"]] == [
        row.details["before"] for row in (first, second, third)
    ]
    assert [("policy_changed", "system", 1), 2] == [
        (first.event, first.actor_kind, first.details["rules"]),
        second.details["rules"],
    ]
    assert first.details["fingerprint"] == third.details["fingerprint"]


async def test_workers_that_start_together_record_one(store: Store) -> None:
    """AU3: whoever is second sees the first."""
    noted = await asyncio.gather(*(note_policy(store, KEYS, rules(own), AT) for _ in range(8)))
    assert (1, 1) == (sum(noted), len(await newest(store, Wanted(), 10)))
