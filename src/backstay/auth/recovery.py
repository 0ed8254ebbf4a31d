"""``/factors/recovery-codes``: the way back in for whoever has lost the second factor (MF2)."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import msgspec

from backstay.audit import Event
from backstay.auth.accounts import Accounts
from backstay.auth.assurance import held_session, lift
from backstay.auth.hold import hold
from backstay.auth.postage import notice
from backstay.auth.recoverycode import COUNT, codes_by_user, forget_codes, new_codes, replace_codes, use_code
from backstay.auth.refusal import AuthError, invalid
from backstay.auth.route import AuthRequest, Route, json_reply
from backstay.auth.session import Opened
from backstay.db.store import Transaction
from backstay.response.reply import Reply

#: The method in a session's ``amr``.
METHOD: Final = "mfa/recovery_code"
_PURPOSE: Final = "recovery-code"
#: What the client calls such a factor.
_TYPE: Final = "recovery_code"


class Code(msgspec.Struct, frozen=True):
    """Body of ``POST /factors/recovery-codes/verify``."""

    code: str = ""


async def generate(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Ten codes, shown here and never again, for an account that has none.

    Raises:
        AuthError: mfa_verified_factor_exists, insufficient_aal, session_not_found, user_banned.
    """
    return await _replace(asked, accounts, renewing=False)


async def regenerate(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Ten codes in place of the old ones, which are good for nothing from now on.

    Raises:
        AuthError: mfa_factor_not_found, insufficient_aal, session_not_found, user_banned.
    """
    return await _replace(asked, accounts, renewing=True)


async def _replace(asked: AuthRequest, accounts: Accounts, *, renewing: bool) -> Reply:
    now = accounts.now()
    user = await accounts.living(accounts.store, asked.user_id)
    codes, key = new_codes(), accounts.keyring.derive(_PURPOSE)

    async def replace(tx: Transaction) -> UUID:
        accounts.admitted(await hold(tx, user.id))
        session = await held_session(tx, asked)
        _require_aal2(session)
        exists = bool(await tx.all(codes_by_user(user.id)))
        if renewing and not exists:
            raise _not_found()
        if exists and not renewing:
            raise AuthError("mfa_verified_factor_exists", "There are recovery codes, use regenerate to replace them")
        set_id = await replace_codes(tx, key, user.id, codes, now, session_id=session.id)
        await accounts.audit(tx, Event("recovery_codes_generated", now, asked.actor, str(user.id), {"count": COUNT}))
        return set_id

    id = await accounts.store.transact(replace)
    # Sessions that a code of the old set had lifted are not any more.
    accounts.trust.expire()
    return json_reply({"id": str(id), "type": _TYPE, "total": COUNT, "codes": list(codes)})


async def status(asked: AuthRequest, accounts: Accounts) -> Reply:
    """How many codes there are, and how many are left.

    Raises:
        AuthError: mfa_factor_not_found, where there are none.
    """
    codes = await accounts.store.all(codes_by_user(asked.user_id))
    if not codes:
        raise _not_found()
    left = sum(code.used_at is None for code in codes)
    return json_reply({"id": str(codes[0].set_id), "type": _TYPE, "total": len(codes), "remaining": left})


async def remove(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Have no codes any more; what they have lifted is aal1.

    Raises:
        AuthError: mfa_factor_not_found, insufficient_aal, session_not_found, user_banned.
    """
    now = accounts.now()
    user = await accounts.living(accounts.store, asked.user_id)

    async def forget(tx: Transaction) -> UUID:
        held = accounts.admitted(await hold(tx, user.id))
        _require_aal2(await held_session(tx, asked))
        codes = await tx.all(codes_by_user(user.id))
        if not codes:
            raise _not_found()
        await forget_codes(tx, user.id, now)
        id: UUID = codes[0].set_id
        await notice(tx, accounts, held, "factor_removed", factor=_TYPE)
        details = {"factor_id": str(id), "factor_type": _TYPE}
        await accounts.audit(tx, Event("factor_deleted", now, asked.actor, str(user.id), details))
        return id

    id = await accounts.store.transact(forget)
    accounts.trust.expire()
    accounts.posted()
    return json_reply({"id": str(id)})


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
    attempt = await accounts.attempt(asked, str(user.id), purpose="factor", limit="factor")
    keys = accounts.keyring.derive_all(_PURPOSE)

    async def check(tx: Transaction) -> Opened | None:
        held = accounts.admitted(await hold(tx, user.id))
        set_id = await use_code(tx, keys, user.id, body.code, now)
        if set_id is None:
            details = {"factor_type": _TYPE, "reason": "code"}
            await accounts.audit(tx, Event("factor_failed", now, asked.actor, str(user.id), details))
            return None
        session = await held_session(tx, asked)
        await accounts.throttle.succeeded(tx, attempt, now=now)
        opened = await lift(tx, accounts, asked, session, set_id, METHOD, now)
        left = sum(row.used_at is None for row in await tx.all(codes_by_user(user.id)))
        await notice(tx, accounts, held, "recovery_code_used")
        await accounts.audit(tx, Event("recovery_codes_used", now, asked.actor, str(user.id), {"left": left}))
        return opened

    opened = await accounts.store.transact(check)
    if opened is None:
        raise AuthError("mfa_verification_failed", "Invalid recovery code entered")
    accounts.trust.expire()
    accounts.posted()
    return json_reply(await accounts.session_json(opened))


def _require_aal2(session: Any) -> None:
    if session.aal != "aal2":
        raise AuthError("insufficient_aal", "AAL2 required to manage recovery codes", hint="Verify a factor.")


def _not_found() -> AuthError:
    return AuthError("mfa_factor_not_found", "There are no recovery codes")


ROUTES: Final = (
    Route("GET", "factors/recovery-codes", "user", status, "How many recovery codes are left"),
    Route("POST", "factors/recovery-codes", "user", generate, "Make recovery codes"),
    Route("DELETE", "factors/recovery-codes", "user", remove, "Remove the recovery codes"),
    Route("POST", "factors/recovery-codes/regenerate", "user", regenerate, "New recovery codes in place of the old"),
    Route("POST", "factors/recovery-codes/verify", "user", verify, "Prove oneself with a recovery code", Code),
)
