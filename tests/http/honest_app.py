"""Policies that use plain Python as authors do, each on a table of its own, with its oracle in plain Python."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial, reduce
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    InstrumentedAttribute,
    Mapped,
    aliased,
    declared_attr,
    foreign,
    mapped_column,
    relationship,
)

from backstay import Backstay, Caller, Settings, allow
from tests.http import honest_words
from tests.http.honest_words import TEAM, Base, Kind, Mark, Shelf
from tests.http.shop_app import SECRET

Row = Mapping[str, Any]
#: The rule for (row, the caller's id, its role, the marks of the caller).
Judge = Callable[[Row, "int | None", str, "frozenset[int]"], Any]

#: What an operator may set.
OPEN: Final[bool] = False
SHUT: Final[bool] = True
MODE: Final = "stars"
LEAST: Final[int | None] = 2
TEAMS: Final = ("red", "blue")
FLAGS: Final = ["public", "pinned"]
LEVELS: Final = {"anon": 1, "authenticated": 3}


class Kept:
    """The columns of every table here."""

    id: Mapped[int] = mapped_column(primary_key=True)
    author: Mapped[int | None]
    team: Mapped[str | None]
    stars: Mapped[int]
    public: Mapped[bool]
    pinned: Mapped[bool | None]
    price: Mapped[Decimal] = mapped_column(sa.Numeric(10, 2))
    at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))
    kind: Mapped[Kind]
    shelf_id: Mapped[int] = mapped_column(sa.ForeignKey("shelves.id"))

    @declared_attr
    @classmethod
    def shelf(cls) -> Mapped[Shelf]:
        return relationship()

    @declared_attr
    @classmethod
    def marks(cls) -> Mapped[list[Mark]]:
        return relationship(primaryjoin=lambda: foreign(Mark.row) == cls.id, viewonly=True)

    @hybrid_property
    def loved(self) -> Any:
        return self.stars > 2


@dataclass(frozen=True)
class Honest:
    """What a policy returns for (model, me), and who may see a row."""

    sql: Callable[[Any, Any], Any]
    judge: Judge

    @property
    def name(self) -> str:
        return self.sql.__name__


HONEST: Final[list[Honest]] = []


def honest(judge: Judge) -> Callable[[Callable[[Any, Any], Any]], Honest]:
    def add(sql: Callable[[Any, Any], Any]) -> Honest:
        HONEST.append(Honest(sql, judge))
        return HONEST[-1]

    return add


def _mine(m: Any, me: Any) -> Any:
    return m.author == me.id


def _either(*conditions: Any, least: int | None = None) -> Any:
    if least is None:
        return sa.or_(*conditions)
    return sa.or_(*conditions, conditions[0]) if least > 9 else reduce(operator.or_, conditions)


def _same(column: Any, value: Any) -> Any:
    """Helpers tell expressions from values."""
    if value is None:
        return column.is_(None)
    if isinstance(value, list | tuple):
        return column.in_(value)
    return column == value


@honest(lambda row, who, role, marks: row["public"])
def a_column(m: Any, me: Any) -> Any:
    return m.public


@honest(lambda row, who, role, marks: not row["public"])
def a_negation(m: Any, me: Any) -> Any:
    return ~m.public


@honest(lambda row, who, role, marks: who is not None and row["author"] == who)
def mine(m: Any, me: Any) -> Any:
    return _mine(m, me)


@honest(lambda row, who, role, marks: who is not None and (row["public"] or row["author"] == who))
def open_or_mine(m: Any, me: Any) -> Any:
    return m.public | (m.author == me.id)


@honest(lambda row, who, role, marks: row["public"])
def a_setting_leaves_it(m: Any, me: Any) -> Any:
    return sa.or_(m.public, OPEN)


@honest(lambda row, who, role, marks: True)
def a_setting_opens_it(m: Any, me: Any) -> Any:
    return sa.or_(m.public, not OPEN)


@honest(lambda row, who, role, marks: False)
def a_setting_shuts_it(m: Any, me: Any) -> Any:
    return sa.and_(m.public, m.stars > 1, not SHUT)


@honest(lambda row, who, role, marks: row["public"])
def a_branch_of_settings(m: Any, me: Any) -> Any:
    if OPEN or not SHUT:
        return True
    return m.public


@honest(lambda row, who, role, marks: row["stars"] >= 2)
def a_setting_may_be_none(m: Any, me: Any) -> Any:
    return m.stars >= LEAST if LEAST is not None else True


@honest(lambda row, who, role, marks: row["stars"] == 3)
def a_match_of_settings(m: Any, me: Any) -> Any:
    match MODE:
        case "public":
            return m.public
        case str() if MODE:
            return m.stars == 3
    return False


@honest(lambda row, who, role, marks: row["stars"] == 3)
def a_dict_of_functions(m: Any, me: Any) -> Any:
    return {"public": lambda: m.public, "stars": lambda: m.stars == 3}[MODE]()


@honest(lambda row, who, role, marks: row["team"] in TEAMS)
def a_list(m: Any, me: Any) -> Any:
    return m.team.in_(TEAMS)


@honest(lambda row, who, role, marks: row["team"] in TEAMS)
def a_loop(m: Any, me: Any) -> Any:
    found = sa.false()
    for team in TEAMS:
        found |= m.team == team
    return found


@honest(lambda row, who, role, marks: row["team"] in TEAMS)
def a_comprehension(m: Any, me: Any) -> Any:
    return sa.or_(*[m.team == team for team in TEAMS if team is not None])


@honest(lambda row, who, role, marks: row["public"] or row["pinned"])
def attributes_by_name(m: Any, me: Any) -> Any:
    return sa.or_(*(getattr(m, name) for name in FLAGS))


@honest(lambda row, who, role, marks: row["public"] or row["pinned"])
def columns_by_name(m: Any, me: Any) -> Any:
    table = m.__table__
    return sa.or_(*(table.c[name].is_(True) for name in FLAGS if name in table.c))


@honest(lambda row, who, role, marks: row["public"] and row["stars"] > 1)
def a_walrus(m: Any, me: Any) -> Any:
    return (least := LEVELS["anon"]) and (m.public & (m.stars > least))


@honest(lambda row, who, role, marks: row["public"] and row["stars"] > 1)
def a_reduction(m: Any, me: Any) -> Any:
    return reduce(operator.and_, [m.public, m.stars > LEVELS["anon"]])


@honest(lambda row, who, role, marks: row["public"] or row["stars"] > 3)
def a_helper_with_defaults(m: Any, me: Any) -> Any:
    return _either(m.public, m.stars > 3, least=LEAST)


@honest(lambda row, who, role, marks: row["team"] is None)
def a_helper_of_values(m: Any, me: Any) -> Any:
    return _same(m.team, None)


@honest(lambda row, who, role, marks: row["team"] in TEAMS)
def a_helper_of_lists(m: Any, me: Any) -> Any:
    return _same(m.team, TEAMS)


@honest(lambda row, who, role, marks: row["stars"] == 1)
def an_expression_is_told(m: Any, me: Any) -> Any:
    given = [m.stars == 1, True]
    return sa.and_(*(each for each in given if not isinstance(each, bool)))


@honest(lambda row, who, role, marks: row["public"])
def an_attribute_is_told(m: Any, me: Any) -> Any:
    return m.public if isinstance(m.public, InstrumentedAttribute | sa.ColumnElement) else sa.true()


@honest(lambda row, who, role, marks: row["public"])
def what_offers_is(m: Any, me: Any) -> Any:
    return m.public.is_(True) if hasattr(m.public, "is_") else sa.literal(m.public)


@honest(lambda row, who, role, marks: row["stars"] > 2)
def an_operator_by_name(m: Any, me: Any) -> Any:
    return getattr(m.stars, "__gt__")(2)  # noqa: B009 - it comes out of a setting


@honest(lambda row, who, role, marks: row["public"])
def a_caller_is_told(m: Any, me: Any) -> Any:
    return sa.false() if isinstance(me, Caller) else m.public


@honest(lambda row, who, role, marks: row["stars"] > 2)
def a_hybrid(m: Any, me: Any) -> Any:
    return m.loved


@honest(lambda row, who, role, marks: row["id"] in marks)
def a_subquery(m: Any, me: Any) -> Any:
    return sa.exists().where(Mark.row == m.id, Mark.who == me.id)


@honest(lambda row, who, role, marks: row["id"] in marks)
def a_list_by_a_subquery(m: Any, me: Any) -> Any:
    marked = aliased(Mark)
    return m.id.in_(sa.select(marked.row).where(marked.who == me.id))


@honest(lambda row, who, role, marks: row["id"] in marks)
def a_common_table(m: Any, me: Any) -> Any:
    marked = sa.select(Mark.row).where(Mark.who == me.id).cte()
    return m.id.in_(sa.select(marked.c.row))


@honest(lambda row, who, role, marks: role == "authenticated" or row["public"])
def a_role(m: Any, me: Any) -> Any:
    return (me.role == "authenticated") | m.public


@honest(lambda row, who, role, marks: role == "authenticated" and row["public"])
def a_role_that_is_held(m: Any, me: Any) -> Any:
    ask = me.has_role
    return ask("authenticated") & m.public


@honest(lambda row, who, role, marks: row["stars"] <= LEVELS.get(role, 0))
def a_level_for_each_role(m: Any, me: Any) -> Any:
    return m.stars <= sa.case(*((me.role == role, level) for role, level in LEVELS.items()), else_=0)


@honest(lambda row, who, role, marks: row["team"] == "red" and row["public"])
def a_text_made_of_settings(m: Any, me: Any) -> Any:
    return (m.team == f"{TEAMS[0]}".strip()) & m.public


@honest(lambda row, who, role, marks: row["stars"] == 2)
def a_try_over_settings(m: Any, me: Any) -> Any:
    try:
        level = LEVELS["nobody"]
    except KeyError:
        level = 2
    return m.stars == level


@honest(lambda row, who, role, marks: row["pinned"] is None or row["team"] is not None)
def what_is_null(m: Any, me: Any) -> Any:
    return m.pinned.is_(None) | m.team.is_not(None)


@honest(lambda row, who, role, marks: bool(row["pinned"]) != row["public"])
def two_conditions_compared(m: Any, me: Any) -> Any:
    return sa.func.coalesce(m.pinned, sa.false()).is_distinct_from(m.public)


@honest(lambda row, who, role, marks: row["price"] in (Decimal("2.50"), 9))
def numbers_of_two_sorts(m: Any, me: Any) -> Any:
    return m.price.in_([9, Decimal("2.5"), 100.0])


@honest(lambda row, who, role, marks: row["stars"] in (1, 2))
def whole_and_broken_numbers(m: Any, me: Any) -> Any:
    return m.stars.in_([1, Decimal("2")]) | (m.stars == Decimal("0.5"))


@honest(lambda row, who, role, marks: row["at"] == datetime(2024, 1, 1, tzinfo=UTC))
def a_day_for_a_moment(m: Any, me: Any) -> Any:
    return m.at == date(2024, 1, 1)


@honest(lambda row, who, role, marks: row["at"] <= datetime(2024, 1, 1, tzinfo=UTC))
def up_to_a_day(m: Any, me: Any) -> Any:
    return (m.at <= date(2024, 1, 1)) & ~m.at.between(date(2030, 1, 1), datetime(2031, 1, 1, tzinfo=UTC))


@honest(lambda row, who, role, marks: SHELVES[row["shelf_id"] - 1]["open"])
def a_relationship_with_a_flag(m: Any, me: Any) -> Any:
    return m.shelf.has(open=True)


@honest(lambda row, who, role, marks: who is not None and SHELVES[row["shelf_id"] - 1]["owner"] == who)
def a_relationship_of_mine(m: Any, me: Any) -> Any:
    return m.shelf.has(Shelf.owner == me.id)


@honest(lambda row, who, role, marks: row["id"] in marks)
def a_list_with_mine(m: Any, me: Any) -> Any:
    return m.marks.any(Mark.who == me.id)


@honest(lambda row, who, role, marks: row["id"] in {mark["row"] for mark in MARKS if mark["who"] == 2})
def a_condition_of_another_module(m: Any, me: Any) -> Any:
    return sa.exists().where(Mark.row == m.id, honest_words.OF_BOB)


@honest(lambda row, who, role, marks: row["team"] == "red")
def a_constant_of_another_module(m: Any, me: Any) -> Any:
    return (m.team == TEAM) & (m.team == honest_words.TEAM)


@honest(lambda row, who, role, marks: row["kind"] == "small")
def a_member_of_an_enum(m: Any, me: Any) -> Any:
    return (m.kind == Kind.small) & m.kind.in_(list(Kind))


@honest(lambda row, who, role, marks: row["kind"] == "small" or row["public"])
def a_choice_by_an_enum(m: Any, me: Any) -> Any:
    return sa.case({Kind.small: True, Kind.large: m.public}, value=m.kind, else_=False)


@honest(lambda row, who, role, marks: row["kind"] == ("small" if row["public"] else "large"))
def a_choice_of_an_enum(m: Any, me: Any) -> Any:
    return m.kind == sa.case((m.public, Kind.small), else_=Kind.large)


@honest(lambda row, who, role, marks: row["kind"] == "large")
def a_function_of_an_enum(m: Any, me: Any) -> Any:
    return sa.func.coalesce(m.kind, Kind.small) != Kind.small


@honest(lambda row, who, role, marks: row["public"])
def a_list_that_may_be_empty(m: Any, me: Any) -> Any:
    return sa.or_(sa.false(), *(m.team == team for team in TEAMS if OPEN)) | sa.and_(sa.true(), m.public)


@honest(lambda row, who, role, marks: who is not None and who in {1, 2} and row["stars"] > 1)
def somebody_anywhere(m: Any, me: Any) -> Any:
    return (m.stars > 1) & sa.exists().where(Mark.who == me.id).correlate(None)


@honest(lambda row, who, role, marks: True)
def everything(m: Any, me: Any) -> Any:
    return True


PRICES: Final = (Decimal("2.50"), Decimal("9.00"), Decimal("10.00"))
HOURS: Final = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, 5, tzinfo=UTC), datetime(2023, 5, 5, tzinfo=UTC))


def _row(at: int, author: int | None, team: str | None, pinned: bool | None) -> dict[str, Any]:
    kept = {"kind": ("small", "large")[at % 2], "shelf_id": at % 3 + 1}
    made = kept | {"id": at, "author": author, "team": team, "stars": at % 5, "public": at % 3 == 0, "pinned": pinned}
    return made | {"price": PRICES[at % 3], "at": HOURS[at // 3 % 3]}


ROWS: Final = [
    _row(at, *each)
    for at, each in enumerate(
        ((a, t, p) for a in (1, 2, None) for t in ("red", "blue", "grey", None) for p in (True, False, None)), 1
    )
]
SHELVES: Final = [{"id": at, "open": at % 2 == 1, "owner": at % 2 + 1} for at in (1, 2, 3)]
MARKS: Final = [{"id": at, "row": row, "who": who} for at, (row, who) in enumerate([(1, 1), (5, 1), (5, 2), (9, 2)], 1)]
MODELS: Final = [type(f"Kept{at}", (Kept, Base), {"__tablename__": each.name}) for at, each in enumerate(HONEST)]


@dataclass(frozen=True)
class Bound:
    """A policy that is a method, of an object that knows its table."""

    each: Honest
    model: Any

    def rule(self, me: Any) -> Any:
        return self.each.sql(self.model, me)


def _policy(at: int, each: Honest, model: Any) -> Any:
    """A function, a lambda, a partial function or a method, in turn."""

    def policy(me: Any) -> Any:
        return each.sql(model, me)

    policy.__name__ = f"rule_of_{each.name}"
    forms = (policy, lambda me: each.sql(model, me), partial(each.sql, model), Bound(each, model).rule)
    return allow("read", model)(forms[at % len(forms)])


def app(url: str) -> Backstay:
    policies = [_policy(at, each, model) for at, (each, model) in enumerate(zip(HONEST, MODELS, strict=True))]
    return Backstay(models=Base, policies=policies, settings=Settings(jwt_secret=SECRET, database=url))
