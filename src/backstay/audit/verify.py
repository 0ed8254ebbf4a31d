"""Looking through the whole chain for edits, reordered, deleted and invented rows, and a lost end (AU2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backstay.audit.anchor import Anchor
from backstay.audit.chain import ORIGIN, AuditKeys, canonical
from backstay.audit.read import PAGE, START, head, page
from backstay.db.store import Asks
from backstay.errors import BackstayError


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found: *rows* that hold, and the first that does not (*seq*, and *fault* as the end of a sentence)."""

    rows: int
    seq: int | None = None
    fault: str | None = None

    @property
    def holds(self) -> bool:
        return self.fault is None


async def verify(store: Asks, keys: AuditKeys, anchors: Sequence[Anchor] = (), *, page_rows: int = PAGE) -> Verdict:
    """Read the log from its first row to its end, one page at a time.

    Rows may be added meanwhile.  It stops at the first fault: after that one nothing can be said about the chain.
    """
    held: dict[int, bytes] = {}
    for anchor in anchors:
        if held.setdefault(anchor.seq, anchor.hash) != anchor.hash:
            return Verdict(0, anchor.seq, "has two different anchors: the log was set back and written again")
    last, previous, after, most = 0, ORIGIN, START, page_rows
    while True:
        try:
            rows = await store.all(page(after, most))
        except BackstayError:
            raise
        except Exception:
            # A value that is not of its column's type, which SQLite can hold: find out in which row.
            if most == 1:
                return Verdict(last, last + 1, "holds a value that nothing here has written")
            most = 1
            continue
        for row in rows:
            fault = _fault(row, last + 1, previous, keys)
            if fault is None and held.get(row.seq, row.hash) != row.hash:
                fault = "is not the row that was there when its anchor was written"
            if fault is not None:
                return Verdict(last, min(row.seq, last + 1), fault)
            last, previous, after = row.seq, row.hash, row.seq
        if rows:
            continue
        # The end is asked after the rows: it can only be further on, never further back.
        end = await store.one(head())
        if end is not None and end.seq > last and await store.all(page(after, 1)):
            continue
        if last < max(held, default=0):
            return Verdict(last, last + 1, "is missing, and an anchor says that it was there")
        if (0 if end is None else end.seq) != last or (end is not None and last and end.hash != previous):
            return Verdict(last, last + 1, f"should be the next, but the head of the chain is {_words(end)}")
        return Verdict(last)


def _fault(row: Any, expected: int, previous: bytes, keys: AuditKeys) -> str | None:
    if row.seq > expected:
        return "is missing"
    if row.seq < expected:
        return "was inserted"
    if row.previous != previous:
        return "does not follow the row before it"
    if row.key_id not in keys.keys:
        return f"was made with the key {row.key_id!r}, which is not among the keys of this log"
    try:
        text = canonical(
            seq=row.seq,
            at=row.at,
            event=row.event,
            actor_kind=row.actor_kind,
            actor_id=row.actor_id,
            subject=row.subject,
            ip=row.ip,
            request_id=row.request_id,
            details=row.details,
            key_id=row.key_id,
        )
    except (TypeError, ValueError, AttributeError, RecursionError):
        return "holds a value that nothing here has written"
    return None if keys.mac(row.key_id, previous + text) == row.hash else "was altered"


def _words(end: Any) -> str:
    return "missing" if end is None else f"row {end.seq}"
