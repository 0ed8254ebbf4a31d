"""``/factors/recovery-codes``: the way back in for whoever has lost the second factor (MF2).  A route of our own."""

from __future__ import annotations

from typing import Final

import msgspec

from backstay.audit import Event
from backstay.auth.accounts import Accounts
from backstay.auth.assurance import held_session, hold_user, lift
from backstay.auth.postage import notice
from backstay.auth.recoverycode import COUNT, new_codes, replace_codes, unused_codes, use_code
from backstay.auth.refusal import AuthError, invalid
from backstay.auth.route import AuthRequest, Route, json_reply
from backstay.auth.session import Opened
from backstay.db.store import Transaction
from backstay.response.reply import Reply

#: The method in a session's ``amr``.
METHOD: Final = "mfa/recovery_code"
_PURPOSE: Final = "recovery-code"


class Code(msgspec.Struct, frozen=True):
    """Body of ``POST /factors/recovery-codes/verify``."""

    code: str = ""


async def generate(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Ten new codes, shown here and never again; those before them are good for nothing.

    Raises:
        AuthError: insufficient_aal, session_not_found, user_banned.
    """
    now = accounts.now()
    user = await accounts.living(accounts.store, asked.user_id)
    codes, key = new_codes(), accounts.keyring.derive(_PURPOSE)

    async def replace(tx: Transaction) -> None:
        await tx.run(hold_user(user.id, now))
        session = await held_session(tx, asked)
        if session.aal != "aal2":
            raise AuthError("insufficient_aal", "AAL2 required to generate recovery codes", hint="Verify a factor.")
        await replace_codes(tx, key, user.id, codes, now, session_id=session.id)
        await accounts.audit(tx, Event("recovery_codes_generated", now, asked.actor, str(user.id), {"count": COUNT}))

    await accounts.store.transact(replace)
    # Sessions that a code of the old set had lifted are not any more.
    accounts.trust.expire()
    return json_reply({"codes": list(codes)})


async def count(asked: AuthRequest, accounts: Accounts) -> Reply:
    """How many codes are left."""
    return json_reply({"left": len(await accounts.store.all(unused_codes(asked.user_id)))})


async def verify(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Change a code for a session with aal2.  The owner is told by mail.

    Raises:
        AuthError: mfa_verification_failed, session_not_found, validation_failed, user_banned; over_request_rate_limit.
    """
    body: Code = asked.body
    if not body.code:
        raise invalid("code is required")
    now = accounts.now()
    user = await accounts.living(accounts.store, asked.user_id)
    # With the codes of factors: whoever may guess at either may not guess twice as often.
    attempt = await accounts.throttle.attempt(
        accounts.store,
        now=now,
        ip=asked.device.bucket,
        identifier=str(user.id),
        purpose="factor",
        limit="factor",
    )
    keys = accounts.keyring.derive_all(_PURPOSE)

    async def check(tx: Transaction) -> Opened | None:
        await tx.run(hold_user(user.id, now))
        set_id = await use_code(tx, keys, user.id, body.code, now)
        if set_id is None:
            details = {"factor_type": "recovery_code", "reason": "code"}
            await accounts.audit(tx, Event("factor_failed", now, asked.actor, str(user.id), details))
            return None
        session = await held_session(tx, asked)
        await accounts.throttle.succeeded(tx, attempt, now=now)
        opened = await lift(tx, accounts, asked, session, set_id, METHOD, now)
        left = len(await tx.all(unused_codes(user.id)))
        await notice(tx, accounts, user, "recovery_code_used")
        await accounts.audit(tx, Event("recovery_codes_used", now, asked.actor, str(user.id), {"left": left}))
        return opened

    opened = await accounts.store.transact(check)
    if opened is None:
        raise AuthError("mfa_verification_failed", "Invalid recovery code entered")
    accounts.trust.expire()
    accounts.posted()
    return json_reply(await accounts.session_json(opened))


ROUTES: Final = (
    Route("POST", "factors/recovery-codes", "user", generate, "New recovery codes in place of the old"),
    Route("GET", "factors/recovery-codes", "user", count, "How many recovery codes are left"),
    Route("POST", "factors/recovery-codes/verify", "user", verify, "Prove oneself with a recovery code", Code),
)
