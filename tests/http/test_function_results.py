"""What a function returns is what it is annotated with, or nothing has happened."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple, TypedDict
from uuid import UUID

import msgspec
import pydantic
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backstay import Backstay, Settings, allow, function
from tests.http.api import Api, opened
from tests.http.shop_app import SECRET


class Model(DeclarativeBase):
    pass


class Note(Model):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)


class Other(Model):
    __tablename__ = "others"
    id: Mapped[int] = mapped_column(primary_key=True)


@dataclass
class Quote:
    total: Decimal
    tags: list[str]


@dataclass
class Refusal:
    why: str


class Named(TypedDict):
    name: str


class Pair(NamedTuple):
    left: int
    right: str


class Box(pydantic.BaseModel):
    side: int


class Struct(msgspec.Struct, rename="camel"):
    own_side: int


WRONG: list[tuple[Any, Any]] = [
    (int, "text"),
    (int, 1.5),
    (int, True),
    (int, None),
    (str, 1),
    (str, None),
    (bool, 1),
    (float, float("nan")),
    (float, float("inf")),
    (float, None),
    (None, 1),
    (None, {}),
    (date, "yesterday"),
    (UUID, "x"),
    (list[int], [1, "2"]),
    (list[int], None),
    (list[int], 1),
    (dict[str, int], {"a": "b"}),
    (tuple[int, int], (1, 2, 3)),
    (Literal["a"], "b"),
    (Quote, {"total": 1}),
    (Quote, Refusal("x")),
    (Quote, Quote("x", [])),  # type: ignore[arg-type]
    (Quote, Quote(Decimal(1), [1])),  # type: ignore[list-item]
    (Quote | Refusal, 1),
    (Quote | None, 1),
    (Named, {}),
    (Named, {"name": 1}),
    (Pair, (1, 2)),
    (Struct, {"own_side": 1}),
    (Box, {"side": 1}),
    (Box, None),
    (list[Box], [1]),
    (int | str, 1.5),
    (str, object()),
    (Note, None),
    (Note, Other(id=1)),
    (Note, 1),
    (Note, {"id": 1}),
    (Note | None, Other(id=1)),
    (list[Note], None),
    (list[Note], Note(id=1)),
    (list[Note], [Other(id=1)]),
    (list[Note], [Note(id=1), None]),
    (list[Note], [{"id": 1}]),
]
RIGHT: list[tuple[Any, Any, Any]] = [
    (int, 1, 1),
    (float, 1, 1),
    (float, 0.5, 0.5),
    (str, "x", "x"),
    (int | None, None, None),
    (Any, {"a": [1]}, {"a": [1]}),
    (Decimal, Decimal("1.50"), 1.5),
    (date, date(2026, 3, 1), "2026-03-01"),
    (datetime, datetime(2026, 3, 1, tzinfo=UTC), "2026-03-01T00:00:00Z"),
    (timedelta, timedelta(seconds=90), "PT90S"),
    (UUID, UUID(int=1), str(UUID(int=1))),
    (bytes, b"a", "YQ=="),
    (list[int], [1, 2], [1, 2]),
    (list[int], (1, 2), [1, 2]),
    (set[int], {1}, [1]),
    (dict[int, str], {1: "a"}, {"1": "a"}),
    (dict[str, Any], {"a": None}, {"a": None}),
    (Quote, Quote(Decimal("1.5"), ["a"]), {"total": 1.5, "tags": ["a"]}),
    (Quote | Refusal, Refusal("x"), {"why": "x"}),
    (list[Quote] | None, [], []),
    (Named, {"name": "x"}, {"name": "x"}),
    (Pair, Pair(1, "x"), [1, "x"]),
    (Struct, Struct(1), {"ownSide": 1}),
    (Box, Box(side=1), {"side": 1}),
    (list[Box], [Box(side=1)], [{"side": 1}]),
    (Box | None, None, None),
    (Note | None, None, None),
    (list[Note], [], []),
]


def _returning(hint: Any, value: Any, name: str) -> Any:
    async def call(db: AsyncSession) -> Any:
        await db.execute(sa.insert(Note).values(id=100))
        return value() if isinstance(value, Callable) and not isinstance(value, type) else value  # type: ignore[arg-type]

    call.__annotations__ = {"db": AsyncSession, "return": hint}
    return function(name=name)(call)


FORMS: list[tuple[Any, Any, bytes]] = [
    (int, 1, b"pgrst_scalar\n1"),
    (int | None, None, b"\n"),
    (str, "a, b", b'pgrst_scalar\n"a, b"'),
    (list[int], [1, 2], b"pgrst_scalar\n1\n2"),
    (list[int | None], [None, 2], b"pgrst_scalar\n\n2"),
    (list[list[int]], [[1], []], b"pgrst_scalar\n[1]\n[]"),
    (list[int], [], b"\n"),
    (dict[str, Any], {"a": None, "b": [1, 2]}, b'a,b\n,"[1,2]"'),
    (list[dict[str, int]], [{"a": 1, "b": 2}, {"b": 3}, {"c": 4}], b"a,b,c\n1,2,\n,3,\n,,4"),
    (list[dict[str, int]], [{}, {"b": 3}], b"b\n\n3"),
    (dict[str, int], {"a, b": 1, 'c"': 2}, b'"a, b","c"""\n1,2'),
    (list[dict[str, int] | int], [{"a": 1}, 2], b'pgrst_scalar\n"{""a"":1}"\n2'),
    (Pair, Pair(1, "x"), b"pgrst_scalar\n1\nx"),
    (list[Box], [Box(side=1)], b"side\n1"),
]


@allow("read", Note, Other)
def anybody(me: Any) -> Any:
    """Everybody."""
    return True


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def calls(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    functions = [_returning(hint, value, f"wrong{n}") for n, (hint, value) in enumerate(WRONG)]
    functions += [_returning(hint, value, f"right{n}") for n, (hint, value, _) in enumerate(RIGHT)]
    functions += [_returning(hint, value, f"form{n}") for n, (hint, value, _) in enumerate(FORMS)]

    def make(url: str) -> Backstay:
        settings = Settings(database=url, jwt_secret=SECRET)
        return Backstay(models=Model, policies=[anybody], functions=functions, settings=settings)

    with opened(request.param, tmp_path_factory.mktemp("calls"), make, {"notes": [], "others": []}, "calls") as api:
        yield api


def _named(value: object) -> str:
    """A name that is the same in every process: an address in memory is not."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


@pytest.mark.parametrize("number", range(len(WRONG)), ids=[f"{hint} <- {_named(value)}" for hint, value in WRONG])
def test_another_value_is_a_fault(calls: Api, caplog: pytest.LogCaptureFixture, number: int) -> None:
    """P3: it is logged, the answer is a 500 that tells nothing, and what it wrote is not there."""
    with caplog.at_level(logging.ERROR):
        reply = calls.clean().post(f"rpc/wrong{number}", {})
    assert (500, "BST500") == (reply.status, reply.code)
    assert any(record.exc_info for record in caplog.records)
    assert [] == calls.rows("notes")


@pytest.mark.parametrize("number", range(len(RIGHT)), ids=[f"{hint} <- {_named(value)}" for hint, value, _ in RIGHT])
def test_the_value_that_was_meant_is_sent(calls: Api, number: int) -> None:
    """P3: what is as it is described goes out, and what the function wrote stays."""
    reply = calls.clean().post(f"rpc/right{number}", {})
    assert (200, RIGHT[number][2]) == (reply.status, reply.json)
    assert [{"id": 100}] == calls.rows("notes")


@pytest.mark.parametrize("number", range(len(FORMS)), ids=[f"{hint} <- {_named(value)}" for hint, value, _ in FORMS])
def test_the_value_as_csv(calls: Api, number: int) -> None:
    """S12: every value has lines, and each field of them stands under its name, whichever rows have it."""
    reply = calls.clean().post(f"rpc/form{number}", {}, headers={"accept": "text/csv"})
    assert (200, FORMS[number][2]) == (reply.status, reply.body)
