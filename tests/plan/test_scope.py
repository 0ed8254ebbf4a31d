"""What exists for a caller: tables, columns, fields, and the relation that a name means."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column, relationship

from backstay import Me, allow
from backstay.catalog import Relation, build_catalog
from backstay.errors import PlanError
from backstay.plan.scope import Scope, find_column, find_field, find_relation, find_table, relation_names
from backstay.policy import Policy, compile_rules, decide


class Base(DeclarativeBase):
    """The models of this file."""


class Team(Base):
    __tablename__ = "teams"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column()


class Person(Base):
    __tablename__ = "people"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column()
    salary: Mapped[int]
    boss_id: Mapped[int] = mapped_column(ForeignKey("people.id", name="people_boss"))
    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id", name="people_team"))
    both: Mapped[str] = column_property(name + "!")


class Membership(Base):
    __tablename__ = "memberships"
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", name="memberships_person"), primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id", name="memberships_team"), primary_key=True)


class Friendship(Base):
    __tablename__ = "friendships"
    one_id: Mapped[int] = mapped_column(ForeignKey("people.id", name="friendships_one"), primary_key=True)
    other_id: Mapped[int] = mapped_column(ForeignKey("people.id", name="friendships_other"), primary_key=True)


class Address(Base):
    __tablename__ = "addresses"
    id: Mapped[int] = mapped_column(primary_key=True)
    city: Mapped[str]


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    buyer_id: Mapped[int] = mapped_column(ForeignKey("people.id", name="orders_buyer"))
    bill_id: Mapped[int] = mapped_column(ForeignKey("addresses.id", name="orders_bill"))
    ship_id: Mapped[int] = mapped_column(ForeignKey("addresses.id", name="orders_ship"))
    invoiced: Mapped[Address] = relationship(foreign_keys=[bill_id])
    shipped: Mapped[Address] = relationship(foreign_keys=[ship_id])


class Parcel(Base):
    """A key of two columns."""

    __tablename__ = "parcels"
    person_id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(primary_key=True)
    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["person_id", "team_id"], ["memberships.person_id", "memberships.team_id"], name="parcels_membership"
        ),
    )


CATALOG = build_catalog(Base)
MODELS: tuple[Any, ...] = (Team, Person, Membership, Friendship, Address, Order, Parcel)


def everyone(me: Me) -> Any:
    return True


def some(me: Me) -> Any:
    return Person.name == "x"


ALL = allow("read", *MODELS)(everyone)


def _scope(*policies: Policy) -> Scope:
    return Scope(CATALOG, compile_rules(policies, CATALOG), ("anon", frozenset(), False))


def _code(scope: Scope, *asked: Any) -> str:
    with pytest.raises(PlanError) as refused:
        find_relation(scope, CATALOG.tables[asked[0]], *asked[1:])
    return refused.value.code


def _told(found: Relation) -> str:
    way = found.junction.table if found.junction else found.constraint
    return f"{found.cardinality} {found.remote} {way}"


FOUND = [
    (("orders", "people", None), "many-to-one people orders_buyer"),
    (("orders", "orders_buyer", None), "many-to-one people orders_buyer"),
    (("orders", "buyer_id", None), "many-to-one people orders_buyer"),
    (("orders", "people", "orders_buyer"), "many-to-one people orders_buyer"),
    (("orders", "people", "buyer_id"), "many-to-one people orders_buyer"),
    (("orders", "people", "id"), "many-to-one people orders_buyer"),
    (("orders", "orders_bill", None), "many-to-one addresses orders_bill"),
    (("orders", "ship_id", None), "many-to-one addresses orders_ship"),
    (("orders", "addresses", "orders_ship"), "many-to-one addresses orders_ship"),
    (("orders", "addresses", "bill_id"), "many-to-one addresses orders_bill"),
    (("orders", "addresses", None, "shipped"), "many-to-one addresses orders_ship"),
    (("orders", "invoiced", None), "many-to-one addresses orders_bill"),
    (("people", "orders", None), "one-to-many orders orders_buyer"),
    (("people", "orders", "buyer_id"), "one-to-many orders orders_buyer"),
    (("people", "orders_buyer", None), "one-to-many orders orders_buyer"),
    (("addresses", "orders", "ship_id"), "one-to-many orders orders_ship"),
    (("people", "teams", "people_team"), "many-to-one teams people_team"),
    (("people", "teams", "memberships"), "many-to-many teams memberships"),
    (("people", "team_id", None), "many-to-one teams people_team"),
    (("people", "people", None), "one-to-many people people_boss"),
    (("people", "boss_id", None), "many-to-one people people_boss"),
    (("people", "people", "people_boss"), "one-to-many people people_boss"),
    (("people", "people", "boss_id"), "one-to-many people people_boss"),
    (("people", "people", "other_id"), "many-to-many people friendships"),
    (("people", "people", "friendships_one"), "many-to-many people friendships"),
    (("people", "memberships", None), "one-to-many memberships memberships_person"),
    (("parcels", "memberships", None), "one-to-one memberships parcels_membership"),
    (("parcels", "parcels_membership", None), "one-to-one memberships parcels_membership"),
]


@pytest.mark.parametrize(("asked", "told"), FOUND)
def test_what_a_relation_is_called(asked: tuple[Any, ...], told: str) -> None:
    """By table, constraint, column, attribute or alias; a hint settles which of several."""
    assert told == _told(find_relation(_scope(ALL), CATALOG.tables[asked[0]], *asked[1:]))


NOT_FOUND = [
    (("orders", "addresses", None), "PGRST201"),
    (("orders", "addresses", None, "other"), "PGRST201"),
    (("orders", "addresses", "id"), "PGRST201"),
    (("people", "teams", None), "PGRST201"),
    (("people", "people", "friendships"), "PGRST201"),
    (("orders", "teams", None), "PGRST200"),
    (("orders", "people", "orders_bill"), "PGRST200"),
    (("orders", "orders_buyer", "buyer_id"), "PGRST200"),
    (("orders", "invoiced", "bill_id"), "PGRST200"),
    (("people", "people", "nope"), "PGRST200"),
    (("people", "boss_id", "people_boss"), "PGRST200"),
    (("people", "people_boss", None), "PGRST200"),
    (("people", "memberships_person", "person_id"), "PGRST200"),
    (("parcels", "person_id", None), "PGRST200"),
    (("people", "friendships", None), "PGRST201"),
    (("orders", "nope", None), "PGRST200"),
]


@pytest.mark.parametrize(("asked", "code"), NOT_FOUND)
def test_what_no_relation_is_called(asked: tuple[Any, ...], code: str) -> None:
    """None, or several of which nothing says which is meant."""
    assert code == _code(_scope(ALL), *asked)


def test_several_relations_are_told() -> None:
    """PGRST201 lists them with the names that settle it, as PostgREST does."""
    with pytest.raises(PlanError) as refused:
        find_relation(_scope(ALL), CATALOG.tables["people"], "teams", None)
    assert [
        ("many-to-one", "people with teams", "people_team using people(team_id) and teams(id)"),
        (
            "many-to-many",
            "people with teams",
            "memberships using memberships_person(person_id) and memberships_team(team_id)",
        ),
    ] == [(each["cardinality"], each["embedding"], each["relationship"]) for each in refused.value.details]  # type: ignore[union-attr,index]
    assert "'teams!people_team', 'teams!memberships'" in (refused.value.hint or "")


HIDING: list[tuple[Any, list[str] | None, tuple[Any, ...]]] = [
    (Team, None, ("people", "teams", "people_team")),
    (Team, ["name"], ("people", "teams", "people_team")),
    (Person, ["id", "name"], ("people", "teams", "people_team")),
    (Person, ["team_id", "name"], ("people", "orders", None)),
    (Membership, None, ("people", "teams", "memberships")),
    (Membership, ["person_id"], ("people", "teams", "memberships")),
    (Membership, ["team_id"], ("people", "teams", "memberships")),
    (Order, ["id"], ("people", "orders", None)),
    (Friendship, ["one_id"], ("people", "people", "other_id")),
]


@pytest.mark.parametrize(("model", "columns", "asked"), HIDING)
def test_a_relation_needs_every_key_on_its_way(model: Any, columns: list[str] | None, asked: tuple[Any, ...]) -> None:
    """AC10: where an end, the junction or a key of either is hidden, there is no relation."""
    others = allow("read", *(each for each in MODELS if each is not model))(everyone)
    whole = allow("read", model)(everyone)
    find_relation(_scope(others, whole), CATALOG.tables[asked[0]], *asked[1:])
    narrow = () if columns is None else (allow("read", model, columns=columns)(everyone),)
    assert "PGRST200" == _code(_scope(others, *narrow), *asked)


def test_names_of_relations() -> None:
    """Every name that could find one: visible or not, so that none of them is a column's too."""
    assert {"people", "orders_buyer", "buyer_id", "addresses", "orders_bill", "bill_id", "invoiced"} <= relation_names(
        CATALOG.tables["orders"]
    )
    assert {"memberships", "parcels_membership"} == relation_names(CATALOG.tables["parcels"])


HINTS = [
    (("orders", "peple", None), "Perhaps you meant 'people' instead of 'peple'."),
    (("orders", "zzzzzz", None), None),
    (("orders", "people", "nope"), None),
    (("people", "order", None), "Perhaps you meant 'orders' instead of 'order'."),
]


@pytest.mark.parametrize(("asked", "hint"), HINTS)
def test_what_was_perhaps_meant(asked: tuple[Any, ...], hint: str | None) -> None:
    """AC12: said to those who see everything, and to nobody else."""
    hints = []
    for policy in (ALL, allow("read", *MODELS[:1], *MODELS[2:])(everyone)):
        narrowed = () if policy is ALL else (allow("read", Person)(some),)
        with pytest.raises(PlanError) as refused:
            find_relation(_scope(policy, *narrowed), CATALOG.tables[asked[0]], *asked[1:])
        hints.append(refused.value.hint)
    assert [hint, None] == hints


def test_a_table_exists_for_whom_any_action_is_open() -> None:
    """AC12, PGRST205: reading, creating, updating or deleting; a hint for those who see everything."""
    for action in ("read", "create", "update", "delete"):
        assert "people" == find_table(_scope(allow(action, Person)(some)), "people").name
    for policies, name, hint in (
        ((), "people", None),
        ((ALL,), "peopl", "Perhaps you meant the table 'public.people'"),
        ((ALL,), "zzzz", None),
        ((allow("read", Person)(everyone),), "peopl", None),
    ):
        with pytest.raises(PlanError) as refused:
            find_table(_scope(*policies), name)
        assert ("PGRST205", hint) == (refused.value.code, refused.value.hint)


def test_columns_and_fields_need_a_rule() -> None:
    """AC12, 42703: hidden and missing look alike; a hint where it was asked for, and the name that errors use."""
    table = CATALOG.tables["people"]
    scope = _scope(allow("read", Person, columns=["id", "name"])(everyone))
    grant = scope.grant("read", table)
    assert ["name", "both"] == [find_field(scope, table, grant, name).name for name in ("name", "both")]
    for name, hinting, hint in (
        ("salary", False, None),
        ("nam", False, None),
        ("nam", True, 'Perhaps you meant to reference the column "people.name".'),
    ):
        for find in (
            lambda name=name, hinting=hinting: find_column(table, grant, name, hinting=hinting),
            lambda name=name, hinting=hinting: find_field(scope, table, grant, name, hinting=hinting),
        ):
            with pytest.raises(PlanError) as refused:
                find()
            assert ("42703", f"column people.{name} does not exist", hint) == (
                refused.value.code,
                refused.value.message,
                refused.value.hint,
            )
    with pytest.raises(PlanError, match=r"column people_1\.both does not exist"):
        hidden = _scope(allow("read", Person, columns=["id"])(everyone))
        find_field(hidden, table, hidden.grant("read", table), "both", "people_1")


def test_everything_is_every_row_of_every_table() -> None:
    """AC12: one table with a condition, or without a rule, or with a hidden column, is not everything."""
    rest = allow("read", *(each for each in MODELS if each is not Person))(everyone)
    found = [
        _scope(*policies).sees_everything
        for policies in (
            (ALL,),
            (rest,),
            (rest, allow("read", Person)(some)),
            (rest, allow("read", Person, columns=["id"])(everyone)),
            (rest, allow("update", Person)(everyone)),
            (rest, allow("read", Person)(some), allow("read", Person)(everyone)),
        )
    ]
    assert [True, False, False, False, False, True] == found


def test_a_grant_is_folded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """S11: a plan asks for the grants of its tables again and again, and an app has a thousand rules to fold."""
    asked: list[tuple[str, str]] = []

    def counted(rules: Any, who: Any, action: Any, table: Any) -> Any:
        asked.append((action, table.name))
        return decide(rules, who, action, table)

    monkeypatch.setattr("backstay.plan.scope.decide", counted)
    scope = _scope(ALL)
    people = scope.catalog.tables["people"]
    for _ in range(3):
        find_table(scope, "people")
        find_relation(scope, people, "teams", "people_team")
        assert scope.grant("read", people) is scope.grant("read", people)
        assert scope.grant("update", people) is not scope.grant("read", people)
        assert scope.sees_everything
    assert len(asked) == len(set(asked))
