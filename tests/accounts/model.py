"""What sessions are, in as few words as it takes: the reference that `test_state.py` holds the server to.

No database, no tokens' contents, no HTTP: who is signed in where, and which of the tokens that were ever given out are
good now.  Rules as in docs/reference/accounts.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

IDLE, LONGEST, ACCESS = timedelta(days=7), timedelta(days=30), timedelta(hours=1)
REUSE, UNUSED, STEPS = timedelta(seconds=10), timedelta(seconds=60), 5


@dataclass(eq=False)
class Person:
    """An account."""

    email: str
    #: ``None``: the first proof of the address has dropped it.
    password: str | None
    id: str = ""
    banned: bool = False
    deleted: bool = False
    #: Whether somebody has shown to read the address.
    proved: bool = False
    roles: set[str] = field(default_factory=set)


@dataclass(eq=False)
class Session:
    """A sign-in; *chain* holds its refresh tokens, and when each but the last was superseded."""

    person: Person
    born: datetime
    refreshed: datetime
    chain: list[str] = field(default_factory=list)
    superseded: list[datetime] = field(default_factory=list)
    ended: bool = False
    #: Tokens issued until this second say of its person's roles what is no longer true.
    stale: datetime | None = None

    def is_recent(self, now: datetime) -> bool:
        """Whether its proof is recent enough to change what signs in."""
        return now.timestamp() - int(self.born.timestamp()) <= 300

    def is_over(self, now: datetime) -> bool:
        return now >= self.born + LONGEST or now - self.refreshed > IDLE


@dataclass(eq=False)
class Access:
    """An access token, the key that signed it, and the session it speaks for."""

    token: str
    session: Session
    issued: datetime
    kid: str


class Model:
    """Every account, session and token that there ever was."""

    def __init__(self) -> None:
        self.people: list[Person] = []
        self.sessions: list[Session] = []
        self.tokens: list[Access] = []
        self.revoked: set[str] = set()

    def accepts(self, access: Access, now: datetime, *, roles: bool = True) -> bool | None:
        """Whether the token is good; ``None`` in the half minute when a clock that is off may say either.

        Without *roles* it is asked where nothing depends on what the token says of those.
        """
        left = access.issued + ACCESS - now
        if abs(left) <= timedelta(seconds=31):
            return None
        session = access.session
        if session.ended or session.person.deleted or access.kid in self.revoked:
            return False
        return left > timedelta() and (not roles or session.stale is None or access.issued > session.stale)

    def end(self, person: Person, *, but: Session | None = None) -> None:
        for session in self.sessions:
            if session.person is person and session is not but:
                session.ended = True

    def prove(self, person: Person) -> None:
        """Somebody reads the address: the first time, whatever was there before is gone."""
        if not person.proved:
            person.proved, person.password = True, None
            self.end(person)

    def gain(self, person: Person) -> None:
        """A role more: they sign in again; an account that nobody has proved gets it only where it is emptied."""
        self.end(person)
        if not person.proved:
            person.password = None

    def refresh(self, session: Session, index: int, now: datetime) -> str:
        """What becomes of the refresh token *index* of the chain: a code, ``next``, or the token that is given again."""
        if session.ended:
            return "refresh_token_not_found"
        steps = len(session.chain) - 1 - index
        if steps == 0:
            if session.is_over(now):
                session.ended = True
                return "session_expired"
            session.superseded.append(now)
            session.refreshed = now
            return "next"
        age = now - session.superseded[index]
        if steps <= STEPS and (age <= REUSE or (steps == 1 and age <= UNUSED)) and not session.is_over(now):
            return session.chain[-1]
        session.ended = True
        return "refresh_token_already_used"
