"""For whom the database works: what fair shares are counted by.

Rules of this file:

1. A caller is an account, else a role's token, else an address; never nothing, which would be a way past the count.
2. What the app does by itself (mails, the audit log, its own sessions) is not counted, and is not kept waiting by
   those who are.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final, NamedTuple


class Caller(NamedTuple):
    """Who is counted, by *key*; *first* may take the places that are kept for accounts."""

    key: str
    first: bool = False


#: The app itself.
HOUSE: Final = Caller("", first=True)

#: Who is being answered; the app itself outside of requests.
CALLER: Final[ContextVar[Caller]] = ContextVar("caller", default=HOUSE)
