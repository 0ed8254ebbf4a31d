"""Anchors: where the chain ended at a time, kept outside of the database (AU2).

Rules of this file:

1. A line says a row's number and hash, and carries a MAC: who writes to the file without the key forges nothing.
2. Lines are appended, one write each, and synced.  Nothing here ever changes or deletes one.
3. What is younger than the last anchor can be cut off unseen; so the file is worth as much as its distance from the
   database: another disk, another machine, a place that only appends.
4. A line may be torn: a disk was full, or the machine stopped.  The next anchor begins a line of its own, and what is
   torn stays where it is and is told.  Nothing that stands in the file keeps anchors from being written (A11).
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
from backstay.errors import ConfigError
from backstay.private import PRIVATE, keep_private

_LOG: Final = logging.getLogger("backstay.audit")

#: Rows after which a new anchor is due, and the time after which one is due for fewer.
EVERY_ROWS: Final = 1000
EVERY: Final = timedelta(hours=1)
#: Seconds between two looks at the end of the chain.
LOOK_SECONDS: Final = 60.0
#: So many bytes of the end of the file are looked at for the last anchor; a line has about 250.
_TAIL: Final = 8 * 1024


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
        self._kept = False
        #: Why the last round could not write an anchor; ``None``: it could, or none was due.
        self.failing: str | None = None

    def read(self) -> list[Anchor]:
        """Every anchor, oldest first; none where there is no file yet.

        Raises:
            ConfigError: BST-E511, when the file cannot be read, or a line is not one that was made here.
        """
        return [self._parse(number, line) for number, line in enumerate(self._lines(), 1)]

    def look(self) -> tuple[list[Anchor], list[int]]:
        """Every anchor, oldest first, and the numbers of the lines that are torn.

        Raises:
            ConfigError: BST-E511, when the file cannot be read, or a line is whole and was not made here.
        """
        found: list[Anchor] = []
        torn: list[int] = []
        for number, line in enumerate(self._lines(), 1):
            if _is_torn(line):
                torn.append(number)
            else:
                found.append(self._parse(number, line))
        return found, torn

    def write(self, seq: int, hash: bytes) -> Anchor:
        """Append an anchor at row *seq*; the file is made with mode 0600, its folder with 0700.

        A file that everybody could read or write is narrowed.

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
            descriptor = os.open(self.path, flags, PRIVATE)
            try:
                if not self._kept:
                    # Of an older version, or made by hand: once, for whoever widens it afterwards means it.
                    keep_private(self.path, _LOG, descriptor=descriptor)
                    self._kept = True
                if not self._ends_a_line():
                    line = b"\n" + line
                if os.write(descriptor, line) != len(line):
                    raise OSError("the disk is full")
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
            rows, age = end.seq - last.seq, self._now() - last.at
            # Where the clock was set back, or the database, that anchor says nothing of when the next is due.
            if rows == 0 or (0 < rows < EVERY_ROWS and timedelta(0) <= age < EVERY):
                return None
        return await asyncio.to_thread(self.write, end.seq, end.hash)

    async def run(self, store: Asks, wait: Callable[[float], Awaitable[Any]] = asyncio.sleep) -> None:
        """`keep` again and again until cancelled.

        A failure is logged once, and the next round tries again (DU6); `failing` says why, and the log when it is over.
        """
        while True:
            try:
                await self.keep(store)
            except Exception as error:
                if self.failing is None:
                    _LOG.warning("no audit anchor could be written: %s", error)
                self.failing = str(error) or type(error).__name__
            else:
                if self.failing is not None:
                    _LOG.warning("audit anchors are written again")
                self.failing = None
            await wait(LOOK_SECONDS)

    def _last(self) -> Anchor | None:
        """The last anchor in the end of the file that can be read, and was made with the keys of now."""
        for line in reversed(self._bytes(-_TAIL).splitlines()):
            try:
                return self._parse(None, line)
            except ConfigError:
                continue
        return None

    def _lines(self) -> list[bytes]:
        return self._bytes(0).splitlines()

    def _ends_a_line(self) -> bool:
        return self._bytes(-1) in (b"", b"\n")

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
            at = datetime.fromisoformat(body["at"]).astimezone(UTC)
            anchor = Anchor(int(body["seq"]), bytes.fromhex(body["hash"]), at)
            mac = self.keys.mac(body["key_id"], _text(body))
            genuine = mac is not None and mac == bytes.fromhex(found["mac"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            raise self._fault(f"{where} that is no anchor") from None
        if not genuine:
            raise self._fault(f"{where} that was not made with the keys of this log")
        return anchor

    def _fault(self, what: str) -> ConfigError:
        return ConfigError(
            "BST-E511", f"The audit anchor file {self.path} {what}", hint="See docs/reference/audit.md, “Anchors”."
        )


def _is_torn(line: bytes) -> bool:
    """Whether *line* is not one object of JSON: half of one, nothing, or halves of two."""
    try:
        return not isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return True


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
