"""One-time tokens: the link and the six digits that one mail carries, kept as keyed hashes only (TH6).

Rules of this file:

1. A mail has a *token* of 256 bits for its link and a *code* of six digits to type.  Both stand for one row, and using
   either uses both.
2. One row for each account and kind: what is issued later replaces what was issued before.
3. Used once, tried five times: each is one conditional UPDATE, so it holds for requests that come at the same time
   (ID4).
4. A million codes can be tried out against a plain hash within a second, so the hash has a key, and it binds account,
   kind and address: a code works for what it was sent for, where it was sent.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from backstay.auth.flow import discard_flows
from backstay.db.columns import later
from backstay.db.own import Own
from backstay.db.store import Transaction
from backstay.sql.query import query

#: Wrong codes after which the right one is refused too.
MAX_TRIES: Final = 5
#: How long a code is good.  Its link may be good for longer: nobody guesses 256 bits.
CODE_LIFETIME: Final = timedelta(minutes=10)
CODE_DIGITS: Final = 6
#: What the published clients know a token by that is exchanged for a session with a code verifier.
PKCE_PREFIX: Final = "pkce_"


class OneTimeToken(Own):
    """What was sent to an address of an account and not yet replaced."""

    __tablename__ = "backstay_one_time_tokens"
    __table_args__ = (sa.UniqueConstraint("user_id", "kind"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    kind: Mapped[str]
    address: Mapped[str]
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    code_hash: Mapped[bytes]
    tries: Mapped[int]
    redirect_to: Mapped[str | None]
    flow_state_id: Mapped[UUID | None]
    #: The session that asked for it, with which it ends; ``None``: whoever reads the mail may use it.
    session_id: Mapped[UUID | None] = mapped_column(info=later(), index=True)
    #: ``False``: an administrator has seen it, who may not do everything, so its use proves nobody's mailbox.
    proves: Mapped[bool | None] = mapped_column(info=later())
    created_at: Mapped[datetime]
    code_expires_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """What goes into the mail, and nowhere else."""

    #: For the link; begins with ``pkce_`` where the sign-in began with a code challenge.
    token: str
    #: Six digits, the first may be 0.
    code: str


@dataclass(frozen=True, slots=True)
class Used:
    """What a token or code that was good stood for."""

    user_id: UUID
    kind: str
    #: The address that its user has proved to read.
    address: str
    redirect_to: str | None
    flow_state_id: UUID | None
    created_at: datetime
    #: The session that asked for it, where it belongs to one.
    session_id: UUID | None = None
    #: Whether nobody but the reader of that address has seen it.
    proves: bool = True


async def issue(
    transaction: Transaction,
    key: bytes,
    *,
    user_id: UUID,
    kind: str,
    address: str,
    now: datetime,
    lifetime: timedelta = timedelta(hours=1),
    redirect_to: str | None = None,
    flow_state_id: UUID | None = None,
    session_id: UUID | None = None,
    proves: bool = True,
) -> Secret:
    """Make the only valid token and code of this account and *kind*, to be sent to *address*.

    Args:
        key: of the hashes; at least 32 bytes.  Another key makes all that was issued invalid.
        lifetime: of the token; the code lives as long but 10 minutes at most.
    """
    token = secrets.token_urlsafe(32)
    if flow_state_id is not None:
        token = PKCE_PREFIX + token
    code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"
    await transaction.run(
        _put(
            id=uuid4(),
            user_id=user_id,
            kind=kind,
            address=address,
            token_hash=_token_hash(key, token),
            code_hash=_code_hash(key, user_id, kind, address, code),
            redirect_to=redirect_to,
            flow_state_id=flow_state_id,
            session_id=session_id,
            proves=proves,
            created_at=now,
            code_expires_at=now + min(lifetime, CODE_LIFETIME),
            expires_at=now + lifetime,
        )
    )
    return Secret(token, code)


async def owner_of(transaction: Transaction, key: bytes, token: str) -> UUID | None:
    """For whom *token* was made, good or not: to hold the account before the token is used up."""
    row = await transaction.one(_owner(token_hash=_token_hash(key, token)))
    return None if row is None else row.user_id


async def use_token(transaction: Transaction, key: bytes, *, token: str, kind: str, now: datetime) -> Used | None:
    """Use up *token*; ``None`` when it is unknown, expired, used, replaced, or of another kind."""
    return _used(await transaction.one(_take_token(token_hash=_token_hash(key, token), kind=kind, now=now)))


async def use_code(
    transaction: Transaction, key: bytes, *, user_id: UUID, kind: str, address: str, code: str, now: datetime
) -> Used | None:
    """Use up *code*, which somebody who says to read *address* has typed; ``None`` when it is not good.

    The try is counted in this transaction: let it commit, and refuse afterwards.  For an account that does not exist
    pass a random *user_id*, which takes as long (TH5).
    """
    right = _code_hash(key, user_id, kind, address, code)
    row = await transaction.one(_try_code(user_id=user_id, kind=kind, code_hash=right, now=now))
    return _used(row) if row is not None and row.used_at is not None else None


async def discard_all(transaction: Transaction, user_id: UUID) -> None:
    """Make invalid all that was sent for this account, and what came of it: its password or address changed (PW8)."""
    await transaction.run(_discard(user_id=user_id))
    await discard_flows(transaction, user_id)


async def discard_kind(transaction: Transaction, user_id: UUID, kind: str) -> None:
    """Make invalid what was sent for this account of one *kind*."""
    await transaction.run(_discard_kind(user_id=user_id, kind=kind))


async def sweep(transaction: Transaction, *, now: datetime) -> None:
    """Delete what has expired, used or not; nothing but the size of the table depends on it."""
    await transaction.run(_sweep(now=now))


def _used(row: Any) -> Used | None:
    if row is None:
        return None
    return Used(
        row.user_id,
        row.kind,
        row.address,
        row.redirect_to,
        row.flow_state_id,
        row.created_at,
        row.session_id,
        row.proves is not False,
    )


def _token_hash(key: bytes, token: str) -> bytes:
    return _mac(key, "token", token)


def _code_hash(key: bytes, user_id: UUID, kind: str, address: str, code: str) -> bytes:
    return _mac(key, "code", str(user_id), kind, address, code)


def _mac(key: bytes, *parts: str) -> bytes:
    """HMAC-SHA256 of *parts*, each with its length before it, so that no two lists of parts are one text."""
    # JSON can carry half a surrogate pair: such a code is wrong, and no crash.
    raw = [part.encode("utf-8", "surrogatepass") for part in parts]
    return hmac.digest(key, b"".join(len(part).to_bytes(8, "big") + part for part in raw), "sha256")


@query
def _put(
    id: UUID,
    user_id: UUID,
    kind: str,
    address: str,
    token_hash: bytes,
    code_hash: bytes,
    redirect_to: str | None,
    flow_state_id: UUID | None,
    session_id: UUID | None,
    proves: bool,
    created_at: datetime,
    code_expires_at: datetime,
    expires_at: datetime,
) -> Any:
    # SQLite took this form of INSERT from PostgreSQL, and SQLAlchemy's SQLite compiler writes it.
    new = insert(OneTimeToken).values(
        id=id,
        user_id=user_id,
        kind=kind,
        address=address,
        token_hash=token_hash,
        code_hash=code_hash,
        tries=0,
        redirect_to=redirect_to,
        flow_state_id=flow_state_id,
        session_id=session_id,
        proves=proves,
        created_at=created_at,
        code_expires_at=code_expires_at,
        expires_at=expires_at,
        used_at=None,
    )
    kept = {"user_id", "kind"}
    return new.on_conflict_do_update(
        index_elements=["user_id", "kind"],
        set_={column.key: column for column in new.excluded if column.key not in kept},
    )


@query
def _owner(token_hash: bytes) -> Any:
    return sa.select(OneTimeToken.user_id).where(OneTimeToken.token_hash == token_hash)


@query
def _take_token(token_hash: bytes, kind: str, now: datetime) -> Any:
    return (
        sa.update(OneTimeToken)
        .where(
            OneTimeToken.token_hash == token_hash,
            OneTimeToken.kind == kind,
            OneTimeToken.used_at.is_(None),
            OneTimeToken.expires_at > now,
        )
        .values(used_at=now)
        .returning(*_RETURNED)
    )


@query
def _try_code(user_id: UUID, kind: str, code_hash: bytes, now: datetime) -> Any:
    # The right code is a try as well, and it is the last: `used_at` of the row that comes back says which it was.
    at = sa.type_coerce(now, sa.DateTime(timezone=True))
    return (
        sa.update(OneTimeToken)
        .where(
            OneTimeToken.user_id == user_id,
            OneTimeToken.kind == kind,
            OneTimeToken.used_at.is_(None),
            OneTimeToken.code_expires_at > now,
            OneTimeToken.tries < MAX_TRIES,
        )
        .values(
            tries=OneTimeToken.tries + 1,
            used_at=sa.case((OneTimeToken.code_hash == code_hash, at), else_=None),
        )
        .returning(*_RETURNED)
    )


@query
def _discard(user_id: UUID) -> Any:
    return sa.delete(OneTimeToken).where(OneTimeToken.user_id == user_id)


@query
def _discard_kind(user_id: UUID, kind: str) -> Any:
    return sa.delete(OneTimeToken).where(OneTimeToken.user_id == user_id, OneTimeToken.kind == kind)


@query
def _sweep(now: datetime) -> Any:
    return sa.delete(OneTimeToken).where(OneTimeToken.expires_at <= now)


_RETURNED: Final = (
    OneTimeToken.user_id,
    OneTimeToken.kind,
    OneTimeToken.address,
    OneTimeToken.redirect_to,
    OneTimeToken.flow_state_id,
    OneTimeToken.created_at,
    OneTimeToken.session_id,
    OneTimeToken.proves,
    OneTimeToken.used_at,
)
