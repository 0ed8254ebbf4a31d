"""A value that a policy compares is of the kind of its column, or the app does not start."""

from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backstay.catalog import build_catalog
from backstay.errors import ConfigError
from backstay.policy import Rule, allow, compile_rules


class Kind(enum.Enum):
    small = "s"
    large = "l"


class Base(DeclarativeBase):
    pass


class Doubled(sa.TypeDecorator[int]):
    impl = sa.Integer
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else int(value) * 2


class Ware(Base):
    __tablename__ = "wares"
    id: Mapped[int] = mapped_column(primary_key=True)
    price: Mapped[Decimal] = mapped_column(sa.Numeric(10, 2))
    weight: Mapped[float]
    day: Mapped[date]
    at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))
    hour: Mapped[time]
    local: Mapped[datetime]
    key: Mapped[UUID]
    open: Mapped[bool]
    kind: Mapped[Kind]
    word: Mapped[str] = mapped_column(sa.Enum("x", "y", name="words"))
    text: Mapped[str]
    raw: Mapped[bytes]
    meta: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    twice: Mapped[int] = mapped_column(Doubled())


CATALOG = build_catalog(Base)


def rules_of(says: Callable[[Any], Any]) -> tuple[Rule, ...]:
    def rule(me: Any) -> Any:
        return says(me)

    return compile_rules([allow("read", Ware)(rule)], CATALOG)


OTHER: list[tuple[Callable[[Any], Any], str]] = [
    (lambda me: Ware.id == "x", "wares.id, which is integer, with 'x'"),
    (lambda me: Ware.id == "1", "with '1'"),
    (lambda me: Ware.id != "1", "with '1'"),
    (lambda me: Ware.id.in_([1, "x"]), "with 'x'"),
    (lambda me: Ware.id.not_in(["x"]), "with 'x'"),
    (lambda me: Ware.id.between(1, "x"), "with 'x'"),
    (lambda me: Ware.id.is_distinct_from("x"), "with 'x'"),
    (lambda me: Ware.id == sa.literal(True), "with True"),
    (lambda me: Ware.id.in_([True]), "with True"),
    (lambda me: sa.literal("x") == Ware.id, "with 'x'"),
    (lambda me: Ware.id + 1 == "x", "with 'x'"),
    (lambda me: sa.exists().where(Ware.id == "x"), "with 'x'"),
    (lambda me: Ware.id == Ware.text, "wares.id, which is integer, with wares.text, which is text"),
    (lambda me: Ware.text < Ware.price, "which is numeric"),
    (lambda me: Ware.open == Ware.id, "which is boolean"),
    (lambda me: Ware.key == Ware.id, "which is uuid"),
    (lambda me: Ware.price == "9", "with '9'"),
    (lambda me: Ware.weight > "1", "with '1'"),
    (lambda me: Ware.id == float("nan"), "with nan"),
    (lambda me: Ware.price.in_([1, Decimal("NaN")]), "with NaN"),
    (lambda me: Ware.weight < float("nan"), "with nan"),
    (lambda me: Ware.weight < 10**400, "with 1000"),
    (lambda me: Ware.weight < Decimal("1e400"), "with 1E+400"),
    (lambda me: Ware.day == "2024-01-01", "which is date, with '2024-01-01'"),
    (lambda me: Ware.day == datetime(2024, 1, 1), "with 2024-01-01 00:00:00 (datetime)"),
    (lambda me: Ware.at == "2024-01-01", "which is timestamptz"),
    (lambda me: Ware.hour == "01:02", "which is time"),
    (lambda me: Ware.key == 7, "which is uuid, with 7"),
    (lambda me: Ware.hour == time(9, tzinfo=UTC), "which is time, with 09:00:00+00:00"),
    (lambda me: Ware.local == datetime(2024, 1, 1, tzinfo=UTC), "which is timestamp, with 2024-01-01 00:00:00+00:00"),
    (lambda me: Ware.key == "seven", "which is uuid, with 'seven'"),
    (lambda me: Ware.open.is_(sa.true), "which is boolean, with true (function)"),
    (lambda me: Ware.open == 1, "with 1"),
    (lambda me: Ware.open.in_([True, 0]), "with 0"),
    (lambda me: Ware.open == "true", "with 'true'"),
    (lambda me: Ware.kind == "huge", "which is enum, with 'huge'"),
    (lambda me: Ware.word != "z", "with 'z'"),
    (lambda me: Ware.word.in_(["x", "z"]), "with 'z'"),
    (lambda me: Ware.text == 1, "with 1"),
    (lambda me: Ware.text.in_(["1", 1]), "with 1"),
    (lambda me: Ware.text == Kind.small, "with Kind.small (Kind)"),
    (lambda me: Ware.text == UUID(int=7), "with 00000000-0000-0000-0000-000000000007 (UUID)"),
    (lambda me: Ware.text == b"1", "with b'1'"),
    (lambda me: Ware.raw == "1", "which is bytes"),
    (lambda me: Ware.meta["a"].as_integer() == "1", "with '1'"),
]


@pytest.mark.parametrize(("says", "seen"), OTHER, ids=range(len(OTHER)))
def test_another_kind_is_refused(says: Callable[[Any], Any], seen: str) -> None:
    """P1: SQLite would say no in silence where PostgreSQL does not start; both name the place and the value."""
    with pytest.raises(ConfigError) as refused:
        rules_of(says)
    fault = refused.value
    assert ("BST-E081", True, True) == (
        fault.code,
        seen in fault.message,
        bool(fault.hint),
    )
    assert "test_constant.py:" in fault.message


SAME: list[Callable[[Any], Any]] = [
    lambda me: Ware.id == 1,
    lambda me: Ware.id < 1.5,
    lambda me: Ware.id.in_([1, Decimal("2"), None]),
    lambda me: Ware.price.in_([9, Decimal("100")]),
    lambda me: Ware.price == Ware.id,
    lambda me: Ware.weight == Ware.price,
    lambda me: Ware.day == date(2024, 1, 1),
    lambda me: Ware.at >= date(2024, 1, 1),
    lambda me: Ware.at <= sa.func.now(),
    lambda me: Ware.key == UUID(int=7),
    lambda me: Ware.key == str(UUID(int=7)),
    lambda me: Ware.open == True,  # noqa: E712
    lambda me: Ware.kind == Kind.small,
    lambda me: Ware.kind == "small",
    lambda me: Ware.word.in_(["x", None]),
    lambda me: Ware.text == "1",
    lambda me: Ware.text == None,  # noqa: E711
    lambda me: Ware.raw == b"1",
    lambda me: Ware.twice == "7",
    lambda me: sa.cast(Ware.id, sa.String) == "1",
    lambda me: (Ware.id == me.claim("n")) | (Ware.text == me.role) | (Ware.price < me.claim("most")),
    lambda me: sa.tuple_(Ware.id, Ware.text).in_([(1, "a")]),
]


@pytest.mark.parametrize("says", SAME, ids=range(len(SAME)))
def test_values_of_its_kind_start(says: Callable[[Any], Any]) -> None:
    """P1: numbers of any sort, null, values of an enum by name or member, a day for a moment, types of one's own."""
    assert 1 == len(rules_of(says))


UNREAD: list[tuple[Callable[[Any], Any], str]] = [
    (
        lambda me: sa.tuple_(Ware.id, Ware.text).in_([(1, "a"), ("2", "b")]),
        "compares wares.id, which is integer, with '2'",
    ),
    (lambda me: sa.tuple_(Ware.id, Ware.word).not_in([(1, "z")]), "with 'z'"),
    (lambda me: sa.tuple_(Ware.open, Ware.id) == (1, 1), "compares wares.open, which is boolean, with 1"),
    (lambda me: sa.tuple_(Ware.id, Ware.text) < sa.tuple_(sa.literal("1"), Ware.text), "with '1'"),
    (lambda me: sa.case(("x", True), value=Ware.id, else_=False), "compares wares.id, which is integer, with 'x'"),
    (lambda me: sa.func.nullif(Ware.id, "x").is_(None), "compares wares.id, which is integer, with 'x'"),
    (
        lambda me: sa.exists().where(sa.values(sa.column("a", sa.Integer), name="v").data([(7.5,)]).c.a == Ware.id),
        "has 7.5 (float) in the column a, which is integer",
    ),
    (lambda me: Ware.text == "a\0", "holds 'a\\x00' (str), which is no text"),
    (lambda me: Ware.text.in_(["a", "a\0"]), "which is no text"),
    (lambda me: Ware.text.startswith("\0"), "which is no text"),
    (lambda me: sa.func.replace(Ware.text, "\0", "") == "a", "which is no text"),
    (lambda me: sa.tuple_(Ware.id, Ware.text).in_([(1, "\0")]), "which is no text"),
    (lambda me: Ware.text == "\ud800", "which is no text"),
    (lambda me: sa.type_coerce("5", sa.Integer) == Ware.id, "takes '5' (str) for integer"),
    (lambda me: sa.type_coerce(5.5, sa.Integer) == Ware.id, "takes 5.5 (float) for integer"),
    (lambda me: sa.cast("x", sa.Integer) == Ware.id, "casts 'x' (str) to integer, which it is not"),
    (lambda me: sa.cast("1e400", sa.Double) > Ware.weight, "casts '1e400' (str) to float"),
    (lambda me: sa.cast("1e-400", sa.Double) > Ware.weight, "casts '1e-400' (str) to float"),
    (lambda me: sa.cast("many", sa.Numeric) > Ware.price, "casts 'many' (str) to numeric"),
    (lambda me: sa.cast("maybe", sa.Boolean), "casts 'maybe' (str) to boolean"),
    (lambda me: sa.cast("7", sa.Uuid) == Ware.key, "casts '7' (str) to uuid"),
    (lambda me: sa.cast(f"urn:uuid:{UUID(int=7)}", sa.Uuid) == Ware.key, "casts 'urn:uuid:00000000"),
    (lambda me: sa.cast("NaN", sa.Numeric) > Ware.price, "casts 'NaN' (str) to numeric"),
    (lambda me: sa.cast("Infinity", sa.Numeric) > Ware.price, "casts 'Infinity' (str) to numeric"),
    (lambda me: sa.cast("nan", sa.Double) > Ware.weight, "casts 'nan' (str) to float"),
    (lambda me: sa.cast("1_000", sa.Integer) > Ware.id, "casts '1_000' (str) to integer"),
    (lambda me: sa.cast("\u0663", sa.Numeric) > Ware.price, "to numeric, which it is not"),
    (lambda me: sa.cast("2024-W01-1", sa.Date) > Ware.day, "casts '2024-W01-1' (str) to date"),
    (lambda me: Ware.weight * float("nan") >= 0, "holds nan (float), which is no number"),
    (lambda me: Ware.price + Decimal("NaN") > 1, "holds NaN (Decimal), which is no number"),
    (lambda me: sa.func.coalesce(Ware.weight, float("nan")) >= 0, "holds nan (float), which is no number"),
    (lambda me: sa.case((Ware.open, Ware.weight), else_=float("nan")) >= 0, "holds nan (float)"),
    (lambda me: sa.cast(Decimal("NaN"), sa.Numeric) > Ware.price, "holds NaN (Decimal), which is no number"),
    (lambda me: Ware.price < Decimal("sNaN"), "with sNaN"),
    (lambda me: sa.cast("infinity", sa.Date) > Ware.day, "casts 'infinity' (str) to date"),
    (lambda me: sa.cast("2024-02-30", sa.Date) > Ware.day, "casts '2024-02-30' (str) to date"),
    (lambda me: sa.cast("now", sa.DateTime(timezone=True)) > Ware.at, "casts 'now' (str) to timestamptz"),
    (lambda me: sa.cast("allballs", sa.Time) > Ware.hour, "casts 'allballs' (str) to time"),
    (lambda me: Ware.text.like("%\\"), "holds the pattern '%\\\\' (str), which ends with an escape of nothing"),
    (lambda me: Ware.open | ~Ware.text.ilike("a/", escape="/"), "holds the pattern 'a/'"),
    (lambda me: Ware.text.endswith("a/", escape="/"), "holds the pattern 'a/'"),
    (lambda me: me.id.in_(["7", 8]), "looks for me.id among '7' (str) and 8 (int)"),
    (lambda me: me.claim("n").not_in([8, None, UUID(int=7)]), "looks for me.claim('n') among 8 (int) and 00000000"),
    (lambda me: sa.cast(sa.func.trim(me.claim("n")), sa.Float) > Ware.weight, "which holds a claim, to float"),
    (
        lambda me: sa.cast(sa.func.coalesce(me.claim("n"), "0"), sa.Numeric) > Ware.price,
        "which holds a claim, to numeric",
    ),
    (lambda me: sa.cast(me.claim("n") + "-01", sa.Date) > Ware.day, "which holds a claim, to date"),
]


@pytest.mark.parametrize(("says", "seen"), UNREAD, ids=range(len(UNREAD)))
def test_a_value_that_is_not_what_it_is_taken_for(says: Callable[[Any], Any], seen: str) -> None:
    """P1: rows of a list are judged value by value, and casts of constants before anything is asked."""
    with pytest.raises(ConfigError) as refused:
        rules_of(says)
    assert ("BST-E081", True, True) == (refused.value.code, seen in refused.value.message, bool(refused.value.hint)), (
        refused.value.message
    )


#: What is written, what is compared, and as what.
FORMS: list[tuple[Callable[[Any], Any], Any, type[Any]]] = [
    (lambda me: Ware.id == 7, 7, sa.Integer),
    (lambda me: Ware.id == 7.0, 7, sa.BigInteger),
    (lambda me: Ware.id == Decimal("7.0"), 7, sa.BigInteger),
    (lambda me: Ware.id == 2**31, 2**31, sa.BigInteger),
    (lambda me: Ware.id == 2.5, Decimal("2.5"), sa.Numeric),
    (lambda me: Ware.id == 2**63, Decimal(2**63), sa.Numeric),
    (lambda me: Ware.id == -(2.0**70), Decimal(str(-(2.0**70))), sa.Numeric),
    (lambda me: Ware.id.in_([1, 2.0]), [1, 2], sa.BigInteger),
    (lambda me: Ware.id.in_([1, 2.5, None]), [Decimal(1), Decimal("2.5"), None], sa.Numeric),
    (lambda me: Ware.id < float("inf"), float("inf"), sa.Double),
    (lambda me: Ware.price == 0.1, Decimal("0.1"), sa.Numeric),
    (lambda me: Ware.price.in_([9, Decimal("0.305")]), [Decimal(9), Decimal("0.305")], sa.Numeric),
    (lambda me: Ware.price < Decimal("Infinity"), float("inf"), sa.Double),
    (lambda me: Ware.weight == 2**53 + 1, 2.0**53, sa.Double),
    (lambda me: Ware.weight == Decimal("0.1"), 0.1, sa.Double),
    (lambda me: Ware.id == sa.cast("7", sa.Integer), "7", sa.String),
    (lambda me: Ware.text == sa.cast(7, sa.String), 7, sa.Integer),
    (lambda me: Ware.id == sa.cast(7.5, sa.Integer), 7.5, sa.Double),
    (lambda me: Ware.id == sa.func.coalesce(Ware.id, sa.literal(7.5, sa.Integer)), 7.5, sa.Double),
]


@pytest.mark.parametrize(("says", "value", "type_"), FORMS, ids=range(len(FORMS)))
def test_a_number_has_the_form_of_its_column(says: Callable[[Any], Any], value: Any, type_: type[Any]) -> None:
    """P1: PostgreSQL compares a whole number and a float as floats, and SQLite as what they are."""
    (rule,) = rules_of(says)
    (found,) = [each for each in sa.sql.visitors.iterate(rule.rows) if isinstance(each, sa.BindParameter)]
    assert (value, type(value), True) == (found.value, type(found.value), type(found.type) is type_)
    if isinstance(value, list):
        assert [type(each) for each in value] == [type(each) for each in found.value]


def test_a_day_is_its_midnight() -> None:
    """P1: as PostgreSQL takes it, and not as a text that is shorter."""
    (rule,) = rules_of(lambda me: Ware.at >= date(2024, 1, 1))
    (value,) = [each.value for each in sa.sql.visitors.iterate(rule.rows) if isinstance(each, sa.BindParameter)]
    assert datetime(2024, 1, 1, tzinfo=UTC) == value
