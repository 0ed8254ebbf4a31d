"""Recording that encrypted values do not open (AU3): of reads too, which are no transaction of their own.

1. Whoever reads such a value again and again fills no log: of one column and one reason there is one event a minute in
   each process, which says how many there were since the one before.
2. An event names the column and why, and neither the value nor the row, whose key may be a person's: the row stands in
   the log.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from backstay.audit.chain import AuditKeys
from backstay.audit.event import SYSTEM, Detail, Event
from backstay.audit.record import record
from backstay.catalog.sealing import Unreadable
from backstay.crypt import Unsealable
from backstay.db.store import Store, Transaction

_LOG: Final = logging.getLogger("backstay.audit")
#: Seconds between two events of one column and one reason.
EVERY_SECONDS: Final = 60.0


class UnreadableValues:
    """Records them in *store*.  Made on the event loop that writes; told in any thread."""

    def __init__(
        self,
        store: Store,
        keys: AuditKeys,
        now: Callable[[], datetime],
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._keys = keys
        self._now = now
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        #: By column and reason: those that no event tells of yet, and when the next event may be.
        self._waiting: dict[tuple[str, str], int] = {}
        self._next: dict[tuple[str, str], float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def notice(self, faults: Sequence[Unsealable]) -> None:
        """These were met; they are recorded soon."""
        told = [(fault.column, fault.kind) for fault in faults if isinstance(fault, Unreadable)]
        if told and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._count, told)

    def _count(self, told: Sequence[tuple[str, str]]) -> None:
        for key in told:
            self._waiting[key] = self._waiting.get(key, 0) + 1
        now = self._seconds()
        due = [key for key in dict.fromkeys(told) if now >= self._next.get(key, now)]
        if due:
            events = []
            for column, reason in due:
                self._next[column, reason] = now + EVERY_SECONDS
                count = self._waiting.pop((column, reason))
                details: dict[str, Detail] = {"column": column, "reason": reason, "count": count}
                events.append(Event("value_unreadable", self._now(), SYSTEM, details=details))
            task = self._loop.create_task(self._write(events))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _write(self, events: Sequence[Event]) -> None:
        async def flow(transaction: Transaction) -> None:
            await record(transaction, self._keys, *events)

        try:
            await self._store.transact(flow)
        except Exception as error:
            _LOG.warning("unreadable values could not be recorded: %s", error)

    async def settle(self) -> None:
        """Wait for what is being written."""
        while self._tasks:
            await asyncio.gather(*self._tasks)
