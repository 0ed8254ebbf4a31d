"""P1: what databases answer differently is told, with what to write instead."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by, distinct_on
from sqlalchemy.orm import aliased

from backstay.catalog import build_catalog
from backstay.errors import ConfigError
from backstay.policy import allow, compile_rules
from backstay.sql.chosen import chosen
from backstay.sql.misleading import misleading
from backstay.sql.single import several
from backstay.sql.sqlite.alike import unlike
from tests.http.alike_app import Base, Doc, Kind

CATALOG = build_catalog(Base)
other = aliased(Doc)


def said(says: Callable[[Any], Any], judge: Callable[[Any], Any] = unlike) -> str:
    """What is told of a rule: by the policy itself, or by *judge*."""

    def rule(me: Any) -> Any:
        return says(me)

    try:
        (found,) = compile_rules([allow("read", Doc)(rule)], CATALOG)
    except ConfigError as fault:
        return f"{fault.message} {fault.hint}"
    told = judge(found.rows)
    assert told is None or told.hint
    return "nothing" if told is None else told.seen


UNLIKE: list[tuple[Callable[[Any], Any], str]] = [
    # moments
    (lambda me: sa.extract("epoch", Doc.at) > 1, "extract(epoch)"),
    (lambda me: sa.extract("second", Doc.at) > 1, "extract(second)"),
    (lambda me: sa.extract("week", Doc.at) > 1, "extract(week)"),
    (lambda me: sa.extract("hour", Doc.day) > 1, "extract(hour) of a value that is date"),
    (lambda me: sa.extract("year", Doc.hour) > 1, "extract(year) of a value that is time"),
    (lambda me: sa.func.date_trunc("day", Doc.at) == sa.func.now(), "the function date_trunc()"),
    (lambda me: sa.func.date(Doc.at) == Doc.day, "the function date()"),
    (lambda me: sa.func.strftime("%Y", Doc.at) == "2024", "the function strftime()"),
    (lambda me: sa.func.datetime("now") > "2024", "the function datetime()"),
    (lambda me: Doc.hour + timedelta(hours=1) > Doc.hour, "time + interval"),
    (lambda me: Doc.span * 2 > Doc.span, "interval * integer"),
    (lambda me: Doc.day * 2 > Doc.day, "date * integer"),
    (lambda me: Doc.hour < sa.func.current_time(), "current_time()"),
    (lambda me: Doc.span.in_([timedelta(1)]), "a list beside what is computed"),
    (lambda me: Doc.at.in_(sa.select(other.day)), "timestamptz compared with one that is date"),
    # texts
    (lambda me: Doc.name.collate("NOCASE") == "ann", "the collation NOCASE"),
    (lambda me: Doc.name.collate("de_DE") < "ann", "the collation de_DE"),
    (lambda me: Doc.name.regexp_match("^a"), "an operator that means something else"),
    (lambda me: sa.not_(Doc.name.regexp_match("^a")), "an operator that means something else"),
    (lambda me: Doc.name.op("GLOB", is_comparison=True)("a*"), "an operator that means something else"),
    (lambda me: Doc.name.bool_op("~")("a"), "an operator that means something else"),
    (lambda me: Doc.name.match("a"), "an operator that means something else"),
    (lambda me: sa.func.substr(Doc.name, -1) == "x", "a part of a text from elsewhere"),
    (lambda me: sa.func.substr(Doc.name, 0, 2) == "x", "a part of a text from elsewhere"),
    (lambda me: sa.func.substr(Doc.name, Doc.n) == "x", "a part of a text from elsewhere"),
    (lambda me: sa.func.length(Doc.key) == 36, "the length of what is no text"),
    (lambda me: sa.func.length(Doc.n) == 1, "the length of what is no text"),
    (lambda me: sa.func.length(Doc.name) == "3", "integer compared with one that is text"),
    (lambda me: sa.func.lower(Doc.key) == me.claim("sub"), "a value that is uuid as text"),
    (lambda me: sa.func.concat(Doc.name, Doc.n) == "ann1", "a value that is integer as text"),
    (lambda me: Doc.name.concat(Doc.n) == "ann1", "a value that is integer as text"),
    (lambda me: sa.cast(Doc.n, sa.String).concat(Doc.flag) == "11", "a value that is boolean as text"),
    (lambda me: Doc.n.like("1%"), "a value that is integer as text"),
    (lambda me: Doc.key.startswith("0"), "a value that is uuid as text"),
    (lambda me: Doc.kind.startswith("s"), "a value that is an enum as text"),
    (lambda me: sa.func.instr(Doc.name, "a") > 0, "the function instr()"),
    (lambda me: sa.func.position("a", Doc.name) > 0, "the function position()"),
    (lambda me: sa.func.left(Doc.name, 1) == "a", "the function left()"),
    # numbers
    (lambda me: Doc.price // 2 == 1, "numeric // integer"),
    (lambda me: Doc.price % 2 == 1, "numeric % integer"),
    (lambda me: sa.func.round(Doc.price) == 1, "the function round()"),
    (lambda me: sa.func.floor(Doc.weight) == 1, "the function floor()"),
    (lambda me: sa.func.abs(Doc.exact) == 1, "abs() of a value that is numeric"),
    (lambda me: Doc.n > sa.select(sa.func.avg(other.n)).scalar_subquery(), "the function avg()"),
    (lambda me: Doc.price > sa.select(sa.func.sum(other.price)).scalar_subquery(), "the sum of values that are numeric"),
    (lambda me: sa.func.coalesce(Doc.price, 0).in_(sa.select(other.price)), "a list beside what is computed"),
    (lambda me: sa.func.coalesce(Doc.big, 0.5) > 1, "values of several kinds, float and integer, as one"),
    (lambda me: sa.case((Doc.flag, Doc.big), else_=Doc.weight) > 1, "values of several kinds, float and integer"),
    (lambda me: sa.func.coalesce(Doc.exact, Doc.weight) == 1, "values of several kinds, float and numeric, as one"),
    (lambda me: sa.func.coalesce(Doc.weight, Decimal("0.1")) == 1, "values of several kinds, float and numeric"),
    (lambda me: Doc.big.in_(sa.select(other.weight)), "integer compared with one that is float"),
    (lambda me: Doc.n.bitwise_and(1) == 1, "an operator that means something else"),
    (lambda me: sa.func.greatest(Doc.n, 1) == 1, "the function greatest()"),
    (lambda me: sa.func.max(Doc.n, 1) == 1, "max() of several values"),
    (lambda me: sa.func.random() > 0, "the function random()"),
    (lambda me: sa.func.pow(Doc.n, 2) > 0, "the function pow()"),
    (lambda me: sa.func.no_such(Doc.n), "the function no_such()"),
    (lambda me: sa.func.pg_catalog.lower(Doc.name) == "a", "the function lower()"),
    (lambda me: sa.extract("year", Doc.at) // 1000 == 2, "numeric // integer"),
    (lambda me: sa.func.coalesce(sa.extract("year", Doc.at), 0) % 2 == 0, "numeric % integer"),
    (lambda me: sa.select(sa.func.sum(other.big)).scalar_subquery() // 2 == Doc.n, "numeric // integer"),
    # sets
    (lambda me: Doc.price.in_(sa.intersect(sa.select(other.price), sa.select(other.exact))), "a set of values of several"),
    (lambda me: Doc.exact.in_(sa.except_(sa.select(other.exact), sa.select(other.price))), "a set of values of several"),
    (lambda me: Doc.at.in_(sa.union(sa.select(other.at), sa.select(other.local))), "values of several kinds"),
    (lambda me: Doc.exact.in_(sa.union(sa.select(other.exact), sa.select(other.exact * 2))), "computed told apart by"),
    (lambda me: Doc.exact.in_(sa.select(other.exact * 2).distinct()), "computed told apart by"),
    (lambda me: sa.exists(sa.select(sa.func.count()).group_by(other.exact * 2)), "computed told apart by"),
    (lambda me: sa.exists(sa.select(sa.func.count()).group_by(other.span)), "values that are interval told apart by"),
    (lambda me: sa.select(sa.func.count(sa.distinct(other.span))).scalar_subquery() > 1, "interval told apart by"),
    # booleans
    (lambda me: (-Doc.flag).is_(None), "minus a value that is boolean"),
    (lambda me: sa.func.abs(Doc.flag) == 1, "abs() of a value that is boolean"),
    (lambda me: (Doc.flag * Doc.n).is_(None), "boolean * integer"),
    (lambda me: sa.func.coalesce(Doc.flag, 0).is_(True), "values of several kinds, boolean and integer, as one"),
    (lambda me: Doc.n.is_(7), "is_() of another value"),
    (lambda me: Doc.data[me.claim("org")].as_string() == "x", "a key of JSON that is no constant"),
    # casts
    (lambda me: sa.cast(Doc.name, sa.String(2)) == "an", "text cast to VARCHAR(2)"),
    (lambda me: sa.cast(Doc.weight, sa.String) == "0.1", "float cast to VARCHAR"),
    (lambda me: sa.cast(Doc.at, sa.String) == "2024", "timestamptz cast to VARCHAR"),
    (lambda me: sa.cast(Doc.price, sa.Numeric(10, 1)) == 1, "numeric cast to NUMERIC(10, 1)"),
    (lambda me: sa.cast(Doc.weight, sa.Boolean), "float cast to BOOLEAN"),
    (lambda me: sa.cast(Doc.big, sa.Boolean), "integer cast to BOOLEAN"),
    (lambda me: sa.cast(Doc.data, sa.String) == "x", "JSON cast to VARCHAR"),
    (lambda me: sa.cast(Doc.n, sa.Date) == Doc.day, "integer cast to DATE"),
    (lambda me: sa.type_coerce(Doc.name, sa.Integer) == 1, "text taken for integer"),
    (lambda me: sa.type_coerce(Doc.at, sa.Date) == Doc.day, "timestamptz taken for date"),
    # families
    (lambda me: Doc.flag == Doc.n, "which is boolean, with docs.n, which is integer"),
    (lambda me: Doc.key == Doc.name, "which is uuid, with docs.name, which is text"),
    (lambda me: Doc.kind == Doc.name, "which is enum, with docs.name, which is text"),
    (lambda me: Doc.raw == Doc.name, "which is bytes, with docs.name, which is text"),
    (lambda me: Doc.at == Doc.hour, "which is timestamptz, with docs.hour, which is time"),
    (lambda me: Doc.span == Doc.at, "which is interval, with docs.at, which is timestamptz"),
    (lambda me: Doc.key.in_(sa.select(other.name)), "which is uuid, with (SELECT docs_1.name"),
    (lambda me: sa.func.nullif(Doc.n, Doc.name) == 1, "which is integer, with docs.name, which is text"),
    (lambda me: sa.func.coalesce(Doc.name, Doc.n) == "1", "values of several kinds, integer and text, as one"),
    (lambda me: sa.case((Doc.flag, Doc.name), else_=Doc.n) == "1", "values of several kinds"),
    (lambda me: sa.case((Doc.name, True), value=Doc.n, else_=False), "which is integer, with docs.name, which is text"),
    # rows
    (lambda me: sa.tuple_(Doc.n, Doc.name).in_(sa.select(other.name, other.n)), "rows of values that are integer and text"),
    (lambda me: sa.tuple_(Doc.n, Doc.name) == sa.tuple_(Doc.name, Doc.n), "compares docs.n, which is integer, with docs.name"),
    (lambda me: sa.tuple_(Doc.n, Doc.path).in_([(7.5, "a")]), "rows of values that are integer and numeric"),
    (lambda me: sa.tuple_(Doc.n, Doc.path).in_([(7,)]), "rows of different length"),
    (lambda me: sa.tuple_(Doc.n, Doc.path).in_([(7, "a", 1)]), "rows of different length"),
    (lambda me: me.claim("a") + me.claim("b") == Doc.n, "which is text, with docs.n, which is integer"),
    (lambda me: sa.func.extract("hour", Doc.day) == 0, "extract(hour) of a value that is date"),
    (lambda me: sa.tuple_(Doc.name, Doc.n) < sa.tuple_(sa.literal("a"), sa.literal(1)), "texts by their order"),
    (lambda me: sa.tuple_(Doc.price, Doc.n).in_([(Decimal("0.1"), 1)]), "rows of values that are numeric"),
    # JSON
    (lambda me: Doc.data["a"] == "x", "JSON compared"),
    (lambda me: Doc.data == {"a": 1}, "JSON compared"),
    (lambda me: Doc.data["a"].as_numeric(10, 2) == 1, "a value of JSON as numeric"),
    (lambda me: Doc.data[Doc.name].as_string() == "x", "a key of JSON that is no constant"),
    (lambda me: Doc.data['a"b'].as_string() == "x", "a key of JSON with a quote"),
    (lambda me: sa.func.json_extract(Doc.data, "$.a") == "x", "the function json_extract()"),
    # subqueries
    (lambda me: Doc.n.in_(sa.select(sa.func.row_number().over(order_by=other.id))), "row_number() OVER"),
]  # fmt: skip


#: What is said of rules on every database.
BY_ID = sa.select(other.id).order_by(other.id)
CHOSEN: list[tuple[Callable[[Any], Any], str]] = [
    (lambda me: Doc.name < "b", "texts by their order"),
    (lambda me: sa.not_(Doc.name < "b"), "texts by their order"),
    (lambda me: sa.literal("b") > Doc.name, "texts by their order"),
    (lambda me: Doc.name >= me.claim("org"), "texts by their order"),
    (lambda me: Doc.name.between("a", "b"), "texts by their order"),
    (lambda me: Doc.name.between(sa.collate("a", "C"), "b"), "texts by their order"),
    (lambda me: sa.func.trim(Doc.name) < sa.func.upper(Doc.path), "texts by their order"),
    (lambda me: sa.func.lower(Doc.name.collate("C")) < "b", "texts by their order"),
    (lambda me: sa.func.coalesce(Doc.name, "") < "b", "texts by their order"),
    (lambda me: sa.cast(Doc.n, sa.String) < "b", "texts by their order"),
    (lambda me: Doc.data["a"].as_string() < "b", "texts by their order"),
    (lambda me: sa.case((Doc.name < "b", True), else_=False), "texts by their order"),
    (lambda me: sa.exists().where(other.name < Doc.name), "texts by their order"),
    (lambda me: Doc.name > sa.select(sa.func.min(other.name)).scalar_subquery(), "texts by their order"),
    (lambda me: Doc.name == sa.select(sa.func.max(other.name)).scalar_subquery(), "texts by their order"),
    (lambda me: sa.tuple_(Doc.n, Doc.name) < sa.tuple_(sa.literal(1), sa.literal("a")), "texts by their order"),
    (lambda me: Doc.kind < Kind.small, "the order of values that are an enum"),
    (lambda me: Doc.kind.between(Kind.small, Kind.large), "the order of values that are an enum"),
    (lambda me: Doc.kind == sa.select(sa.func.max(other.kind)).scalar_subquery(), "the order of values that are an enum"),
    (lambda me: Doc.n.in_(sa.select(other.n).order_by(other.n).limit(2)), "where NULL stands"),
    (lambda me: Doc.id.in_(sa.select(other.id).order_by(other.path, other.id).limit(2)), "texts by their order"),
    (lambda me: Doc.id.in_(sa.select(other.id).limit(2)), "some rows of a subquery"),
    (lambda me: Doc.id.in_(sa.select(other.id).offset(2)), "some rows of a subquery"),
    (lambda me: Doc.id.in_(sa.select(other.id).fetch(2)), "some rows of a subquery"),
    (lambda me: Doc.n.in_(sa.select(other.n).distinct().limit(2)), "some rows of a subquery"),
    (lambda me: Doc.id.in_(sa.select(other.id).order_by(other.n.nulls_last()).limit(2)), "some rows of a subquery"),
    (lambda me: Doc.n == sa.select(other.n).limit(1).scalar_subquery(), "some rows of a subquery"),
    (lambda me: Doc.n.in_(sa.union_all(sa.select(other.n), sa.select(other.small)).limit(1)), "some rows of a subquery"),
    (lambda me: Doc.id.in_(sa.select(other.id).ext(distinct_on(other.n))), "DISTINCT ON"),
    (lambda me: Doc.id.in_(sa.select(other.id).with_for_update()), "rows that are locked"),
    (lambda me: Doc.id.in_(sa.select(other.id).group_by(other.flag)), "one row of a group"),
    (lambda me: Doc.n.in_(sa.select(other.n + 1).group_by(other.small)), "one row of a group"),
    (lambda me: sa.tuple_(Doc.n, Doc.id).in_(sa.select(other.n, sa.func.max(other.id))), "one row of a group"),
    (lambda me: sa.exists(sa.select(sa.func.max(other.n)).having(other.n > Doc.n)), "one row of a group"),
    (lambda me: Doc.id.in_(BY_ID.limit(sa.cast(me.claim("n"), sa.Integer))), "as many rows of a subquery as"),
    (lambda me: Doc.id.in_(BY_ID.limit(2).offset(me.claim("n"))), "as many rows of a subquery as"),
    (lambda me: Doc.id.in_(BY_ID.fetch(sa.func.length("ab"))), "as many rows of a subquery as"),
    (lambda me: Doc.id.in_(BY_ID.limit(sa.null())), "as many rows of a subquery as"),
    (lambda me: Doc.id.in_(sa.union_all(BY_ID, BY_ID).limit(me.claim("n"))), "as many rows of a subquery as"),
    (lambda me: Doc.id == sa.select(other.id).limit(me.claim("n")).scalar_subquery(), "as many rows of a subquery as"),
    (lambda me: sa.exists(sa.select(other.id).limit(me.claim("n"))), "as many rows of a subquery as"),
]  # fmt: skip


@pytest.mark.parametrize(("says", "seen"), CHOSEN, ids=range(len(CHOSEN)))
@pytest.mark.parametrize("told", [unlike, chosen])
def test_what_a_database_would_choose(says: Callable[[Any], Any], seen: str, told: Callable[[Any], Any]) -> None:
    """P1: no database chooses an order of texts, rows or one of a group; both are told the same."""
    assert seen in said(says, told), said(says, told)


#: Windows, and aggregates with an order: SQLite has none of them, or none of these words.
CHOSEN_THERE: list[tuple[Callable[[Any], Any], str]] = [
    (lambda me: _ranked(sa.func.row_number().over(order_by=other.flag.nulls_last())), "does not tell any two rows"),
    (lambda me: _ranked(sa.func.row_number().over(partition_by=other.flag)), "does not tell any two rows"),
    (lambda me: _ranked(sa.func.lag(other.id).over(order_by=other.small)), "does not tell any two rows"),
    (lambda me: _ranked(sa.func.first_value(other.id).over()), "does not tell any two rows"),
    (lambda me: _ranked(sa.func.sum(other.small).over(order_by=other.small, rows=(-1, 0))), "does not tell any two"),
    (lambda me: _ranked(sa.func.row_number().over(order_by=other.path)), "texts by their order"),
    (lambda me: _ranked(sa.func.rank().over(order_by=other.path)), "texts by their order"),
    (lambda me: _ranked(sa.func.rank().over(order_by=other.n)), "where NULL stands"),
    (lambda me: Doc.id.in_(sa.select(other.id).order_by(sa.func.lag(other.n).over(), other.id)), "does not tell any"),
    (lambda me: _ranked(sa.func.row_number().over(order_by=other.id) + sa.func.ntile(2).over()), "does not tell any"),
    (
        lambda me: Doc.id.in_(
            sa.select(
                sa.func.row_number().over(order_by=other.id),
            ).join(another, another.small == other.small)
        ),
        "does not tell any two rows",
    ),
    (lambda me: _ranked(sa.func.row_number().over(order_by=other.id)), "nothing"),
    (lambda me: _ranked(sa.func.row_number().over(partition_by=other.flag, order_by=[other.small, other.id])), "nothing"),
    (lambda me: _ranked(sa.func.rank().over(order_by=other.small.desc())), "nothing"),
    (lambda me: _ranked(sa.func.rank().over(order_by=other.path.collate("C"))), "nothing"),
    (lambda me: _ranked(sa.func.sum(other.small).over(order_by=other.small)), "nothing"),
    (lambda me: _ranked(sa.func.count().filter(other.flag).over(partition_by=other.small)), "nothing"),
    (lambda me: _gathered(sa.func.string_agg(other.path, ",")) == "a", "gathered in no order"),
    (lambda me: _gathered(sa.func.array_agg(other.n)) == sa.null(), "gathered in no order"),
    (lambda me: _gathered(sa.func.array_agg(other.n).filter(other.flag)) == sa.null(), "gathered in no order"),
    (lambda me: _gathered(sa.func.array_agg(other.n).aggregate_order_by(other.small)) == sa.null(), "gathered in no"),
    (lambda me: _gathered(sa.func.string_agg(other.path, aggregate_order_by(",", other.small))) == "a", "gathered in no"),
    (lambda me: _gathered(sa.func.string_agg(other.path, ",").aggregate_order_by(other.path)) == "a", "texts by their"),
    (lambda me: _gathered(sa.func.mode().within_group(other.small)) == 1, "the most frequent value"),
    (lambda me: _gathered(sa.func.percentile_disc(0.5).within_group(other.path)) == "a", "texts by their order"),
    (lambda me: _gathered(sa.func.percentile_disc(0.5).within_group(other.small)) == 1, "nothing"),
    (lambda me: _gathered(sa.func.array_agg(other.small).aggregate_order_by(other.id)) == sa.null(), "nothing"),
    (lambda me: _gathered(sa.func.array_agg(aggregate_order_by(other.small, other.small))) == sa.null(), "nothing"),
    (
        lambda me: _gathered(sa.func.string_agg(other.path, ",").aggregate_order_by(other.path.collate("C"))) == "a",
        "nothing",
    ),
]  # fmt: skip
another = aliased(Doc)


def _ranked(place: Any) -> Any:
    among = sa.select(other.id, place.label("place")).subquery()
    return Doc.id.in_(sa.select(among.c.id).where(among.c.place == 1))


def _gathered(of: Any) -> Any:
    return sa.select(of).where(other.id == Doc.id).scalar_subquery()


@pytest.mark.parametrize(("says", "seen"), CHOSEN_THERE, ids=range(len(CHOSEN_THERE)))
def test_what_a_window_would_choose(says: Callable[[Any], Any], seen: str) -> None:
    """P1: PostgreSQL numbers rows of one place as it finds them, and gathers values so; SQLite has no word for it."""
    assert seen in said(says, chosen), said(says, chosen)
    assert said(says) != "nothing"


MISLEADING: list[tuple[Callable[[Any], Any], str]] = [
    (lambda me: sa.extract("year", Doc.at) // 1000 == 2, "numeric // integer"),
    (lambda me: sa.func.coalesce(sa.extract("year", Doc.at), 0) // 1000 == 2, "numeric // integer"),
    (lambda me: sa.select(sa.func.sum(other.big)).scalar_subquery() // 2 == Doc.n, "numeric // integer"),
    (lambda me: sa.exists().where(summed.c.all // 2 == Doc.n), "numeric // integer"),
    (lambda me: sa.extract("hour", Doc.day) == 0, "extract(hour) of a value that is date"),
    (lambda me: sa.func.extract("minute", Doc.day) == 0, "extract(minute) of a value that is date"),
    (lambda me: sa.extract("day", Doc.hour) == 1, "extract(day) of a value that is time"),
    (lambda me: sa.cast(sa.extract("year", Doc.at), sa.Integer) // 1000 == 2, "nothing"),
    (lambda me: sa.select(sa.func.sum(other.n)).scalar_subquery() // 2 == Doc.n, "nothing"),
    (lambda me: Doc.n // 2 == 1, "nothing"),
    (lambda me: sa.extract("hour", Doc.hour) == 9, "nothing"),
    (lambda me: sa.extract("hour", Doc.at) == 9, "nothing"),
]
summed = sa.select(sa.func.sum(other.big).label("all")).subquery()


@pytest.mark.parametrize(("says", "seen"), MISLEADING, ids=range(len(MISLEADING)))
def test_what_postgresql_answers_otherwise(says: Callable[[Any], Any], seen: str) -> None:
    """P1: sums of large numbers and parts of moments are decimals there, and a day has no hours."""
    assert seen in said(says, misleading)


def test_a_sample_is_no_condition() -> None:
    """P1: PostgreSQL alone takes one, and another one each time."""
    assert "a sample of rows" in said(lambda me: Doc.id.in_(sa.select(sa.tablesample(Doc.__table__, 10).c.id)), chosen)


a = aliased(Doc)
#: Subqueries that stand for a value, and whether they may find several rows.
SINGLE: list[tuple[Callable[[Any], Any], bool]] = [
    (lambda me: Doc.n == sa.select(other.n).scalar_subquery(), False),
    (lambda me: Doc.n == sa.select(other.n).where(other.id > 2).scalar_subquery(), False),
    (lambda me: Doc.n == sa.select(other.n).where(other.key == me.id).scalar_subquery(), False),
    (lambda me: Doc.n == sa.select(other.n).where((other.id == Doc.id) | (other.n > 3)).scalar_subquery(), False),
    (lambda me: Doc.n == sa.select(other.n).where(~(other.id == Doc.id)).scalar_subquery(), False),
    (lambda me: Doc.n == sa.select(sa.func.max(other.n)).group_by(other.flag).scalar_subquery(), False),
    (lambda me: Doc.n == sa.select(other.n).where(other.id == other.n).scalar_subquery(), False),
    (lambda me: Doc.n == sa.select(a.n).join(other, other.n == a.n).where(a.id == Doc.id).scalar_subquery(), False),
    (lambda me: Doc.n == sa.select(a.n).join(other, other.id == a.n).scalar_subquery(), False),
    (lambda me: Doc.n == sa.union(sa.select(other.n), sa.select(other.small)).scalar_subquery(), False),
    (lambda me: Doc.n == sa.select(other.n).order_by(other.id).limit(2).scalar_subquery(), False),
    (lambda me: sa.select(other.flag).scalar_subquery(), False),
    (lambda me: sa.exists().where(other.n == sa.select(a.n).where(a.small == other.small).scalar_subquery()), False),
    (lambda me: Doc.n == sa.select(other.n).where(other.id == 2).scalar_subquery(), True),
    (lambda me: Doc.n == sa.select(other.n).where(sa.literal(2) == other.id, other.n > 3).scalar_subquery(), True),
    (lambda me: Doc.n == sa.select(a.n).join(other, other.id == a.n).where(a.id == Doc.id).scalar_subquery(), True),
    (lambda me: Doc.n == sa.select(a.n).where(other.id == a.n, a.id == Doc.id).scalar_subquery(), True),
    (lambda me: Doc.n == sa.select(sa.func.max(other.n) + 1).scalar_subquery(), True),
    (lambda me: Doc.n == sa.select(other.n).order_by(other.id).limit(1).scalar_subquery(), True),
    (lambda me: Doc.at < sa.select(sa.func.now()).scalar_subquery(), True),
    (lambda me: Doc.n.in_(sa.select(other.n).where(other.n > 3)), True),
    (lambda me: Doc.n.in_(sa.select(other.n).where(other.n > 3).scalar_subquery()), True),
    (lambda me: sa.exists(sa.select(other.n)), True),
]  # fmt: skip


@pytest.mark.parametrize(("says", "single"), SINGLE, ids=range(len(SINGLE)))
@pytest.mark.parametrize("told", [unlike, several])
def test_one_value_is_one_row(says: Callable[[Any], Any], single: bool, told: Callable[[Any], Any]) -> None:
    """P1: SQLite would take any of several."""
    found = said(says, told)
    assert single == ("a subquery that may find several rows" not in found), found
    assert single == (found == "nothing"), found


SAID: list[Callable[[Any], Any]] = [
    lambda me: Doc.name.collate("C") < "b",
    lambda me: Doc.name.collate("C").between(me.claim("org"), "z"),
    lambda me: Doc.name < sa.collate("b", "C"),
    lambda me: sa.func.lower(Doc.name).collate("C") < "b",
    lambda me: sa.column("c", sa.String(collation="C"), _selectable=Doc.__table__) < "b",
    lambda me: Doc.name == sa.select(sa.func.max(other.name.collate("C"))).scalar_subquery(),
    lambda me: Doc.name.in_(sa.select(other.name).order_by(other.name.collate("C").nulls_last()).limit(1)),
    lambda me: Doc.path.in_(sa.select(other.path).order_by(other.n.desc().nulls_last(), other.id).limit(1)),
    lambda me: Doc.n.in_(sa.select(other.n).order_by(other.n.nulls_first()).offset(1)),
    lambda me: Doc.n.in_(sa.select(sa.func.max(other.n)).limit(1)),
    lambda me: Doc.n.in_(sa.select(sa.func.max(other.n)).group_by(other.flag)),
    lambda me: Doc.n.in_(sa.select(other.n + 1).group_by(other.n)),
    lambda me: Doc.n.in_(sa.select(other.n + 1).group_by(other.n + 1)),
    lambda me: Doc.n.in_(sa.select(other.n + 1).group_by(other.id)),
    lambda me: sa.exists(sa.select(other.id).where(other.n == Doc.n).limit(1)),
    lambda me: sa.exists(sa.select(sa.func.count() + Doc.n).where(other.n == Doc.n)),
]  # fmt: skip


@pytest.mark.parametrize("says", SAID, ids=range(len(SAID)))
@pytest.mark.parametrize("told", [unlike, chosen])
def test_what_a_rule_says(says: Callable[[Any], Any], told: Callable[[Any], Any]) -> None:
    """P1: an order that is said, the rows that it tells, and one value of each group."""
    assert "nothing" == said(says, told)


@pytest.mark.filterwarnings("ignore:Type object")
@pytest.mark.parametrize(("says", "seen"), UNLIKE, ids=range(len(UNLIKE)))
def test_what_sqlite_answers_otherwise(says: Callable[[Any], Any], seen: str) -> None:
    """P1, P2: by operator, function and type; nothing that is not listed starts."""
    assert seen in said(says), said(says)
