"""S1, S3: which mention of a table is the row that is asked about, and which are rows that a subquery brings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    aliased,
    column_property,
    mapped_column,
    relationship,
    with_loader_criteria,
)

from backstay.catalog.standing import elements, moved, standing, valued
from backstay.errors import ConfigError


class Base(DeclarativeBase):
    pass


class Team(Base):
    __tablename__ = "teams"
    id: Mapped[int] = mapped_column(primary_key=True)
    members: Mapped[list[Member]] = relationship(back_populates="of")


class Member(Base):
    __tablename__ = "m"
    id: Mapped[int] = mapped_column(primary_key=True)
    team: Mapped[int] = mapped_column(sa.ForeignKey("teams.id"))
    who: Mapped[int]
    of: Mapped[Team] = relationship(back_populates="members")


X, Y = aliased(Member), aliased(Member)
T = Member.__table__
A = T.alias()
Rule = Callable[[], Any]


def _said(expression: Any, source: sa.FromClause) -> str:
    condition = moved(standing(expression, T, "it"), T, source)
    return " ".join(str(sa.select(sa.literal_column("1")).select_from(source).where(condition)).split())


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (lambda: Member.who == 5, "r.who = :who_1"),
        (lambda: sa.exists().where(X.team == Member.team), "EXISTS (SELECT * FROM m AS m_1 WHERE m_1.team = r.team)"),
        (lambda: sa.exists().where(A.c.team == T.c.team), "EXISTS (SELECT * FROM m AS m_1 WHERE m_1.team = r.team)"),
        (lambda: sa.exists().where(T.c.who == 5), "EXISTS (SELECT * FROM m AS m_1 WHERE m_1.who = :who_1)"),
        (lambda: Member.team.in_(sa.select(Member.team)), "r.team IN (SELECT m_1.team FROM m AS m_1)"),
        (lambda: sa.exists(sa.select(Member)), "EXISTS (SELECT m_1.id, m_1.team, m_1.who FROM m AS m_1)"),
        (
            lambda: Member.team.in_(sa.select(Team.id).join(Team.members).where(Member.who == 5)),
            "r.team IN (SELECT teams_1.id FROM teams AS teams_1 JOIN m AS m_1 ON teams_1.id = m_1.team "
            "WHERE m_1.who = :who_1)",
        ),
        (
            lambda: Member.of.has(Team.id == Member.who),
            "EXISTS (SELECT 1 FROM teams AS teams_1 WHERE teams_1.id = r.team AND teams_1.id = r.who)",
        ),
        (
            lambda: Member.of.has(Team.members.any(Member.who == 5)),
            "EXISTS (SELECT 1 FROM teams AS teams_1 WHERE teams_1.id = r.team AND (EXISTS (SELECT 1 FROM m AS m_1 "
            "WHERE teams_1.id = m_1.team AND m_1.who = :who_1)))",
        ),
        (
            lambda: sa.exists(sa.select(X.id).select_from(X, Member).correlate(Member).where(X.team == Member.team)),
            "EXISTS (SELECT m_1.id FROM m AS m_1 WHERE m_1.team = r.team)",
        ),
        (
            lambda: sa.exists(sa.select(X.id).where(sa.exists().where(Y.id == X.id, Y.who == Member.who).correlate(X, Member))),
            "EXISTS (SELECT m_1.id FROM m AS m_1 WHERE EXISTS (SELECT * FROM m AS m_2 "
            "WHERE m_2.id = m_1.id AND m_2.who = r.who))",
        ),
        (
            lambda: Member.who == sa.select(sa.func.max(Member.who)).correlate_except(Member).scalar_subquery(),
            "r.who = (SELECT max(m_1.who) AS max_1 FROM m AS m_1)",
        ),
        (
            lambda: sa.select(sa.func.count()).select_from(Member).scalar_subquery() < Member.who,
            "(SELECT count(*) AS count_1 FROM m AS m_1) < r.who",
        ),
        (
            lambda: Member.team.in_(sa.union(sa.select(Member.team), sa.select(Team.id))),
            "r.team IN (SELECT m_1.team FROM m AS m_1 UNION SELECT teams_1.id FROM teams AS teams_1)",
        ),
        (
            lambda: Member.team.in_(sa.select(sa.select(Member.team.label("q")).subquery().c.q)),
            "r.team IN (SELECT anon_1.q FROM (SELECT m_1.team AS q FROM m AS m_1) AS anon_1)",
        ),
        (
            lambda: sa.exists(
                sa.select(sa.literal_column("1")).select_from(
                    sa.select(X.id).where(X.team == Member.team).correlate(Member).lateral()
                )
            ),
            "EXISTS (SELECT 1 FROM LATERAL (SELECT m_1.id AS id FROM m AS m_1 WHERE m_1.team = r.team) AS anon_1)",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["alias", "function", "derived"])
def test_scope(rule: Rule, expected: str, kind: str) -> None:
    """S1, S3: the row that is asked about moves, to whatever has its columns; what a subquery brings does not."""
    sources: dict[str, Any] = {
        "alias": T.alias("r"),
        "function": sa.func.leak().table_valued("id", "team", "who", name="r"),
        "derived": sa.select(T.alias("q")).distinct().subquery("r"),
    }
    assert _said(rule(), sources[kind]).split(" WHERE ", 1)[1] == expected


def test_common_table() -> None:
    """S1: a common table expression stands in front of everything, and brings its rows there."""
    mine = sa.select(Member.team).where(Member.who == 5).cte("mine")
    said = _said(Member.team.in_(sa.select(mine.c.team)), T.alias("r"))
    assert said.startswith("WITH mine AS (SELECT m_1.team AS team FROM m AS m_1 WHERE m_1.who = :who_1)")
    assert said.endswith("FROM m AS r WHERE r.team IN (SELECT mine.team FROM mine)")


def _tree(joined: bool) -> Any:
    tree = sa.select(Member.id).where(Member.who == 5).cte("tree", recursive=True)
    other = sa.select(Member.id).join(tree, Member.team == tree.c.id)
    return tree.union_all(other if joined else sa.select(X.id).where(X.team == tree.c.id))


@pytest.mark.parametrize("joined", [True, False])
def test_recursion(joined: bool) -> None:
    """S1: a tree of rows, whose common table expression stands in itself and in two places of the rule."""
    tree = _tree(joined)
    rule = Member.id.in_(sa.select(tree.c.id)) | sa.exists().where(tree.c.id == Member.team)
    said = _said(rule, T.alias("r"))
    step = "FROM m AS m_2 JOIN tree ON m_2.team = tree.id" if joined else "FROM m AS m_2, tree WHERE m_2.team = tree.id"
    assert said == (
        "WITH RECURSIVE tree(id) AS (SELECT m_1.id AS id FROM m AS m_1 WHERE m_1.who = :who_1 UNION ALL "
        f"SELECT m_2.id AS id {step}) SELECT 1 FROM m AS r WHERE r.id IN (SELECT tree.id FROM tree) OR "
        "(EXISTS (SELECT * FROM tree WHERE tree.id = r.team))"
    )


def test_twice_in_one_statement() -> None:
    """S1: one rule on two sources of a statement keeps its common table expression one."""
    mine = sa.select(Member.team).where(Member.who == 5).cte("mine")
    rule = standing(Member.team.in_(sa.select(mine.c.team)), T, "it")
    one, two = T.alias("one"), T.alias("two")
    joined = one.join(two, sa.and_(one.c.id == two.c.team, moved(rule, T, two)))
    said = str(sa.select(one.c.id).select_from(joined).where(moved(rule, T, one)))
    assert 1 == said.count("WITH mine AS")
    assert "one.team IN" in said
    assert "two.team IN" in said


def test_nothing_is_captured() -> None:
    """S1: what a rule brings has a name of its own: a statement around it cannot mean its rows."""
    rule = standing(sa.exists().where(Team.id == Member.team), T, "it")
    teams = Team.__table__
    change = sa.update(teams).values(id=1).where(sa.exists().where(T.alias("r").c.team == teams.c.id, rule))
    assert "teams_1.id = m.team" in str(change)


#: What speaks of all the rows that a request happens to find.
# fmt: off
AGGREGATES = (
    "avg", "count", "every", "max", "min", "sum", "total", "bool_and", "bool_or", "bit_and", "bit_or", "bit_xor",
    "array_agg", "string_agg", "xml_agg", "group_concat", "json_agg", "jsonb_agg", "json_object_agg",
    "jsonb_object_agg", "json_group_array", "json_group_object", "stddev", "stddev_pop", "var_samp", "variance",
    "corr", "covar_pop", "regr_slope",
)
# fmt: on


def _asking() -> Any:
    """A common table expression that would ask about the row, from outside of all rows."""
    asked = sa.select(X.id).where(X.team == T.c.team).correlate(T).cte("asked")
    return sa.select(asked.c.id)


@pytest.mark.parametrize(
    "name", ["greatest", "max", "min", "maximum", "sum_of", "counts", "lower", "coalesce", "minute", "bit_length"]
)
def test_what_looks_at_one_row(name: str) -> None:
    """S3: functions of one row's values are no aggregates, and ``max(a, b)`` of SQLite is one of them."""
    assert f"{name}(r.who, r.team) = " in _said(getattr(sa.func, name)(Member.who, Member.team) == 5, T.alias("r"))


def test_columns_may_be_called_as_words_of_sql() -> None:
    """S1: a name is no text of the author's, whatever it says."""
    things = sa.Table("things", sa.MetaData(), *(sa.Column(n, sa.Integer) for n in ("values", "table", "count", "max")))
    for one, other in (("values", "table"), ("count", "max")):
        rule = standing(things.c[one] == things.c[other], things, "it")
        assert f'r.{one} = r."{other}"'.replace('"max"', "max") == str(moved(rule, things, things.alias("r")))


def test_columns_move_by_their_keys_or_names() -> None:
    """A1: whatever a column is called in Python, it moves to the one that has its name in the database."""
    things = sa.Table("things", sa.MetaData(), sa.Column("id", sa.Integer, key="number"), sa.Column("at", sa.Integer))
    rule = standing(things.c.number == things.c.at, things, "it")
    called = sa.func.leak().table_valued("id", "at", name="r")
    assert ["r.id = r.at", "r.id = r.at"] == [str(moved(rule, things, each)) for each in (things.alias("r"), called)]


def _of_teams(value: Any) -> Any:
    return sa.select(value).select_from(Team).correlate(Member).scalar_subquery()


def _asked_of_row() -> Any:
    return sa.select(Team.id).where(Team.id == Member.team).correlate(Member).cte("asked")


def test_aggregates_of_what_is_brought() -> None:
    """S1: one that mentions a row of the subquery is the subquery's, whatever else it mentions."""
    rule = Member.who == _of_teams(sa.func.max(Team.id + Member.who))
    assert _said(rule, T.alias("r")).endswith(
        "WHERE r.who = (SELECT max(teams_1.id + r.who) AS max_1 FROM teams AS teams_1)"
    )


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        (lambda: sa.and_(Team.id == Member.team, Team.id == 5), "BST-E050"),
        (lambda: X.who == 5, "BST-E050"),
        *((lambda name=name: getattr(sa.func, name)(Member.who) == 5, "BST-E050") for name in AGGREGATES),
        (lambda: sa.func.MAX(Member.who) == 5, "BST-E050"),
        (lambda: sa.not_(sa.func.coalesce(sa.func.max(Member.who), 1) == 5), "BST-E050"),
        (lambda: sa.func.count().filter(Member.who == 5) == 1, "BST-E050"),
        (lambda: sa.func.mode().within_group(Member.who) == 1, "BST-E050"),
        (lambda: Member.id.in_(_asking()), "BST-E050"),
        (lambda: sa.func.row_number().over(order_by=Member.id) < 5, "BST-E050"),
        (lambda: sa.table("other", sa.column("a")).c.a == 5, "BST-E050"),
        (lambda: sa.exists(sa.select(X.id).where(sa.exists().where(Y.id == X.id, Y.who == Member.who))), "BST-E050"),
        (lambda: sa.exists(sa.select(Member.id).options(with_loader_criteria(Member, Member.who == 5))), "BST-E050"),
        # An aggregate of nothing but its columns is the statement's around, whose rows a request chooses.
        (lambda: sa.exists(sa.select(Team.id).having(sa.func.max(Member.who) > 3).correlate(Member)), "BST-E050"),
        (lambda: sa.exists(sa.select(Team.id).having(sa.func.count(Member.id + 1) > 3).correlate(Member)), "BST-E050"),
        (lambda: Member.who == _of_teams(sa.func.max(Member.who)), "BST-E050"),
        (lambda: Member.team.in_(sa.select(_asked_of_row().c.id)), "BST-E050"),
        (lambda: sa.text("m.team in (select 1)"), "BST-E051"),
        (lambda: Member.team.in_(sa.text("(SELECT team FROM m)")), "BST-E051"),
        (lambda: sa.literal_column("(select max(id) from m)") == Member.id, "BST-E051"),
    ],
)
def test_refused(rule: Rule, code: str) -> None:
    """S1: what cannot be told apart is refused when the app starts."""
    with pytest.raises(ConfigError) as refused:
        standing(rule(), T, "the policy p")
    assert code == refused.value.code


def test_what_is_left_is_noticed() -> None:
    """A1: a rule that could not be moved as a whole makes no statement."""
    rule = standing(sa.exists().where(X.team == Member.team, Member.who == 5), T, "it")
    with pytest.raises(AssertionError, match="has no column who"):
        moved(rule, T, sa.func.leak().table_valued("id", "team", name="r"))
    assert {"team", "who"} == {e.name for e in elements(rule) if isinstance(e, sa.Column) and e.table is T}
    asked = sa.select(X.id).where(X.team == T.c.team).correlate(T).cte("asked")
    with pytest.raises(AssertionError, match="could not be moved"):
        moved(Member.id.in_(sa.select(asked.c.id)), T, T.alias("r"))
    values = {"team": sa.literal_column("7"), "who": sa.literal_column("8")}
    assert "m_1.team = 7 AND 8 = " in str(valued(rule, T, values))


def test_what_a_column_of_a_model_selects_is_a_subquery_too() -> None:
    """S1: it comes in only where the select of the model is made plain."""

    class Own(DeclarativeBase):
        pass

    class Part(Own):
        __tablename__ = "parts"
        id: Mapped[int] = mapped_column(primary_key=True)
        whole: Mapped[int]

    class Whole(Own):
        __tablename__ = "wholes"
        id: Mapped[int] = mapped_column(primary_key=True)
        over: Mapped[int]

    Whole.many = column_property(  # type: ignore[attr-defined]
        sa.select(sa.func.count(Part.id)).where(Part.whole == Whole.id).scalar_subquery()
    )
    other = aliased(Whole)
    for asked in (
        sa.exists(sa.select(other).where(other.id == Whole.over)),
        sa.select(other).where(other.id == Whole.over).exists(),
    ):
        rows = sa.select(sa.literal_column("1")).where(standing(asked, Whole.__table__, "it"))
        found = " ".join(str(rows.select_from(Whole.__table__)).split())
        assert "parts_1.whole = wholes_1.id) AS " in found, found
        assert "wholes_1.id = wholes.over" in found, found
