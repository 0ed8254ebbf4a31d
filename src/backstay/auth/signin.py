"""A password for a session, a refresh token for its successor, and a code for what a flow has proved."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from backstay.audit import Detail, Event
from backstay.auth.accounts import Accounts
from backstay.auth.address import normal_email
from backstay.auth.flow import fits, proved_account, take_flow
from backstay.auth.hold import hold
from backstay.auth.oauth.linking import link_at_end
from backstay.auth.password import upgrade_hash
from backstay.auth.refusal import AuthError, invalid, invalid_credentials
from backstay.auth.route import AuthRequest, json_reply
from backstay.auth.session import Opened, owner_of, rotate, start_session
from backstay.auth.user import user_by_email
from backstay.db.store import Transaction
from backstay.response.reply import Reply


def _is_as_seen(held: Any, seen: Any, now: datetime) -> bool:
    """Whether the account *held* is still the one whose password was looked at, and may sign in."""
    return (
        held is not None
        and held.password_hash is not None
        and held.password_changed_at == seen.password_changed_at
        and held.email == seen.email
        and (held.banned_until is None or held.banned_until <= now)
    )


async def sign_in(asked: AuthRequest, accounts: Accounts, *, email: str, phone: str, password: str) -> Reply:
    """Open a session for an e-mail address and its password.

    An unknown address, one without a password and a wrong password are one case, in answer and in time (TH5); what
    else is wrong with an account is said to whoever knows its password.

    Raises:
        AuthError: invalid_credentials, user_banned, email_not_confirmed, phone_provider_disabled;
            over_request_rate_limit.
    """
    if phone and not email:
        raise AuthError("phone_provider_disabled", "Phone logins are disabled")
    if not email:
        raise invalid("missing email or phone")
    email = normal_email(email)
    now = accounts.now()
    attempt = await accounts.attempt(asked, email)
    user = await accounts.store.one(user_by_email(email))
    verified = await accounts.passwords.verify(None if user is None else user.password_hash, password)
    if user is None or not verified.ok:
        await accounts.store.transact(lambda tx: accounts.audit(tx, _failed(asked, user, now)))
        raise invalid_credentials()
    refusal = None
    if user.banned_until is not None and user.banned_until > now:
        refusal = AuthError("user_banned", "User is banned")
    elif user.email_confirmed_at is None:
        refusal = AuthError("email_not_confirmed", "Email not confirmed")
    if refusal is not None:
        reason = refusal.code
        await accounts.store.transact(lambda tx: accounts.audit(tx, _failed(asked, user, now, reason)))
        raise refusal

    async def open_it(tx: Transaction) -> Opened | None:
        # Hashing takes its time, in which the password may have been changed, or the account banned: no session may
        # come after the end of all sessions (PW8, TK4).
        if not _is_as_seen(await hold(tx, user.id), user, now):
            await accounts.audit(tx, _failed(asked, user, now))
            return None
        if verified.upgraded_hash is not None:
            await tx.run(upgrade_hash(user.id, user.password_hash, verified.upgraded_hash))
        opened = await start_session(
            tx, accounts.options, user_id=user.id, method="password", device=asked.device, now=now
        )
        await accounts.throttle.succeeded(tx, attempt, now=now)
        await accounts.audit(tx, login_event(asked, opened, now))
        return opened

    opened = await accounts.store.transact(open_it)
    if opened is None:
        raise invalid_credentials()
    return json_reply(await accounts.session_json(opened))


def login_event(asked: AuthRequest, opened: Opened, now: datetime) -> Event:
    """That *opened* was opened."""
    details = {"session_id": str(opened.id), "method": opened.amr[0]["method"], "aal": opened.aal}
    return Event("login", now, asked.actor, str(opened.user_id), details)


def _failed(asked: AuthRequest, user: Any, now: datetime, reason: str = "invalid_credentials") -> Event:
    details = {"method": "password", "reason": reason}
    return Event("login_failed", now, asked.actor, None if user is None else str(user.id), details)


async def refresh(asked: AuthRequest, accounts: Accounts, token: str) -> Reply:
    """Carry a session on (TK2, TK3).

    Raises:
        AuthError: refresh_token_not_found, refresh_token_already_used (and the family of sessions has ended),
            session_expired, user_banned; over_request_rate_limit.
    """
    if not token:
        raise invalid("refresh_token required")
    await accounts.spend(asked, "refresh")
    now = accounts.now()
    keys = accounts.refresh_keys()

    async def carry_on(tx: Transaction) -> Any:
        # Held first, and looked at: a ban ends sessions, and one that came without it (a restored row) counts as well.
        held = await hold(tx, await owner_of(tx, token))
        if held is not None and held.banned_until is not None and held.banned_until > now:
            raise AuthError("user_banned", "User is banned")
        rotated = await rotate(tx, accounts.options, token, keys, asked.device, now)
        if rotated.outcome == "reused":
            details: dict[str, Detail] = {"session_id": str(rotated.session.id), "sessions": len(rotated.ended)}
            event = Event("token_reuse_detected", now, asked.actor, str(rotated.session.user_id), details)
            await accounts.audit(tx, event)
        return rotated

    rotated = await accounts.store.transact(carry_on)
    match rotated.outcome:
        case "unknown":
            raise AuthError("refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")
        case "expired":
            accounts.trust.expire()
            raise AuthError("session_expired", "Invalid Refresh Token: Session Expired")
        case "reused":
            accounts.trust.expire()
            raise AuthError("refresh_token_already_used", "Invalid Refresh Token: Already Used")
    session = rotated.session
    opened = Opened(session.id, session.user_id, session.aal, tuple(session.amr), rotated.token, session.not_after)
    return json_reply(await accounts.session_json(opened))


async def exchange(asked: AuthRequest, accounts: Accounts, code: str, verifier: str) -> Reply:
    """A code that came back through the browser, and the verifier that never left the app, for a session (RFC 7636).

    Raises:
        AuthError: validation_failed, flow_state_not_found, flow_state_expired, bad_code_verifier, user_banned;
            identity_already_exists, provider_disabled, where the flow was to link an identity.
    """
    if not code or not verifier:
        raise invalid("both auth code and code verifier should be non-empty")
    await accounts.spend(asked, "verify")
    now = accounts.now()

    async def end(tx: Transaction) -> tuple[Any, Opened | None]:
        held = await hold(tx, await proved_account(tx, code))
        # The code is gone whatever comes next (ID4), so what is wrong is an outcome.
        flow = await take_flow(tx, code)
        if flow is None or flow.expires_at <= now or not fits(flow, verifier):
            return flow, None
        accounts.admitted(held)
        await link_at_end(tx, accounts, asked, flow, now)
        opened = await start_session(
            tx,
            accounts.options,
            user_id=flow.user_id,
            method=flow.method,
            provider=flow.provider,
            device=asked.device,
            now=now,
        )
        await accounts.audit(tx, login_event(asked, opened, now))
        return flow, opened

    flow, opened = await accounts.store.transact(end)
    accounts.posted()
    accounts.trust.expire()
    if flow is None:
        raise AuthError("flow_state_not_found", "invalid flow state, no valid flow state found")
    if opened is not None:
        return json_reply(await accounts.session_json(opened, **accounts.opened_extra(flow)))
    if flow.expires_at <= now:
        raise AuthError("flow_state_expired", "invalid flow state, flow state has expired")
    raise AuthError("bad_code_verifier", "code challenge does not match previously saved code verifier")
