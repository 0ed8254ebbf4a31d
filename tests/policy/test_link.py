"""Subqueries that have nothing to do with the row that is judged, and comparisons that mean nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy import column, exists, func, or_, select, table, true, tuple_, union
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column, relationship

from backstay import Backstay
from backstay.catalog import build_catalog
from backstay.errors import ConfigError
from backstay.policy import allow, compile_rules, findings_of
from examples.chirp import app as chirp
from tests.http.honest_app import app as honest


class Base(DeclarativeBase):
    pass


class Team(Base):
    __tablename__ = "teams"
    id: Mapped[int] = mapped_column(primary_key=True)
    members: Mapped[list[Member]] = relationship(back_populates="team")


class Member(Base):
    __tablename__ = "members"
    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(sa.ForeignKey("teams.id"))
    account_id: Mapped[UUID]
    place_id: Mapped[int] = mapped_column(
        sa.ForeignKey(sa.Table("places", sa.MetaData(), sa.Column("id", sa.Integer)).c.id)
    )
    admin: Mapped[bool]
    team: Mapped[Team] = relationship(back_populates="members")


class Staff(Base):
    __tablename__ = "staff"
    account_id: Mapped[UUID] = mapped_column(primary_key=True)


class Badge(Base):
    __tablename__ = "badges"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key: Mapped[UUID] = mapped_column(default=uuid4)


class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[UUID]
    team_id: Mapped[int] = mapped_column(sa.ForeignKey("teams.id"))
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("notes.id"))
    badge: Mapped[int]
    stars: Mapped[int]
    public: Mapped[bool]
    team: Mapped[Team] = relationship()
    badges: Mapped[list[Badge]] = relationship(primaryjoin="foreign(Badge.key) == Note.author_id", viewonly=True)
    children: Mapped[list[Note]] = relationship()


sa.orm.configure_mappers()
CATALOG = build_catalog(Base)
Says = Callable[[Any], Any]
OTHER = aliased(Note)
MINE = Member.account_id == sa.bindparam("mine", UUID(int=1))


def _told(says: Says) -> list[str]:
    rules = compile_rules([allow("read", "update", Note)(says)], CATALOG)
    return [told for told in findings_of((), rules, (CATALOG,), {}, ()) if told.startswith("[BST-W05")]


NOTHING = "that says nothing of the row of notes that is judged: it is true for all rows or for none."
ANY = "that asks for any row of notes, and not for the one that is judged: it is true for all rows or for none."
ONE = (
    "that says nothing, in one of its alternatives, of the row of notes that is judged: it is true for all rows or for"
    " none."
)
WRITE = "Write .correlate(None) behind it if that is meant; else"
GIVE = "Give that one an exists() of its own, with .correlate(None), if that is meant; else"
TEAM = "compare members.team_id with notes.team_id."
UNLINKED: list[tuple[Says, str, str, str]] = [
    (lambda me: exists().where(Member.account_id == me.id), "members", NOTHING, f"{WRITE} {TEAM}"),
    (lambda me: ~exists().where(Member.account_id == me.id), "members", NOTHING, f"{WRITE} {TEAM}"),
    (lambda me: exists(select(Member.id)), "members", NOTHING, f"{WRITE} {TEAM}"),
    (lambda me: Note.public & exists().where(Member.account_id == me.id), "members", NOTHING, f"{WRITE} {TEAM}"),
    (lambda me: Note.public | exists().where(Member.account_id == me.id), "members", NOTHING, f"{WRITE} {TEAM}"),
    (
        lambda me: ~(Note.public & exists().where(Member.account_id == me.id)),
        "members",
        NOTHING,
        f"{WRITE} {TEAM}",
    ),
    (
        lambda me: select(Member.admin).where(Member.account_id == me.id).scalar_subquery(),
        "members",
        NOTHING,
        f"{WRITE} {TEAM}",
    ),
    (
        lambda me: select(func.count(Member.id)).where(Member.account_id == me.id).scalar_subquery() > 0,
        "members",
        NOTHING,
        f"{WRITE} {TEAM}",
    ),
    (
        lambda me: exists(
            select(Member.id).join(Note, Note.team_id == Member.team_id).where(Member.account_id == me.id)
        ),
        "members",
        NOTHING,
        f"{WRITE} {TEAM}",
    ),
    (
        lambda me: exists(select(Member.id).join(Team).where(Member.account_id == me.id)),
        "members and teams",
        NOTHING,
        f"{WRITE} {TEAM}",
    ),
    (
        lambda me: exists().where(or_(Member.team_id == Note.team_id, Member.account_id == me.id)),
        "members",
        ONE,
        f"{GIVE} {TEAM}",
    ),
    (
        lambda me: exists(
            union(select(Member.id).where(Member.team_id == Note.team_id), select(Member.id).where(Member.admin))
        ),
        "members",
        NOTHING,
        f"{WRITE} {TEAM}",
    ),
    (
        lambda me: exists().where(Staff.account_id == me.id),
        "staff",
        NOTHING,
        f"{WRITE} compare it with a column of notes.",
    ),
    (
        lambda me: me.id.in_(select(Staff.account_id)),
        "staff",
        NOTHING,
        f"{WRITE} compare it with a column of notes.",
    ),
    (
        lambda me: sa.case((exists().where(Staff.account_id == me.id), True), else_=Note.public),
        "staff",
        NOTHING,
        f"{WRITE} compare it with a column of notes.",
    ),
    (
        lambda me: sa.case((Note.public, True), else_=exists().where(Staff.account_id == me.id)),
        "staff",
        NOTHING,
        f"{WRITE} compare it with a column of notes.",
    ),
    (
        lambda me: exists(select(Note.id).where(Note.author_id == me.id)),
        "notes",
        ANY,
        f"{WRITE} leave the subquery out.",
    ),
    (lambda me: exists().where(Note.author_id == me.id), "notes", ANY, f"{WRITE} leave the subquery out."),
    (lambda me: exists().where(Note.parent_id == Note.id), "notes", ANY, f"{WRITE} leave the subquery out."),
    (lambda me: exists().where(OTHER.author_id == me.id), "notes", ANY, f"{WRITE} leave the subquery out."),
]


@pytest.mark.parametrize(("says", "on", "seen", "advice"), UNLINKED, ids=range(len(UNLINKED)))
def test_a_subquery_that_says_nothing_of_the_row(says: Says, on: str, seen: str, advice: str) -> None:
    """P1, P2: it opens all rows to whoever finds one elsewhere; one finding, with what to write."""
    (found,) = _told(says)
    before, _, told = found.partition(": ")
    assert f"the policy <lambda> has a subquery on {on} {seen}  {advice}" == told
    assert before.startswith("[BST-W053] ")
    assert "test_link.py:" in before


#: What says of itself that it is meant, and what is about the row.
LINKED: list[Says] = [
    lambda me: exists().where(Member.account_id == me.id).correlate(None),
    lambda me: exists(select(Member.id).where(Member.account_id == me.id).correlate(None)),
    lambda me: me.id.in_(select(Staff.account_id).correlate(None)),
    lambda me: Note.public | select(Member.admin).where(Member.account_id == me.id).correlate(None).scalar_subquery(),
    lambda me: True,
    lambda me: Note.public | me.has_role("staff"),
    lambda me: Note.public & exists().where(Staff.account_id == me.id),
    lambda me: Note.public & ~exists().where(Staff.account_id == me.id),
    lambda me: ~(Note.public | exists().where(Staff.account_id == me.id)),
    lambda me: sa.case((exists().where(Staff.account_id == me.id), Note.public), else_=Note.author_id == me.id),
    lambda me: exists().where(Member.team_id == Note.team_id, Member.account_id == me.id),
    lambda me: exists().where(Member.team_id == Note.team_id, or_(Member.account_id == me.id, Member.admin)),
    lambda me: exists().where(Staff.account_id == me.id, Member.account_id == me.id, Member.team_id == Note.team_id),
    lambda me: exists().where(Staff.account_id == Note.author_id),
    lambda me: Note.team_id.in_(select(Member.team_id).where(Member.account_id == me.id)),
    lambda me: Note.team_id.in_(select(Team.id).join(Team.members).where(Member.account_id == me.id)),
    lambda me: Note.id.in_(select(Note.id).where(Note.author_id == me.id)),
    lambda me: Note.parent_id.in_(select(Note.id).where(Note.author_id == me.id)),
    lambda me: exists().where(OTHER.id == Note.parent_id, OTHER.author_id == me.id),
    lambda me: Note.stars <= select(func.count(Member.id)).where(Member.account_id == me.id).scalar_subquery(),
    lambda me: (
        (Note.author_id == me.id) & (select(func.count(OTHER.id)).where(OTHER.author_id == me.id).scalar_subquery() < 5)
    ),
    lambda me: Note.public & exists().where(Member.team_id == 7, Member.account_id == me.id),
    lambda me: Note.team.has(Team.members.any(Member.account_id == me.id)),
    lambda me: Note.team.has(id=3),
    lambda me: exists(select(sa.literal(1)).where(me.role == "staff")),
    lambda me: exists(
        select((e := func.json_each(Note.stars).table_valued("value")).c.value).where(e.c.value == me.role)
    ),
    lambda me: exists(
        select(Member.id, (e := func.json_each(Member.admin).table_valued("value")).c.value).where(
            Member.team_id == Note.team_id, e.c.value == me.role
        )
    ),
    lambda me: exists().where(aliased(Member, select(Member).where(MINE).subquery()).team_id == Note.team_id),
    lambda me: Note.children.any(Note.author_id == me.id),
    lambda me: Note.badges.any(Badge.number == 7),
    lambda me: exists().where(Badge.key == Note.author_id),
    lambda me: exists().where(Badge.number == Note.badge),
    lambda me: exists().where(Badge.number == Note.id),
    lambda me: exists(
        select(Member.id).where(
            Member.account_id == me.id,
            exists(select(Team.id).where(Team.id == Member.team_id, Team.id == Note.team_id).correlate(Member, Note)),
        )
    ),
    lambda me: exists(
        select(Member.id).where(
            Member.team_id == Note.team_id,
            exists(select(Staff.account_id).where(Staff.account_id == me.id, Member.admin)),
        )
    ),
    lambda me: Note.team_id.in_(
        union(select(Member.team_id).where(Member.account_id == me.id), select(Team.id).where(Team.id == 7))
    ),
]


@pytest.mark.parametrize("says", LINKED, ids=range(len(LINKED)))
def test_a_subquery_that_is_meant(says: Says) -> None:
    """P1, P2: nothing is told of it."""
    assert [] == _told(says)


LIKE = "if it is meant, declare it by ForeignKey() or relationship()."
TEAMS = f"Compare it with notes.team_id; {LIKE}"
UNLIKE: list[tuple[Says, str, str]] = [
    (lambda me: exists().where(Member.team_id == Note.id, MINE), "members.team_id with notes.id", TEAMS),
    (lambda me: exists().where(Note.id == Member.team_id, MINE), "notes.id with members.team_id", TEAMS),
    (lambda me: Note.id.in_(select(Member.team_id).where(MINE)), "notes.id with members.team_id", TEAMS),
    (lambda me: Note.id.not_in(select(Member.team_id)), "notes.id with members.team_id", TEAMS),
    (
        lambda me: Note.id != select(Member.team_id).where(MINE).scalar_subquery(),
        "notes.id with members.team_id",
        TEAMS,
    ),
    (
        lambda me: tuple_(Note.stars, Note.id).in_(select(Member.id, Member.team_id)),
        "notes.id with members.team_id",
        TEAMS,
    ),
    (
        lambda me: exists().where(tuple_(Member.id, Member.team_id) == tuple_(Note.stars, Note.id)),
        "members.team_id with notes.id",
        TEAMS,
    ),
    (
        lambda me: exists(select(m := select(Member.team_id.label("t")).subquery()).where(m.c.t == Note.parent_id)),
        "a subquery.t with notes.parent_id",
        TEAMS,
    ),
    (lambda me: exists().where(Note.team_id == Member.id), "notes.team_id with members.id", f"Compare keys; {LIKE}"),
    (lambda me: exists().where(Member.id == Note.id), "members.id with notes.id", f"Compare keys; {LIKE}"),
    # Of a table that is no model, its foreign key says enough.
    (
        lambda me: exists().where(Member.place_id == Note.id, MINE),
        "members.place_id with notes.id",
        f"Compare keys; {LIKE}",
    ),
    (lambda me: Note.team_id == Note.parent_id, "notes.team_id with notes.parent_id", TEAMS),
    (
        lambda me: exists().where(table("members", column("team_id")).c.team_id == Note.id),
        "members.team_id with notes.id",
        TEAMS,
    ),
]


@pytest.mark.parametrize(("says", "seen", "advice"), UNLIKE, ids=range(len(UNLIKE)))
def test_keys_of_different_things(says: Says, seen: str, advice: str) -> None:
    """P1, P2: two numbers, of which foreign keys say that they are not of the same; one finding."""
    (found,) = _told(says)
    before, _, told = found.partition(": ")
    advice = advice.replace("Compare keys", "Compare columns of one key")
    assert (
        f"the policy <lambda> compares {seen}, and no foreign key says that these are the same thing.  {advice}" == told
    )
    assert before.startswith("[BST-W054] ")


SAME: list[tuple[Says, str, str]] = [
    (lambda me: exists().where(Member.team_id == Member.team_id, MINE), "members.team_id", "notes.team_id"),
    (lambda me: exists().where(Member.admin != Member.admin), "members.admin", "a column of another row"),
    (lambda me: Note.id == Note.id, "notes.id", "a column of another row"),
    (lambda me: Note.public & (Note.stars >= Note.stars), "notes.stars", "a column of another row"),
    (lambda me: Note.stars.between(Note.stars, 5), "notes.stars", "a column of another row"),
    (lambda me: Note.stars.in_([1, Note.stars]), "notes.stars", "a column of another row"),
    (lambda me: Note.stars.is_distinct_from(Note.stars), "notes.stars", "a column of another row"),
    (lambda me: exists().where(OTHER.id == OTHER.id), "notes.id", "a column of another row"),
    (lambda me: Note.team.has(Team.id == Team.id), "teams.id", "notes.id"),
]


@pytest.mark.parametrize(("says", "seen", "near"), SAME, ids=range(len(SAME)))
def test_a_column_and_itself(says: Says, seen: str, near: str) -> None:
    """P1: BST-E053; nobody means that."""
    with pytest.raises(ConfigError, match=r"test_link\.py:\d+: the policy <lambda> ") as refused:
        _told(says)
    fault = refused.value
    assert fault.message.endswith(f": the policy <lambda> compares {seen} with itself, which says nothing")
    assert (
        "BST-E053",
        f"Compare it with {near}; another row of {seen.partition('.')[0]} is one of aliased(), and .is_not(None) asks"
        " whether there is a value.",
    ) == (fault.code, fault.hint)


@pytest.mark.parametrize(
    "says", [lambda me: me.id == me.id, lambda me: ~(me.claim("a") != me.claim("a")) & Note.public]
)
def test_a_value_of_me_and_itself(says: Says) -> None:
    """P1: BST-E053; it would be true for everybody who has one."""
    with pytest.raises(ConfigError, match=r"compares me\.\S+ with itself, which says nothing") as refused:
        _told(says)
    assert ("BST-E053", "Compare it with a column of notes.") == (refused.value.code, refused.value.hint)


PRODUCTS: list[tuple[Says, str]] = [
    (lambda me: exists().where(Member.account_id == me.id, Team.id == Note.team_id), "members and teams"),
    (lambda me: exists(select(Member.id).join(Team, true()).where(Team.id == Note.team_id)), "members and teams"),
    (lambda me: exists(select(Member.id, Staff.account_id)), "members and staff"),
    (lambda me: Note.team_id.in_(select(Team.id).where(Member.account_id == me.id)), "teams and members"),
    (lambda me: Note.public | ~exists().where(Member.admin, OTHER.id == Note.id), "members and notes"),
    (
        lambda me: exists(
            select(Member.id, func.json_each("[]").table_valued("value").c.value).where(Member.team_id == Note.team_id)
        ),
        "members and json_each",
    ),
    (
        lambda me: exists(
            select(Member.id).where(
                Member.team_id == Note.team_id,
                exists(select(Staff.account_id, Badge.key).where(Staff.account_id == Member.account_id)),
            )
        ),
        "staff and badges",
    ),
]


@pytest.mark.parametrize(("says", "seen"), PRODUCTS, ids=range(len(PRODUCTS)))
def test_tables_that_nothing_relates(says: Says, seen: str) -> None:
    """P1: BST-E054; one of them was forgotten to be linked."""
    with pytest.raises(ConfigError, match=r"test_link\.py:\d+: the policy <lambda> ") as refused:
        _told(says)
    fault = refused.value
    assert fault.message.endswith(f" asks for {seen} together, and relates no row of the one to one of the other")
    assert (
        "BST-E054",
        "Compare a column of the one with one of the other, or ask for each by an exists() of its own.",
    ) == (fault.code, fault.hint)


def test_nothing_is_told_of_honest_policies() -> None:
    """P2: neither of the example nor of what plain Python writes."""
    assert [] == [
        told
        for app in (chirp.app, honest("sqlite:///honest.db"))
        for told in findings_of((), app._rules, (app._catalog,), {}, ())
        if not told.startswith("no policy is about")
    ]


def test_the_app_tells_it_once(caplog: pytest.LogCaptureFixture) -> None:
    """P2: as a warning of the start, though the rule is for two actions."""
    with caplog.at_level(logging.WARNING, "backstay"):
        Backstay(models=Base, policies=[allow("read", "update", Note)(lambda me: exists().where(MINE))])
    assert 1 == sum("BST-W053" in record.getMessage() for record in caplog.records)
