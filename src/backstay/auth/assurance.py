"""How sure we are of who asks: what takes a second factor, what lifts a session, and what takes it back.

1. What adds or removes a way to prove oneself takes aal2 where the account has one already, else a recent sign-in
   (MF7).  Passkeys count: a session that one has opened is aal2.
2. A lift opens a session of its own, and the one before it ends (TK11).
3. Whatever made a session aal2 takes that with it when it goes (MF4): a factor, a passkey, a set of recovery codes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from backstay.audit import Actor, Detail, Event
from backstay.auth.accounts import Accounts
from backstay.auth.authenticator import credentials_by_user, delete_passkey, passkeys_by_user
from backstay.auth.factor import delete_factor, factors_by_user, verified_factors
from backstay.auth.postage import notice
from backstay.auth.recoverycode import forget_codes
from backstay.auth.refusal import AuthError
from backstay.auth.route import AuthRequest
from backstay.auth.session import Opened, downgrade, is_recent, start_session
from backstay.auth.tables import Session
from backstay.auth.ways import ways_in
from backstay.db.store import Asks, Transaction
from backstay.sql.query import query


@query
def _hold_session(id: UUID) -> sa.Executable:
    # Nothing changes: the row is locked, and found or not.
    mine = sa.update(Session).where(Session.id == id).values(aal=Session.aal)
    return mine.returning(*Session.__table__.columns)


async def has_second(asks: Asks, user_id: UUID) -> bool:
    """Whether the account has a finished factor or a passkey."""
    return bool(await asks.all(verified_factors(user_id)) or await asks.all(passkeys_by_user(user_id)))


async def require_assurance(asks: Asks, accounts: Accounts, session: Any, now: datetime) -> None:
    """Refuse to add or to remove a way in for whoever has not proved enough (MF7).

    Raises:
        AuthError: insufficient_aal, where the account has a second factor; reauthentication_needed, where it has none
            and the sign-in was too long ago.
    """
    if session.aal == "aal2":
        return
    if await has_second(asks, session.user_id):
        raise AuthError("insufficient_aal", "AAL2 required", hint="Verify a factor, or sign in with a passkey.")
    if not is_recent(session, accounts.options, now):
        raise AuthError("reauthentication_needed", "A recent sign-in is required", hint="Sign in again.")


async def require_second(asks: Asks, session: Any) -> None:
    """Refuse to change the address or the password without the second factor that the account has.

    Passkeys do not count here: whoever has lost one must get a new password by mail, which lifts nothing (MF5).

    Raises:
        AuthError: insufficient_aal.
    """
    if session.aal != "aal2" and await asks.all(verified_factors(session.user_id)):
        raise AuthError("insufficient_aal", "AAL2 session is required to update email or password when MFA is enabled.")


async def held_session(tx: Transaction, asked: AuthRequest) -> Any:
    """The caller's session (row) as it stands, kept from ending until the transaction does.

    Raises:
        AuthError: session_not_found, when it has ended since the request came.
    """
    session = await tx.one(_hold_session(asked.session.id))
    if session is None:
        raise AuthError("session_not_found", "Session from session_id claim in JWT does not exist")
    return session


async def lift(
    tx: Transaction, accounts: Accounts, asked: AuthRequest, session: Any, factor_id: UUID, method: str, now: datetime
) -> Opened:
    """The aal2 session that follows *session* (row) after a proof by *method*."""
    return await start_session(
        tx,
        accounts.options,
        user_id=session.user_id,
        method=method,
        device=asked.device,
        now=now,
        step_up=session,
        factor_id=factor_id,
    )


async def remove_factor(
    tx: Transaction, accounts: Accounts, actor: Actor, user: Any, factor_id: UUID, now: datetime
) -> bool:
    """Remove a factor of *user*, an account that is held (row), with all that it has lifted; whether there was one.

    The owner is told by mail, and the log.  After the commit call ``trust.expire()`` and ``posted()``.
    """
    removed = await tx.one(delete_factor(factor_id, user.id))
    if removed is None:
        return False
    await downgrade(tx, factor_id, now)
    await _forget_codes_of_none(tx, user.id, now)
    if removed.status == "verified":
        await notice(tx, accounts, user, "factor_removed", factor=removed.friendly_name or removed.factor_type)
    details = {"factor_id": str(factor_id), "factor_type": removed.factor_type}
    await accounts.audit(tx, Event("factor_deleted", now, actor, str(user.id), details))
    return True


async def remove_passkey(
    tx: Transaction, accounts: Accounts, actor: Actor, user: Any, passkey_id: UUID, now: datetime
) -> bool:
    """Remove a passkey of *user*, an account that is held (row); as `remove_factor`."""
    removed = await tx.one(delete_passkey(passkey_id, user.id))
    if removed is None:
        return False
    await downgrade(tx, passkey_id, now)
    await _forget_codes_of_none(tx, user.id, now)
    await notice(tx, accounts, user, "factor_removed", factor=removed.friendly_name or "passkey")
    # An administrator may take the last one: its owner comes in by a link then, and the log says so.
    details: dict[str, Detail] = {"passkey_id": str(passkey_id), "ways_left": await ways_in(tx, accounts, user)}
    await accounts.audit(tx, Event("passkey_removed", now, actor, str(user.id), details))
    return True


async def remove_all(tx: Transaction, user_id: UUID, now: datetime) -> None:
    """Drop every factor, passkey and recovery code of the account: they are not its owner's."""
    for factor in await tx.all(factors_by_user(user_id)):
        await tx.one(delete_factor(factor.id, user_id))
        await downgrade(tx, factor.id, now)
    for passkey in await tx.all(credentials_by_user(user_id)):
        await tx.one(delete_passkey(passkey.id, user_id))
        await downgrade(tx, passkey.id, now)
    await forget_codes(tx, user_id, now)


async def _forget_codes_of_none(tx: Transaction, user_id: UUID, now: datetime) -> None:
    """Codes stand in for a factor: without one they would be a second factor that nobody sees."""
    if not await has_second(tx, user_id):
        await forget_codes(tx, user_id, now)
