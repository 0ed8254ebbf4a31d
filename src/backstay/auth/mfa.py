"""``/factors/{id}/challenge`` and ``/verify``: a second factor lifts the session to aal2.

1. Each code is good once: of all who bring it at the same time one gets a session (MF1).
2. The first proof finishes the enrolment.  Every other session of the account ends then: they were opened when less
   was asked for.
3. Wrong codes are counted for the account, whichever factor they are tried with (TH2).
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec

from backstay.audit import Detail, Event
from backstay.auth.accounts import Accounts
from backstay.auth.assurance import has_second, held_session, lift
from backstay.auth.authenticator import (
    add_passkey,
    count_use,
    credential_of_factor,
    credentials_by_user,
    still_there,
)
from backstay.auth.ceremony import (
    Assertion,
    NewCredential,
    check_assertion,
    check_registration,
    creation_options,
    relying_party,
    request_options,
)
from backstay.auth.challenge import begin_challenge, factor_challenge, new_challenge, take_factor_challenge
from backstay.auth.enrolment import found_factor, secret_context
from backstay.auth.factor import SECRETS, challenged_factor, finish_factor, use_step
from backstay.auth.hold import hold
from backstay.auth.postage import notice
from backstay.auth.refusal import AuthError, invalid
from backstay.auth.route import AuthRequest, Route, json_reply
from backstay.auth.session import Opened, end_all
from backstay.auth.totp import step_of
from backstay.db.store import Transaction
from backstay.errors import DatabaseError
from backstay.response.reply import Reply

#: Factor types → methods in a session's ``amr``.
_METHODS: Final = {"totp": "totp", "webauthn": "mfa/webauthn"}


class Ask(msgspec.Struct, frozen=True):
    """Body of ``POST /factors/{id}/challenge``; what clients send there is not needed."""

    channel: str | None = None


class WebAuthnAnswer(msgspec.Struct, frozen=True):
    """What the browser gave."""

    type: str = ""
    credential_response: dict[str, Any] = {}


class Answer(msgspec.Struct, frozen=True):
    """Body of ``POST /factors/{id}/verify``."""

    challenge_id: UUID
    code: str | None = None
    webauthn: WebAuthnAnswer | None = None


async def challenge(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Ask a factor for a proof.

    Raises:
        AuthError: mfa_factor_not_found, user_banned; over_request_rate_limit.
    """
    await accounts.spend(asked, "challenge")
    now = accounts.now()
    user = await accounts.living(accounts.store, asked.user_id)
    factor = await found_factor(asked, accounts)
    value, kind, options = b"", "totp", None
    if factor.factor_type == "webauthn":
        party, value = relying_party(accounts.options), new_challenge()
        known = await accounts.store.all(credentials_by_user(user.id))
        if factor.status == "verified":
            kind, allowed = "request", [row.credential_id for row in known if row.factor_id == factor.id]
            options = await accounts.passwords.run(partial(request_options, party, value, allowed=allowed))
        else:
            kind, name = "create", user.email or str(user.id)
            options = await accounts.passwords.run(
                partial(
                    creation_options,
                    party,
                    value,
                    user_id=user.id,
                    name=name,
                    known=[row.credential_id for row in known],
                    passkey=False,
                )
            )

    async def begin(tx: Transaction) -> tuple[UUID, int]:
        await tx.run(challenged_factor(factor.id, now))
        begun = await begin_challenge(tx, kind, now, session=asked.session, factor_id=factor.id, value=value)  # type: ignore[arg-type]
        await accounts.audit(tx, Event("challenge_created", now, asked.actor, str(user.id), _about(factor)))
        return begun

    id, expires_at = await accounts.store.transact(begin)
    shown: dict[str, Any] = {"id": str(id), "type": factor.factor_type, "expires_at": expires_at}
    if options is not None:
        shown["webauthn"] = {"type": kind, "credential_options": {"publicKey": options}}
    return json_reply(shown)


async def verify(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Change a code, or what an authenticator has signed, for a session with aal2.

    Raises:
        AuthError: mfa_verification_failed, mfa_challenge_expired, mfa_factor_not_found, insufficient_aal,
            session_not_found, validation_failed, webauthn_verification_failed, webauthn_credential_exists,
            user_banned; over_request_rate_limit.
    """
    user = await accounts.living(accounts.store, asked.user_id)
    factor = await found_factor(asked, accounts)
    opened = await (_code if factor.factor_type == "totp" else _signature)(asked, accounts, user, factor)
    accounts.trust.expire()
    accounts.posted()
    return json_reply(await accounts.session_json(opened))


async def _code(asked: AuthRequest, accounts: Accounts, user: Any, factor: Any) -> Opened:
    body: Answer = asked.body
    if not body.code:
        raise invalid("code is required")
    now, session_id = accounts.now(), asked.session.id
    # A challenge that is over is no try of a code.
    if await accounts.store.one(factor_challenge(body.challenge_id, factor.id, session_id, now)) is None:
        raise _expired()
    attempt = await accounts.attempt(asked, str(user.id), purpose="factor", limit="factor")
    secret = accounts.keyring.open_sealed(factor.secret, purpose=SECRETS, context=secret_context(factor.id)).decode()
    step = step_of(secret, body.code, now, after=factor.last_step)

    async def check(tx: Transaction) -> Opened | None:
        held = accounts.admitted(await hold(tx, user.id))
        if step is None or await tx.one(use_step(factor.id, step, now)) is None:
            await accounts.audit(tx, _failure(asked, factor, "code", now))
            return None
        if await tx.one(take_factor_challenge(body.challenge_id, factor.id, session_id, "totp", now)) is None:
            raise _expired()
        await accounts.throttle.succeeded(tx, attempt, now=now)
        return await _proved(tx, accounts, asked, held, factor, now)

    opened = await accounts.store.transact(check)
    if opened is None:
        raise AuthError("mfa_verification_failed", "Invalid TOTP code entered")
    return opened


async def _signature(asked: AuthRequest, accounts: Accounts, user: Any, factor: Any) -> Opened:
    body: Answer = asked.body
    kind = "request" if factor.status == "verified" else "create"
    if body.webauthn is None or body.webauthn.type != kind:
        raise invalid(f"webauthn.type must be {kind}")
    await accounts.spend(asked, "challenge")
    now, party = accounts.now(), relying_party(accounts.options)
    # The challenge is gone whatever comes of it.
    taken = await accounts.store.transact(
        lambda tx: tx.one(take_factor_challenge(body.challenge_id, factor.id, asked.session.id, kind, now))
    )
    if taken is None:
        raise _expired()
    response, credential = body.webauthn.credential_response, None
    proof: NewCredential | Assertion
    try:
        if kind == "create":
            proof = await accounts.passwords.run(
                partial(check_registration, party, response, taken.value, verified_owner=False)
            )
        else:
            credential = await accounts.store.one(credential_of_factor(factor.id))
            proof = await accounts.passwords.run(
                partial(check_assertion, party, response, taken.value, credential, passkey=False)
            )
    except AuthError:
        await accounts.store.transact(lambda tx: accounts.audit(tx, _failure(asked, factor, "signature", now)))
        raise

    async def check(tx: Transaction) -> Opened | None:
        held = accounts.admitted(await hold(tx, user.id))
        if isinstance(proof, Assertion):
            if not await used(tx, accounts, asked, user.id, credential, proof, now):
                return None
        else:
            await tx.run(credential_row(user.id, proof, factor.friendly_name, now, factor_id=factor.id))
        return await _proved(tx, accounts, asked, held, factor, now)

    try:
        opened = await accounts.store.transact(check)
    except DatabaseError as error:
        raise credential_exists() if error.code in ("23503", "23505") else error from None
    if opened is None:
        raise AuthError("webauthn_verification_failed", "Credential verification failed")
    return opened


async def _proved(
    tx: Transaction, accounts: Accounts, asked: AuthRequest, user: Any, factor: Any, now: datetime
) -> Opened:
    """The factor has been proved: finish its enrolment if it was not, and lift the session."""
    finished = False
    session = await held_session(tx, asked)
    if factor.status != "verified":
        second = await has_second(tx, user.id)
        finished = await tx.one(finish_factor(factor.id, now)) is not None
        # Somebody with a copied session may have begun this before its owner added a factor (MF7).
        if finished and second and session.aal != "aal2":
            raise AuthError("insufficient_aal", "AAL2 required to enroll a new factor")
    opened = await lift(tx, accounts, asked, session, factor.id, _METHODS[factor.factor_type], now)
    if finished:
        await end_all(tx, user.id, now, but=opened.id)
        await notice(tx, accounts, user, "factor_enrolled", factor=factor.friendly_name or factor.factor_type)
    details = _about(factor) | {"aal": opened.aal}
    await accounts.audit(tx, Event("factor_verified", now, asked.actor, str(user.id), details))
    return opened


async def used(
    tx: Transaction,
    accounts: Accounts,
    asked: AuthRequest,
    user_id: UUID,
    credential: Any,
    proof: Assertion,
    now: datetime,
) -> bool:
    """Note the use of *credential* (row); false for one whose count went back, which the log is told (MF3).

    There are two authenticators with one key then, or somebody sends what was sent before: neither is let in.  The
    transaction must commit.
    """
    if await tx.one(count_use(credential.id, proof.sign_count, proof.backed_up, now)) is not None:
        return True
    if await tx.one(still_there(credential.id)) is not None:
        details = {"passkey_id": str(credential.id)}
        await accounts.audit(tx, Event("passkey_sign_count_regressed", now, asked.actor, str(user_id), details))
    return False


def credential_row(
    user_id: UUID,
    made: NewCredential,
    name: str | None,
    now: datetime,
    *,
    factor_id: UUID | None = None,
    id: UUID | None = None,
) -> Any:
    """The insert of a new credential."""
    return add_passkey(
        id or uuid4(),
        user_id,
        factor_id,
        made.credential_id,
        made.public_key,
        made.sign_count,
        made.aaguid,
        list(made.transports),
        made.backup_eligible,
        made.backed_up,
        name,
        now,
    )


def credential_exists() -> AuthError:
    return AuthError("webauthn_credential_exists", "This credential is already registered")


def _about(factor: Any) -> dict[str, Detail]:
    return {"factor_id": str(factor.id), "factor_type": factor.factor_type}


def _failure(asked: AuthRequest, factor: Any, reason: str, now: datetime) -> Event:
    return Event("factor_failed", now, asked.actor, str(factor.user_id), _about(factor) | {"reason": reason})


def _expired() -> AuthError:
    return AuthError("mfa_challenge_expired", "MFA challenge has expired or was used, create a new challenge.")


ROUTES: Final = (
    Route("POST", "factors/{id}/challenge", "user", challenge, "Ask a second factor for a proof", Ask),
    Route("POST", "factors/{id}/verify", "user", verify, "Prove a second factor", Answer),
)
