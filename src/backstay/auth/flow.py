"""Sign-ins that leave the app and come back: by mail or through a third party, finished with PKCE (RFC 7636).

1. The app keeps a verifier and sends its hash.  What comes back through the browser's address bar is a code that only
   whoever has the verifier can change for a session.
2. A code is good once, for five minutes, and is stored as its hash (ID4).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from backstay.auth.refusal import AuthError, invalid
from backstay.db.columns import later
from backstay.db.own import Own
from backstay.db.store import Transaction
from backstay.sql.query import query

#: From the proof to the session (the code), and from the beginning to the proof.
CODE_LIFETIME: Final = timedelta(minutes=5)
LIFETIME: Final = timedelta(hours=1)

_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")


class FlowState(Own):
    """A sign-in on its way."""

    __tablename__ = "backstay_flow_states"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    #: The S256 challenge; ``None`` for one that ends with tokens in the fragment.
    code_challenge: Mapped[str | None]
    #: SHA-256 of the code, once the proof has come.
    code_hash: Mapped[bytes | None] = mapped_column(unique=True)
    user_id: Mapped[UUID | None]
    #: How the account was proved: the method of the session's ``amr``, and the third party.
    method: Mapped[str | None]
    provider: Mapped[str | None]
    #: What else the session answers with (a third party's tokens), sealed.
    extra: Mapped[bytes | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    #: The session in which it began, with which it ends; ``None``: nobody was signed in.
    session_id: Mapped[UUID | None] = mapped_column(info=later(), index=True)


@query
def _add(
    id: UUID, code_challenge: str | None, session_id: UUID | None, created_at: datetime, expires_at: datetime
) -> sa.Executable:
    return sa.insert(FlowState).values(
        id=id, code_challenge=code_challenge, session_id=session_id, created_at=created_at, expires_at=expires_at
    )


@query
def _prove(
    id: UUID,
    code_hash: bytes,
    user_id: UUID,
    method: str,
    provider: str | None,
    extra: bytes | None,
    now: datetime,
    expires_at: datetime,
) -> sa.Executable:
    mine = sa.update(FlowState).where(FlowState.id == id, FlowState.code_hash.is_(None), FlowState.expires_at > now)
    proved = mine.values(
        code_hash=code_hash, user_id=user_id, method=method, provider=provider, extra=extra, expires_at=expires_at
    )
    return proved.returning(FlowState.id)


@query
def _take(code_hash: bytes) -> sa.Executable:
    return sa.delete(FlowState).where(FlowState.code_hash == code_hash).returning(*FlowState.__table__.columns)


@query
def _take_link(code_hash: bytes, session_id: UUID, now: datetime) -> sa.Executable:
    mine = sa.delete(FlowState).where(
        FlowState.code_hash == code_hash,
        FlowState.code_challenge.is_(None),
        FlowState.session_id == session_id,
        FlowState.expires_at > now,
    )
    return mine.returning(*FlowState.__table__.columns)


@query
def _owner_of(code_hash: bytes) -> sa.Executable:
    return sa.select(FlowState.user_id).where(FlowState.code_hash == code_hash)


@query
def _discard(user_id: UUID) -> sa.Executable:
    return sa.delete(FlowState).where(FlowState.user_id == user_id)


@query
def _sweep(now: datetime) -> sa.Executable:
    return sa.delete(FlowState).where(FlowState.expires_at < now)


def checked_challenge(challenge: str | None, method: str | None) -> str | None:
    """The S256 challenge of a request, ``None`` where there is none.

    Raises:
        AuthError: validation_failed, for ``plain`` (it protects from nothing) and for a malformed one.
    """
    if not challenge and not method:
        return None
    if (method or "").lower() != "s256":
        raise invalid("code_challenge_method must be s256")
    if not challenge or not _CHALLENGE.fullmatch(challenge):
        raise invalid("code_challenge must be the base64url of a SHA-256")
    return challenge


async def begin_flow(
    transaction: Transaction, challenge: str | None, now: datetime, *, session_id: UUID | None = None
) -> UUID:
    """Begin a flow, in the session *session_id* where it belongs to one; old ones are swept."""
    id = uuid4()
    await transaction.run(_sweep(now))
    await transaction.run(_add(id, challenge, session_id, now, now + LIFETIME))
    return id


async def prove_flow(
    transaction: Transaction,
    id: UUID,
    *,
    user_id: UUID,
    method: str,
    now: datetime,
    provider: str | None = None,
    extra: bytes | None = None,
) -> str:
    """The account of flow *id* is proved: the code for the app.

    Raises:
        AuthError: flow_state_not_found, when it has expired or was proved before.
    """
    code = secrets.token_urlsafe(32)
    proved = await transaction.one(_prove(id, _hash(code), user_id, method, provider, extra, now, now + CODE_LIFETIME))
    if proved is None:
        raise AuthError("flow_state_not_found", "invalid flow state, no valid flow state found")
    return code


async def proved_account(transaction: Transaction, code: str) -> UUID | None:
    """Whose *code* is: to hold the account before the code is used up."""
    row = await transaction.one(_owner_of(_hash(code)))
    return None if row is None else row.user_id


async def take_flow(transaction: Transaction, code: str) -> Any:
    """The flow (row) that *code* ends, or ``None``; there is no second time, whatever becomes of this one."""
    return await transaction.one(_take(_hash(code)))


async def take_link(transaction: Transaction, code: str, session_id: UUID, now: datetime) -> Any:
    """The flow (row) that *code* ends in the session that began it; ``None`` in any other, whose code it is not."""
    return await transaction.one(_take_link(_hash(code), session_id, now))


async def discard_flows(transaction: Transaction, user_id: UUID) -> None:
    """Make invalid every code that was proved for this account: what signs in has changed (PW8)."""
    await transaction.run(_discard(user_id))


def fits(flow: Any, verifier: str) -> bool:
    """Whether *verifier* is the one that the flow began with."""
    if flow.code_challenge is None or not _VERIFIER.fullmatch(verifier):
        return False
    digest = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    return hmac.compare_digest(digest, flow.code_challenge.encode())


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.encode("utf-8", "replace")).digest()
