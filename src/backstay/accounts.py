"""The accounts that settings describe: one construction, for the app and for the commands (S14).

Whoever makes accounts in a second way forgets a setting: the cost of a hash, a list of leaked passwords, a limit.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from backstay.adapters.load import outbound
from backstay.auth.ceremony import relying_party, useless_origins
from backstay.auth.credentials import Credentials
from backstay.auth.hashing import HashCost
from backstay.auth.limits import parse_limits
from backstay.auth.moment import utc_now
from backstay.auth.oauth.parties import Parties
from backstay.auth.oauth.provider import parse_providers
from backstay.auth.office import Office
from backstay.auth.options import AuthOptions
from backstay.auth.pwned import PwnedFile
from backstay.auth.rolebook import Rolebook
from backstay.auth.token import TokenVerifier
from backstay.db.store import Store
from backstay.errors import ConfigError
from backstay.settings import Settings


async def open_office(
    store: Store,
    settings: Settings,
    verifier: TokenVerifier,
    *,
    title: str,
    credentials: Credentials | None = None,
    book: Rolebook | None = None,
    posted: Callable[[], None] = lambda: None,
    now: Callable[[], datetime] = utc_now,
) -> Office:
    """The accounts in *store*.

    All that an operator may set comes from *settings*.  The rest is in the code of the app, which a command does not
    know: its *title*, and who sends its mails.  The roles that it names, *book*, are noted in the
    database for commands.

    Raises:
        ConfigError: BST-E224, when passkeys could be used nowhere.
    """
    assert settings.encryption_keys is not None  # noqa: S101 - there are no accounts without
    return await Office.open(
        store,
        auth_options(settings, title),
        settings.encryption_keys,
        verifier,
        credentials=credentials,
        book=book,
        posted=posted,
        rates=None if settings.rate_limits is None else parse_limits(settings.rate_limits),
        share=settings.caller_share,
        cost=None if settings.password_hash is None else HashCost.parse(settings.password_hash),
        pwned=() if settings.password_blocklist is None else PwnedFile(Path(settings.password_blocklist)),
        parties=_parties(settings),
        now=now,
    )


def auth_options(settings: Settings, title: str) -> AuthOptions:
    """What *settings* say of accounts.

    Raises:
        ConfigError: BST-E224, when passkeys could be used nowhere.
    """
    confirmed = settings.profile == "prod" if settings.email_confirmation is None else settings.email_confirmation
    options = AuthOptions(
        public_url=settings.address,
        site_url=settings.site_url or settings.address,
        redirect_urls=settings.redirect_urls,
        site_name=title,
        webauthn_rp_id=settings.webauthn_rp_id,
        webauthn_origins=settings.webauthn_origins,
        signup=settings.signup,
        autoconfirm=not confirmed,
        anonymous_sign_ins=settings.anonymous_sign_ins,
        min_password_chars=settings.password_minimum,
        access_seconds=settings.access_token_seconds,
        session_idle=timedelta(days=settings.session_idle_days),
        session_lifetime=timedelta(days=settings.session_days),
        answer_bytes=settings.max_answer_bytes,
    )
    party = relying_party(options)
    if not party.origins or useless_origins(party):
        raise ConfigError(
            "BST-E224",
            f"No page of {', '.join(useless_origins(party)) or options.site_url} can use passkeys of {party.id}",
            hint="Set BACKSTAY_WEBAUTHN_RP_ID to the domain of the pages, or to one above it.",
        )
    return options


def _parties(settings: Settings) -> Parties | None:
    """The third parties that *settings* name."""
    if settings.providers is None:
        return None
    return Parties(parse_providers(settings.providers), outbound(loopback=settings.profile == "dev"))
