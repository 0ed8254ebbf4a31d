"""``/factors``: what a person has beside the password, added and removed."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID, uuid4

import msgspec

from backstay.audit import Event
from backstay.auth.accounts import Accounts
from backstay.auth.assurance import has_second, held_session, remove_factor, require_assurance
from backstay.auth.factor import (
    ENROLMENT,
    MAX_FACTORS,
    MAX_NAME,
    SECRETS,
    add_factor,
    factor_by_id,
    factor_json,
    factors_by_user,
    sweep_factors,
)
from backstay.auth.hold import hold
from backstay.auth.refusal import AuthError, invalid
from backstay.auth.route import AuthRequest, Route, json_reply
from backstay.auth.totp import enrolment_uri, new_secret, qr_svg
from backstay.crypt import context_of
from backstay.db.store import Transaction
from backstay.errors import DatabaseError
from backstay.response.reply import Reply


class Enrol(msgspec.Struct, frozen=True):
    """Body of ``POST /factors``."""

    factor_type: str = ""
    friendly_name: str | None = None
    #: ``totp``: what the authenticator app shows; the app's name where it is left out.
    issuer: str | None = None
    phone: str | None = None


async def enrol(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Begin to add a factor; its first code or assertion finishes it.

    The secret of a TOTP is shown here and never again.

    Raises:
        AuthError: insufficient_aal, reauthentication_needed; mfa_factor_name_conflict, too_many_enrolled_mfa_factors,
            mfa_phone_enroll_not_enabled, validation_failed, user_banned.
    """
    body: Enrol = asked.body
    now = accounts.now()
    if body.factor_type == "phone":
        raise AuthError("mfa_phone_enroll_not_enabled", "MFA enroll is disabled for Phone")
    if body.factor_type not in ("totp", "webauthn"):
        raise invalid("factor_type needs to be totp or webauthn")
    name = checked_name(body.friendly_name)
    issuer = checked_name(body.issuer) or accounts.options.site_name
    user = await accounts.living(accounts.store, asked.user_id)
    id = uuid4()
    shown: dict[str, Any] = {"id": str(id), "type": body.factor_type, "friendly_name": name or ""}
    sealed = None
    if body.factor_type == "totp":
        secret = new_secret()
        uri = enrolment_uri(secret, account=user.email or str(user.id), issuer=issuer)
        sealed = accounts.keyring.seal(secret.encode(), purpose=SECRETS, context=secret_context(id))
        shown["totp"] = {"qr_code": qr_svg(uri), "secret": secret, "uri": uri}

    async def add(tx: Transaction) -> None:
        # Held, so that of many at once none counts too few.
        accounts.admitted(await hold(tx, user.id))
        await require_assurance(tx, accounts, await held_session(tx, asked), now)
        await tx.run(sweep_factors(user.id, now - ENROLMENT))
        factors = await tx.all(factors_by_user(user.id))
        if len(factors) >= MAX_FACTORS:
            raise AuthError("too_many_enrolled_mfa_factors", "Maximum number of factors reached, unenroll to continue")
        if name is not None and any(factor.friendly_name == name for factor in factors):
            raise _taken(name)
        await tx.run(add_factor(id, user.id, body.factor_type, name, sealed, now))
        details = {"factor_id": str(id), "factor_type": body.factor_type}
        await accounts.audit(tx, Event("factor_enrolled", now, asked.actor, str(user.id), details))

    try:
        await accounts.store.transact(add)
    except DatabaseError as error:
        raise _taken(name) if error.code == "23505" else error from None
    return json_reply(shown)


async def list_factors(asked: AuthRequest, accounts: Accounts) -> Reply:
    """The caller's factors, finished and unfinished."""
    return json_reply([factor_json(row) for row in await accounts.store.all(factors_by_user(asked.user_id))])


async def unenrol(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Remove a factor, and what it has lifted.  An enrolment that is not finished may be dropped by any session.

    Raises:
        AuthError: mfa_factor_not_found; insufficient_aal.
    """
    now = accounts.now()
    factor = await found_factor(asked, accounts)
    user = await accounts.living(accounts.store, asked.user_id)

    async def remove(tx: Transaction) -> bool:
        # Held, so that it does not become a finished one after the look at it.
        held = accounts.admitted(await hold(tx, user.id))
        row = await tx.one(factor_by_id(factor.id, user.id))
        session = await held_session(tx, asked)
        # Also one that is not finished, where there is a second factor: who has one has begun it with that (MF7).
        if row is not None and (row.status == "verified" or await has_second(tx, user.id)):
            await require_assurance(tx, accounts, session, now)
        return await remove_factor(tx, accounts, asked.actor, held, factor.id, now)

    if not await accounts.store.transact(remove):
        raise _not_found()
    accounts.trust.expire()
    accounts.posted()
    return json_reply({"id": str(factor.id)})


async def found_factor(asked: AuthRequest, accounts: Accounts) -> Any:
    """The factor (row) of the path, if it is the caller's.

    Raises:
        AuthError: mfa_factor_not_found, also for an enrolment that was left alone for too long.
    """
    try:
        id = UUID(asked.path["id"])
    except ValueError:
        raise _not_found() from None
    factor = await accounts.store.one(factor_by_id(id, asked.user_id))
    if factor is None or (factor.status != "verified" and factor.created_at <= accounts.now() - ENROLMENT):
        raise _not_found()
    return factor


def secret_context(id: UUID) -> str:
    """What a factor's sealed secret is bound to."""
    return context_of("backstay_factors", "secret", str(id))


def checked_name(text: str | None) -> str | None:
    """A name that somebody gave to something of theirs; ``None`` for none.

    Raises:
        AuthError: validation_failed, when it is too long, or has characters that nobody sees.
    """
    name = (text or "").strip()
    if len(name) > MAX_NAME or not name.isprintable():
        raise invalid(f"a name has up to {MAX_NAME} characters, all of them printable")
    return name or None


def _taken(name: str | None) -> AuthError:
    message = f'A factor with the friendly name "{name}" for this user already exists'
    return AuthError("mfa_factor_name_conflict", message)


def _not_found() -> AuthError:
    return AuthError("mfa_factor_not_found", "Factor not found")


ROUTES: Final = (
    Route("POST", "factors", "user", enrol, "Begin to add a second factor", Enrol),
    Route("GET", "factors", "user", list_factors, "One's second factors"),
    Route("DELETE", "factors/{id}", "user", unenrol, "Remove a second factor"),
)
