"""What a session has begun ends with it: links of identities, changes of address, challenges, codes to prove oneself.

Whoever ends a session calls `end_begun`, in its transaction and behind the lock on the account (``hold.py``), so a
thing that a stolen session has begun outlives no sign-out.  A step of assurance is no end: `carry_begun`.
"""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

from backstay.auth.challenge import Challenge
from backstay.auth.flow import FlowState
from backstay.auth.oauth.state import OAuthState
from backstay.auth.otp import OneTimeToken
from backstay.auth.tables import User
from backstay.db.store import Transaction
from backstay.sql.query import query


@query
def _end_tokens(session_id: UUID) -> sa.Executable:
    return sa.delete(OneTimeToken).where(OneTimeToken.session_id == session_id)


@query
def _end_flows(session_id: UUID) -> sa.Executable:
    return sa.delete(FlowState).where(FlowState.session_id == session_id)


@query
def _end_links(session_id: UUID) -> sa.Executable:
    return sa.delete(OAuthState).where(OAuthState.session_id == session_id)


@query
def _end_challenges(session_id: UUID) -> sa.Executable:
    return sa.delete(Challenge).where(Challenge.session_id == session_id)


@query
def _end_wish(session_id: UUID) -> sa.Executable:
    mine = sa.update(User).where(User.email_change_session_id == session_id)
    return mine.values(new_email=sa.null(), email_change_session_id=sa.null(), email_change_confirmed=0)


@query
def _carry_tokens(old: UUID, new: UUID) -> sa.Executable:
    return sa.update(OneTimeToken).where(OneTimeToken.session_id == old).values(session_id=new)


@query
def _carry_flows(old: UUID, new: UUID) -> sa.Executable:
    return sa.update(FlowState).where(FlowState.session_id == old).values(session_id=new)


@query
def _carry_links(old: UUID, new: UUID) -> sa.Executable:
    return sa.update(OAuthState).where(OAuthState.session_id == old).values(session_id=new)


@query
def _carry_wish(old: UUID, new: UUID) -> sa.Executable:
    mine = sa.update(User).where(User.email_change_session_id == old)
    return mine.values(email_change_session_id=new)


@query
def _drop_links(user_id: UUID) -> sa.Executable:
    return sa.delete(OAuthState).where(OAuthState.user_id == user_id)


@query
def _drop_challenges(user_id: UUID) -> sa.Executable:
    return sa.delete(Challenge).where(Challenge.user_id == user_id)


@query
def _drop_wish(id: UUID) -> sa.Executable:
    mine = sa.update(User).where(User.id == id)
    return mine.values(new_email=sa.null(), email_change_session_id=sa.null(), email_change_confirmed=0)


async def end_begun(tx: Transaction, session_id: UUID) -> None:
    """End what the session has begun: it has ended, or is about to."""
    for ended in (_end_wish, _end_tokens, _end_flows, _end_links, _end_challenges):
        await tx.run(ended(session_id))


async def carry_begun(tx: Transaction, old: UUID, new: UUID) -> None:
    """Hand what a session has begun to the one that follows it, but for challenges: those asked for this very step."""
    for carried in (_carry_wish, _carry_tokens, _carry_flows, _carry_links):
        await tx.run(carried(old, new))


async def drop_begun(tx: Transaction, user_id: UUID) -> None:
    """End what any session of the account has begun, and whatever became of it."""
    for dropped in (_drop_wish, _drop_links, _drop_challenges):
        await tx.run(dropped(user_id))
