"""One request holds no more memory than its bound, also within a single step of the database: S11."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import apsw
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backstay import Backstay, Settings, allow
from backstay.pipeline.remember import Remembered
from tests.http.api import Api, opened, quick_folder
from tests.http.shop_app import SECRET
from tests.watchdog.meter import MEMORY_BYTES, watched

#: Letters that a request of one mebibyte can bring.
LARGE = 900_000


class Model(DeclarativeBase):
    """A base of its own."""

    metadata = sa.MetaData()


class Scroll(Model):
    __tablename__ = "scrolls"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    data: Mapped[Any | None] = mapped_column(sa.JSON().with_variant(pg.JSONB(), "postgresql"))


@allow("read", "create", "update", "delete", Scroll)
def everything(_: Any) -> bool:
    """Anybody's."""
    return True


def make(url: str) -> Backstay:
    return Backstay(models=Model, policies=[everything], settings=Settings(database=url, jwt_secret=SECRET))


def nested(depth: int) -> Any:
    """An object in an object, and in the last of them as much as there is room for."""
    value: Any = "d" * LARGE
    for _ in range(depth):
        value = {"k": value}
    return value


ROWS = {
    "scrolls": [
        {"id": 1, "text": "t" * LARGE, "data": None},
        {"id": 2, "text": "small", "data": {"k": 1}},
        {"id": 3, "text": "nested", "data": nested(20)},
        {"id": 4, "text": "\x01" * LARGE, "data": None},
    ]
}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def opened_scrolls(request: pytest.FixtureRequest) -> Iterator[Api]:
    with quick_folder() as folder, opened(request.param, folder, make, ROWS, "scrolls") as api:
        yield api


@pytest.fixture
def scrolls(opened_scrolls: Api) -> Api:
    return opened_scrolls.clean()


@pytest.fixture
def embedded(scrolls: Api) -> Api:
    """SQLite, which works in this process: PostgreSQL holds what it makes in its own."""
    if scrolls.name != "sqlite":
        pytest.skip("the memory of another process")
    return scrolls


def aliases(times: int, what: str = "text") -> str:
    return ",".join(f"a{number}:{what}" for number in range(times))


PATHS = ",".join(f"p{depth}:data{'->k' * depth}" for depth in range(1, 21))


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        (f"scrolls?select={aliases(190)}&id=eq.1", "application/json"),
        (f"scrolls?select={aliases(190)}&id=eq.1", "text/csv"),
        (f"scrolls?select={aliases(190)}&id=eq.1", "application/vnd.pgrst.array+json;nulls=stripped"),
        (f"scrolls?select={aliases(190)}&id=eq.1", "application/vnd.pgrst.object+json"),
        (f"scrolls?select={aliases(190, 'data->k')}&id=eq.3", "application/json"),
        (f"scrolls?select={aliases(190, 'text::text')}&id=eq.1", "application/json"),
        (f"scrolls?select={PATHS}&id=eq.3", "application/json"),
        (f"scrolls?select={aliases(3)}&id=eq.4", "application/json"),
    ],
)
def test_a_row_that_would_be_too_large_is_not_made(embedded: Api, path: str, accept: str) -> None:
    """S11: one row that names one large value many times is 413, and is never held in this process."""
    with watched() as held:
        reply = embedded.get(path, accept=accept)
    assert (413, "BST413") == (reply.status, reply.code)
    assert held() < MEMORY_BYTES
    assert 0 == apsw.hard_heap_limit(-1)


def test_nor_by_a_write(embedded: Api) -> None:
    """S11: what a write would tell is bounded as a read is, and then nothing was written."""
    path = f"scrolls?select={aliases(190)}&id=eq.1"
    with watched() as held:
        reply = embedded.patch(path, {"data": {"n": 1}}, headers={"prefer": "return=representation"})
    assert (413, "BST413") == (reply.status, reply.code)
    assert held() < MEMORY_BYTES
    assert [] == embedded.get("scrolls?select=id&data->n=eq.1").ids


def test_nor_by_an_export(embedded: Api) -> None:
    """S11: a row of an export is one step, too."""
    with watched() as held:
        reply = embedded.get(f"scrolls?select={aliases(190)}&id=eq.1", accept="application/x-ndjson")
    assert held() < MEMORY_BYTES
    assert (413, "BST413") == (reply.status, reply.code)


def test_ten_large_values_are_too_many(scrolls: Api) -> None:
    """S11: the answer is 413 on both databases as soon as it would pass its bound."""
    reply = scrolls.get(f"scrolls?select={aliases(10)}&id=eq.1")
    assert (413, "BST413") == (reply.status, reply.code)


def test_a_small_value_may_stand_many_times(scrolls: Api) -> None:
    """S11: only bytes count: a value under many names, and a large one under a few, is answered."""
    reply = scrolls.get(f"scrolls?select={aliases(190)}&id=eq.2")
    assert [{f"a{number}": "small" for number in range(190)}] == reply.json
    reply = scrolls.get(f"scrolls?select={aliases(8)}&id=eq.1")
    assert [{f"a{number}": "t" * LARGE for number in range(8)}] == reply.json
    reply = scrolls.get(f"scrolls?select={PATHS.split(',')[-1]}&id=eq.3")
    assert [{"p20": "d" * LARGE}] == reply.json


def remembered() -> list[Remembered[Any, Any]]:
    """All caches of plans and of texts."""
    return [one for one in gc.get_objects() if isinstance(one, Remembered)]


def digits(n: int) -> str:
    return ",".join(f"{at + n * 1000}" for at in range(300))


FLOODS: dict[str, Callable[[Api, int], Any]] = {
    "prefer": lambda api, n: api.get("scrolls?id=eq.0", prefer=",".join(f"{n}x{at}" for at in range(200))),
    "long prefer": lambda api, n: api.get("scrolls?id=eq.0", prefer=",".join(f"{n}x{at}" for at in range(500))),
    "accept": lambda api, n: api.get("scrolls?id=eq.0", accept=",".join([f"a/{n}"] * 200) + ",*/*"),
    "range": lambda api, n: api.get("scrolls?id=eq.0", range="items=" + f"{n}" * 400),
    "values": lambda api, n: api.get(f"scrolls?id=in.({digits(n)})"),
    "short values": lambda api, n: api.get(f"scrolls?limit={n + 1}&id=in.({','.join('10' for _ in range(500))})"),
    "columns": lambda api, n: api.get(f"scrolls?limit={n + 1}&select=" + ",".join(["id"] * 195)),
    "names": lambda api, n: api.get("scrolls?limit=0&select=" + ",".join(f"a{n}x{at}:id" for at in range(60))),
    "write": lambda api, n: api.patch(
        f"scrolls?id=eq.-{n}", {"text": "x"}, prefer=",".join(f"{n}x{at}" for at in range(200))
    ),
    "write columns": lambda api, n: api.patch(
        f"scrolls?id=eq.-{n}&select=" + ",".join(["id"] * 195), {"text": "x"}, prefer="return=representation"
    ),
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_what_is_remembered_is_counted(opened_scrolls: Api, flood: Callable[[Api, int], Any]) -> None:
    """S11: whatever requests leave behind is counted whole, keys and headers too, so that the bounds in bytes hold."""
    for n in range(20):
        flood(opened_scrolls, n)
    for one in remembered():
        one._kept.clear()
        one._new.clear()
        one._bytes[:] = [0, 0]
    gc.collect()
    tracemalloc.start(1)
    for n in range(20, 60):
        flood(opened_scrolls, n)
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    # Some hundred kilobytes: texts that are remembered under 400 letters elsewhere, and what the databases keep.
    assert taken <= sum(one.size_bytes for one in remembered()) + (300 << 10)
