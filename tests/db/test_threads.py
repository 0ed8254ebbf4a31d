"""Threads of somebody's own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from contextvars import ContextVar

import pytest

from backstay.db.threads import Threads

KNOWN = ContextVar("known", default="nothing")


async def test_work_is_done_in_a_thread_that_knows_its_caller() -> None:
    """What the context knows goes along; after `close` there are new threads."""
    threads = Threads(1, "tested")
    KNOWN.set("all")
    for _ in range(2):
        name, known = await threads.run(lambda: (threading.current_thread().name, KNOWN.get()))
        assert ("tested_0", "all") == (name, known)
        await threads.close()


async def test_no_more_than_so_many_work_at_once() -> None:
    """S11: the others wait, and no thread of anybody else is taken."""
    threads, both, let = Threads(2, "tested"), threading.Barrier(3), threading.Event()

    def work() -> int:
        if not let.is_set():
            both.wait(60)
            let.wait(60)
        return threading.active_count()

    before = threading.active_count()
    running = [asyncio.create_task(threads.run(work)) for _ in range(9)]
    await asyncio.to_thread(both.wait, 60)
    let.set()
    assert max(await asyncio.gather(*running)) <= before + 3
    await threads.close()


async def test_who_is_cancelled_waits_for_what_has_begun() -> None:
    """S6: what a thread works with is not used by anybody else meanwhile."""
    threads, begun, let, done = Threads(1, "tested"), threading.Event(), threading.Event(), list[str]()

    def work() -> None:
        begun.set()
        let.wait(60)
        done.append("done")

    task = asyncio.create_task(threads.run(work))
    await asyncio.to_thread(begun.wait, 60)
    task.cancel()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0):
            await asyncio.shield(task)
    assert not task.done()
    let.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ["done"] == done
    await threads.close()
