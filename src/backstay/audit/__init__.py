"""The audit log: who did what, in the transaction that did it, in a chain that cannot be mended unseen."""

from backstay.audit.chain import AuditKeys
from backstay.audit.event import EVENTS, Actor, Detail, Event
from backstay.audit.record import record

__all__ = ["EVENTS", "Actor", "AuditKeys", "Detail", "Event", "record"]
