"""What is true of every transaction of accounts, whichever test runs it: a `Watch` looks at each, and fails the test.

1. An account is held before anything of it is written, and it is the one that is written (``auth/hold.py``).
2. Whoever has said that tokens are good no more, in the epoch, has this process look at once (TK5).
3. Whoever puts a letter into the outbox tells the carrier, or it would wait for the next round.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from backstay.auth.hold import NOBODY
from backstay.auth.tables import User
from backstay.db.store import Store

#: What an account has.  Challenges and flows are begun by whoever has none yet, and are good once by themselves.
OF_ACCOUNTS: Final = {
    f"backstay_{name}"
    for name in (
        "users",
        "identities",
        "factors",
        "passkeys",
        "recovery_codes",
        "one_time_tokens",
        "sessions",
        "refresh_tokens",
        "role_assignments",
    )
}
#: Statements about rows that nobody needs any more; the moment that is noted of a factor, and what a passkey is called.
UNHELD: Final = {"_sweep", "_end_sessions", "challenged_factor", "rename_passkey"}
HOLDS: Final = {"_held", "hold_user"}


@dataclass(frozen=True, slots=True)
class Step:
    """One statement: ``UPDATE`` of ``backstay_users`` by the query ``set_password``, with its values."""

    verb: str
    table: str
    query: str
    values: dict[str, Any]

    @property
    def writes(self) -> bool:
        return self.verb != "SELECT"

    @property
    def account(self) -> UUID | None:
        """Whose row it says it writes."""
        found = self.values.get("user_id", self.values.get("id") if self.table == User.__tablename__ else None)
        return found if isinstance(found, UUID) else None


@dataclass(slots=True)
class Noted:
    """A transaction that notes its steps."""

    inner: Any
    store: Store
    #: What is raised where the log is written, which is the end of a flow.
    fault: Exception | None = None
    steps: list[Step] = field(default_factory=list)

    def _note(self, asked: Any) -> Any:
        sql = asked.query.compiled(self.store.dialect).sql
        found = re.match(r"\s*(\w+).*?\b(backstay_\w+)", sql, re.DOTALL)
        assert found is not None, sql
        self.steps.append(Step(found[1], found[2], asked.query.__name__, dict(asked.values)))
        if self.fault is not None and found[2].startswith("backstay_audit"):
            raise self.fault
        return asked

    async def one(self, asked: Any) -> Any:
        return await self.inner.one(self._note(asked))

    async def all(self, asked: Any) -> Any:
        return await self.inner.all(self._note(asked))

    async def run(self, asked: Any) -> None:
        await self.inner.run(self._note(asked))


@dataclass(slots=True)
class Debts:
    """What a request still has to do, behind its transactions."""

    looks: bool = False
    posts: bool = False


#: Those of the request that runs.
_DEBTS: ContextVar[Debts] = ContextVar("_DEBTS")


class Watch:
    """Looks at every transaction of *accounts*, and at what is done behind it."""

    def __init__(self, accounts: Any) -> None:
        self.store: Store = accounts.store
        #: What the database answers at the end of every flow.
        self.fault: Exception | None = None
        self._transact = self.store.transact
        self.store.transact = self.transact  # type: ignore[method-assign]
        self._expire, self._posted = accounts.trust.expire, accounts.posted
        accounts.trust.expire = self.expire
        object.__setattr__(accounts, "posted", self.posted)

    @contextmanager
    def request(self) -> Iterator[None]:
        """A request: at its end nothing is owed."""
        debts = Debts()
        before = _DEBTS.set(debts)
        try:
            yield
        finally:
            _DEBTS.reset(before)
        assert not debts.looks, "tokens are good no more, and this process does not look: accounts.trust.expire()"
        assert not debts.posts, "letters were put into the outbox, and nobody was told: accounts.posted()"

    def expire(self) -> None:
        _DEBTS.get(Debts()).looks = False
        self._expire()

    def posted(self) -> None:
        _DEBTS.get(Debts()).posts = False
        self._posted()

    async def transact(self, flow: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
        runs: list[Noted] = []

        async def noted(tx: Any) -> Any:
            runs.append(Noted(tx, self.store, self.fault))
            return await flow(runs[-1])

        # Here, since the flow itself may run in another thread.
        debts = _DEBTS.get(Debts())
        outcome = await self._transact(noted)
        steps = runs[-1].steps
        written = {step.table for step in steps if step.writes}
        debts.looks |= "backstay_epoch" in written
        debts.posts |= any(step.table == "backstay_mail" and step.verb == "INSERT" for step in steps)
        if flow.__module__.startswith("backstay."):
            check_held(flow.__qualname__, steps)
        return outcome


def check_held(flow: str, steps: list[Step]) -> None:
    """Whether each account is held, or made, before anything of it is written; where there is none, nobody is held."""
    held: set[UUID] = set()
    for step in steps:
        about = f"{flow}: {step.verb} {step.table} by {step.query}"
        if step.query in HOLDS or (step.query == "add_user" and step.table == User.__tablename__):
            assert step.account is not None, about
            held.add(step.account)
        elif step.writes and step.table in OF_ACCOUNTS and step.query not in UNHELD:
            assert held, f"{about}, and no account is held"
            # Codes of nobody have an id that is made up.
            if step.account not in (None, NOBODY) and step.query not in ("_put", "_try_code"):
                assert step.account in held, f"{about}, and another account is held"
