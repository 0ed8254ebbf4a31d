"""The chain: each row's hash covers the row and the hash before it (AU2).

``hash = HMAC-SHA256(key, previous ‖ canonical JSON of the row)``.  Whoever can write to the database but does not hold
the key can neither change, reorder nor insert a row that still verifies.  Cutting off the end is what anchors are for.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from backstay.crypt import Keyring

#: The hash before the first row.
ORIGIN: Final = bytes(32)


@dataclass(frozen=True, slots=True, repr=False)
class AuditKeys:
    """Keys by id; *newest* makes new rows, all verify.  Derive them from a secret for this purpose alone."""

    newest: str
    keys: Mapping[str, bytes]

    def __repr__(self) -> str:
        return f"AuditKeys({self.newest!r}, {len(self.keys)} keys)"

    def mac(self, key_id: str, text: bytes) -> bytes | None:
        """HMAC-SHA256 of *text*; ``None`` when the key is not there."""
        key = self.keys.get(key_id)
        return None if key is None else hmac.digest(key, text, "sha256")


def audit_keys(keyring: Keyring) -> AuditKeys:
    """The keys of the log, one for each of the operator's; one that is dropped takes its rows' proof with it."""
    return AuditKeys(keyring.newest.id, dict(zip(keyring.ids, keyring.derive_all("audit"), strict=True)))


def canonical(
    *,
    seq: int,
    at: datetime,
    event: str,
    actor_kind: str,
    actor_id: UUID | None,
    subject: str | None,
    ip: str | None,
    request_id: str | None,
    details: Mapping[str, Any],
    key_id: str,
) -> bytes:
    """A row as bytes that depend on nothing but its values: sorted keys, UTC, ASCII.

    No number in it is a fraction, so that databases which keep JSON as values give back the same text.
    """
    row = {
        "seq": seq,
        "at": at.astimezone(UTC).isoformat(timespec="microseconds"),
        "event": event,
        "actor_kind": actor_kind,
        "actor_id": None if actor_id is None else str(actor_id),
        "subject": subject,
        "ip": ip,
        "request_id": request_id,
        "details": details,
        "key_id": key_id,
    }
    return json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")
