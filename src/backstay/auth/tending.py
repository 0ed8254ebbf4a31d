"""What is swept while the app runs: sessions that are over, codes and counters that say nothing any more.

Nothing but the size of the tables depends on it: everything is looked at with the time of day in hand.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from backstay.auth import otp
from backstay.auth.accounts import Accounts
from backstay.auth.blocklist import common_passwords
from backstay.auth.tables import Session
from backstay.db.store import Transaction
from backstay.sql.query import query

_LOG: Final = logging.getLogger("backstay.auth")

EVERY_SECONDS: Final = 300.0


@query
def _end_sessions(idle_since: datetime, now: datetime) -> sa.Executable:
    # Their access tokens ended long ago, so there is nothing to revoke.
    return sa.delete(Session).where((Session.refreshed_at < idle_since) | (Session.not_after < now))


async def tend(accounts: Accounts) -> None:
    """Sweep now and then, until cancelled.  A fault is logged and ends nothing (DU6)."""
    await asyncio.to_thread(common_passwords)
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        try:
            await sweep(accounts)
        except Exception as fault:
            _LOG.warning("accounts could not be swept: %s", type(fault).__name__)


async def sweep(accounts: Accounts) -> None:
    """Delete what is over, each kind in a transaction of its own: none keeps writers waiting for long."""
    now = accounts.now()
    longest = max(accounts.options.session_idle, accounts.options.session_lifetime)

    async def sessions(tx: Transaction) -> None:
        await tx.run(_end_sessions(now - longest, now))

    await accounts.store.transact(sessions)
    await accounts.store.transact(lambda tx: otp.sweep(tx, now=now))
    await accounts.store.transact(lambda tx: accounts.throttle.sweep(tx, now=now))
