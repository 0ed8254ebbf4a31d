"""`Catcher`: the transport of a desk.  It sends nothing, and keeps what it would have sent where it can be read."""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from backstay.mail.address import masked
from backstay.mail.letter import Mail

_LOG: Final = logging.getLogger("backstay.mail")
_LINK: Final = re.compile(r"https?://[^\s<>\"]+")

#: How many mails it keeps.
KEPT: Final = 100


@dataclass(frozen=True, slots=True)
class Caught:
    """A mail that was not sent, and when."""

    mail: Mail
    at: datetime

    @property
    def links(self) -> tuple[str, ...]:
        """The links in its plain twin, each once."""
        return tuple(dict.fromkeys(_LINK.findall(self.mail.text)))


class Catcher:
    """A `Transport` that keeps the last `KEPT` mails in memory.

    Args:
        page: the address of the page that shows them; the id of the mail is added.
        now: the time.
    """

    def __init__(self, page: str, *, now: Callable[[], datetime]) -> None:
        self.page = page
        self._now = now
        self._caught: OrderedDict[str, Caught] = OrderedDict()

    async def send(self, mail: Mail) -> None:
        """Keep *mail* and say where; the same one again takes the place of the first."""
        self._caught[mail.id] = Caught(mail, self._now())
        self._caught.move_to_end(mail.id)
        while len(self._caught) > KEPT:
            self._caught.popitem(last=False)
        _LOG.info("mail to %s (%s): see %s%s", masked(mail.to), mail.kind, self.page, mail.id)

    @property
    def caught(self) -> Sequence[Caught]:
        """The mails, the newest first."""
        return tuple(reversed(self._caught.values()))

    def find(self, id: str) -> Caught | None:
        """The mail of that id; ``None`` once newer ones have taken its place."""
        return self._caught.get(id)
