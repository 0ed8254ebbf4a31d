"""Sessions, and the refresh tokens that carry them on.

1. Every sign-in and every step of assurance opens a session of its own (TK11), and `start_session` is the one way to
   one: a statement on the account's row decides, which finds no row that is banned or deleted (ID4).
2. Of a session one refresh token is active.  Using it makes a successor and supersedes it, in one conditional
   statement (ID4); the successor is derived from it with a key of the server, so that whoever asks again within
   `AuthOptions.reuse_seconds` gets the same one: parallel refreshes converge (TK3).
3. A superseded token that comes later was copied: the whole family of sessions ends, and that commits although the
   request is refused (TK2).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID, uuid4

import sqlalchemy as sa

from backstay.auth.begun import carry_begun, end_begun
from backstay.auth.epoch import revoke_sessions
from backstay.auth.options import AuthOptions
from backstay.auth.refusal import AuthError
from backstay.auth.tables import RefreshToken, Session, User
from backstay.auth.user import user_by_id
from backstay.auth.weight import weight
from backstay.db.store import Asks, Transaction
from backstay.sql.query import Asked, query

#: A lost answer is forgiven for so long where its successor has not been used either (TK2).
_UNUSED: Final = timedelta(seconds=60)
#: How far a chain of successors is followed: a tab that slept through more refreshes than these has been superseded.
_STEPS: Final = 5


@dataclass(frozen=True, slots=True, repr=False)
class Opened:
    """A session with the refresh token that goes on from here; *amr* as in the token's claim."""

    id: UUID
    user_id: UUID
    aal: str
    amr: tuple[dict[str, Any], ...]
    refresh_token: str
    #: The end of the session, which no access token outlives (TK1).
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Device:
    """Where a session is used: shown to its owner (TK10)."""

    ip: str
    user_agent: str
    #: What limits count it as: IPv6 addresses by their network (TH1).
    bucket: str = "unknown"


def _living(id: Any, now: Any) -> tuple[Any, ...]:
    not_banned = sa.or_(User.banned_until.is_(None), User.banned_until <= now)
    return User.id == id, User.deleted_at.is_(None), not_banned


@query
def _admit(id: UUID, now: datetime) -> sa.Executable:
    """A sign-in of the account, where it may.

    The row is held from here on: a ban or a deletion at the same moment has come before, and nothing is found, or it
    waits, and finds the session that was opened.
    """
    mine = sa.update(User).where(*_living(id, now))
    return mine.values(last_sign_in_at=now, updated_at=now).returning(User.id)


@query
def _admit_step(id: UUID, now: datetime) -> sa.Executable:
    """As `_admit`, for a step of assurance: nobody has signed in anew."""
    return sa.update(User).where(*_living(id, now)).values(updated_at=now).returning(User.id)


@query
def _add_session(
    id: UUID,
    user_id: UUID,
    family_id: UUID,
    aal: str,
    amr: list[Any],
    factor_id: UUID | None,
    ip: str,
    user_agent: str,
    now: datetime,
    not_after: datetime,
) -> sa.Executable:
    return sa.insert(Session).values(
        id=id,
        user_id=user_id,
        family_id=family_id,
        aal=aal,
        amr=amr,
        factor_id=factor_id,
        ip=ip,
        user_agent=user_agent,
        created_at=now,
        refreshed_at=now,
        not_after=not_after,
    )


@query
def _add_token(hash: bytes, session_id: UUID, parent_hash: bytes | None, now: datetime) -> sa.Executable:
    return sa.insert(RefreshToken).values(
        hash=hash, session_id=session_id, parent_hash=parent_hash, created_at=now, superseded_at=None
    )


@query
def _supersede(hash: bytes, now: datetime) -> sa.Executable:
    mine = sa.update(RefreshToken).where(RefreshToken.hash == hash, RefreshToken.superseded_at.is_(None))
    return mine.values(superseded_at=now).returning(RefreshToken.session_id)


@query
def _token(hash: bytes) -> sa.Executable:
    return sa.select(RefreshToken).where(RefreshToken.hash == hash)


@query
def _owner_of(hash: bytes) -> sa.Executable:
    mine = sa.select(Session.user_id).join(RefreshToken, RefreshToken.session_id == Session.id)
    return mine.where(RefreshToken.hash == hash)


@query
def session_by_id(id: UUID) -> sa.Executable:
    return sa.select(Session).where(Session.id == id)


@query
def _touch(id: UUID, now: datetime, ip: str, user_agent: str) -> sa.Executable:
    return sa.update(Session).where(Session.id == id).values(refreshed_at=now, ip=ip, user_agent=user_agent)


def _of(user_id: Any) -> sa.Select[Any]:
    return sa.select(Session).where(Session.user_id == user_id).order_by(Session.created_at.desc(), Session.id)


@query
def sessions_of(user_id: UUID) -> sa.Executable:
    return _of(user_id)


@query
def page_of_sessions(user_id: UUID, most: int, skipped: int) -> sa.Executable:
    return _of(user_id).limit(most).offset(skipped)


@query
def weight_of_sessions(user_id: UUID, most: int, skipped: int) -> sa.Executable:
    return weight(_of(user_id).limit(most).offset(skipped))


@query
def count_sessions(user_id: UUID) -> sa.Executable:
    return sa.select(sa.func.count().label("total")).select_from(Session).where(Session.user_id == user_id)


@query
def _of_family(family_id: UUID) -> sa.Executable:
    return sa.select(Session.id).where(Session.family_id == family_id)


@query
def _end(id: UUID) -> sa.Executable:
    return sa.delete(Session).where(Session.id == id).returning(Session.id)


@query
def _with_factor(factor_id: UUID) -> sa.Executable:
    mine = sa.update(Session).where(Session.factor_id == factor_id)
    # `sa.null()`: a value of ``None`` would be a parameter of the same name as the condition's.
    return mine.values(aal="aal1", factor_id=sa.null()).returning(Session.id)


def hash_of(token: str) -> bytes:
    """What is stored of a refresh token."""
    return hashlib.sha256(token.encode()).digest()


async def owner_of(asks: Asks, token: str) -> UUID | None:
    """Whose refresh token *token* is: to hold the account before its tokens are touched."""
    row = await asks.one(_owner_of(hash_of(token)))
    return None if row is None else UUID(str(row.user_id))


async def start_session(
    transaction: Transaction,
    options: AuthOptions,
    *,
    user_id: UUID,
    method: str,
    device: Device,
    now: datetime,
    provider: str | None = None,
    step_up: Any = None,
    factor_id: UUID | None = None,
) -> Opened:
    """Open a session after a proof by *method* (``password``, ``otp``, ``magiclink``, ``oauth``, ``totp``, …).

    *step_up* is the session (row) that a second factor lifts to aal2: its proofs are carried over, and it ends.

    Raises:
        AuthError: user_banned, user_not_found, whatever was read of the account before; session_not_found, when
            *step_up* has ended meanwhile.
    """
    if await transaction.one(_admit(user_id, now) if step_up is None else _admit_step(user_id, now)) is None:
        if await transaction.one(user_by_id(user_id)) is None:
            raise AuthError("user_not_found", "User from sub claim in JWT does not exist")
        raise AuthError("user_banned", "User is banned")
    # One of two ends it: whoever ended all sessions in this moment has not left this one (ID4).
    if step_up is not None and await transaction.one(_end(step_up.id)) is None:
        raise AuthError("session_not_found", "Session from session_id claim in JWT does not exist")
    proof: dict[str, Any] = {"method": method, "timestamp": int(now.timestamp())}
    if provider is not None:
        proof["provider"] = provider
    session_id = uuid4()
    before = () if step_up is None else tuple(step_up.amr)
    amr = (proof, *(old for old in before if old["method"] != method))
    aal = "aal1" if factor_id is None else "aal2"
    not_after = now + options.session_lifetime if step_up is None else step_up.not_after
    family_id = session_id if step_up is None else step_up.family_id
    await transaction.run(
        _add_session(
            session_id,
            user_id,
            family_id,
            aal,
            list(amr),
            factor_id,
            device.ip,
            device.user_agent[:500],
            now,
            not_after,
        )
    )
    if step_up is not None:
        await carry_begun(transaction, step_up.id, session_id)
        await revoke_sessions(transaction, [step_up.id], "end", now)
    token = secrets.token_urlsafe(32)
    await transaction.run(_add_token(hash_of(token), session_id, None, now))
    return Opened(session_id, user_id, aal, amr, token, not_after)


async def end_sessions(transaction: Transaction, session_ids: Sequence[UUID], now: datetime) -> None:
    """End sessions: their refresh tokens are gone, their access tokens good for nothing within a second (TK4, TK5).

    What they have begun ends with them.  The account is held (``hold.py``).
    """
    for id in session_ids:
        await end_begun(transaction, id)
        await transaction.run(_end(id))
    await revoke_sessions(transaction, list(session_ids), "end", now)


async def end_all(transaction: Transaction, user_id: UUID, now: datetime, *, but: UUID | None = None) -> list[UUID]:
    """End every session of the account *but* one; which were ended."""
    return await _end_those(transaction, sessions_of(user_id), now, but)


async def _end_those(transaction: Transaction, those: Asked, now: datetime, but: UUID | None = None) -> list[UUID]:
    """End the sessions that the query *those* finds, until it finds none *but* that one.

    Ending one waits for a step up that takes it at the same moment; what that has opened is found by the next look.
    """
    ended: list[UUID] = []
    while more := [row.id for row in await transaction.all(those) if row.id != but]:
        await end_sessions(transaction, more, now)
        ended += more
    return ended


async def refresh_all(transaction: Transaction, user_id: UUID, now: datetime) -> None:
    """Have every session of the account fetch a new access token: what tokens say of it has changed."""
    await revoke_sessions(transaction, [row.id for row in await transaction.all(sessions_of(user_id))], "stale", now)


async def downgrade(transaction: Transaction, factor_id: UUID, now: datetime) -> None:
    """Take aal2 from the sessions that this factor lifted there (MF4)."""
    lifted = [row.id for row in await transaction.all(_with_factor(factor_id))]
    await revoke_sessions(transaction, lifted, "aal1", now)


@dataclass(frozen=True, slots=True)
class Rotated:
    """How a refresh ended: *session* (row) and *token* where it is carried on; why not, and the family that died."""

    outcome: Literal["rotated", "repeated", "unknown", "expired", "reused"]
    session: Any = None
    token: str = ""
    ended: tuple[UUID, ...] = ()


async def rotate(
    transaction: Transaction, options: AuthOptions, token: str, keys: Sequence[bytes], device: Device, now: datetime
) -> Rotated:
    """Use a refresh token.

    *keys* derive successors, newest first.  The outcome commits, also the bad ones: raise afterwards.
    """
    taken = await transaction.one(_supersede(hash_of(token), now))
    if taken is not None:
        session = await transaction.one(session_by_id(taken.session_id))
        if _is_over(session, options, now):
            await end_sessions(transaction, [session.id], now)
            return Rotated("expired", session)
        successor = _successor(token, keys[0])
        await transaction.run(_add_token(hash_of(successor), session.id, hash_of(token), now))
        await transaction.run(_touch(session.id, now, device.ip, device.user_agent[:500]))
        return Rotated("rotated", session, successor)
    old = await transaction.one(_token(hash_of(token)))
    if old is None:
        return Rotated("unknown")
    session = await transaction.one(session_by_id(old.session_id))
    if session is None:
        # It ended between the two statements.
        return Rotated("unknown")
    age = now - old.superseded_at
    followed, steps = await _follow(transaction, token, keys)
    may_repeat = age <= timedelta(seconds=options.reuse_seconds) or (steps == 1 and age <= _UNUSED)
    if followed is not None and may_repeat and not _is_over(session, options, now):
        return Rotated("repeated", session, followed)
    ended = await _end_those(transaction, _of_family(session.family_id), now)
    return Rotated("reused", session, ended=tuple(ended))


async def _follow(asks: Asks, token: str, keys: Sequence[bytes]) -> tuple[str | None, int]:
    """The active successor of a superseded *token*, and how many steps lie between."""
    for step in range(1, _STEPS + 1):
        for key in keys:
            successor = _successor(token, key)
            row = await asks.one(_token(hash_of(successor)))
            if row is not None:
                break
        else:
            return None, step
        if row.superseded_at is None:
            return successor, step
        token = successor
    return None, _STEPS


def _successor(token: str, key: bytes) -> str:
    return urlsafe_b64encode(hmac.digest(key, token.encode(), "sha256")).rstrip(b"=").decode()


def _is_over(session: Any, options: AuthOptions, now: datetime) -> bool:
    return bool(now >= session.not_after or now - session.refreshed_at > options.session_idle)


def is_recent(session: Any, options: AuthOptions, now: datetime) -> bool:
    """Whether the session's newest proof is recent enough to change what signs in (PW8, MF7)."""
    newest = max((proof["timestamp"] for proof in session.amr), default=0)
    return bool(now.timestamp() - newest <= options.recent.total_seconds())
