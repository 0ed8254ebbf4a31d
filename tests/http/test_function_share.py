"""S6: functions that are not async run in threads, of which one caller has a share, and no function runs for ever."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import backstay.db.session
from backstay import Backstay, Me, Settings, allow, function
from backstay.db.caller import CALLER, Caller
from backstay.errors import DatabaseError
from backstay.pipeline.workers import Workers
from tests.http.api import Api, opened, quick_folder
from tests.http.shop_app import SECRET


class Model(DeclarativeBase):
    pass


class Note(Model):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]


class Gate:
    """Keeps functions inside until it is opened."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.inside: list[str] = []
        #: What functions met that went on when nobody waited for them any more.
        self.met: list[BaseException] = []
        self.over = threading.Event()

    def hold(self) -> None:
        self.inside.append(threading.current_thread().name)
        assert self.open.wait(60)


GATE = Gate()


@function
def hold() -> int:
    GATE.hold()
    return 1


@function
def note(db: Session, title: str) -> Note:
    """Uses its session in every way that goes to the database: a flush, a query, a refresh, what was not loaded."""
    GATE.inside.append(threading.current_thread().name)
    made = Note(id=7, title=title)
    db.add(made)
    db.flush()
    db.expire(made)
    assert made.title == title
    assert db.scalars(sa.select(Note.title).where(Note.id == 7)).one() == title
    return made


@function
def twice(db: Session) -> int:
    db.execute(sa.insert(Note).values(id=1, title="again"))
    return 1


@function
def late(db: Session) -> int:
    """Goes on past its time, and then writes."""
    db.add(Note(id=9, title="late"))
    GATE.hold()
    try:
        db.flush()
        db.execute(sa.text("SELECT 1"))
    except BaseException as error:
        GATE.met.append(error)
        raise
    finally:
        GATE.over.set()
    return 1


@function
async def wait() -> int:
    await asyncio.Event().wait()
    return 1


@allow("read", "create", Note)
def all_notes(me: Me) -> bool:
    return True


def make(url: str) -> Backstay:
    settings = Settings(database=url, jwt_secret=SECRET, accounts=False)
    return Backstay(models=Model, policies=[all_notes], functions=[hold, note, twice, late, wait], settings=settings)


ROWS = {"notes": [{"id": 1, "title": "one"}]}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def opened_notes(request: pytest.FixtureRequest) -> Iterator[Api]:
    with quick_folder() as folder, opened(request.param, folder, make, ROWS, "function_share") as api:
        yield api


@pytest.fixture
def notes(opened_notes: Api) -> Iterator[Api]:
    GATE.__init__()  # type: ignore[misc]
    yield opened_notes.clean()
    GATE.open.set()


def ask(notes: Api, name: str, as_: str) -> asyncio.Task[int]:
    async def asked() -> int:
        reply = await notes.sending(
            "POST", f"rpc/{name}", as_=as_, body=b"{}", headers={"content-type": "application/json"}
        )
        return reply.status

    return asyncio.ensure_future(asked())


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not done():
            await asyncio.sleep(0.001)


def test_one_caller_has_a_share_of_the_threads(notes: Api) -> None:
    """S6: however many calls of one caller run and wait, another's is begun at once."""

    async def flood() -> tuple[int, int, list[int]]:
        anns = [ask(notes, "hold", "ann") for _ in range(24)]
        await until(lambda: len(GATE.inside) == 4)
        bob = ask(notes, "hold", "bob")
        await until(lambda: len(GATE.inside) == 5)
        inside = len(GATE.inside)
        GATE.open.set()
        return inside, await bob, await asyncio.gather(*anns)

    assert (5, 200, [200] * 24) == notes.loop.run_until_complete(flood())
    assert {"backstay-function"} == set(GATE.inside)


def test_a_function_with_a_session_runs_in_a_thread(notes: Api) -> None:
    """S6: what it waits for by itself, nobody waits for; its session does all that one does."""
    reply = notes.post("rpc/note", {"title": "seven"})
    assert (200, {"id": 7, "title": "seven"}, ["backstay-function"]) == (reply.status, reply.json, GATE.inside)
    assert [1, 7] == notes.get("notes?order=id").ids


def test_what_the_database_refuses_is_told(notes: Api) -> None:
    """An error of the database comes through the thread as it does without one, and undoes all."""
    reply = notes.post("rpc/twice", {})
    assert (409, "23505") == (reply.status, reply.code)


def test_a_batch_takes_a_thread_before_its_transaction(notes: Api) -> None:
    """S6: functions in a batch have its thread, and its transaction."""
    batch = [
        {"method": "POST", "path": "rpc/note", "body": {"title": "a"}},
        {"method": "POST", "path": "notes", "body": {"id": 2, "title": "b"}},
        {"method": "POST", "path": "rpc/hold", "body": {}},
    ]
    GATE.open.set()
    reply = notes.post("batch", batch)
    assert (200, [200, 201, 200]) == (reply.status, [one["status"] for one in reply.json])
    assert [1, 2, 7] == notes.get("notes?order=id").ids
    refused = notes.post("batch", [{"method": "POST", "path": "rpc/note", "body": {"title": "x"}}])
    assert (409, "23505") == (refused.status, refused.code)


def test_an_async_function_without_a_transaction_has_a_time_limit(notes: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """S6: nothing holds it but the event loop, and it ends all the same."""
    monkeypatch.setattr(backstay.db.session, "SESSION_SECONDS", 0.01)
    reply = notes.post("rpc/wait", {})
    assert (504, "57014") == (reply.status, reply.code)
    assert "function took too long" in reply.json["message"]


def test_a_function_in_a_thread_has_a_time_limit(notes: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """S6: its client is told, and its place is its caller's until the thread has ended."""
    monkeypatch.setattr(backstay.db.session, "SESSION_SECONDS", 0.01)
    turns = workers_of(notes)._turns

    async def run() -> tuple[int, int]:
        status = await ask(notes, "hold", "ann")
        return status, turns.running

    assert (504, 1) == notes.loop.run_until_complete(run())
    GATE.open.set()
    notes.loop.run_until_complete(until(lambda: turns.running == 0))


def test_a_thread_that_goes_on_gets_nothing_of_the_database(notes: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """S6: when its client leaves, or its time is over, its transaction ends and others write."""
    monkeypatch.setattr("backstay.pipeline.workers._NOTICE_SECONDS", 0.0)
    turns = workers_of(notes)._turns

    async def leave() -> int:
        asked = ask(notes, "late", "ann")
        await until(lambda: bool(GATE.inside))
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        return turns.running

    assert 1 == notes.loop.run_until_complete(leave())
    assert [1] == notes.get("notes?order=id").ids
    assert 201 == notes.post("notes", {"id": 3, "title": "next"}).status
    GATE.open.set()
    notes.loop.run_until_complete(until(lambda: turns.running == 0))
    assert GATE.over.wait(60)
    assert [InvalidRequestError] == [type(error) for error in GATE.met]
    assert [1, 3] == notes.get("notes?order=id").ids
    assert 200 == notes.post("rpc/note", {"title": "seven"}).status


def workers_of(notes: Api) -> Workers:
    found: Workers = notes.app._kernel._data._surface.workers  # type: ignore[union-attr]
    return found


@pytest.fixture
def workers() -> Workers:
    return Workers(50)


async def test_who_waits_too_long_for_a_thread_is_told_to_come_again(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S6: 503 with Retry-After, and what was not begun never is."""
    CALLER.set(Caller("ann"))
    workers._turns._seconds = 0.01
    for _ in range(4):
        await workers._turns.take(Caller("ann"))
    with pytest.raises(DatabaseError) as refused:
        async with workers.place():
            raise AssertionError
    assert ("BST503", ("Retry-After", "1"), 4) == (
        refused.value.code,
        refused.value.headers[0],
        workers._turns.running,
    )


async def test_a_function_that_stops_iterating_is_a_fault_and_no_hang(workers: Workers) -> None:
    """What a future cannot hold is raised all the same, and the place is free."""

    def stop() -> None:
        raise StopIteration

    with pytest.raises(RuntimeError):
        async with workers.place():
            await workers.run(stop)
    assert 0 == workers._turns.running
