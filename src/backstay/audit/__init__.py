"""The audit log: who did what, in the transaction that did it, in a chain that cannot be mended unseen."""

from backstay.audit.anchor import Anchors
from backstay.audit.chain import AuditKeys, audit_keys
from backstay.audit.event import EVENTS, SYSTEM, Actor, Detail, Event
from backstay.audit.policy import note_policy
from backstay.audit.read import gotrue_entry
from backstay.audit.record import record
from backstay.audit.unreadable import UnreadableValues
from backstay.audit.verify import Verdict, verify

__all__ = [
    "EVENTS",
    "SYSTEM",
    "Actor",
    "Anchors",
    "AuditKeys",
    "Detail",
    "Event",
    "UnreadableValues",
    "Verdict",
    "audit_keys",
    "gotrue_entry",
    "note_policy",
    "record",
    "verify",
]
