"""Facts about the caller in rules: negations, NULL, and claims beside columns of every type, alike on both databases."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from backstay import Backstay, Me, Settings, allow
from tests.http.api import PEOPLE, Api, opened, token
from tests.http.shop_app import SECRET

A, B = UUID("00000000-0000-4000-8000-00000000000a"), UUID("00000000-0000-4000-8000-00000000000b")


class Mood(enum.Enum):
    glad = "glad"
    sad = "sad"


#: Claims of callers.  ``None`` is one without a token.
CALLERS: dict[str, dict[str, Any] | None] = {
    "a": {"sub": str(A), "role": "authenticated", "app_metadata": {"roles": ["editor"]}},
    "b": {"sub": str(B), "role": "authenticated"},
    "odd": {"sub": "not an id", "role": "authenticated"},
    "idless": {"role": "authenticated"},
    "anon": None,
}

COLUMNS: dict[str, sa.types.TypeEngine[Any]] = {
    "owner": sa.Uuid(),
    "text": sa.Text(),
    "short": sa.String(4),
    "fixed": sa.CHAR(4),
    "small": sa.SmallInteger(),
    "n": sa.Integer(),
    "big": sa.BigInteger(),
    "money": sa.Numeric(10, 2),
    "ratio": sa.Double(),
    "flag": sa.Boolean(),
    "day": sa.Date(),
    "at": sa.DateTime(timezone=True),
    "clock": sa.Time(),
    "mood": sa.Enum(Mood),
    "data": sa.JSON(),
}
ROW = {
    "text": "blue",
    "short": "blue",
    "fixed": "blue",
    "small": 7,
    "n": 7,
    "big": 7,
    "money": Decimal("7.50"),
    "ratio": 0.5,
    "flag": True,
    "day": date(2026, 3, 1),
    "at": datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
    "clock": time(9, 30),
    "mood": Mood.glad,
    "data": {"team": "blue"},
}
ROWS = [{"id": 1, "owner": A, **ROW}, {"id": 2, "owner": B, **ROW}, {"id": 3, "owner": None, **ROW}]

Rule = Callable[[Any, Any], Any]
SAID: list[tuple[str, Rule, str | tuple[str, ...] | None, dict[str, list[int]]]] = []


def said(what: str, rule: Rule, to: str | tuple[str, ...] | None = None, **ids: list[int]) -> None:
    """Callers that are not named read nothing."""
    SAID.append((what, rule, to, ids))


EVERY, ALL = [1, 2, 3], ("anon", "authenticated")
said("equal", lambda me, c: c.owner == me.id, a=[1], b=[2])
said("unequal", lambda me, c: c.owner != me.id, a=[2], b=[1])
said("not equal", lambda me, c: ~(c.owner == me.id), a=[2], b=[1])
said("distinct", lambda me, c: c.owner.is_distinct_from(me.id), a=[2, 3], b=[1, 3], odd=EVERY[:2])
said("distinct sub", lambda me, c: c.owner.is_distinct_from(me.claim("sub")), a=[2, 3], b=[1, 3], odd=EVERY[:2])
said("not distinct", lambda me, c: c.owner.is_not_distinct_from(me.id), a=[1], b=[2], odd=[3])
said("not in", lambda me, c: c.owner.not_in([me.id]), a=[2], b=[1])
said("not exists", lambda me, c: ~sa.exists(sa.select(1).where(c.owner == me.id)), odd=EVERY)
said("case", lambda me, c: sa.case((c.owner == me.id, False), else_=True), a=[2, 3], b=[1, 3], odd=EVERY)
said("is not null", lambda me, c: me.id.is_not(None), a=EVERY, b=EVERY, odd=EVERY)
said("is null", lambda me, c: me.id.is_(None))
said("== None", lambda me, c: me.id == None)  # noqa: E711 - as people write it
said("or null", lambda me, c: sa.or_(me.id.is_(None), c.owner == me.id), a=[1], b=[2])
said("anon equal", lambda me, c: c.owner == me.id, "anon")
said("anon unequal", lambda me, c: c.owner != me.id, "anon")
said("anon distinct", lambda me, c: c.owner.is_distinct_from(me.id), "anon", anon=[1, 2])
said("anon is null", lambda me, c: me.id.is_(None), "anon", anon=EVERY)
said("anon == None", lambda me, c: me.id == None, "anon", anon=EVERY)  # noqa: E711
said("anon is not null", lambda me, c: me.id.is_not(None), "anon")
said("all is null", lambda me, c: me.id.is_(None), ALL, anon=EVERY)
said("all distinct", lambda me, c: c.owner.is_distinct_from(me.id), ALL, a=[2, 3], b=[1, 3], odd=[1, 2], anon=[1, 2])
said("authenticated", lambda me, c: sa.true(), "authenticated", a=EVERY, b=EVERY, odd=EVERY, idless=EVERY)
said("id in texts", lambda me, c: me.id.in_([str(A), "x"]), a=EVERY)
said("id in ids", lambda me, c: me.id.in_([A]), a=EVERY)
said("id in rows", lambda me, c: me.id.in_(sa.select(c.owner).where(c.id == 2)), b=EVERY)
said("id as text", lambda me, c: sa.cast(me.id, sa.Text()) == str(A), a=EVERY)
said("id like", lambda me, c: me.id.like("%00b"), b=EVERY)
said("coalesce", lambda me, c: sa.func.coalesce(me.id, c.owner) == c.owner, a=[1], b=[2], odd=[1, 2])
said("has role", lambda me, c: me.has_role("editor"), a=EVERY)
said("has not role", lambda me, c: ~me.has_role("editor"), b=EVERY, odd=EVERY, idless=EVERY, anon=EVERY)
said("role", lambda me, c: me.role != "anon", a=EVERY, b=EVERY, odd=EVERY, idless=EVERY)
said("role in", lambda me, c: me.role.in_(["anon", "staff"]), anon=EVERY)
said("aal", lambda me, c: me.aal.is_(None), a=EVERY, b=EVERY, odd=EVERY, idless=EVERY, anon=EVERY)
said("False", lambda me, c: False)
said("True", lambda me, c: True, a=EVERY, b=EVERY, odd=EVERY, idless=EVERY, anon=EVERY)

#: A claim's value, and whether it matches the column's.
CLAIMS: list[tuple[str, Any, bool]] = [
    ("data", "blue", True),
    ("data", "red", False),
    ("owner", str(A), True),
    ("owner", str(A).upper(), True),
    ("owner", "x", False),
    ("owner", 7, False),
    ("text", "blue", True),
    ("text", "Blue", False),
    ("text", "", False),
    ("text", ["blue"], False),
    ("text", {"blue": 1}, False),
    ("text", None, False),
    ("text", "bl\0ue", False),
    *((name, value, fits) for name in ("small", "n", "big") for value, fits in [
        (7, True), ("7", True), (8, False), ("x", False), (7.5, False), (10**30, False), (-(10**30), False),
        (2**40, False), (2**63, False), (True, False), ("7 or 1", False), ("٧", False),
    ]),
    ("money", "7.50", True),
    ("money", 7.5, True),
    ("money", "7.5", True),
    ("money", "NaN", False),
    ("money", "7.499", False),
    ("money", "7.501", False),
    ("money", "1e400", False),
    ("money", "1e999999", False),
    ("money", "123456789012.5", False),
    ("text", "blue and more", False),
    ("short", "blue and more", False),
    ("short", "blue", True),
    ("fixed", "blue and more", False),
    ("fixed", "blue", True),
    ("money", "x", False),
    ("ratio", 0.5, True),
    ("ratio", "0.5", True),
    ("ratio", "nan", False),
    ("ratio", "1e999", False),
    ("flag", True, True),
    ("flag", "true", True),
    ("flag", False, False),
    ("flag", "x", False),
    ("flag", 2, False),
    ("day", "2026-03-01", True),
    ("day", "2026-03-02", False),
    ("day", "yesterday ", False),
    ("day", 20260301, True),
    ("at", "2026-03-01T09:30:00Z", True),
    ("at", "2026-03-01T10:30:00+01:00", True),
    ("at", "x", False),
    ("clock", "09:30:00", True),
    ("clock", "x", False),
    ("mood", "glad", True),
    ("mood", "sad", False),
    ("mood", "x", False),
    ("mood", 1, False),
]  # fmt: skip


def _table(metadata: sa.MetaData, name: str) -> sa.Table:
    columns = [sa.Column(each, type_) for each, type_ in COLUMNS.items()]
    return sa.Table(name, metadata, sa.Column("id", sa.Integer(), primary_key=True), *columns)


def _name(what: str) -> str:
    return "t_" + "".join(c if c.isalnum() else "_" for c in what)


def _app(url: str) -> Backstay:
    metadata = sa.MetaData()
    policies = []
    for what, rule, to, _ in SAID:
        table = _table(metadata, _name(what))
        policies.append(allow("read", table, to=to)(_policy(rule)))
    for name in COLUMNS:
        table = _table(metadata, f"claim_{name}")
        policies.append(allow("read", table)(_policy(_claimed(name))))
    return Backstay(models=metadata, policies=policies, settings=Settings(database=url, jwt_secret=SECRET))


def _policy(rule: Rule) -> Callable[..., Any]:
    def policy(me: Me, rows: Any) -> Any:
        return rule(me, rows)

    return policy


def _claimed(name: str) -> Rule:
    column = lambda rows: rows.data["team"].as_string() if name == "data" else rows[name]  # noqa: E731
    return lambda me, rows: column(rows) == me.claim("app", "value")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def facts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    names = [_name(what) for what, *_ in SAID] + [f"claim_{name}" for name in COLUMNS]
    folder = tmp_path_factory.mktemp("facts")
    with opened(request.param, folder, _app, dict.fromkeys(names, ROWS), "facts") as api:
        yield api


@pytest.fixture(autouse=True)
def callers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for who, claims in CALLERS.items():
        if claims is not None:
            monkeypatch.setitem(PEOPLE, who, claims)  # type: ignore[arg-type]
    token.cache_clear()
    yield
    token.cache_clear()


@pytest.mark.parametrize(("what", "ids"), [(what, ids) for what, _, _, ids in SAID], ids=[what for what, *_ in SAID])
def test_a_rule_says_the_same_everywhere(facts: Api, what: str, ids: dict[str, list[int]]) -> None:
    """P1: under negations and beside NULL, no caller without an id gets in unless the rule says so with to="anon"."""
    for who, claims in CALLERS.items():
        reply = facts.get(f"{_name(what)}?select=id&order=id", as_=None if claims is None else who)
        found = reply.ids if reply.status == 200 else []
        assert (reply.status in (200, 404), ids.get(who, [])) == (True, found), (who, reply.status, reply.body)


@pytest.mark.parametrize(("name", "value", "fits"), CLAIMS)
def test_a_claim_fits_its_column(
    facts: Api, monkeypatch: pytest.MonkeyPatch, name: str, value: Any, fits: bool
) -> None:
    """P1: a claim beside a column of any type matches by value, and what cannot be of the type matches nothing."""
    monkeypatch.setitem(PEOPLE, "claimant", {"sub": str(A), "role": "authenticated", "app": {"value": value}})  # type: ignore[arg-type]
    token.cache_clear()
    reply = facts.get(f"claim_{name}?select=id&id=eq.1", as_="claimant")
    assert (200, [{"id": 1}] if fits else []) == (reply.status, reply.json)
