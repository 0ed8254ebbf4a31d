"""A provider's code for its tokens, and its tokens for a person (RFC 6749 §4.1.3, OpenID Connect Core §3.1.3)."""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote_plus

from backstay.auth.oauth.apple import client_secret
from backstay.auth.oauth.directory import Endpoints, ask, ask_json
from backstay.auth.oauth.idtoken import Expected, IdTokenError, check_id_token, header_of
from backstay.auth.oauth.parties import Parties
from backstay.auth.oauth.person import Person, person_of_claims, person_of_github
from backstay.auth.oauth.provider import Provider
from backstay.auth.refusal import AuthError
from backstay.outbound import Call

_LOG: Final = logging.getLogger("backstay.oauth")
_MAX_TOKEN_CHARS: Final = 16 * 1024
#: What a document says of the address in it.
_ABOUT_ADDRESS: Final = ("email", "email_verified", "xms_edov")


@dataclass(frozen=True, slots=True, repr=False)
class Tokens:
    """What the provider gave: *access* and *refresh* are the app's to use, and are never stored in the clear (OA9)."""

    access: str
    refresh: str
    id: str

    def told(self) -> dict[str, str]:
        """As the session's answer names them."""
        named = {"provider_token": self.access, "provider_refresh_token": self.refresh}
        return {name: token for name, token in named.items() if token}


async def exchange_code(
    parties: Parties, provider: Provider, code: str, *, redirect_uri: str, verifier: str, now: datetime
) -> Tokens:
    """Change *code* for tokens.

    Raises:
        AuthError: provider_unavailable; bad_oauth_callback, when the provider refuses.
    """
    endpoints = await parties.directory.endpoints(provider, now)
    secret = provider.client_secret
    if provider.apple is not None:
        secret = client_secret(provider.apple, provider.client_id, int(now.timestamp()))
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
    }
    headers = {}
    if endpoints.secret_in_form:
        form |= {"client_id": provider.client_id, "client_secret": secret}
    else:
        # RFC 6749 §2.3.1: encoded as in a form before they are joined.
        pair = f"{quote_plus(provider.client_id)}:{quote_plus(secret)}"
        headers["authorization"] = "Basic " + b64encode(pair.encode()).decode()
    call = Call(endpoints.token_url, "POST", headers, form, provider.allow_private)
    status, found = await ask(parties.fetch, provider, call)
    # GitHub says 200 to what it refuses.
    if status != 200 or not isinstance(found, dict) or "error" in found:
        _LOG.warning("the provider %s did not take its own code: %d %s", provider.name, status, _error(found))
        raise AuthError("bad_oauth_callback", "Unable to exchange external code")
    tokens = Tokens(*(_token(found, name) for name in ("access_token", "refresh_token", "id_token")))
    if not tokens.access or (endpoints.issuer is not None and not tokens.id):
        _LOG.warning("the provider %s gave no token", provider.name)
        raise AuthError("bad_oauth_callback", "Unable to exchange external code")
    return tokens


async def read_person(
    parties: Parties, provider: Provider, tokens: Tokens, *, nonce: str, now: datetime, name: str = ""
) -> Person:
    """Who *tokens* are about.

    Raises:
        AuthError: provider_unavailable; bad_oauth_callback, when what it says is not good.
    """
    endpoints = await parties.directory.endpoints(provider, now)
    if endpoints.issuer is None:
        person = await _asked(parties, provider, endpoints.person_url, tokens.access)
        status, emails = await ask(parties.fetch, provider, _with(provider, endpoints.emails_url, tokens.access))
        return person_of_github(provider, person, emails if status == 200 and isinstance(emails, list) else [])
    audiences = (provider.client_id,)
    try:
        claims = await checked_claims(
            parties,
            provider,
            tokens.id,
            audiences=audiences,
            nonce=nonce,
            access_token=tokens.access,
            now=now,
            from_provider=True,
        )
    except IdTokenError as fault:
        _LOG.warning("an ID token of the provider %s is refused: %s", provider.name, fault.reason)
        raise AuthError("bad_oauth_callback", "The provider's ID token is not valid") from None
    return person_of_claims(provider, await _completed(parties, provider, endpoints, claims, tokens), name=name)


async def checked_claims(
    parties: Parties,
    provider: Provider,
    token: str,
    *,
    audiences: tuple[str, ...],
    nonce: str | None,
    access_token: str,
    now: datetime,
    from_provider: bool = False,
) -> Mapping[str, Any]:
    """The claims of *provider*'s ID token (OA4); *from_provider*: it gave the token itself, and no caller.

    Raises:
        IdTokenError: it is not good.
        AuthError: provider_unavailable.
    """
    header = header_of(token)
    endpoints = await parties.directory.endpoints(provider, now)
    keys = await parties.directory.keys(provider, header.get("kid"), now, from_provider=from_provider)
    expected = Expected(str(endpoints.issuer), audiences, endpoints.algorithms, nonce, access_token)
    return check_id_token(token, keys, expected, now.timestamp())


async def _completed(
    parties: Parties, provider: Provider, endpoints: Endpoints, claims: Mapping[str, Any], tokens: Tokens
) -> Mapping[str, Any]:
    """*claims* with what only the userinfo endpoint says, if it speaks of the same person (§5.3.2).

    Whether an address was verified is said by whoever gave the address: the one's word is none about the other's (A12).
    """
    if "email" in claims or not endpoints.person_url:
        return claims
    more = await _asked(parties, provider, endpoints.person_url, tokens.access)
    if more.get("sub") != claims["sub"]:
        _LOG.warning("the provider %s speaks of two persons", provider.name)
        raise AuthError("bad_oauth_callback", "The provider did not say who it is")
    return {**more, **{name: value for name, value in claims.items() if name not in _ABOUT_ADDRESS}}


async def _asked(parties: Parties, provider: Provider, url: str, token: str) -> Mapping[str, Any]:
    return await ask_json(parties.fetch, provider, _with(provider, url, token))


def _with(provider: Provider, url: str, token: str) -> Call:
    return Call(url, headers={"authorization": f"Bearer {token}"}, private=provider.allow_private)


def _token(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name, "")
    good = isinstance(value, str) and len(value) <= _MAX_TOKEN_CHARS and value.isascii() and value.isprintable()
    return value if good else ""


def _error(found: Any) -> str:
    value = found.get("error") if isinstance(found, dict) else None
    return value[:60] if isinstance(value, str) and value.isascii() and value.isprintable() else ""
