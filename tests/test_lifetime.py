"""From when an app is open, until when, and what is left of it afterwards: nothing."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import os
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from starlette.applications import Starlette

from backstay import Backstay, ConfigError, Settings, allow, function
from backstay.auth.pwned import write_pwned
from backstay.crypt import Keyring
from backstay.errors import DatabaseError
from tests.http.api import database, quick_folder
from tests.http.client import Client
from tests.http.shop_app import SECRET

KEYRING: Final = Keyring.parse("2026-11:" + "0123456789abcdef" * 4)


class Base(DeclarativeBase):
    """A base of its own."""

    metadata = sa.MetaData()


class Leaf(Base):
    __tablename__ = "lifetime_leaves"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


@allow("read", "create", Leaf)
def everything(_: Any) -> bool:
    """Anybody's."""
    return True


@function(to="anon", read_only=True)
def waits() -> int:
    """It is no coroutine, so it runs in a thread."""
    return 1


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    loop = asyncio.new_event_loop()
    try:
        with quick_folder() as folder, database(request.param, Path(folder), loop, "lifetime") as url:
            yield url
    finally:
        loop.close()


def make(url: str, **settings: Any) -> Backstay:
    return Backstay(
        models=Base,
        policies=[everything],
        functions=[waits],
        settings=Settings(database=url, jwt_secret=SECRET, encryption_keys=KEYRING, **settings),
    )


async def _use(app: Backstay, number: int) -> None:
    """Ask for something of everything that has a thread, a task or a connection."""
    client = Client(app)
    wide = "select=" + ",".join(f"a{number}_{n}:text" for n in range(100))
    # Longer than what is planned on the event loop.
    assert 200 == (await client.ask("GET", f"/rest/v1/lifetime_leaves?{wide}")).status
    leaf = b'{"text": "%d"}' % number
    json = (b"content-type", b"application/json")
    assert 201 == (await client.ask("POST", "/rest/v1/lifetime_leaves", json, body=leaf)).status
    assert 200 == (await client.ask("POST", "/rest/v1/rpc/waits", json, body=b"{}")).status
    lines = (b"accept", b"application/x-ndjson")
    assert 200 == (await client.ask("GET", "/rest/v1/lifetime_leaves", lines)).status
    person = b'{"email": "%d@example.org", "password": "a long enough one"}' % number
    assert 200 == (await client.ask("POST", "/auth/v1/signup", json, body=person)).status
    async with app.session(read_only=True) as session:
        assert 1 == await session.scalar(sa.select(1))


def _left() -> Counter[str]:
    """The threads that are not the event loop's own, the tasks, and the open files and sockets: other tests' too."""
    gc.collect()
    for thread in threading.enumerate():
        if thread.name == "backstay-function":
            # It has told its end, and ends.
            thread.join(60)
    left = Counter(thread.name for thread in threading.enumerate() if not thread.name.startswith("asyncio_"))
    tasks = [task.get_coro().__qualname__ for task in asyncio.all_tasks()]  # type: ignore[union-attr]
    left.update(f"task {name}" for name in tasks if not name.startswith(("TestRunner.", "test_")))
    if Path("/proc/self/fd").exists():
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                left[os.readlink(f"/proc/self/fd/{name}").partition("[")[0]] += 1
    with contextlib.suppress(OSError):
        left.update(line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "pwned" in line)
    return left


async def test_nothing_is_left_of_an_app_that_was_closed(url: str, tmp_path: Path) -> None:
    """S11: of five times open, used and closed there is as little left as of one: threads, tasks, connections, files."""
    hash = hashlib.sha1(b"password").hexdigest().upper()
    write_pwned([f"{hash}:3\r\n".encode()], tmp_path / "pwned.bin")
    app = make(url, password_blocklist=str(tmp_path / "pwned.bin"), audit_anchor=str(tmp_path / "anchor"))
    before, left = _left(), []
    for number in range(5):
        async with app.started():
            await _use(app, number)
        left.append(_left())
    assert [left[0]] * 4 == left[1:]
    assert not [name for name in left[0] - before if "backstay" in name.partition("/")[0] or "pwned" in name]


async def test_nothing_is_left_of_an_app_that_did_not_open(url: str) -> None:
    """S11: what was opened before the fault is closed: also mounted apps that had started already."""
    told: list[str] = []

    @asynccontextmanager
    async def lifespan(_: Starlette) -> Any:
        told.append("started")
        yield
        told.append("stopped")

    async def refuses(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})
        await asyncio.Event().wait()

    app = make(url)
    app.mount("/one", Starlette(lifespan=lifespan))
    app.mount("/two", refuses)
    before, left = _left(), []
    for _ in range(2):
        with pytest.raises(ConfigError, match="BST-E041"):
            async with app.started():
                raise AssertionError("it does not start")
        left.append(_left())
    assert (left[0], ["started", "stopped"] * 2) == (left[1], told)
    assert not [name for name in left[0] - before if name.startswith(("backstay", "task"))]
    with pytest.raises(ConfigError, match="BST-E040"):
        _ = app.database


async def test_a_server_that_is_none_is_let_go() -> None:
    """S12: no connection is left of a PostgreSQL that could not be asked."""
    from backstay.adapters.load import open_database
    from backstay.adapters.postgresql import pool
    from tests.http.api import SERVER

    closed: list[bool] = []
    close = pool.Pool.close

    async def noted(self: pool.Pool, seconds: float = 10.0) -> None:
        closed.append(True)
        await close(self, seconds)

    found: Any = open_database(SERVER, metadata=sa.MetaData())

    async def look(_: object) -> None:
        raise DatabaseError("PGRST000", "it went away")

    found._look = look
    with pytest.MonkeyPatch.context() as patch, pytest.raises(DatabaseError):
        patch.setattr(pool.Pool, "close", noted)
        await found.open()
    assert [True] == closed


Block = Callable[[Backstay], Any]


@asynccontextmanager
async def _by_server(app: Backstay) -> Any:
    """As a server opens and closes it: by the lifespan."""
    to_app: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    from_app: asyncio.Queue[Any] = asyncio.Queue()
    serving = asyncio.create_task(app({"type": "lifespan"}, to_app.get, from_app.put))
    await to_app.put({"type": "lifespan.startup"})
    assert "lifespan.startup.complete" == (await from_app.get())["type"]
    try:
        yield
    finally:
        await to_app.put({"type": "lifespan.shutdown"})
        assert "lifespan.shutdown.complete" == (await from_app.get())["type"]
        await serving


BLOCKS: Final[dict[str, Block]] = {
    "started": lambda app: app.started(),
    "session": lambda app: app.session(read_only=True),
    "server": _by_server,
}


@pytest.mark.parametrize("first", BLOCKS)
@pytest.mark.parametrize("second", BLOCKS)
async def test_blocks_may_overlap(url: str, first: str, second: str) -> None:
    """S12: the app is open as long as anybody has it open, whoever came first; then it is closed."""
    app = make(url)
    one, two = BLOCKS[first](app), BLOCKS[second](app)
    await one.__aenter__()
    await two.__aenter__()
    held = app.database
    await one.__aexit__(None, None, None)
    async with app.session(read_only=True) as session:
        assert 1 == await session.scalar(sa.select(1))
    assert held is app.database
    await two.__aexit__(None, None, None)
    with pytest.raises(ConfigError, match="BST-E040"):
        _ = app.database


async def test_many_begin_and_end_at_once(url: str) -> None:
    """S12: one opens it for all, and a block that begins while it closes opens it again."""
    app = make(url)

    async def block(steps: int) -> int:
        for _ in range(steps):
            await asyncio.sleep(0)
        async with app.session(read_only=True) as session:
            return int(await session.scalar(sa.select(1)) or 0)

    assert [1] * 6 == await asyncio.gather(*(block(steps) for steps in (0, 0, 1, 40, 90, 200)))
    assert (0, None) == (app._users, app._database)


async def test_who_does_not_get_in_keeps_nothing_open(url: str) -> None:
    """S12: a block that was cancelled while it waited for the start is not counted."""
    app, entered = make(url), asyncio.Event()
    go: Callable[[], Awaitable[Any]] = app._starting.acquire

    async def block() -> None:
        async with app.started():
            entered.set()

    await go()
    waiting = asyncio.create_task(block())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    app._starting.release()
    async with app.started():
        assert 1 == app._users
    assert (0, None, False) == (app._users, app._database, entered.is_set())


async def test_a_mounted_app_uses_the_database_to_its_end(url: str) -> None:
    """S12: it has sessions while it starts and while it stops, and nobody waits for anybody."""
    app = make(url)
    seen: list[int | None] = []

    @asynccontextmanager
    async def lifespan(_: Starlette) -> Any:
        async with app.session(read_only=True) as session:
            seen.append(await session.scalar(sa.select(1)))
        yield
        async with app.session(read_only=True) as session:
            seen.append(await session.scalar(sa.select(1)))

    app.mount("/mounted", Starlette(lifespan=lifespan))
    async with asyncio.timeout(60), app.started():
        assert [1] == seen
    assert [1, 1] == seen
