"""S11, LM10: what a function returned, of whatever kind, is gone through in a thread where it is long, and has an end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from backstay import Backstay, Me, Settings, allow, function
from backstay import Model as Base
from backstay.pipeline import call, returned
from tests.http.api import Api, opened, quick_folder
from tests.http.shop_app import SECRET


class Model(DeclarativeBase):
    """A base of its own, so that other apps of the tests do not share its tables."""

    metadata = sa.MetaData(naming_convention=Base.metadata.naming_convention)


class Leaf(Model):
    __tablename__ = "leaves"
    id: Mapped[int] = mapped_column(primary_key=True)


@allow("read", Leaf)
def leaves(me: Me) -> Any:
    """Everybody sees all."""
    return True


@dataclass
class Point:
    x: int
    more: list[int]


class Struct(msgspec.Struct):
    x: int
    more: list[int]


class Checked(BaseModel):
    x: int
    more: list[int]


async def _first(db: AsyncSession) -> Leaf:
    return await db.get_one(Leaf, 1)


@function(read_only=True)
async def as_list(db: AsyncSession, n: int) -> list[Leaf]:
    """One row, many times."""
    return [await _first(db)] * n


@function(read_only=True)
async def as_set(db: AsyncSession, n: int) -> set[Leaf]:
    """Many rows."""
    return set(await db.scalars(sa.select(Leaf).limit(n)))


@function(read_only=True)
async def as_generator(db: AsyncSession, n: int) -> Iterator[Leaf]:
    """Made while it is gone through."""
    one = await _first(db)
    return (one for _ in range(n))


@function(read_only=True)
def in_thread(db: Session, n: int) -> Iterator[Leaf]:
    """Of a function that is not async: each row is asked for when it is taken."""
    return (db.get_one(Leaf, 1) for _ in range(n))


@function(read_only=True)
async def numbers(n: int) -> list[int]:
    """Short ones."""
    return [1] * n


@function(read_only=True)
async def objects(n: int) -> dict[str, int]:
    """One object with many keys."""
    return {str(at): at for at in range(n)}


@function(read_only=True)
async def unique(n: int) -> set[int]:
    """A set."""
    return set(range(n))


@function(read_only=True)
async def nested(n: int) -> list[list[list[int]]]:
    """All of it within one item."""
    return [[[1] * n]]


@function(read_only=True)
async def points(n: int) -> Point:
    """A dataclass."""
    return Point(1, [1] * n)


@function(read_only=True)
async def structs(n: int) -> list[Struct]:
    """Structs."""
    return [Struct(1, [])] * n


@function(read_only=True)
async def checked(n: int) -> list[Checked]:
    """Models of pydantic, which write themselves in Python."""
    return [Checked(x=1, more=[])] * n


@function(read_only=True)
async def one_checked(n: int) -> Checked:
    """One of them, which is large."""
    return Checked(x=1, more=[1] * n)


@function
async def text(n: int) -> str:
    """One long text, of a function that may write."""
    return "é" * n


ROWS = [as_list, as_set, as_generator, in_thread]
VALUES = [numbers, objects, unique, nested, points, structs, checked, one_checked, text]
#: What is little and what is long, though it has few letters; and more than may be sent.
LITTLE, LONG, HUGE = 20, 400, 6_000_000


def app(url: str) -> Backstay:
    settings = Settings(database=url, jwt_secret=SECRET, accounts=False)
    return Backstay(models=Model, policies=[leaves], functions=[*ROWS, *VALUES], settings=settings)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def api(request: pytest.FixtureRequest) -> Iterator[Api]:
    rows: dict[str, list[dict[str, Any]]] = {"leaves": [{"id": n} for n in range(1, 1001)]}
    with quick_folder() as folder, opened(request.param, folder, app, rows, "returned") as found:
        yield found


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """What goes through all that a function returned, and whether it did so on the event loop."""
    found: list[tuple[str, bool]] = []
    here = threading.current_thread()

    def watched(name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        def watching(*args: Any, **named: Any) -> Any:
            found.append((name, threading.current_thread() is here))
            return step(*args, **named)

        return watching

    for name in ("rows_of", "keys_of", "fill_rows", "encode_result"):
        monkeypatch.setattr(call, name, watched(name, getattr(call, name)))
    return found


@pytest.mark.parametrize("called", ROWS, ids=lambda each: each.name)
def test_rows_are_gone_through_in_a_thread(api: Api, steps: list[tuple[str, bool]], called: Any) -> None:
    """S11: taken, looked at, named by their keys and bound; in a batch too."""
    made_late = called is as_generator
    for n, here in ((LITTLE, True), (LONG, False)):
        steps.clear()
        reply = api.post(f"rpc/{called.name}?select=id&order=id&limit=1", {"n": n})
        assert (200, [{"id": 1}]) == (reply.status, reply.json), reply.body
        assert [("rows_of", here and not made_late), ("keys_of", here), ("fill_rows", here)] == steps
    steps.clear()
    operation = {"method": "POST", "path": f"rpc/{called.name}?select=id&limit=1", "body": {"n": LONG}}
    assert 200 == api.post("batch", [operation]).status
    assert {False} == {here for _, here in steps}


@pytest.mark.parametrize("called", [as_list, as_generator, in_thread], ids=lambda each: each.name)
def test_rows_have_an_end(api: Api, called: Any) -> None:
    """S11: no more are taken than a function may return, also of what has no end, and the answer says so."""
    path = f"rpc/{called.name}?select=id&limit=1"
    assert 200 == api.post(path, {"n": returned.ROWS}).status
    for n in (returned.ROWS + 1, 1_000_000):
        reply = api.post(path, {"n": n})
        assert (413, "BST413") == (reply.status, reply.code), reply.body


@pytest.mark.parametrize("called", VALUES, ids=lambda each: each.name)
def test_values_are_made_in_a_thread(api: Api, steps: list[tuple[str, bool]], called: Any) -> None:
    """S11: whatever holds them, and however few letters they come to."""
    for n, here in ((LITTLE, True), (LONG if called is not text else 50_000, False)):
        steps.clear()
        reply = api.post(f"rpc/{called.name}", {"n": n})
        assert 200 == reply.status, reply.body
        assert [("encode_result", here)] == steps


@pytest.mark.parametrize("called", [numbers, nested, one_checked, text, points], ids=lambda each: each.name)
def test_values_have_an_end(api: Api, called: Any) -> None:
    """S11, LM10: an answer that is too large is refused as such."""
    reply = api.post(f"rpc/{called.name}", {"n": HUGE})
    assert (413, "BST413") == (reply.status, reply.code), reply.body


def test_what_is_made_in_pieces_is_the_same(api: Api) -> None:
    """S11: lists, sets and objects, of any number of pieces."""
    for n in (999, 1000, 1001, 2000, 2001):
        assert [1] * n == api.post("rpc/numbers", {"n": n}).json
        assert {str(at): at for at in range(n)} == api.post("rpc/objects", {"n": n}).json
        assert list(range(n)) == sorted(api.post("rpc/unique", {"n": n}).json)
        assert [{"x": 1, "more": []}] * n == api.post("rpc/checked", {"n": n}).json
