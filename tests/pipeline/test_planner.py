"""Plans of new shapes are made off the event loop, and one caller has only a share of them."""

from __future__ import annotations

import asyncio
import threading

import pytest

from backstay.db.caller import CALLER, Caller
from backstay.errors import DatabaseError
from backstay.pipeline.planner import Planner, may_plan
from backstay.pipeline.request import DataRequest
from backstay.policy.principal import ANONYMOUS


def asked(query: bytes = b"") -> DataRequest:
    return DataRequest("GET", "things", query, {}, b"", ANONYMOUS)


def where(planned: bool) -> str:
    """The name of the thread in which something is made that needs a plan, or does not."""
    if planned:
        may_plan()
    return threading.current_thread().name


async def test_a_plan_is_made_in_a_thread() -> None:
    """S11: the event loop makes no plan, and does itself what needs none."""
    planner, here = Planner(), threading.current_thread().name
    made = [await planner.make(asked(), lambda: where(True)), await planner.make(asked(), lambda: where(False))]
    long = await planner.make(asked(query=b"x" * 2000), lambda: where(False))
    inside = await planner.make(asked(), lambda: where(True), inside=True)
    assert [True, False, True, False] == [name.startswith("backstay-planner") for name in (*made, long, inside)]
    assert here == inside


async def test_callers_take_turns() -> None:
    """S11: who brings plan after plan waits for itself; somebody else's plan is begun at once."""
    planner, free, both = Planner(), threading.Event(), threading.Barrier(3)

    async def make(key: str) -> str:
        CALLER.set(Caller(key))

        def plan() -> str:
            may_plan()
            if not free.is_set():
                both.wait(30)  # one of each, and the test
                free.wait(30)
            return key

        return await planner.make(asked(), plan)

    flood = [asyncio.create_task(make("a")) for _ in range(50)]
    await asyncio.sleep(0)
    other = asyncio.create_task(make("b"))
    await asyncio.to_thread(both.wait, 30)
    running = dict(planner._turns._held)
    free.set()
    assert [*"a" * 50, "b"] == await asyncio.gather(*flood, other)
    assert {"a": 1, "b": 1} == running


async def test_one_caller_has_a_share_of_the_queue() -> None:
    """S11: a flood of new shapes is told to come back, and leaves room for others."""
    planner, free = Planner(), threading.Event()

    async def make(key: str) -> str:
        CALLER.set(Caller(key))

        def plan() -> str:
            may_plan()
            free.wait(30)
            return key

        return await planner.make(asked(), plan)

    flood = [asyncio.create_task(make("a")) for _ in range(400)]
    await asyncio.sleep(0)
    other = asyncio.create_task(make("b"))
    await asyncio.sleep(0)
    free.set()
    ends = await asyncio.gather(*flood, return_exceptions=True)
    refused = [end for end in ends if isinstance(end, DatabaseError)]
    assert {("BST503", 503)} == {(end.code, end.status) for end in refused}
    assert 400 - 251 == len(refused)
    assert "b" == await other


async def test_what_refuses_is_told() -> None:
    """An error of the plan is the request's, and its place is free again."""
    planner = Planner()

    def refused() -> None:
        may_plan()
        raise DatabaseError("XX000", "no")

    with pytest.raises(DatabaseError, match="no"):
        await planner.make(asked(), refused)
    assert 0 == planner._turns.running


async def test_a_large_answer_is_made_in_a_thread() -> None:
    """S5: what goes through a large answer in Python does not do so on the event loop."""
    planner = Planner()
    sizes = [await planner.render(size, lambda: where(False)) for size in (100, 100_000)]
    inside = await planner.render(100_000, lambda: where(False), inside=True)
    assert [False, True, False] == [name.startswith("backstay-planner") for name in (*sizes, inside)]
