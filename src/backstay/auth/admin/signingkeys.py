"""Keys that sign tokens, rotated and revoked by the operator, with a line in the audit log (TK7)."""

from __future__ import annotations

from backstay.audit import SYSTEM, Event
from backstay.auth.accounts import Accounts
from backstay.auth.refusal import AuthError
from backstay.auth.signing import CURRENT, REVOKED, current_kid, revoke_key, rotate_keys
from backstay.db.store import Transaction


async def rotate(accounts: Accounts) -> str:
    """Let the standby key sign from now on; its kid."""
    now = accounts.now()

    async def turn(tx: Transaction) -> str:
        await rotate_keys(tx, accounts.keyring, now)
        kid = await current_kid(tx)
        await accounts.audit(tx, Event("signing_key_rotated", now, SYSTEM, kid, {"kid": kid, "state": CURRENT}))
        return kid

    kid = await accounts.store.transact(turn)
    accounts.trust.expire()
    return kid


async def revoke(accounts: Accounts, kid: str) -> None:
    """Take a previous or standby key out of use.

    Raises:
        AuthError: not_found, where it is none of those.
    """
    now = accounts.now()

    async def take(tx: Transaction) -> None:
        if not await revoke_key(tx, kid, now):
            raise AuthError(
                "not_found", "This is neither a previous key nor the one that stands by", hint="Rotate the keys first."
            )
        await accounts.audit(tx, Event("signing_key_rotated", now, SYSTEM, kid, {"kid": kid, "state": REVOKED}))

    await accounts.store.transact(take)
    accounts.trust.expire()
