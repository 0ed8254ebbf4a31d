"""Places of which there are few."""

from __future__ import annotations

import asyncio

import pytest

from backstay.db.caller import CALLER, HOUSE, Caller
from backstay.db.session import bounded
from backstay.db.turns import Turns, share_of
from backstay.errors import DatabaseError

ANN, BOB = Caller("ann"), Caller("bob")
SIGN_IN = Caller("accounts 192.0.2.1", first=True)


def turns(places: int = 4, *, waiting: int = 100, seconds: float = 60, percent: int = 50, kept: int = 1) -> Turns:
    return Turns(
        places,
        waiting=waiting,
        seconds=seconds,
        percent=percent,
        kept=kept,
        refusal=lambda: DatabaseError("BST503", "busy"),
    )


@pytest.mark.parametrize(
    ("places", "percent", "expected"), [(4, 50, 2), (10, 50, 5), (1, 50, 1), (4, 0, 4), (4, 100, 4), (3, 50, 1)]
)
def test_a_share(places: int, percent: int, expected: int) -> None:
    """S6: never none, and all of them where there is no limit."""
    assert expected == share_of(places, percent)


def test_one_caller_has_no_more_than_its_share() -> None:
    """S6: and the last places are an account's, whoever asks for them."""
    few = turns()
    taken = [few.try_take(one) for one in (ANN, ANN, ANN, BOB, BOB, SIGN_IN, SIGN_IN)]
    assert [True, True, False, True, False, True, False] == taken
    few.give(ANN)
    assert [False, True] == [few.try_take(BOB), few.try_take(SIGN_IN)]


def test_the_app_itself_has_no_share() -> None:
    """Mails and the audit log wait only where all places are taken."""
    few = turns()
    assert [True] * 4 + [False] == [few.try_take(HOUSE) for _ in range(5)]


async def test_places_go_round() -> None:
    """S6: one that waits with a hundred requests comes no sooner than another that waits with one; accounts come first."""
    few, order = turns(1, kept=0), []

    async def ask(caller: Caller) -> None:
        await few.take(caller)
        order.append(caller.key.partition(" ")[0])
        few.give(caller)

    assert few.try_take(HOUSE)
    waiting = [asyncio.create_task(ask(one)) for one in (*[ANN] * 4, BOB, SIGN_IN, BOB)]
    await asyncio.sleep(0)
    few.give(HOUSE)
    await asyncio.gather(*waiting)
    assert ["accounts", "ann", "bob", "ann", "bob", "ann", "ann"] == order
    assert (0, 0, {}, {}) == (few.running, few.waiting, dict(few._held), dict(few._queues))


async def test_a_queue_has_an_end() -> None:
    """S6: a caller fills its share of it and is refused, another still finds a place, until it is full."""
    few = turns(1, waiting=4, kept=0)
    assert few.try_take(HOUSE)
    waiting = [asyncio.create_task(few.take(one)) for one in (ANN, ANN, ANN, BOB, BOB, BOB, HOUSE)]
    await asyncio.sleep(0)
    refused = [task.done() and isinstance(task.exception(), DatabaseError) for task in waiting]
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert ([False, False, True, False, False, True, True], 0) == (refused, few.waiting)


async def test_who_waits_too_long_is_refused_and_never_started() -> None:
    """S6: the place that becomes free later goes to the next."""
    few = turns(1, seconds=0.01, kept=0)
    assert few.try_take(ANN)
    with pytest.raises(DatabaseError) as caught:
        await few.take(BOB)
    assert ("BST503", 0, 1) == (caught.value.code, few.waiting, few.running)
    few.give(ANN)
    assert few.try_take(SIGN_IN)


async def test_who_leaves_gives_the_place_back() -> None:
    """S6: also where it came in the same moment as the cancellation."""
    few = turns(1, kept=0)
    assert few.try_take(ANN)
    task = asyncio.create_task(few.take(BOB))
    await asyncio.sleep(0)
    few.give(ANN)  # the place is BOB's, who has not been told yet
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (0, True) == (few.running, few.try_take(ANN))


async def test_a_request_holds_a_transaction_for_a_while_only() -> None:
    """S6: what a function waits for is not the database's business; the app's own code takes its time."""
    token = CALLER.set(ANN)
    try:
        with pytest.raises(DatabaseError) as caught:
            async with bounded(0.01):
                await asyncio.Event().wait()
    finally:
        CALLER.reset(token)
    assert "57014" == caught.value.code
    async with bounded(0):
        await asyncio.sleep(0)


async def test_a_time_out_of_the_function_itself_is_its_own() -> None:
    """It is not told as one of the database."""
    token = CALLER.set(ANN)
    try:
        with pytest.raises(TimeoutError):
            async with bounded(60):
                raise TimeoutError
    finally:
        CALLER.reset(token)
