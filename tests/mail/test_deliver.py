"""The task that empties the outbox: each letter at least once, whatever goes wrong."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from backstay.db.store import Store
from backstay.mail import Deliverer, Letter, Mail, Patience, TryLater, Undeliverable
from backstay.mail.outbox import dead
from tests.mail.test_outbox import NOW, claimed, everything, flip, put

LINK = "https://example.org/verify?token=s3cret"
LASTING = Letter("ann@example.org", "account_exists", "", {"link": LINK})
SHORT = Letter("ann@example.org", "magic_link", "", {"link": LINK, "code": "918273", "minutes": "10"})


class Carrier:
    """A transport that remembers, and does what the test says."""

    def __init__(self, act: Callable[[Mail], Any] = lambda mail: None) -> None:
        self.act = act
        self.mails: list[Mail] = []
        self.arrived = asyncio.Event()

    async def send(self, mail: Mail) -> None:
        self.mails.append(mail)
        self.arrived.set()
        done = self.act(mail)
        if done is not None:
            await done

    async def has(self, count: int) -> None:
        """Wait until *count* mails came."""
        async with asyncio.timeout(60):
            while len(self.mails) < count:
                self.arrived.clear()
                await self.arrived.wait()


class Killed(BaseException):
    """The end of the process, as far as a test can have it."""


class Clock:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> datetime:
        return self.at

    def turn(self, **by: float) -> None:
        self.at += timedelta(**by)


def render(letter: Letter, id: str) -> Mail:
    return Mail(id, letter.to, "subject", letter.data.get("link", ""), "<p/>", letter.kind, "en")


def refuse(fault: BaseException) -> Callable[[Mail], None]:
    def act(mail: Mail) -> None:
        raise fault

    return act


def deliverer(store: Store, carrier: Carrier, clock: Callable[[], datetime], **changed: Any) -> Deliverer:
    given: dict[str, Any] = {"open_sealed": flip, "now": clock, "chance": lambda: 0.5} | changed
    return Deliverer(store, carrier, given.pop("render", render), **given)


async def rows(store: Store) -> list[Any]:
    return list(await store.all(everything()))


async def test_what_is_due_is_sent_and_gone(store: Store) -> None:
    """The mail carries the id of its row, and nothing stays in the outbox."""
    id = await put(store, LASTING)
    carrier = Carrier()
    post = deliverer(store, carrier, Clock())
    assert (1, 0) == (await post.deliver_due(), await post.deliver_due())
    assert [(str(id), "ann@example.org", LINK)] == [(mail.id, mail.to, mail.text) for mail in carrier.mails]
    assert [] == await rows(store)


async def test_a_failure_is_tried_again_later_and_later(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """5 s, 10 s, 20 s …; then it arrives, as the same mail."""
    await put(store, LASTING)
    clock, carrier = Clock(), Carrier(refuse(TryLater("busy")))
    post = deliverer(store, carrier, clock)
    for wait in (5, 10, 20):
        assert 1 == await post.deliver_due()
        (row,) = await rows(store)
        assert (clock.at + timedelta(seconds=wait), "busy") == (row.due_at, row.reason)
        clock.turn(seconds=wait - 1)
        assert 0 == await post.deliver_due()
        clock.turn(seconds=1)
    assert "busy" == post.failing
    carrier.act = lambda mail: None
    assert 1 == await post.deliver_due()
    assert ([], 1, None) == (await rows(store), len({mail.id for mail in carrier.mails}), post.failing)


async def test_what_nobody_takes_is_given_up(store: Store) -> None:
    """After the last try it is dead, and why is kept."""
    await put(store, LASTING)
    clock, carrier = Clock(), Carrier(refuse(TryLater("busy")))
    post = deliverer(store, carrier, clock, patience=Patience(tries=4))
    for _ in range(10):
        await post.deliver_due()
        clock.turn(hours=2)
    (row,) = await store.all(dead())
    assert (4, 4, "busy") == (len(carrier.mails), row.tries, row.reason)


async def test_what_cannot_arrive_is_not_tried_again(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """A refusal for good is the end, and the operator sees it."""
    await put(store, LASTING)
    clock = Clock()
    carrier = Carrier(refuse(Undeliverable("550 5.1.1 no such user")))
    post = deliverer(store, carrier, clock)
    await post.deliver_due()
    clock.turn(days=1)
    assert 0 == await post.deliver_due()
    (row,) = await rows(store)
    assert ("550 5.1.1 no such user", None, clock.at - timedelta(days=1)) == (row.reason, row.sealed, row.died_at)
    assert "a mail to a***@example.org (account_exists) will not be sent: 550 5.1.1 no such user" in caplog.text
    assert None is post.failing  # one address that does not exist says nothing about the others


async def test_no_dead_link_is_sent(store: Store) -> None:
    """TH6: a code that ended while nobody could send it would only confuse."""
    await put(store, SHORT)
    clock, carrier = Clock(), Carrier(refuse(TryLater("busy")))
    post = deliverer(store, carrier, clock)
    await post.deliver_due()
    clock.turn(minutes=10)
    await post.deliver_due()
    (row,) = await store.all(dead())
    assert (1, "its link or code ended before it could be sent") == (len(carrier.mails), row.reason)


async def test_what_a_letter_says_is_in_no_reason_and_no_log(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """LG3: a server that repeats our mail in its answer, and a fault that quotes it, give nothing away."""
    caplog.set_level(logging.DEBUG)
    quotes = f"554 <ann@example.org> your text {LINK} and 918273 and https://example.org/other?token=s3cret is spam"
    for fault in (TryLater(quotes), Undeliverable(quotes), ValueError(quotes), TimeoutError(quotes)):
        await put(store, SHORT)
        await deliverer(store, Carrier(refuse(fault)), Clock()).deliver_due()
    told = caplog.text + "".join(str(row.reason) for row in await rows(store))
    for secret in ("s3cret", "918273", "ann@example.org"):
        assert secret not in told
    assert "your text … and … and … is spam" in told


@pytest.mark.parametrize("part", ["open_sealed", "render"])
async def test_a_fault_of_ours_keeps_the_letter(store: Store, part: str) -> None:
    """A missing key or a broken template is mended by the operator, and the letter is sent then."""

    def broken(*_: Any) -> Any:
        raise KeyError("s3cret")

    await put(store, LASTING)
    clock, carrier = Clock(), Carrier()
    post = deliverer(store, carrier, clock, **{part: broken})
    await post.deliver_due()
    (row,) = await rows(store)
    assert row.reason.startswith("KeyError at test_deliver.py:")
    clock.turn(minutes=1)
    await deliverer(store, carrier, clock).deliver_due()
    assert (1, []) == (len(carrier.mails), await rows(store))


async def test_one_failure_does_not_hold_up_the_others(store: Store) -> None:
    """Letters of one round are sent side by side."""
    for name in ("ann", "bob", "eve"):
        await put(store, Letter(f"{name}@example.org", "account_exists", "", {}))

    def act(mail: Mail) -> None:
        if mail.to.startswith("bob"):
            raise TryLater("busy")

    carrier = Carrier(act)
    assert 3 == await deliverer(store, carrier, Clock()).deliver_due()
    (row,) = await rows(store)
    assert "busy" == row.reason


async def test_a_send_that_hangs_is_cut_off_before_its_lease_ends(store: Store) -> None:
    """Or another process would send the same letter meanwhile."""
    await put(store, LASTING)
    carrier = Carrier(lambda mail: asyncio.Event().wait())
    await deliverer(store, carrier, Clock(), patience=Patience(send_seconds=0.01)).deliver_due()
    (row,) = await rows(store)
    assert "it took longer than 0.01 s" == row.reason


def test_a_lease_that_ends_too_early_is_refused() -> None:
    """Two senders of one letter are a mistake of configuration."""
    with pytest.raises(ValueError, match="lease"):
        Patience(send_seconds=10, lease_seconds=10)


async def test_two_processes_do_not_send_twice(store: Store) -> None:
    """ID4: many deliverers share one outbox, and each letter goes once."""
    for _ in range(10):
        await put(store, LASTING)
    carrier, clock = Carrier(), Clock()
    clock.turn(seconds=1)
    posts = [deliverer(store, carrier, clock) for _ in range(4)]
    while any(await asyncio.gather(*(post.deliver_due() for post in posts))):
        pass
    assert (10, 10) == (len(carrier.mails), len({mail.id for mail in carrier.mails}))


async def test_a_process_that_died_before_sending_loses_nothing(store: Store) -> None:
    """DU1: its letters are another one's when the lease has ended."""
    id: UUID = await put(store, LASTING)
    assert [id] == await claimed(store)  # and here it was killed
    clock, carrier = Clock(), Carrier()
    post = deliverer(store, carrier, clock)
    assert 0 == await post.deliver_due()
    clock.turn(minutes=5)
    assert 1 == await post.deliver_due()
    assert [str(id)] == [mail.id for mail in carrier.mails]


async def test_a_process_that_died_after_sending_sends_again(store: Store) -> None:
    """At least once: the second mail has the id of the first, so that it can be told."""
    await put(store, LASTING)
    clock = Clock()
    carrier = Carrier(refuse(Killed()))
    with pytest.raises(Killed):
        await deliverer(store, carrier, clock).deliver_due()
    carrier.act = lambda mail: None
    clock.turn(minutes=5)
    await deliverer(store, carrier, clock).deliver_due()
    assert (2, 1, []) == (len(carrier.mails), len({mail.id for mail in carrier.mails}), await rows(store))


async def test_a_letter_that_ends_every_process_is_given_up(store: Store) -> None:
    """One that is claimed and never comes back does not stop the outbox for ever."""
    await put(store, LASTING)
    clock = Clock()
    for _ in range(3):
        await claimed(store, at=clock.at)
        clock.turn(minutes=5)
    await deliverer(store, Carrier(), clock, patience=Patience(tries=3)).deliver_due()
    (row,) = await store.all(dead())
    assert "the process ended each time before it was sent" == row.reason


def wall() -> datetime:
    return datetime.now(UTC)


async def test_a_commit_wakes_the_task(store: Store) -> None:
    """It does not wait for the next look, which here would be in an hour."""
    carrier = Carrier()
    post = deliverer(store, carrier, wall, patience=Patience(poll_seconds=3600))
    post.start()
    post.start()  # once is enough
    try:
        for count in (1, 2):
            await put(store, LASTING, at=wall())
            post.wake()
            await carrier.has(count)
    finally:
        await post.stop()
    assert [] == await rows(store)


async def test_letters_of_other_processes_are_found(store: Store) -> None:
    """Nobody wakes this one."""
    carrier = Carrier()
    post = deliverer(store, carrier, wall, patience=Patience(poll_seconds=0.01))
    post.start()
    try:
        await put(store, LASTING, at=wall())
        await carrier.has(1)
    finally:
        await post.stop()


async def test_a_crash_of_the_task_is_seen_and_survived(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """DU6: a database that cannot be reached stops nothing, and what waits is sent when it is back."""
    carrier, failed, one = Carrier(), asyncio.Event(), store.one

    async def unreachable(asked: Any) -> Any:
        failed.set()
        raise ConnectionError("s3cret")

    monkeypatch.setattr(store, "one", unreachable)
    await put(store, LASTING, at=wall())
    post = deliverer(store, carrier, wall, patience=Patience(first_seconds=0.01, poll_seconds=3600))
    post.start()
    try:
        await asyncio.wait_for(failed.wait(), 60)
        assert str(post.failing).startswith("ConnectionError at ")
        assert "sending mail fails: ConnectionError at" in caplog.text
        assert "s3cret" not in caplog.text
        monkeypatch.setattr(store, "one", one)
        await carrier.has(1)
    finally:
        await post.stop()
    assert ([], None) == (await rows(store), post.failing)


async def test_a_stop_waits_for_what_is_under_way(store: Store) -> None:
    """A mail that the other side is about to take is not sent twice for a restart."""
    go = asyncio.Event()
    carrier = Carrier(lambda mail: go.wait())
    await put(store, LASTING, at=wall())
    post = deliverer(store, carrier, wall)
    post.start()
    await carrier.has(1)
    stopping = asyncio.create_task(post.stop())
    await asyncio.sleep(0)
    go.set()
    await stopping
    assert [] == await rows(store)


async def test_a_stop_does_not_wait_for_ever(store: Store) -> None:
    """What hangs is cut off; its letter stays, and is sent after the lease."""
    carrier = Carrier(lambda mail: asyncio.Event().wait())
    await put(store, LASTING, at=wall())
    post = deliverer(store, carrier, wall)
    post.start()
    await carrier.has(1)
    await post.stop(grace_seconds=0.01)
    await post.stop()  # twice is once
    (row,) = await rows(store)
    assert (1, None) == (row.tries, row.reason)


async def test_the_dead_are_remembered_for_a_month(store: Store) -> None:
    """Then the task forgets them."""
    await put(store, LASTING)
    clock = Clock()
    await deliverer(store, Carrier(refuse(Undeliverable("no"))), clock).deliver_due()
    clock.turn(days=31)
    await put(store, LASTING)
    carrier = Carrier()
    post = deliverer(store, carrier, clock)
    post.start()
    await carrier.has(1)
    await post.stop()
    assert [] == await rows(store)
