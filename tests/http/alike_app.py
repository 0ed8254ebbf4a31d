"""Rules of one table whose operators, functions and types mean the same on both databases, with plain Python beside.

Each is for a role of its own, once as it stands and once negated: what is NULL is shown by neither.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column

from backstay import Backstay, Settings, allow
from backstay.plan.duration import duration_text
from tests.http.shop_app import SECRET


class Kind(enum.Enum):
    small = "s"
    large = "l"


class Base(DeclarativeBase):
    pass


class Doc(Base):
    __tablename__ = "docs"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    path: Mapped[str]
    small: Mapped[int] = mapped_column(sa.SmallInteger)
    n: Mapped[int | None]
    big: Mapped[int] = mapped_column(sa.BigInteger)
    price: Mapped[Decimal | None] = mapped_column(sa.Numeric(10, 2))
    exact: Mapped[Decimal | None] = mapped_column(sa.Numeric(30, 10))
    weight: Mapped[float | None]
    flag: Mapped[bool | None]
    key: Mapped[UUID | None]
    kind: Mapped[Kind]
    day: Mapped[date | None]
    at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    local: Mapped[datetime | None]
    hour: Mapped[time]
    span: Mapped[timedelta | None]
    raw: Mapped[bytes]
    data: Mapped[Any] = mapped_column(sa.JSON)


Row = Mapping[str, Any]
#: Texts that PostgreSQL takes for numbers or moments, or that no pattern ends with; and one that is long.
NO_VALUES: Final = (
    "NaN",
    "Infinity",
    "-inf",
    "0x7",
    "1_0",
    "now",
    "today",
    "epoch",
    "infinity",
    "10000-01-01",
    "allballs",
)
ODD: Final = {**{f"odd_{text}": text for text in NO_VALUES}, "ends": "a\\", "wild_ends": "%\\", "long": "a" * 900}
CLAIMS: Final = {"sub": str(UUID(int=7)), "org": "a_b", "n": 3, "email": "Änn@X.org", "day": "2024-02-29", **ODD}
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
#: A leap day's last moment, with a fraction that SQLite would round up.
LEAP: Final = datetime(2024, 2, 29, 23, 59, 59, 999900, tzinfo=UTC)
NEW_YEAR: Final = datetime(2024, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))


def _row(id_: int, **values: Any) -> dict[str, Any]:
    empty = {column.name: None for column in Doc.__table__.columns}
    usual = {"path": "", "small": 0, "big": 0, "kind": Kind.small, "hour": time(0), "raw": b"", "data": {}}
    return {**empty, **usual, **values, "id": id_}


ROWS: Final = [
    _row(1),
    _row(
        2, name="Ann", path="a_b/x", small=1, n=7, big=1, price=Decimal("0.10"), exact=Decimal("0.1"), weight=0.1, flag=True
    ),
    _row(
        3, name="ann", path="axb/x", small=-7, n=-7, big=2, price=Decimal("0.20"), exact=Decimal("0.2"), weight=0.5, flag=False
    ),
    _row(4, name="ÄNN@x.ORG", path="A_B/x", n=3, price=Decimal("-1.50"), exact=Decimal("10"), weight=-1.5, key=UUID(int=7)),
    _row(5, name="straße", path="50%", n=0, price=Decimal("9"), exact=Decimal("9.0000000001"), key=UUID(int=0xABC)),
    _row(6, name="", path="a*b?[c]", n=2, price=Decimal("10"), flag=True, kind=Kind.large, raw=b"ab\x00c"),
    _row(7, name="b\\%c", path="b\\c", n=1, day=date(2024, 2, 29), at=LEAP, local=LEAP.replace(tzinfo=None), span=DAY),
    _row(
        8, name="  x ", n=10, day=date(2024, 1, 1), at=NEW_YEAR, local=datetime(2024, 1, 1), hour=time(9, 5), span=9 * HOUR
    ),
    _row(
        9, name="Z", n=5, day=date(2099, 12, 31), at=datetime(2099, 12, 31, tzinfo=UTC), local=datetime(2099, 12, 31),
        span=-2 * DAY,
    ),
    _row(10, n=3, at=datetime(2024, 2, 29, tzinfo=UTC), local=datetime(2024, 2, 29), span=30 * HOUR, data={"a": None}),
    _row(11, n=4, data={"a": "x", "b": {"c": 5}, "l": [1, "two"], "t": True, "f": 1.5, "0": "a"}),
    _row(12, n=6, data={"a": "5", "b": [1], "l": "no", "t": False, "f": 2}),
    _row(13, n=8, big=2**62, data=["a"]),
    _row(14, n=9, big=2**53 + 1, exact=Decimal(2**53 + 1), weight=2.0**53),
    _row(15, n=9, big=2**53, exact=Decimal(2**53), weight=2.0**53 + 2),
]  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A rule and what it says of a row: true, false, or ``None`` where it is NULL."""

    sql: Callable[[Any], Any]
    judge: Callable[[Row], Any]


def sent(row: Row) -> dict[str, Any]:
    """*row* as a client sends it, under another id."""
    told = {name: _told(value) for name, value in row.items() if name != "data"}
    return told | {"id": row["id"] + 100, "data": row["data"]}


def _told(value: Any) -> Any:
    match value:
        case timedelta():
            return duration_text(value)
        case enum.Enum():
            return value.name
        case bytes():
            return "\\x" + value.hex()
        case Decimal() | UUID():
            return str(value)
        case date() | time():
            return value.isoformat()
        case _:
            return value


def _known(judge: Callable[[Row], Any], *names: str) -> Callable[[Row], Any]:
    """*judge* of rows that have something in all of *names*, and NULL of the others."""
    return lambda row: None if any(row[name] is None for name in names) else judge(row)


def _case(sql: Callable[[Any], Any], judge: Callable[[Row], Any], *names: str) -> Case:
    return Case(sql, _known(judge, *names))


def _utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


def _get(row: Row, *keys: str | int) -> Any:
    """What PostgreSQL's ``#>`` finds; ``...`` where nothing is there."""
    found = row["data"]
    for key in keys:
        fits = isinstance(found, dict) if isinstance(key, str) else isinstance(found, list)
        try:
            found = found[key] if fits else ...
        except (KeyError, IndexError):
            return ...
    return found


def _plain(row: Row, *keys: str | int) -> Any:
    found = _get(row, *keys)
    return None if found is ... or found is None else found


def _is(found: Any, value: Any) -> bool | None:
    return None if found is None else found == value


def _among(values: tuple[Any, ...], *rows: tuple[Any, ...]) -> bool | None:
    """SQL's answer: no where a value differs in each row, and NULL where nobody knows."""
    answers = set[bool | None]()
    for row in rows:
        same = [None if one is None else one == other for one, other in zip(values, row, strict=True)]
        answers.add(False if False in same else None if None in same else True)
    return True if True in answers else None if None in answers else False


other = aliased(Doc)
doubled = sa.select(
    other.exact.label("single"), (other.exact * 2).label("exact"), sa.func.now().label("now")
).subquery()
both = sa.union_all(sa.select(other.price), sa.select(other.exact)).subquery()
CASES: Final[dict[str, Case]] = {
    # constants that their column's type does not hold
    "large product": _case(lambda me: Doc.n * 10**10 > 10**10, lambda r: r["n"] > 1, "n"),
    "large sum": _case(lambda me: Doc.small + 10**10 > 10**10, lambda r: r["small"] > 0),
    "large difference": _case(lambda me: 10**10 - Doc.n < 10**10, lambda r: r["n"] > 0, "n"),
    "large remainder": _case(lambda me: Doc.n % 10**10 == 2, lambda r: r["n"] == 2, "n"),
    # texts
    "like": _case(lambda me: Doc.name.like("A%"), lambda r: r["name"].startswith("A"), "name"),
    "like one": _case(lambda me: Doc.name.like("_nn"), lambda r: r["name"] in ("Ann", "ann"), "name"),
    "not like": _case(lambda me: Doc.name.not_like("A%"), lambda r: not r["name"].startswith("A"), "name"),
    "like escape": _case(lambda me: Doc.path.like("50/%", escape="/"), lambda r: r["path"] == "50%"),
    "like backslash": _case(lambda me: Doc.path.like("b\\\\c"), lambda r: r["path"] == "b\\c"),
    "like stars": _case(lambda me: Doc.path.like("%*b?[%"), lambda r: "*b?[" in r["path"]),
    **{
        f"{name} long": _case(lambda me, ask=ask: ask(Doc.name, me.claim("long")), lambda r: False, "name")
        for name, ask in {
            "like": lambda x, y: x.like(y),
            "ilike": lambda x, y: x.ilike(y),
            "startswith": lambda x, y: x.startswith(y),
            "endswith": lambda x, y: x.endswith(y),
            "contains": lambda x, y: x.contains(y),
            "icontains": lambda x, y: x.icontains(y),
        }.items()
    },
    "contains a long constant": _case(lambda me: Doc.name.contains("a" * 1200), lambda r: False, "name"),
    "long within": _case(lambda me: (Doc.path + me.claim("long")).contains("a" * 899), lambda r: True),
    "like claim that ends": _case(lambda me: Doc.path.like(me.claim("ends")), lambda r: None),
    "like wild claim that ends": _case(lambda me: Doc.path.not_ilike(me.claim("wild_ends")), lambda r: None),
    "like more that ends": _case(lambda me: Doc.path.like("%" + me.claim("ends")), lambda r: None),
    "like claim that goes on": _case(lambda me: (Doc.path + "%").like("%" + me.claim("ends") + "%"), lambda r: r["path"].endswith("a")),
    "equals what ends": _case(lambda me: (me.claim("ends") == "a\\") & (Doc.n > 2), lambda r: r["n"] > 2, "n"),
    "ilike": _case(lambda me: Doc.name.ilike("ä%"), lambda r: r["name"].lower().startswith("ä"), "name"),
    "not ilike": _case(lambda me: Doc.name.not_ilike("ä%"), lambda r: not r["name"].lower().startswith("ä"), "name"),
    "ilike claim": _case(lambda me: Doc.name.ilike(me.claim("email")), lambda r: r["name"] == "ÄNN@x.ORG", "name"),
    "startswith": _case(lambda me: Doc.path.startswith("a"), lambda r: r["path"].startswith("a")),
    "startswith wild": _case(lambda me: Doc.path.startswith("a_b"), lambda r: r["path"].startswith("a_b")),
    "startswith claim": _case(lambda me: Doc.path.startswith(me.claim("org")), lambda r: r["path"].startswith("a_b")),
    "startswith column": _case(lambda me: Doc.path.startswith(Doc.path), lambda r: True),
    "istartswith": _case(lambda me: Doc.path.istartswith("A_b"), lambda r: r["path"].lower().startswith("a_b")),
    "endswith": _case(lambda me: Doc.path.endswith("%"), lambda r: r["path"].endswith("%")),
    "contains": _case(lambda me: Doc.path.contains("_"), lambda r: "_" in r["path"]),
    "contains auto": _case(lambda me: Doc.path.contains("_", autoescape=True), lambda r: "_" in r["path"]),
    "icontains": _case(lambda me: Doc.name.icontains("nN"), lambda r: "nn" in r["name"].lower(), "name"),
    "lower": _case(
        lambda me: sa.func.lower(Doc.name) == sa.func.lower(me.claim("email")),
        lambda r: r["name"].lower() == "änn@x.org",
        "name",
    ),
    "upper": _case(lambda me: sa.func.upper(Doc.name) == "STRAßE", lambda r: r["name"] == "straße", "name"),
    "trim": _case(lambda me: sa.func.trim(Doc.name) == "x", lambda r: r["name"].strip(" ") == "x", "name"),
    "replace": _case(lambda me: sa.func.replace(Doc.path, "_", "x") == "axb/x", lambda r: r["id"] in (2, 3)),
    "length": _case(lambda me: sa.func.length(Doc.name) == 6, lambda r: len(r["name"]) == 6, "name"),
    "octets": _case(lambda me: sa.func.octet_length(Doc.name) == 7, lambda r: len(r["name"].encode()) == 7, "name"),
    "length of bytes": _case(lambda me: sa.func.length(Doc.raw) == 4, lambda r: len(r["raw"]) == 4),
    "substr": _case(lambda me: sa.func.substr(Doc.path, 2, 2) == "_b", lambda r: r["path"][1:3] == "_b"),
    "concat": _case(lambda me: Doc.name + "/" == "ann/", lambda r: r["name"] == "ann", "name"),
    "functions joined": _case(
        lambda me: sa.func.lower(Doc.name) + sa.func.upper(Doc.path) + "!" == "annA_B/X!", lambda r: r["id"] == 2, "name"
    ),
    "claims joined": _case(lambda me: me.claim("org") + me.claim("org") == "a_ba_b", lambda r: True),
    "concat null": _case(lambda me: sa.func.concat(Doc.name, "!") == "!", lambda r: not r["name"]),
    "coalesce": _case(lambda me: sa.func.coalesce(Doc.name, "none") == "none", lambda r: r["name"] is None),
    "nullif": _case(lambda me: sa.func.nullif(Doc.name, "").is_(None), lambda r: not r["name"]),
    "by code point": _case(lambda me: Doc.name.collate("C") < "a", lambda r: r["name"].encode() < b"a", "name"),
    "between code points": _case(
        lambda me: Doc.name.collate("C").between(me.claim("org"), "b"), lambda r: b"a_b" <= r["name"].encode() <= b"b", "name"
    ),
    "not between code points": _case(
        lambda me: ~Doc.name.collate("C").between("a", "b"), lambda r: not b"a" <= r["name"].encode() <= b"b", "name"
    ),
    "the last by code point": _case(
        lambda me: Doc.name == sa.select(other.name).order_by(other.name.collate("C").desc().nulls_last()).limit(1).scalar_subquery(),
        lambda r: r["name"] == "ÄNN@x.ORG",
        "name",
    ),
    "text in": _case(lambda me: Doc.name.in_(["ann", "Z"]), lambda r: r["name"] in ("ann", "Z"), "name"),
    # whole numbers
    "plus": _case(lambda me: Doc.n + 1 > Doc.small, lambda r: r["n"] + 1 > r["small"], "n"),
    "plus twice": _case(lambda me: Doc.n + Doc.small + Doc.big == 9, lambda r: r["id"] == 2, "n"),
    "plus of decimals": _case(lambda me: Doc.price + Doc.price + Doc.price == Decimal("0.3"), lambda r: r["id"] == 2, "price"),
    "minus": _case(lambda me: Doc.n - Doc.big == 6, lambda r: r["n"] - r["big"] == 6, "n"),
    "times": _case(lambda me: Doc.n * 2 == -14, lambda r: r["n"] == -7, "n"),
    "negated": _case(lambda me: -Doc.n == 7, lambda r: r["n"] == -7, "n"),
    "true division": _case(lambda me: Doc.n / 2 == Decimal("3.5"), lambda r: r["n"] == 7, "n"),
    "true division less": _case(lambda me: Doc.n / 3 < Decimal("1"), lambda r: r["n"] < 3, "n"),
    "whole division": _case(lambda me: Doc.n // 2 == -3, lambda r: r["n"] == -7, "n"),
    "rest": _case(lambda me: Doc.n % 3 == -1, lambda r: r["n"] == -7, "n"),
    "whole with broken": _case(lambda me: Doc.n < 2.5, lambda r: r["n"] < 2.5, "n"),
    "claim plus": _case(lambda me: me.claim("n") + 1 == Doc.n, lambda r: r["n"] == 4, "n"),
    "claim plus more": _case(lambda me: Doc.n > me.claim("n") * 2, lambda r: r["n"] > 6, "n"),
    "claim coalesced": _case(lambda me: sa.func.coalesce(me.claim("n"), 0) > Doc.n, lambda r: r["n"] < 3, "n"),
    "no claim coalesced": _case(lambda me: sa.func.coalesce(me.claim("none"), 0) == Doc.n, lambda r: r["n"] == 0, "n"),
    "claim in case": _case(lambda me: sa.case((Doc.flag, me.claim("n")), else_=7) == Doc.n, lambda r: not r["flag"] and r["n"] == 7, "n"),
    "claim of a case": _case(lambda me: sa.case((me.claim("n") == 3, Doc.n), else_=0) == 7, lambda r: r["n"] == 7, "n"),
    "null if claim": _case(lambda me: sa.func.nullif(Doc.n, me.claim("n")).is_(None), lambda r: r["n"] in (None, 3)),
    "decimal times claim": _case(lambda me: Doc.price * me.claim("n") == Decimal("0.3"), lambda r: r["id"] == 2, "price"),
    "float after claim": _case(lambda me: Doc.weight > me.claim("n"), lambda r: r["weight"] > 3, "weight"),
    "between": _case(lambda me: Doc.n.between(2, me.claim("n")), lambda r: 2 <= r["n"] <= 3, "n"),
    "abs": _case(lambda me: sa.func.abs(Doc.n) == 7, lambda r: abs(r["n"]) == 7, "n"),
    "case of numbers": _case(
        lambda me: sa.case((Doc.flag, Doc.n), else_=Doc.big) > 1,
        lambda r: (r["n"] if r["flag"] else r["big"]) > 1,
    ),
    "int as text": _case(lambda me: sa.cast(Doc.n, sa.String) == "-7", lambda r: r["n"] == -7, "n"),
    "text as int": _case(lambda me: Doc.n == sa.cast("7", sa.Integer), lambda r: r["n"] == 7, "n"),
    "number as text": _case(lambda me: sa.cast(Doc.n, sa.String) == sa.cast(7, sa.String), lambda r: r["n"] == 7, "n"),
    "broken as int": _case(lambda me: Doc.n == sa.cast(6.5, sa.Integer), lambda r: r["n"] == 6, "n"),
    "broken taken for int": _case(lambda me: Doc.n == sa.literal(7.5, sa.Integer), lambda r: False, "n"),
    "text as day": _case(lambda me: Doc.day == sa.cast("2024-02-29", sa.Date), lambda r: r["id"] == 7, "day"),
    "text as bool": _case(lambda me: Doc.flag == sa.cast("true", sa.Boolean), lambda r: r["flag"], "flag"),
    **{
        f"{text} as {type_}": _case(lambda me, text=text, type_=type_: sa.cast(me.claim(f"odd_{text}"), type_).is_(None), lambda r: True)
        for text in NO_VALUES
        for type_ in (sa.Float(), sa.Numeric(), sa.Integer(), sa.Date(), sa.DateTime(), sa.DateTime(timezone=True), sa.Time())
    },
    **{
        f"times {text}": _case(lambda me, text=text: Doc.weight * me.claim(f"odd_{text}") >= 0, lambda r: None)
        for text in ("NaN", "Infinity", "-inf")
    },
    "greater than NaN": _case(lambda me: sa.cast(me.claim("odd_NaN"), sa.Float) > Doc.weight, lambda r: None),
    "after infinity": _case(
        lambda me: sa.cast(me.claim("odd_infinity"), sa.DateTime(timezone=True)) > Doc.at, lambda r: None
    ),
    "claim as int": _case(lambda me: Doc.n == sa.cast(me.claim("n"), sa.Integer), lambda r: r["n"] == 3, "n"),
    "int as bool": _case(lambda me: sa.cast(Doc.n, sa.Boolean), lambda r: r["n"] != 0, "n"),
    "bool as int": _case(lambda me: sa.cast(Doc.flag, sa.Integer) == 1, lambda r: r["flag"], "flag"),
    "bool as text": _case(lambda me: sa.cast(Doc.flag, sa.String) == "true", lambda r: r["flag"], "flag"),
    "bool is": _case(lambda me: Doc.flag.is_(True), lambda r: r["flag"] is True),
    "bool distinct": _case(lambda me: Doc.flag.is_distinct_from(True), lambda r: r["flag"] is not True),
    # decimals and floats
    "decimal plus": _case(
        lambda me: Doc.price + Decimal("0.20") == Decimal("0.30"), lambda r: r["price"] == Decimal("0.10"), "price"
    ),
    "decimal minus": _case(
        lambda me: Doc.price - Decimal("0.1") == Decimal("0.1"), lambda r: r["price"] == Decimal("0.20"), "price"
    ),
    "decimal times": _case(lambda me: Doc.price * 3 == Decimal("0.3"), lambda r: r["price"] == Decimal("0.10"), "price"),
    "decimal division": _case(
        lambda me: Doc.price / 3 > 3, lambda r: r["price"] / 3 > 3, "price"
    ),
    "decimal beyond its size": _case(
        lambda me: Doc.price == Decimal("0.101"), lambda r: r["price"] == Decimal("0.101"), "price"
    ),
    "decimal less than beyond its size": _case(
        lambda me: Doc.price < Decimal("0.1000000000000000000001"), lambda r: r["price"] <= Decimal("0.1"), "price"
    ),
    "decimal plus beyond its size": _case(
        lambda me: Doc.price + Decimal("0.205") == Decimal("0.305"), lambda r: r["price"] == Decimal("0.10"), "price"
    ),
    "decimal negated": _case(lambda me: -Doc.price == Decimal("1.5"), lambda r: r["price"] == Decimal("-1.5"), "price"),
    "decimal coalesced": _case(
        lambda me: sa.func.coalesce(Doc.price, 0) < Decimal("0.15"),
        lambda r: (r["price"] or 0) < Decimal("0.15"),
    ),
    "exact order": _case(lambda me: Doc.exact < 10, lambda r: r["exact"] < 10, "exact"),
    "exact coalesced": _case(lambda me: sa.func.coalesce(Doc.exact, 0) < 10, lambda r: (r["exact"] or 0) < 10),
    "exact with decimal": _case(lambda me: Doc.exact == Doc.price, lambda r: r["exact"] == r["price"], "exact", "price"),
    "exact with whole": _case(lambda me: Doc.exact > Doc.n, lambda r: r["exact"] > r["n"], "exact", "n"),
    "exact plus": _case(lambda me: Doc.exact + Doc.price == Decimal("0.4"), lambda r: r["id"] == 3, "exact", "price"),
    "exact between": _case(lambda me: Doc.exact.between(Doc.n, 10), lambda r: r["n"] <= r["exact"] <= 10, "exact", "n"),
    "decimal in": _case(lambda me: Doc.price.in_([9, Decimal("0.1")]), lambda r: r["price"] in (9, Decimal("0.1")), "price"),
    "decimal in decimals": _case(lambda me: Doc.price.in_([Decimal("9.0"), Decimal("0.1")]), lambda r: r["id"] in (2, 5), "price"),
    "decimal coalesced in": _case(lambda me: sa.func.coalesce(Doc.price, 9).in_([9]), lambda r: r["price"] in (None, 9)),
    "exact in": _case(lambda me: Doc.exact.in_([Decimal("10.00"), 7]), lambda r: r["exact"] == 10, "exact"),
    "whole in decimals": _case(lambda me: Doc.n.in_([3, Decimal("2.0"), Decimal("0.5")]), lambda r: r["n"] in (2, 3), "n"),
    "decimal between": _case(lambda me: Doc.price.between(9, 10), lambda r: 9 <= r["price"] <= 10, "price"),
    "decimal as float": _case(lambda me: sa.cast(Doc.price, sa.Float) == 0.1, lambda r: float(r["price"]) == 0.1, "price"),
    "float as int": _case(lambda me: sa.cast(Doc.weight, sa.BigInteger) == -2, lambda r: r["weight"] == -1.5, "weight"),
    "decimal as int": _case(lambda me: sa.cast(Doc.price, sa.Integer) == -2, lambda r: r["price"] == Decimal("-1.5"), "price"),
    "float times": _case(lambda me: Doc.weight * 2 == 1.0, lambda r: r["weight"] == 0.5, "weight"),
    "float with decimal": _case(lambda me: Doc.weight == Doc.price, lambda r: r["weight"] == float(r["price"]), "weight", "price"),
    "float with exact": _case(lambda me: Doc.weight == Doc.exact, lambda r: r["weight"] == float(r["exact"]), "weight", "exact"),
    "float plus": _case(lambda me: Doc.weight + 0.2 == 0.3, lambda r: r["weight"] + 0.2 == 0.3, "weight"),
    # large ones, that a float cannot tell from one another
    "large with float": _case(lambda me: Doc.big == 2.0**53, lambda r: r["big"] == 2**53),
    "large after float": _case(lambda me: Doc.big > 2.0**53, lambda r: r["big"] > 2**53),
    "large with float on its left": _case(lambda me: sa.literal(2.0**53) == Doc.big, lambda r: r["big"] == 2**53),
    "large in floats": _case(lambda me: Doc.big.in_([2.0**53, 2]), lambda r: r["big"] in (2, 2**53)),
    "large between floats": _case(lambda me: Doc.big.between(2.0**53, 2.0**53 + 0.5), lambda r: r["big"] == 2**53),
    "large distinct from float": _case(lambda me: Doc.big.is_distinct_from(2.0**53), lambda r: r["big"] != 2**53),
    "large with broken": _case(lambda me: Doc.big < 0.5, lambda r: r["big"] < 1),
    "distinct from in": _case(
        lambda me: Doc.flag.is_distinct_from(Doc.n.in_([2, 3])),
        lambda r: r["flag"] is not (None if r["n"] is None else r["n"] in (2, 3)),
    ),
    "not distinct from facts in": _case(
        lambda me: Doc.flag.is_not_distinct_from(me.role.in_(["x", "y"])), lambda r: r["flag"] is False
    ),
    "distinct from case in": _case(
        lambda me: Doc.n.is_distinct_from(sa.case((Doc.n.in_([2, 7]), 2), else_=Doc.n)), lambda r: r["n"] == 7
    ),
    "large in broken": _case(lambda me: Doc.big.in_([0.5, 1.0]), lambda r: r["big"] == 1),
    "large with column": _case(lambda me: Doc.big == Doc.weight, lambda r: float(r["big"]) == r["weight"], "weight"),
    "large with cast": _case(
        lambda me: Doc.big == sa.cast(Doc.weight, sa.Float), lambda r: float(r["big"]) == r["weight"], "weight"
    ),
    "large as float": _case(lambda me: sa.cast(Doc.big, sa.Float) == Doc.big, lambda r: True),
    "large sum with large": _case(lambda me: Doc.big + 0.0 == 2**53 + 1, lambda r: float(r["big"]) == 2.0**53),
    "float with large": _case(lambda me: Doc.weight == 2**53 + 1, lambda r: r["weight"] == 2.0**53, "weight"),
    "float in large": _case(lambda me: Doc.weight.in_([2**53 + 1, 0.5]), lambda r: r["weight"] in (2.0**53, 0.5), "weight"),
    "exact with float": _case(lambda me: Doc.exact == 2.0**53, lambda r: r["exact"] == 2**53, "exact"),
    "exact with short": _case(lambda me: Doc.exact.in_([0.1, 10]), lambda r: r["exact"] in (Decimal("0.1"), 10), "exact"),
    "small with large": _case(lambda me: Doc.small < 2**70, lambda r: True),
    "whole in large": _case(lambda me: Doc.n.in_([2**40, 7]), lambda r: r["n"] == 7, "n"),
    "whole before the end": _case(lambda me: Doc.n < float("inf"), lambda r: True, "n"),
    "decimal after the end": _case(lambda me: Doc.price > Decimal("-Infinity"), lambda r: True, "price"),
    # where SQLite compares as it likes
    "null if exact": _case(
        lambda me: sa.func.nullif(Doc.price, Doc.exact).is_(None),
        lambda r: r["price"] is None or r["price"] == r["exact"],
    ),
    "null if decimal": _case(
        lambda me: sa.func.nullif(Doc.price * 1, Decimal("9.00")).is_(None), lambda r: r["price"] in (None, 9)
    ),
    "null if duration": _case(
        lambda me: sa.func.nullif(Doc.span, timedelta(hours=24)).is_(None), lambda r: r["span"] in (None, DAY)
    ),
    "null if float": _case(lambda me: sa.func.nullif(Doc.n, 7.0).is_(None), lambda r: r["n"] in (None, 7)),
    "case of exact": _case(
        lambda me: sa.case((None, False), (Doc.exact, True), value=Doc.price, else_=False),
        lambda r: r["price"] is not None and r["price"] == r["exact"],
    ),
    "case of large": _case(lambda me: sa.case((2.0**53, True), value=Doc.big, else_=False), lambda r: r["big"] == 2**53),
    "case of a day": _case(
        lambda me: sa.case((date(2024, 2, 29), True), value=Doc.local, else_=False),
        lambda r: r["local"] == datetime(2024, 2, 29),
    ),
    "exact of a subquery": _case(
        lambda me: sa.exists().where(doubled.c.exact > Decimal("9.5"), doubled.c.single == Doc.exact),
        lambda r: r["exact"] is not None and r["exact"] * 2 > Decimal("9.5"),
    ),
    "exact of a subquery in": _case(
        lambda me: sa.exists().where(doubled.c.exact.in_([Decimal("20.0"), Decimal("0.2")]), doubled.c.single == Doc.exact),
        lambda r: r["exact"] in (10, Decimal("0.1")),
    ),
    "now of a subquery": _case(
        lambda me: sa.exists().where(doubled.c.now > Doc.at), lambda r: r["at"] is not None and r["at"].year < 2099
    ),
    "prices of a union": _case(
        lambda me: sa.exists().where(both.c.price > Decimal("9.5"), both.c.price == Doc.price),
        lambda r: r["price"] == 10,
    ),
    "sum of some": _case(
        lambda me: sa.select(sa.func.sum(other.n).filter(other.flag)).scalar_subquery() == Doc.n, lambda r: r["n"] == 9, "n"
    ),
    "year divided": _case(
        lambda me: sa.cast(sa.extract("year", Doc.at), sa.Integer) // 1000 == 2, lambda r: True, "at"
    ),
    # moments
    "past": _case(lambda me: Doc.at + DAY < sa.func.now(), lambda r: r["at"].year < 2099, "at"),
    "now less": _case(lambda me: Doc.at > sa.func.now() - timedelta(days=9000), lambda r: True, "at"),
    "now more": _case(lambda me: sa.func.now() + DAY < Doc.at, lambda r: r["at"].year == 2099, "at"),
    "current_timestamp": _case(lambda me: Doc.at < sa.func.current_timestamp(), lambda r: r["at"].year < 2099, "at"),
    "today": _case(lambda me: Doc.day < sa.func.current_date(), lambda r: r["day"].year < 2099, "day"),
    "localtimestamp": _case(lambda me: Doc.local < sa.func.localtimestamp(), lambda r: r["local"].year < 2099, "local"),
    "local with now": _case(lambda me: Doc.local < sa.func.now(), lambda r: r["local"].year < 2099, "local"),
    "day with now": _case(lambda me: Doc.day <= sa.func.now(), lambda r: r["day"].year < 2099, "day"),
    "day with moment": _case(lambda me: Doc.day < Doc.at, lambda r: r["id"] == 7, "day", "at"),
    "day is local": _case(lambda me: Doc.day == Doc.local, lambda r: r["id"] in (8, 9), "day", "local"),
    "local is moment": _case(lambda me: Doc.local == Doc.at, lambda r: r["local"] == _utc(r["at"]).replace(tzinfo=None), "local", "at"),
    "moment plus": _case(
        lambda me: Doc.at + timedelta(microseconds=100) == datetime(2024, 3, 1, tzinfo=UTC),
        lambda r: r["at"] == LEAP,
        "at",
    ),
    "local minus": _case(
        lambda me: Doc.local - DAY == datetime(2024, 2, 28), lambda r: r["local"] == datetime(2024, 2, 29), "local"
    ),
    "moment plus column": _case(
        lambda me: Doc.at + Doc.span > datetime(2024, 3, 1, tzinfo=UTC),
        lambda r: _utc(r["at"]) + r["span"] > datetime(2024, 3, 1, tzinfo=UTC),
        "at",
        "span",
    ),
    "far after": _case(
        lambda me: (Doc.at + timedelta(days=3_000_000) > Doc.at) & (Doc.day + 3_000_000 > Doc.day), lambda r: True, "at", "day"
    ),
    "far before": _case(lambda me: Doc.local - timedelta(days=800_000) < Doc.local, lambda r: True, "local"),
    "far and back": _case(
        lambda me: Doc.at - timedelta(days=1_200_000) + timedelta(days=1_200_000) == Doc.at, lambda r: True, "at"
    ),
    "far from one another": _case(
        lambda me: Doc.at - timedelta(days=800_000) > Doc.at - timedelta(days=1_200_001), lambda r: True, "at"
    ),
    "far between": _case(lambda me: (Doc.day + 3_000_000).between(Doc.at, Doc.day + 3_000_001), lambda r: True, "at", "day"),
    "far difference": _case(
        lambda me: (Doc.local + timedelta(days=3_000_000)) - Doc.local == timedelta(days=3_000_000), lambda r: True, "local"
    ),
    "far difference of days": _case(lambda me: (Doc.day + 3_000_000) - Doc.day == 3_000_000, lambda r: True, "day"),
    "far is there": _case(lambda me: (Doc.at + timedelta(days=3_000_000)).is_not(None), lambda r: r["at"] is not None),
    "the last day and more": _case(lambda me: sa.literal(date(9999, 12, 31)) + Doc.n > Doc.day, lambda r: True, "n", "day"),
    "difference": _case(
        lambda me: Doc.at - datetime(2024, 2, 28, tzinfo=UTC) > DAY,
        lambda r: r["at"] - datetime(2024, 2, 28, tzinfo=UTC) > DAY,
        "at",
    ),
    "difference of days": _case(lambda me: Doc.day - date(2024, 1, 1) == 59, lambda r: r["id"] == 7, "day"),
    "day plus days": _case(lambda me: Doc.day + 1 == date(2024, 3, 1), lambda r: r["id"] == 7, "day"),
    "day plus interval": _case(
        lambda me: Doc.day + 36 * HOUR > datetime(2024, 3, 1), lambda r: r["id"] in (7, 9), "day"
    ),
    "durations": _case(lambda me: Doc.span < timedelta(days=1, hours=1), lambda r: r["span"] < 25 * HOUR, "span"),
    "duration is": _case(lambda me: Doc.span == timedelta(hours=24), lambda r: r["span"] == DAY, "span"),
    "duration between": _case(lambda me: Doc.span.between(9 * HOUR, DAY), lambda r: 9 * HOUR <= r["span"] <= DAY, "span"),
    "moment between": _case(
        lambda me: Doc.at.between(date(2024, 2, 29), date(2024, 3, 1)),
        lambda r: datetime(2024, 2, 29, tzinfo=UTC) <= r["at"] <= datetime(2024, 3, 1, tzinfo=UTC),
        "at",
    ),
    "year": _case(lambda me: sa.extract("year", Doc.at) == 2023, lambda r: _utc(r["at"]).year == 2023, "at"),
    "day of month": _case(lambda me: sa.extract("day", Doc.at) == 29, lambda r: _utc(r["at"]).day == 29, "at"),
    "minute": _case(lambda me: sa.extract("minute", Doc.local) == 59, lambda r: r["local"].minute == 59, "local"),
    "day of week": _case(lambda me: sa.extract("dow", Doc.at) == 4, lambda r: _utc(r["at"]).isoweekday() % 7 == 4, "at"),
    "day of year": _case(lambda me: sa.extract("doy", Doc.day) == 60, lambda r: r["id"] == 7, "day"),
    "moment as day": _case(lambda me: sa.cast(Doc.at, sa.Date) == date(2024, 2, 29), lambda r: _utc(r["at"]).date() == date(2024, 2, 29), "at"),
    "day as moment": _case(
        lambda me: sa.cast(Doc.day, sa.DateTime(timezone=True)) == datetime(2024, 2, 29, tzinfo=UTC),
        lambda r: r["id"] == 7,
        "day",
    ),
    "claim as day": _case(lambda me: Doc.day == sa.cast(me.claim("day"), sa.Date), lambda r: r["id"] == 7, "day"),
    "time": _case(lambda me: Doc.hour >= time(9), lambda r: r["hour"] >= time(9)),
    # ids, enums, bytes, rows
    "mine": _case(lambda me: Doc.key == me.id, lambda r: r["key"] == UUID(int=7), "key"),
    "mine cast": _case(lambda me: Doc.key == sa.cast(me.claim("sub"), sa.Uuid), lambda r: r["key"] == UUID(int=7), "key"),
    "key as text": _case(lambda me: sa.cast(Doc.key, sa.String) == me.claim("sub"), lambda r: r["key"] == UUID(int=7), "key"),
    "keys in order": _case(lambda me: Doc.key < UUID(int=0xABC), lambda r: r["key"] < UUID(int=0xABC), "key"),
    "enum": _case(lambda me: Doc.kind.in_([Kind.large]), lambda r: r["kind"] is Kind.large),
    "bytes": _case(lambda me: Doc.raw > b"a", lambda r: r["raw"] > b"a"),
    "rows in": _case(
        lambda me: sa.tuple_(Doc.n, Doc.path).in_([(7, "a_b/x"), (3, "no")]), lambda r: r["id"] == 2
    ),
    "rows of other types in": Case(
        lambda me: sa.tuple_(Doc.day, Doc.kind).in_([(date(2024, 2, 29), Kind.small)]),
        lambda r: r["kind"] is Kind.small and _is(r["day"], date(2024, 2, 29)),
    ),
    "row with me": Case(
        lambda me: sa.tuple_(Doc.n, me.id).in_(sa.select(other.n, other.key)),
        lambda r: None if r["n"] is None else True if r["n"] == 3 else None,
    ),
    "rows with me in": Case(
        lambda me: sa.tuple_(Doc.n, Doc.key).in_([(2, me.id), (me.claim("n"), me.id)]),
        lambda r: _among((r["n"], r["key"]), (2, UUID(int=7)), (3, UUID(int=7))),
    ),
    "rows of numbers in": Case(
        lambda me: sa.tuple_(Doc.n, Doc.big).in_([(9.0, 2.0**53), (2**40, 1), (Decimal(7), 1)]),
        lambda r: _among((r["n"], r["big"]), (9, 2**53), (2**40, 1), (7, 1)),
    ),
    "row of a number": Case(
        lambda me: sa.tuple_(Doc.n, Doc.path) == (7.0, "a_b/x"), lambda r: _among((r["n"], r["path"]), (7, "a_b/x"))
    ),
    "row less": _case(
        lambda me: sa.tuple_(Doc.n, Doc.small) < sa.tuple_(sa.literal(3), sa.literal(0)),
        lambda r: (r["n"], r["small"]) < (3, 0),
        "n",
    ),
    # JSON
    "json text": Case(lambda me: Doc.data["a"].as_string() == "x", lambda r: _is(_plain(r, "a"), "x")),
    "json number as text": Case(lambda me: Doc.data["b"]["c"].as_string() == "5", lambda r: _is(_plain(r, "b", "c"), 5)),
    "json path": Case(lambda me: Doc.data[("l", 1)].as_string() == "two", lambda r: _is(_plain(r, "l", 1), "two")),
    "json path of a digit": Case(lambda me: Doc.data[("0",)].as_string() == "a", lambda r: _is(_plain(r, "0"), "a")),
    "json path of a number": Case(lambda me: Doc.data[(0,)].as_string() == "a", lambda r: _is(_plain(r, 0), "a")),
    "json last": Case(lambda me: Doc.data[("l", -1)].as_string() == "two", lambda r: _is(_plain(r, "l", -1), "two")),
    "json integer": Case(lambda me: Doc.data[("b", "c")].as_integer() == 5, lambda r: _is(_plain(r, "b", "c"), 5)),
    "json boolean": _case(lambda me: Doc.data["t"].as_boolean(), lambda r: _plain(r, "t")),
    "json float": Case(lambda me: Doc.data["f"].as_float() == 2.0, lambda r: _is(_plain(r, "f"), 2)),
    "json missing": _case(lambda me: Doc.data["a"].is_(None), lambda r: _get(r, "a") is ...),
    "json null text": _case(lambda me: Doc.data["a"].as_string().is_(None), lambda r: _plain(r, "a") is None),
    "json like": Case(lambda me: Doc.data["a"].as_string().like("X"), lambda r: _is(_plain(r, "a"), "X")),
    # subqueries
    "most": _case(
        lambda me: Doc.n == sa.select(sa.func.max(other.n)).scalar_subquery(), lambda r: r["n"] == 10, "n"
    ),
    "dearest": _case(
        lambda me: Doc.price >= sa.select(sa.func.max(other.price)).scalar_subquery(), lambda r: r["price"] == 10, "price"
    ),
    "sum": _case(
        lambda me: sa.select(sa.func.sum(other.small)).scalar_subquery() < Doc.n, lambda r: r["n"] > -6, "n"
    ),
    "of its key": _case(
        lambda me: sa.select(other.n).where(other.id == 2).scalar_subquery() < Doc.n, lambda r: r["n"] > 7, "n"
    ),
    "count": _case(
        lambda me: sa.select(sa.func.count()).where(other.n < Doc.n).scalar_subquery() == 0, lambda r: r["n"] in (None, -7)
    ),
    "first": _case(
        lambda me: Doc.n == sa.select(other.n).order_by(other.n.desc().nulls_last()).limit(1).scalar_subquery(),
        lambda r: r["n"] == 10,
        "n",
    ),
    "a list of decimals": _case(
        lambda me: Doc.price.in_(sa.select(other.price).where(other.price > 1)), lambda r: r["price"] > 1, "price"
    ),
}  # fmt: skip


def _policy(sql: Callable[[Any], Any], role: str, *, negated: bool) -> Any:
    def policy(me: Any) -> Any:
        return sa.not_(sql(me)) if negated else sql(me)

    policy.__name__ = role
    return allow("read", "create", Doc, to=role)(policy)


def app(url: str) -> Backstay:
    cases = list(CASES.values())
    policies = [_policy(case.sql, f"case_{at}", negated=False) for at, case in enumerate(cases)]
    policies += [_policy(case.sql, f"not_{at}", negated=True) for at, case in enumerate(cases)]
    return Backstay(
        models=Base, policies=policies, settings=Settings(jwt_secret=SECRET, database=url, tx_end="rollback")
    )
