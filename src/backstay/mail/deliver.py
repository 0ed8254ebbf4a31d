"""`Deliverer`: the task that empties the outbox.

1. Delivery is at least once: a letter leaves the outbox after the transport has taken it over.  A process that dies in
   between, or a database that cannot be reached then, has it sent again, with the same id.
2. Several processes share one outbox: a letter is sent by whoever has its lease, and a send ends before its lease does.
3. Whatever goes wrong is kept: with the letter (why it was not sent), or in `failing` (why none is).  The task goes on
   (DU6).
4. Nothing that a letter says gets into a log or a reason: neither a link nor a code, and of an address little (LG2).
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import PurePath
from traceback import extract_tb
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid4

from backstay.db.store import Store, Transaction
from backstay.mail.address import masked
from backstay.mail.letter import Letter, Mail
from backstay.mail.outbox import Seal, bury, claim, clear, forget, next_due, postpone, read_letter
from backstay.mail.patience import Patience
from backstay.mail.transport import Transport, TryLater, Undeliverable
from backstay.sql.query import Asked

_LOG: Final = logging.getLogger("backstay.mail")

#: The words of a letter; the text is the id of the mail.
Render: TypeAlias = Callable[[Letter, str], Mail]

_URL: Final = re.compile(r"\b\w+://\S+")
_REASON_LENGTH: Final = 300
_CLEAR_EVERY: Final = timedelta(hours=1)
#: So many refusals in a row are no accident of one letter.
_REFUSALS: Final = 3


class Deliverer:
    """Sends what is in the outbox, in the background, from `start` to `stop`.

    Args:
        store: of the database that has the outbox.
        transport: who takes mails over.
        render: makes a mail of a letter.
        open_sealed: the opposite of what `enqueue` was given to seal with.
        now: the time.
        chance: a number from 0 to 1, each time another one.
        patience: how long and how often.
    """

    def __init__(
        self,
        store: Store,
        transport: Transport,
        render: Render,
        *,
        open_sealed: Seal,
        now: Callable[[], datetime],
        chance: Callable[[], float],
        patience: Patience | None = None,
    ) -> None:
        self._store = store
        self._transport = transport
        self._render = render
        self._open = open_sealed
        self._now = now
        self._chance = chance
        self._patience = patience or Patience()
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._crash: str | None = None
        self._refusal: str | None = None
        self._refusals = 0
        self._cleared: datetime | None = None

    @property
    def failing(self) -> str | None:
        """Why nothing is sent at the moment; ``None`` while all is well."""
        return self._crash or (self._refusal if self._refusals >= _REFUSALS else None)

    def wake(self) -> None:
        """Have it look now: call it after the commit that put a letter into the outbox."""
        self._woken.set()

    def start(self) -> None:
        """Begin, in a task of the running loop."""
        if self._task is None:
            self._stopping = False
            self._task = asyncio.create_task(self._run(), name="backstay-mail")

    async def stop(self, *, grace_seconds: float = 5.0) -> None:
        """End: what is being sent has *grace_seconds* to arrive.  What is cut off is sent again later."""
        task, self._task = self._task, None
        if task is None:
            return
        self._stopping = True
        self.wake()
        _, running = await asyncio.wait({task}, timeout=grace_seconds)
        if running:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def deliver_due(self) -> int:
        """Claim letters that are due and send them; return how many it claimed."""
        now = self._now()
        next_at = (await self._store.one(next_due())).at
        if next_at is None or next_at > now:
            return 0
        lease = uuid4()
        until = now + timedelta(seconds=self._patience.lease_seconds)

        async def take(transaction: Transaction) -> Any:
            return await transaction.all(claim(now, until, lease))

        rows = await self._store.transact(take)
        done = await asyncio.gather(*(self._deliver(row, lease) for row in rows), return_exceptions=True)
        for fault in done:
            if fault is not None:
                raise fault
        return len(rows)

    async def _run(self) -> None:
        crashes = 0
        while not self._stopping:
            self._woken.clear()
            try:
                # Another round follows at once where there was something to do, for there may be more.
                pause = 0.0 if await self.deliver_due() else await self._until_next()
                await self._clear()
                self._crash, crashes = None, 0
            except Exception as fault:
                crashes += 1
                self._crash = _where(fault)
                pause = min(self._patience.wait(crashes, self._chance()).total_seconds(), 60.0)
                _LOG.error("sending mail fails: %s; next try in %.0f s", self._crash, pause)
            if pause:
                await self._sleep(pause)

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def _until_next(self) -> float:
        next_at = (await self._store.one(next_due())).at
        if next_at is None:
            return self._patience.poll_seconds
        # Never less than a moment: should two clocks disagree, this does not become a busy loop.
        seconds: float = (next_at - self._now()).total_seconds()
        return max(min(seconds, self._patience.poll_seconds), 0.05)

    async def _clear(self) -> None:
        now = self._now()
        if self._cleared is None or now - self._cleared > _CLEAR_EVERY:
            await self._change(clear(now - timedelta(days=self._patience.dead_days)))
            self._cleared = now

    async def _deliver(self, row: Any, lease: UUID) -> None:
        if row.expires_at is not None and self._now() >= row.expires_at:
            await self._end(row, lease, "its link or code ended before it could be sent")
            return
        if row.tries > self._patience.tries:
            # It was claimed and never came back, again and again: sending it may be what ends the process.
            await self._end(row, lease, "the process ended each time before it was sent")
            return
        letter: Letter | None = None
        try:
            letter = read_letter(self._open(row.sealed))
            async with asyncio.timeout(self._patience.send_seconds):
                await self._transport.send(self._render(letter, str(row.id)))
        except Undeliverable as fault:
            await self._end(row, lease, _told(fault, letter), letter)
        except TryLater as fault:
            self._refused(_told(fault, letter))
            await self._later(row, lease, _told(fault, letter), letter)
        except TimeoutError:
            self._refused("it took too long")
            await self._later(row, lease, f"it took longer than {self._patience.send_seconds:g} s", letter)
        except Exception as fault:
            # Ours to mend: a template, a key that is missing.  The next version may be able to send it.
            self._refused(_where(fault))
            _LOG.error("a mail (%s) cannot be made: %s", row.kind, _where(fault))
            await self._later(row, lease, _where(fault), letter)
        else:
            self._refusals = 0
            await self._change(forget(row.id))

    def _refused(self, reason: str) -> None:
        self._refusal = reason
        self._refusals += 1

    async def _later(self, row: Any, lease: UUID, reason: str, letter: Letter | None) -> None:
        if row.tries >= self._patience.tries:
            await self._end(row, lease, reason, letter)
            return
        wait = self._patience.wait(row.tries, self._chance())
        await self._change(postpone(row.id, lease, self._now() + wait, reason))
        to = "" if letter is None else f" to {masked(letter.to)}"
        _LOG.warning("a mail%s (%s) was not sent, next try in %.0f s: %s", to, row.kind, wait.total_seconds(), reason)

    async def _end(self, row: Any, lease: UUID, reason: str, letter: Letter | None = None) -> None:
        await self._change(bury(row.id, lease, self._now(), reason))
        to = "" if letter is None else f" to {masked(letter.to)}"
        _LOG.error("a mail%s (%s) will not be sent: %s", to, row.kind, reason)

    async def _change(self, asked: Asked) -> None:
        async def flow(transaction: Transaction) -> None:
            await transaction.run(asked)

        await self._store.transact(flow)


def _told(fault: Exception, letter: Letter | None) -> str:
    """The reason in *fault*, in one line, without what the other side may have repeated of the letter."""
    text = _URL.sub("…", str(fault))
    if letter is not None:
        # The longest first: a value may be part of another one.
        for value in sorted((letter.to, *letter.data.values()), key=len, reverse=True):
            text = text.replace(value, "…")
    return " ".join(text.split())[:_REASON_LENGTH] or type(fault).__name__


def _where(fault: BaseException) -> str:
    """Kind and place of *fault*.  Its message stays out: it may quote what it stumbled over."""
    frames = extract_tb(fault.__traceback__)
    place = f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(fault).__name__}{place}"
