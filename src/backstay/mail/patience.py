"""How long and how often delivery is tried."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Patience:
    """The times of a `Deliverer`.  With these, a letter without an end of its own is given up after about a day.

    Args:
        first_seconds: the wait after the first failure; each further one is twice as long.
        most_seconds: the longest wait.
        spread: the share by which a wait is shorter or longer by chance, so that letters do not come back as one crowd.
        tries: how many there are.
        send_seconds: how long one may take.
        lease_seconds: how long a letter is one sender's own; longer than *send_seconds*, or it is sent twice.
        poll_seconds: how often to look for letters that nobody announced: those of other processes.
        dead_days: how long a letter that could not be sent is remembered.
    """

    first_seconds: float = 5.0
    most_seconds: float = 3600.0
    spread: float = 0.2
    tries: int = 30
    send_seconds: float = 60.0
    lease_seconds: float = 300.0
    poll_seconds: float = 5.0
    dead_days: int = 30

    def __post_init__(self) -> None:
        if self.lease_seconds <= self.send_seconds:
            raise ValueError("a lease must be longer than what is done under it")

    def wait(self, tries: int, chance: float) -> timedelta:
        """How long to wait after try number *tries*; *chance* is from 0 to 1.

        >>> [Patience().wait(n, 0.5).total_seconds() for n in (1, 2, 3, 30, 5000)]
        [5.0, 10.0, 20.0, 3600.0, 3600.0]
        >>> Patience().wait(1, 0.0).total_seconds(), Patience().wait(1, 1.0).total_seconds()
        (4.0, 6.0)
        """
        seconds = min(self.first_seconds * 2.0 ** min(tries - 1, 60), self.most_seconds)
        return timedelta(seconds=seconds * (1 + self.spread * (2 * chance - 1)))
