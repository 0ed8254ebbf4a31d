"""`Directory`: where providers are reached and which keys they sign with, asked for once and remembered.

1. What discovery says counts only if it names the issuer that the operator named (OpenID Connect Discovery §4.3).
2. Keys are fetched anew when a token names one that is not known.  A stranger's token must not make requests: one name
   is looked for once a minute; of different names ten are, and then one in five seconds.  Nor must strangers keep
   others from signing in after the provider has changed its keys: what somebody made up says nothing of another name,
   each look finds every new key, and a token that the provider gave us itself is always looked for (A12).
   A provider that is down is asked no more often either.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from backstay.auth.oauth.idtoken import ALL_ALGORITHMS
from backstay.auth.oauth.provider import Provider
from backstay.auth.refusal import AuthError
from backstay.outbound import Call, Fetch, OutboundError

_LOG: Final = logging.getLogger("backstay.oauth")

#: How long an answer is good.
FRESH: Final = timedelta(hours=1)
#: How long one unknown key is not looked for again; how many different ones are in that time, and how often beyond it.
PAUSE: Final = timedelta(minutes=1)
MAX_LOOKS: Final = 10
BEYOND: Final = timedelta(seconds=5)
_MAX_KEYS: Final = 100
#: The browser is sent to one of them, and requests go to the others, where the port judges again.
_URL: Final = re.compile(r"https?://[!-~]{1,2000}")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a provider is reached, and what it can do."""

    authorize_url: str
    token_url: str
    issuer: str | None = None
    person_url: str = ""
    emails_url: str = ""
    jwks_url: str = ""
    algorithms: tuple[str, ...] = ()
    #: Whether the client names itself in the form instead of by HTTP Basic.
    secret_in_form: bool = False
    #: Whether every answer names the issuer (RFC 9207).
    names_issuer: bool = False


@dataclass(slots=True)
class _Known:
    """What is remembered of one provider."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    endpoints: Endpoints | None = None
    endpoints_at: datetime | None = None
    keys: Sequence[Mapping[str, Any]] = ()
    keys_at: datetime | None = None
    failed_at: datetime | None = None
    #: Keys that were looked for, and when: those of the last minute, as many as `MAX_LOOKS`.
    missed: dict[str, datetime] = field(default_factory=dict)

    def may_look(self, kid: str, now: datetime, *, from_provider: bool) -> bool:
        """Whether to ask for keys once more because of *kid*, which is noted."""
        self.missed = {name: at for name, at in self.missed.items() if now - at < PAUSE}
        if not from_provider:
            busy = len(self.missed) >= MAX_LOOKS and self.keys_at is not None and now - self.keys_at < BEYOND
            if kid in self.missed or busy:
                return False
        if len(self.missed) >= MAX_LOOKS:
            del self.missed[min(self.missed, key=lambda name: self.missed[name])]
        self.missed[kid] = now
        return True


class Directory:
    """One for each app."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._known: dict[str, _Known] = {}

    async def endpoints(self, provider: Provider, now: datetime) -> Endpoints:
        """Where *provider* is reached.

        Raises:
            AuthError: provider_unavailable.
        """
        if provider.preset is not None:
            preset = provider.preset
            return Endpoints(
                preset.authorize_url,
                preset.token_url,
                person_url=preset.person_url,
                emails_url=preset.emails_url,
                secret_in_form=True,
            )
        known = self._known.setdefault(provider.name, _Known())
        async with known.lock:
            if known.endpoints is None or known.endpoints_at is None or now - known.endpoints_at > FRESH:
                found = await self._asked(provider, known, f"{provider.issuer}".rstrip("/") + _WELL_KNOWN, now)
                try:
                    known.endpoints = _endpoints(provider, found)
                except ValueError as fault:
                    _LOG.warning("the provider %s describes itself wrongly: %s", provider.name, fault)
                    known.failed_at = now
                    raise unavailable() from None
                known.endpoints_at = now
            return known.endpoints

    async def keys(
        self, provider: Provider, kid: Any, now: datetime, *, from_provider: bool = False
    ) -> Sequence[Mapping[str, Any]]:
        """The keys of *provider*, fetched anew where none is called *kid*.

        *from_provider* says that it gave the token itself: no stranger made the name up.

        Raises:
            AuthError: provider_unavailable.
        """
        endpoints = await self.endpoints(provider, now)
        known = self._known[provider.name]
        async with known.lock:
            age = None if known.keys_at is None else now - known.keys_at
            stale = age is None or age > FRESH
            missing = isinstance(kid, str) and all(key.get("kid") != kid for key in known.keys)
            if stale or (missing and known.may_look(str(kid), now, from_provider=from_provider)):
                found = (await self._asked(provider, known, endpoints.jwks_url, now)).get("keys")
                if not isinstance(found, list):
                    raise unavailable()
                known.keys = tuple(key for key in found[:_MAX_KEYS] if isinstance(key, dict))
                known.keys_at = now
            return known.keys

    async def _asked(self, provider: Provider, known: _Known, url: str, now: datetime) -> Mapping[str, Any]:
        if known.failed_at is not None and now - known.failed_at < _AFTER_FAULT:
            raise unavailable()
        try:
            found = await ask_json(self._fetch, provider, Call(url, private=provider.allow_private))
        except AuthError:
            known.failed_at = now
            raise
        known.failed_at = None
        return found


_WELL_KNOWN: Final = "/.well-known/openid-configuration"
#: A provider that did not answer is tried again after so long: people wait for each try.
_AFTER_FAULT: Final = timedelta(seconds=10)


async def ask_json(fetch: Fetch, provider: Provider, call: Call) -> Mapping[str, Any]:
    """The JSON object that a provider answers with 200.

    Raises:
        AuthError: provider_unavailable; the log says why.
    """
    status, value = await ask(fetch, provider, call)
    if status != 200 or not isinstance(value, dict):
        _LOG.warning("the provider %s answered %d where an object of JSON was due", provider.name, status)
        raise unavailable()
    return value


async def ask(fetch: Fetch, provider: Provider, call: Call) -> tuple[int, Any]:
    """A provider's answer: status and JSON (``None`` where it is none).

    Raises:
        AuthError: provider_unavailable, without an answer or for one of 500 and more.
    """
    try:
        answer = await fetch(call)
    except OutboundError as fault:
        _LOG.warning("the provider %s did not answer: %s", provider.name, fault)
        raise unavailable() from None
    if answer.status >= 500:
        _LOG.warning("the provider %s answered %d", provider.name, answer.status)
        raise unavailable()
    try:
        return answer.status, json.loads(answer.body)
    except (ValueError, RecursionError):
        return answer.status, None


def unavailable() -> AuthError:
    """The third party does not answer, or not as it should."""
    return AuthError("provider_unavailable", "The provider cannot be reached at the moment")


def _endpoints(provider: Provider, found: Mapping[str, Any]) -> Endpoints:
    """What discovery found.

    Raises:
        ValueError: it is of another issuer, or lacks something.
    """
    issuer = found.get("issuer")
    named = provider.issuer
    if provider.is_tenantless:
        # Each tenant signs as itself: the placeholder stands for its id, which `check_id_token` fills in.
        named = "https://login.microsoftonline.com/{tenantid}/v2.0"
    if issuer != named or named is None:
        raise ValueError("it is of another issuer")
    urls = [found.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
    for url in urls:
        if not isinstance(url, str) or not _URL.fullmatch(url):
            raise ValueError("an endpoint is missing")
    authorize_url, token_url, jwks_url = (str(url) for url in urls)
    listed = found.get("id_token_signing_alg_values_supported")
    supported = ["Ed25519" if name == "EdDSA" else name for name in listed] if isinstance(listed, list) else ["RS256"]
    algorithms = tuple(name for name in ALL_ALGORITHMS if name in supported and name in provider.algorithms)
    if not algorithms:
        raise ValueError("it signs with no algorithm that is allowed")
    methods = found.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    person_url = found.get("userinfo_endpoint")
    if not isinstance(person_url, str) or not _URL.fullmatch(person_url):
        person_url = ""
    return Endpoints(
        authorize_url,
        token_url,
        issuer=named,
        person_url=person_url,
        jwks_url=jwks_url,
        algorithms=algorithms,
        # Apple's secret is a token, which is sent in the form only.
        secret_in_form=provider.apple is not None
        or (isinstance(methods, list) and "client_secret_basic" not in methods),
        names_issuer=found.get("authorization_response_iss_parameter_supported") is True,
    )
