"""``/authorize``: off to the third party, to sign in or to link an identity to one's account.

1. Only what the operator configured and the protocol needs goes along: no ``login_hint``, no parameter of the caller's
   but ``scopes`` (OA11).
2. A link begins with the account's access token, and goes on in a browser that does not send it.  Between the two
   stands a ticket: good once, for a minute, and in the hands of the device that asked for it.  An app that uses PKCE
   may ask from its server.  Either way the link is made only when the app comes back, see ``callback.py``.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, urlencode

from backstay.auth.accounts import Accounts
from backstay.auth.assurance import held_session, require_second
from backstay.auth.flow import checked_challenge
from backstay.auth.hold import hold
from backstay.auth.oauth.provider import Provider
from backstay.auth.oauth.redirection import callback_url, failed, found, is_secure, state_key
from backstay.auth.oauth.state import (
    Begun,
    Wish,
    begin,
    challenge_of,
    cookie_line,
    nonce_of,
    take_ticket,
    verifier_of,
    write_ticket,
)
from backstay.auth.redirect import allowed_redirect
from backstay.auth.refusal import AuthError, invalid
from backstay.auth.route import AuthRequest, Route, json_reply
from backstay.db.store import Transaction
from backstay.errors import BackstayError
from backstay.response.reply import Reply

_SCOPES: Final = re.compile(r"[!#-\[\]-~]+( [!#-\[\]-~]+){0,19}")
_MAX_SCOPE_CHARS: Final = 1000


async def authorize(asked: AuthRequest, accounts: Accounts) -> Reply:
    """To the provider, with a state that only this browser can come back with.

    Raises:
        AuthError: validation_failed, provider_disabled, bad_oauth_state (a ticket); over_request_rate_limit.
    """
    await accounts.spend(asked, "oauth")
    if asked.method == "HEAD":
        return Reply(200)
    now = accounts.now()
    ticket = asked.query.get("ticket")
    if ticket is None:
        wish = _wish(asked, accounts)
    else:
        taken = await accounts.store.transact(lambda tx: take_ticket(tx, ticket, _device(asked), now))
        if taken is None:
            raise AuthError("bad_oauth_state", "The link to the provider was used, or is too old", hint=_AGAIN)
        wish = taken
    provider = accounts.parties.named(wish.provider)
    try:
        endpoints = await accounts.parties.directory.endpoints(provider, now)
    except BackstayError as error:
        return failed(wish.redirect_to, error)
    begun = await accounts.store.transact(lambda tx: begin(tx, wish, now))
    secure = is_secure(accounts)
    cookie = cookie_line(begun.state, begun.cookie, secure=secure, cross_site=provider.form_post)
    mark = "&" if "?" in endpoints.authorize_url else "?"
    to = f"{endpoints.authorize_url}{mark}{_query(accounts, provider, wish, begun)}"
    return found(to, 302, ((b"set-cookie", cookie),))


async def authorize_link(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Where the caller's browser goes to link an identity: ``{"url": …}``, or there at once.

    Raises:
        AuthError: manual_linking_disabled, validation_failed, provider_disabled, user_banned,
            insufficient_aal, where the account has a second factor; over_request_rate_limit.
    """
    if not accounts.options.manual_linking:
        raise AuthError("manual_linking_disabled", "Manual linking is disabled")
    await accounts.spend(asked, "oauth")
    wish = _wish(asked, accounts, user=asked)
    now = accounts.now()
    device = None if wish.code_challenge is not None else _device(asked)

    async def write(tx: Transaction) -> str:
        accounts.admitted(await hold(tx, asked.user_id))
        await require_second(tx, await held_session(tx, asked))
        return await write_ticket(tx, wish, device, now)

    ticket = await accounts.store.transact(write)
    url = f"{accounts.options.public_url}/auth/v1/authorize?ticket={ticket}"
    if asked.query.get("skip_http_redirect") == "true":
        return json_reply({"url": url})
    return found(url, 302)


_AGAIN: Final = "Ask for another one."


def _wish(asked: AuthRequest, accounts: Accounts, *, user: AuthRequest | None = None) -> Wish:
    provider = accounts.parties.named(asked.query.get("provider"))
    scopes = asked.query.get("scopes", "").strip()
    if scopes and (len(scopes) > _MAX_SCOPE_CHARS or not _SCOPES.fullmatch(scopes)):
        raise invalid("scopes must be names separated by single spaces")
    return Wish(
        provider.name,
        scopes,
        allowed_redirect(accounts.options, asked.redirect_to),
        checked_challenge(asked.query.get("code_challenge"), asked.query.get("code_challenge_method")),
        None if user is None else user.user_id,
        None if user is None else user.session.id,
    )


def _query(accounts: Accounts, provider: Provider, wish: Wish, begun: Begun) -> str:
    key = state_key(accounts)
    scopes = dict.fromkeys([*provider.scopes, *wish.scopes.split()])
    asked = {
        "client_id": provider.client_id,
        "response_type": "code",
        "redirect_uri": callback_url(accounts),
        "scope": " ".join(scopes),
        "state": begun.state,
        "code_challenge": challenge_of(verifier_of(key, begun.state)),
        "code_challenge_method": "S256",
    }
    if provider.issuer is not None:
        asked["nonce"] = nonce_of(key, begun.state)
    if provider.form_post:
        asked["response_mode"] = "form_post"
    return urlencode(dict(provider.parameters) | asked, quote_via=quote)


def _device(asked: AuthRequest) -> str:
    """Who asks, as far as one can tell without a cookie."""
    return f"{asked.device.bucket} {asked.device.user_agent[:500]}"


_QUERY: Final = ("provider", "redirect_to", "scopes", "code_challenge", "code_challenge_method")

ROUTES: Final = (
    Route("GET", "authorize", "anyone", authorize, "Sign in with a third party", query=(*_QUERY, "ticket"), status=302),
    Route(
        "GET",
        "user/identities/authorize",
        "user",
        authorize_link,
        "Link an identity at a third party to one's account",
        query=(*_QUERY, "skip_http_redirect"),
    ),
)
