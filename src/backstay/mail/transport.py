"""The port to whatever carries mail away."""

from __future__ import annotations

from typing import Protocol

from backstay.mail.letter import Mail


class Undeliverable(Exception):
    """The mail will never arrive: the address does not exist, or its server refuses what we write.

    The message is the reason, for whoever operates the app.
    """


class TryLater(Exception):
    """The mail could not be handed over this time: no connection, a busy server, wrong credentials of ours.

    The message is the reason, for whoever operates the app.
    """


class Transport(Protocol):
    """Carries mail.  The same mail may be sent twice; its id is the same then."""

    async def send(self, mail: Mail) -> None:
        """Return when somebody else has taken the mail over for good.

        Raises:
            Undeliverable: nobody ever will.
            TryLater: nobody has, this time.
        """
        ...
