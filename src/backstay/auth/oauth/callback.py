"""``/callback``: back from the third party.

1. Each way back has begun at ``/authorize``, where it was counted.  Whoever comes without the state and the cookie of
   one sign-in gets 400 and goes nowhere: where to send them is not known, and must not be theirs to say.  Everybody
   else is sent back to the app, whatever happened (never a 500).
2. No link is made here, since the browser that came from the provider need not be the one that asked.  The app gets a
   code: with PKCE it comes back with its verifier, and else with the access token of the session that asked
   (``identities.py``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from backstay.auth.accounts import Accounts
from backstay.auth.flow import begin_flow, prove_flow
from backstay.auth.hold import hold
from backstay.auth.oauth.directory import Endpoints
from backstay.auth.oauth.exchange import Tokens, exchange_code, read_person
from backstay.auth.oauth.linking import LINK, identify
from backstay.auth.oauth.person import Person
from backstay.auth.oauth.provider import Provider
from backstay.auth.oauth.redirection import (
    callback_url,
    failed,
    found,
    is_secure,
    state_key,
    with_fragment,
    with_query,
)
from backstay.auth.oauth.state import cookie_line, cookie_of, is_state, nonce_of, take, verifier_of
from backstay.auth.refusal import AuthError
from backstay.auth.route import AuthRequest, Route
from backstay.auth.session import Opened, session_by_id, start_session
from backstay.auth.signin import login_event
from backstay.db.store import Transaction
from backstay.errors import DatabaseError
from backstay.response.reply import Headers, Reply

_MAX_CODE_CHARS: Final = 4096
#: RFC 6749 §4.1.2.1 and OpenID Connect Core §3.1.2.6; anything else is told as ``server_error``.
_ERRORS: Final = frozenset(
    {
        "access_denied",
        "consent_required",
        "interaction_required",
        "invalid_request",
        "invalid_scope",
        "login_required",
        "server_error",
        "temporarily_unavailable",
        "unauthorized_client",
        "user_cancelled_authorize",
    }
)
_PLAIN: Final = re.compile(r"[^\w .,:;!?'()/-]")


@dataclass(frozen=True, slots=True)
class _Ended:
    """How it ended: with a session, with a code, or with a refusal."""

    opened: Opened | None = None
    code: str | None = None
    refusal: AuthError | None = None


async def callback(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Finish what ``/authorize`` began.

    Raises:
        AuthError: bad_oauth_state, when it is not this browser's.
    """
    if asked.method == "HEAD":
        return Reply(200)
    told: Mapping[str, str] = asked.body if asked.method == "POST" else asked.query
    state = told.get("state", "")
    secure, now = is_secure(accounts), accounts.now()
    cookie = cookie_of(asked.headers, state, secure=secure) if is_state(state) else ""
    row = await accounts.store.transact(lambda tx: take(tx, state, cookie)) if cookie else None
    if row is None:
        raise AuthError("bad_oauth_state", "OAuth state is invalid", hint="Begin the sign-in again.")
    headers: Headers = ((b"set-cookie", cookie_line(state, "", secure=secure, cross_site=asked.method == "POST")),)
    try:
        if row.expires_at <= now:
            raise AuthError("bad_oauth_state", "OAuth state has expired")
        if "error" in told:
            return _denied(row.redirect_to, told, headers)
        provider = accounts.parties.named(row.provider)
        tokens, person = await _proved(accounts, provider, told, state, now)
        ended = await _end(asked, accounts, provider, person, tokens, row, now)
    except AuthError as error:
        return failed(row.redirect_to, error, headers=headers)
    return await _back(accounts, row, ended, tokens, headers)


def _denied(back: str, told: Mapping[str, str], headers: Headers) -> Reply:
    """The provider says no, or somebody has pressed “cancel” there."""
    said = told["error"]
    kind = said if said in _ERRORS else "server_error"
    # Shown by the app: without what could be markup, or a link.
    words = _PLAIN.sub("", told.get("error_description", ""))[:200] or "The provider did not sign in"
    return failed(back, AuthError("bad_oauth_callback", words), kind=kind, headers=headers)


async def _proved(
    accounts: Accounts, provider: Provider, told: Mapping[str, str], state: str, now: datetime
) -> tuple[Tokens, Person]:
    """Who came back."""
    endpoints = await accounts.parties.directory.endpoints(provider, now)
    if endpoints.issuer is not None and not _is_of(endpoints, told.get("iss")):
        raise AuthError("bad_oauth_callback", "The answer is of another provider")
    code = told.get("code", "")
    if not code or len(code) > _MAX_CODE_CHARS:
        raise AuthError("bad_oauth_callback", "OAuth callback with missing authorization code")
    key = state_key(accounts)
    tokens = await exchange_code(
        accounts.parties,
        provider,
        code,
        redirect_uri=callback_url(accounts),
        verifier=verifier_of(key, state),
        now=now,
    )
    name = _name_of(told.get("user", "")) if provider.form_post else ""
    person = await read_person(accounts.parties, provider, tokens, nonce=nonce_of(key, state), now=now, name=name)
    return tokens, person


def _is_of(endpoints: Endpoints, issuer: str | None) -> bool:
    """Whether an answer that names *issuer* is this provider's, and not mixed up with another's (OA5, RFC 9207)."""
    if issuer is None:
        return not endpoints.names_issuer
    # Each of Microsoft's tenants answers as itself; which one it is, the ID token says.
    before, placeholder, after = str(endpoints.issuer).partition("{tenantid}")
    return issuer.startswith(before) and issuer.endswith(after) if placeholder else issuer == before


async def _end(
    asked: AuthRequest,
    accounts: Accounts,
    provider: Provider,
    person: Person,
    tokens: Tokens,
    row: Any,
    now: datetime,
) -> _Ended:
    ending = _Ending(asked, accounts, provider, person, tokens, row, now)
    try:
        ended = await accounts.store.transact(ending.run)
    except DatabaseError as error:
        if error.code != "23505":
            raise
        # Two first sign-ins at the same moment: the unique index decided, and now the other's rows are there.
        ended = await accounts.store.transact(ending.run)
    accounts.posted()
    accounts.trust.expire()
    if ended.refusal is not None:
        raise ended.refusal
    return ended


@dataclass(frozen=True, slots=True)
class _Ending:
    """What came back at work, in its transaction."""

    asked: AuthRequest
    accounts: Accounts
    provider: Provider
    person: Person
    tokens: Tokens
    row: Any
    now: datetime

    async def run(self, tx: Transaction) -> _Ended:
        user_id, row, now, accounts = self.row.user_id, self.row, self.now, self.accounts
        extra: dict[str, Any] = dict(self.tokens.told())
        if user_id is None:
            known = await identify(tx, accounts, self.asked, self.provider, self.person, now)
            if known.user_id is None:
                return _Ended(refusal=known.refusal)
            user_id = known.user_id
        else:
            accounts.admitted(await hold(tx, user_id))
            if await tx.one(session_by_id(row.session_id)) is None:
                return _Ended(refusal=AuthError("session_not_found", "The session that asked for the link has ended"))
            extra[LINK] = msgspec.to_builtins(self.person)
        if row.code_challenge is not None or row.user_id is not None:
            flow_id = await begin_flow(tx, row.code_challenge, now, session_id=row.session_id)
            sealed = accounts.keyring.seal(msgspec.json.encode(extra), purpose="flow", context=str(flow_id))
            code = await prove_flow(
                tx, flow_id, user_id=user_id, method="oauth", provider=self.person.provider, extra=sealed, now=now
            )
            return _Ended(code=code)
        opened = await start_session(
            tx,
            accounts.options,
            user_id=user_id,
            method="oauth",
            provider=self.person.provider,
            device=self.asked.device,
            now=now,
        )
        await accounts.audit(tx, login_event(self.asked, opened, now))
        return _Ended(opened)


async def _back(accounts: Accounts, row: Any, ended: _Ended, tokens: Tokens, headers: Headers) -> Reply:
    if ended.code is not None and row.code_challenge is None:
        return found(with_fragment(row.redirect_to, {"link_code": ended.code, "sb": ""}), headers=headers)
    if ended.code is not None:
        return found(with_query(row.redirect_to, {"code": ended.code}), headers=headers)
    assert ended.opened is not None  # noqa: S101 - one of the two, see `_end`
    session = await accounts.session_json(ended.opened)
    names = ("access_token", "expires_at", "expires_in", "refresh_token", "token_type")
    told = {name: str(session[name]) for name in names} | tokens.told() | {"sb": ""}
    return found(with_fragment(row.redirect_to, told), headers=headers)


def _name_of(text: str) -> str:
    """The name in the form that Apple's page sends, the first time only: ``{"name": {"firstName": …}}``."""
    try:
        name = json.loads(text)["name"]
        parts = [name.get("firstName"), name.get("lastName")]
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return ""
    return " ".join(part.strip() for part in parts if isinstance(part, str) and part.strip())[:200]


_QUERY: Final = ("state", "code", "error", "error_description", "iss")

ROUTES: Final = (
    Route("GET", "callback", "anyone", callback, "Where a third party sends people back to", query=_QUERY, status=303),
    Route(
        "POST", "callback", "anyone", callback, "The same, for one that posts its answer", status=303, takes_form=True
    ),
)
