"""Mail: what flows want sent, kept in the outbox until somebody has taken it over."""

from backstay.mail.address import Address, masked, parse_address
from backstay.mail.catcher import Catcher, Caught
from backstay.mail.deliver import Deliverer, Render
from backstay.mail.letter import KINDS, Kind, Letter, Mail
from backstay.mail.outbox import Seal, enqueue
from backstay.mail.patience import Patience
from backstay.mail.render import Words
from backstay.mail.transport import Transport, TryLater, Undeliverable

__all__ = [
    "KINDS",
    "Address",
    "Catcher",
    "Caught",
    "Deliverer",
    "Kind",
    "Letter",
    "Mail",
    "Patience",
    "Render",
    "Seal",
    "Transport",
    "TryLater",
    "Undeliverable",
    "Words",
    "enqueue",
    "masked",
    "parse_address",
]
