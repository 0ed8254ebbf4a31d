"""A rule that fails on a row: refused, and nothing of the row, the rule or the database is told (AC13)."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from backstay import Backstay, Settings, allow, function
from tests.http.api import Api, opened, quick_folder
from tests.http.shop_app import SECRET

_FAULTS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "overflows": lambda m: m.big + m.big > 0,
    "absolutes": lambda m: sa.func.abs(m.big) >= 0,
    "divides": lambda m: 10 / m.n > 0,
    "casts": lambda m: sa.cast(m.text, sa.Integer) > 0,
    "dates": lambda m: sa.cast(m.text, sa.Date) > sa.func.current_date(),
}
#: Rules that one of the rows of everybody breaks, by database.
FAULTS: Final[Mapping[str, Mapping[str, Callable[[Any], Any]]]] = {
    "sqlite": _FAULTS,
    "postgresql": {
        **_FAULTS,
        "patterns": lambda m: m.text.regexp_match(m.text),
    },
}
#: What no answer may hold: the database's words, names of the rule, values of the row.
WORDS: Final = (
    "zero",
    "overflow",
    "range",
    "malformed",
    "json",
    "syntax",
    "poison",
    "92233",
    "rule_of",
    "regular",
    "row",
)
POISON: Final = {"id": 2, "shelf": 1, "n": 0, "text": "po(son", "big": -(2**63), "owner": 9}
FINE: Final = {"id": 1, "shelf": 1, "n": 1, "text": '{"a":1}', "big": 1, "owner": 1}


class Base(DeclarativeBase):
    pass


class Shelf(Base):
    __tablename__ = "shelves"
    id: Mapped[int] = mapped_column(primary_key=True)


class Kept:
    id: Mapped[int] = mapped_column(primary_key=True)
    n: Mapped[int]
    text: Mapped[str]
    big: Mapped[int] = mapped_column(sa.BigInteger)
    owner: Mapped[int]


def _model(name: str) -> Any:
    columns = {"shelf": mapped_column(sa.Integer, sa.ForeignKey("shelves.id")), "on": relationship(Shelf)}
    return type(name, (Kept, Base), {"__tablename__": name, **columns})


NAMES: Final = sorted({name for each in FAULTS.values() for name in each})
MODELS: Final = {name: _model(name) for name in NAMES}


def _rule(name: str, says: Callable[[Any], Any]) -> Any:
    def policy(me: Any) -> Any:
        return says(MODELS[name])

    policy.__name__ = f"rule_of_{name}"
    return allow("read", "create", "update", "delete", MODELS[name], to=["anon", "authenticated"])(policy)


@allow("read", Shelf, to=["anon", "authenticated", "staff"])
def shelves(me: Any) -> Any:
    return True


@allow("read", "create", *MODELS.values(), to="staff")
def staff(me: Any) -> Any:
    return True


def _function(name: str) -> Any:
    async def rows(db: AsyncSession) -> list[Any]:
        return list(await db.scalars(sa.select(MODELS[name])))

    rows.__annotations__["return"] = list[MODELS[name]]  # type: ignore[valid-type]
    rows.__name__ = f"all_{name}"
    return function(read_only=True)(rows)


def app(url: str) -> Backstay:
    rules = FAULTS[url.partition(":")[0]]
    return Backstay(
        models=Base,
        policies=[shelves, staff, *(_rule(name, rules.get(name, lambda m: m.n > 0)) for name in NAMES)],
        functions=[_function(name) for name in NAMES],
        settings=Settings(jwt_secret=SECRET, database=url),
    )


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def api(request: pytest.FixtureRequest) -> Iterator[Api]:
    with quick_folder() as folder:
        rows = {"shelves": [{"id": 1}, {"id": 2}]} | {name: [FINE, POISON] for name in NAMES}
        with opened(request.param, folder, app, rows, "faults") as found:
            yield found


NEW: Final = {**POISON, "id": 3}
WAYS: Final[Mapping[str, Callable[[Api, str, str | None], Any]]] = {
    "read": lambda api, name, who: api.get(name, as_=who),
    "filter": lambda api, name, who: api.get(f"{name}?id=eq.2&select=id", as_=who),
    "count": lambda api, name, who: api.get(f"{name}?limit=0", as_=who, prefer="count=exact"),
    "head": lambda api, name, who: api.head(name, as_=who, prefer="count=exact"),
    "embedded": lambda api, name, who: api.get(f"shelves?select=id,{name}(id)", as_=who),
    "joined": lambda api, name, who: api.get(f"shelves?select=id,{name}!inner(id)", as_=who),
    "item": lambda api, name, who: api.get(f"{name}/2", as_=who),
    "csv": lambda api, name, who: api.get(name, as_=who, accept="text/csv"),
    "export": lambda api, name, who: api.get(name, as_=who, accept="application/x-ndjson"),
    "keyset": lambda api, name, who: api.get(f"{name}?limit=1", as_=who, prefer="page=keyset"),
    "insert": lambda api, name, who: api.post(name, NEW, as_=who),
    "returning": lambda api, name, who: api.post(name, NEW, as_=who, prefer="return=representation"),
    "bulk": lambda api, name, who: api.post(name, [{**FINE, "id": 4}, NEW], as_=who),
    "merge": lambda api, name, who: api.post(name, NEW, as_=who, prefer="resolution=merge-duplicates"),
    "ignore": lambda api, name, who: api.post(name, NEW, as_=who, prefer="resolution=ignore-duplicates"),
    "put": lambda api, name, who: api.send(
        "PUT", f"{name}?id=eq.2", as_=who, body=json.dumps(POISON).encode(), content_type=_JSON
    ),
    "update": lambda api, name, who: api.patch(f"{name}?id=eq.2", {"owner": 1}, as_=who),
    "into": lambda api, name, who: api.patch(f"{name}?id=eq.1", {k: POISON[k] for k in ("n", "text", "big")}, as_=who),
    "delete": lambda api, name, who: api.delete(f"{name}?id=eq.2", as_=who),
    "batch": lambda api, name, who: api.post("batch", [{"path": "shelves"}, {"path": name}], as_=who),
    "function": lambda api, name, who: api.post(f"rpc/all_{name}", {}, as_=who),
}
_JSON: Final = "application/json"


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_told(api: Api, way: str, caplog: pytest.LogCaptureFixture) -> None:
    """AC13, F8: the same answer for each kind of fault, but for an id, under which the operator finds the cause."""
    for name in FAULTS[api.name]:
        for who, status in (("ann", 403), (None, 401)):
            if who is None and way == "keyset":
                continue
            caplog.clear()
            with caplog.at_level(logging.ERROR, "backstay.http"):
                reply = WAYS[way](api, name, who)
            assert (name, status) == (name, reply.status), reply.body
            if way == "head":
                assert b"" == reply.body
            else:
                body = reply.json
                id = body["details"].removeprefix("Error id ")
                assert ("BST403", "The request is refused: it could not be judged", 16) == (
                    body["code"],
                    body["message"],
                    len(id),
                )
                assert not [word for word in WORDS if word in reply.body.decode().lower().replace("error id", "")]
                assert id in caplog.text
            assert "DatabaseError" in caplog.text


def test_others_are_not_held_back(api: Api) -> None:
    """AC13: the service role and callers of other rules are told what the database says, and see their rows."""
    for name in FAULTS[api.name]:
        assert [1, 2] == api.get(f"{name}?order=id&select=id", as_="svc").ids
        assert [1, 2] == api.get(f"{name}?order=id&select=id", as_="dee").ids
        assert "23505" == api.post(name, FINE, as_="dee").code
        assert "22P02" == api.get(f"{name}?id=eq.x", as_="ann").code
