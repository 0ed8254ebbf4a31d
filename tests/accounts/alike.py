"""Pairs of requests that must not be told apart: one about an address with an account, one about an address without.

1. `PAIRS` is every route that is asked about an address by somebody who has not signed in (TH5).
2. ``test_alike.py`` compares what the two of a pair ask of the database, and how long they take.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from backstay.db.statement import Database, Statement, Steps
from tests.accounts.house import PASSWORD, House

#: The accounts that there are: one confirmed, one that never was, one that wants another address.
KNOWN: Final = "ann@example.org"
UNCONFIRMED: Final = "una@example.org"
CHANGING: Final = "cara@example.org"
UNKNOWN: Final = "zoe@example.org"

_CHALLENGE: Final = {"code_challenge": "x" * 43, "code_challenge_method": "s256"}


@dataclass(frozen=True, slots=True)
class Pair:
    """A request by its path and body, and whose address stands for the known ones."""

    path: str
    body: dict[str, Any]
    known: str = KNOWN
    #: Whether the request makes an account of an unknown address: each asks about another one then.
    makes: bool = False

    def addresses(self) -> tuple[Callable[[], str], Callable[[], str]]:
        """Of the known account, and of none."""
        count = iter(range(1_000_000))
        fresh = (lambda: f"new{next(count):06}@example.org") if self.makes else (lambda: UNKNOWN)
        return (lambda: self.known), fresh

    def body_for(self, email: str) -> dict[str, Any]:
        return {**self.body, "email": email}


PAIRS: Final[dict[str, Pair]] = {
    "sign-in": Pair("token?grant_type=password", {"password": "not the right one"}),
    "sign-in, unconfirmed": Pair("token?grant_type=password", {"password": "not the right one"}, UNCONFIRMED),
    "recover": Pair("recover", {}),
    "recover with a challenge": Pair("recover", _CHALLENGE),
    "otp": Pair("otp", {"create_user": False}),
    "otp, unconfirmed": Pair("otp", {"create_user": False}, UNCONFIRMED),
    "otp that makes accounts": Pair("otp", {}, makes=True),
    "magiclink": Pair("magiclink", {"create_user": False}),
    "resend": Pair("resend", {"type": "signup"}),
    "resend, unconfirmed": Pair("resend", {"type": "signup"}, UNCONFIRMED),
    "resend, changing": Pair("resend", {"type": "email_change"}, CHANGING),
    "verify": Pair("verify", {"type": "email", "token": "x"}),
    "verify of a recovery": Pair("verify", {"type": "recovery", "token": "x"}),
    "verify of a sign-up": Pair("verify", {"type": "signup", "token": "x"}, UNCONFIRMED),
    "verify of a change": Pair("verify", {"type": "email_change", "token": "x"}, CHANGING),
    "sign-up": Pair("signup", {"password": PASSWORD}, makes=True),
    "sign-up with a challenge": Pair("signup", {"password": PASSWORD, **_CHALLENGE}, makes=True),
    "sign-up, unconfirmed": Pair("signup", {"password": PASSWORD}, UNCONFIRMED, makes=True),
}


def settle(house: House) -> None:
    """Make the accounts that `PAIRS` asks about."""
    for email in (KNOWN, CHANGING):
        house.post("signup", {"email": email, "password": PASSWORD})
        house.send("GET", f"verify?{urlsplit(house.letter('confirmation').data['link']).query}")
    house.post("signup", {"email": UNCONFIRMED, "password": PASSWORD})
    assert 200 == house.put("user", {"email": "cora@example.org"}, as_=house.sign_in(CHANGING)).status
    house.letters()


class Recorder:
    """A database that remembers what was asked of it, as ``verb table``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    async def fetch(self, statement: Statement, **named: Any) -> Any:
        self._note(statement)
        return await self._database.fetch(statement, **named)

    async def fetch_all(self, statement: Statement) -> Any:
        self._note(statement)
        return await self._database.fetch_all(statement)

    async def transact(self, steps: Callable[[], Steps[Any]], **named: Any) -> Any:
        def noted() -> Steps[Any]:
            self.asked.append("begin")
            inner = steps()
            try:
                statement = next(inner)
                while True:
                    self._note(statement)
                    statement = inner.send((yield statement))
            except StopIteration as end:
                return end.value
            finally:
                inner.close()

        return await self._database.transact(noted, **named)

    def _note(self, statement: Statement) -> None:
        found = re.match(r"\s*(\w+).*?\b(backstay_\w+)", statement.sql, re.DOTALL)
        assert found is not None, statement.sql
        # The look at the epoch is on time's side: once in 0.8 s, whoever asks.
        if found[2] != "backstay_epoch" or found[1] != "SELECT":
            self.asked.append(f"{found[1]} {found[2]}")


@contextmanager
def recording(house: House) -> Iterator[Recorder]:
    """What accounts ask of their database in a block."""
    whole = house.store.database
    recorder = Recorder(whole)
    house.store.database = recorder  # type: ignore[assignment]
    try:
        yield recorder
    finally:
        house.store.database = whole
