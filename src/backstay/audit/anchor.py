"""Anchors: where the chain ended at a time, kept outside of the database (AU2).

Rules of this file:

1. A line says a row's number and hash, and carries a MAC: who writes to the file without the key forges nothing.
2. Lines are appended, one write each, and synced.  Nothing here ever changes or deletes one.
3. What is younger than the last anchor can be cut off unseen; so the file is worth as much as its distance from the
   database: another disk, another machine, a place that only appends.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from backstay.audit.chain import AuditKeys
from backstay.audit.read import head
from backstay.db.store import Asks
from backstay.errors import BackstayError, ConfigError

_LOG: Final = logging.getLogger("backstay.audit")

#: Rows after which a new anchor is due, and the time after which one is due for fewer.
EVERY_ROWS: Final = 1000
EVERY: Final = timedelta(hours=1)
#: Seconds between two looks at the end of the chain.
LOOK_SECONDS: Final = 60.0
#: No line is longer, so that the last one is in the last bytes of the file.
_MAX_LINE: Final = 1024


@dataclass(frozen=True, slots=True)
class Anchor:
    """Row *seq* had this *hash* at this time."""

    seq: int
    hash: bytes
    at: datetime


class Anchors:
    """The anchors in the file *path*, made with *keys*.  *now* gives the time with its zone."""

    def __init__(self, path: Path, keys: AuditKeys, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.path = path
        self.keys = keys
        self._now = now

    def read(self) -> list[Anchor]:
        """Every anchor, oldest first; none where there is no file yet.

        Raises:
            ConfigError: BST-E511, when the file cannot be read, or a line is not one that was made here.
        """
        return [self._parse(number, line) for number, line in enumerate(self._bytes(0).splitlines(), 1)]

    def write(self, seq: int, hash: bytes) -> Anchor:
        """Append an anchor at row *seq*; the file is made with mode 0600, its folder with 0700.

        Raises:
            ConfigError: BST-E511.
        """
        anchor = Anchor(seq, hash, self._now())
        body = _body(anchor, self.keys.newest)
        mac = self.keys.mac(self.keys.newest, _text(body))
        assert mac is not None  # noqa: S101 - the newest key is one of the keys
        line = json.dumps({**body, "mac": mac.hex()}).encode() + b"\n"
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
            descriptor = os.open(self.path, flags, 0o600)
            try:
                os.write(descriptor, line)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as fault:
            raise self._fault(f"cannot be written: {fault}") from None
        return anchor

    async def drop(self, store: Asks) -> Anchor | None:
        """An anchor at the end of the chain now; ``None`` where the log is empty."""
        end = await store.one(head())
        return None if end is None or end.seq == 0 else await asyncio.to_thread(self.write, end.seq, end.hash)

    async def keep(self, store: Asks) -> Anchor | None:
        """As `drop`, but only when one is due."""
        end = await store.one(head())
        if end is None or end.seq == 0:
            return None
        last = await asyncio.to_thread(self._last)
        if last is not None:
            rows = end.seq - last.seq
            if rows == 0 or (rows < EVERY_ROWS and self._now() - last.at < EVERY):
                return None
        return await asyncio.to_thread(self.write, end.seq, end.hash)

    async def run(self, store: Asks, wait: Callable[[float], Awaitable[Any]] = asyncio.sleep) -> None:
        """`keep` again and again until cancelled.  A failure is logged, and the next round tries again (DU6)."""
        while True:
            try:
                await self.keep(store)
            except (BackstayError, OSError) as error:
                _LOG.warning("no audit anchor could be written: %s", error)
            await wait(LOOK_SECONDS)

    def _last(self) -> Anchor | None:
        lines = self._bytes(-_MAX_LINE).splitlines()
        return self._parse(None, lines[-1]) if lines else None

    def _bytes(self, start: int) -> bytes:
        """The file from *start*, negative: from its end."""
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size + start) if start < 0 else start)
                return file.read()
        except FileNotFoundError:
            return b""
        except OSError as fault:
            raise self._fault(f"cannot be read: {fault}") from None

    def _parse(self, number: int | None, line: bytes) -> Anchor:
        where = "has a last line" if number is None else f"has a line {number}"
        try:
            found = json.loads(line)
            body = {name: found[name] for name in ("seq", "hash", "at", "key_id")}
            anchor = Anchor(int(body["seq"]), bytes.fromhex(body["hash"]), datetime.fromisoformat(body["at"]))
            mac = self.keys.mac(body["key_id"], _text(body))
            genuine = mac is not None and mac == bytes.fromhex(found["mac"])
        except (ValueError, KeyError, TypeError, RecursionError):
            raise self._fault(f"{where} that is no anchor") from None
        if not genuine:
            raise self._fault(f"{where} that was not made with the keys of this log")
        return anchor

    def _fault(self, what: str) -> ConfigError:
        return ConfigError(
            "BST-E511", f"The audit anchor file {self.path} {what}", hint="See docs/reference/audit.md, “Anchors”."
        )


def _body(anchor: Anchor, key_id: str) -> dict[str, Any]:
    return {
        "seq": anchor.seq,
        "hash": anchor.hash.hex(),
        "at": anchor.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "key_id": key_id,
    }


def _text(body: dict[str, Any]) -> bytes:
    """What the MAC covers.  No row's text begins like it, so neither can be passed off as the other."""
    return b"backstay audit anchor\0" + json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
