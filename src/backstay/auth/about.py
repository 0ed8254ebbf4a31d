"""What anybody may know of the accounts API: settings, health, and the keys that verify its tokens."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

from backstay.auth.accounts import Accounts
from backstay.auth.route import AuthRequest, Route, json_reply
from backstay.response.reply import Reply

#: Third parties that GoTrue's clients know; false where the app has no credentials for them.
_PROVIDERS: Final = ("apple", "azure", "github", "gitlab", "google")
_PUBLIC: Final = ((b"cache-control", b"public, max-age=600"),)


async def settings(asked: AuthRequest, accounts: Accounts) -> Reply:
    """What a sign-in page needs to know."""
    options = accounts.options
    external = dict.fromkeys(_PROVIDERS, False) | dict.fromkeys(accounts.parties.providers, True)
    known = {
        "external": {"anonymous_users": options.anonymous_sign_ins, "email": True, "phone": False, **external},
        "disable_signup": not options.signup,
        "mailer_autoconfirm": options.autoconfirm,
        "phone_autoconfirm": False,
        "sms_provider": "",
        "mfa_enabled": True,
        "saml_enabled": False,
        "passkeys_enabled": True,
    }
    return json_reply(known)


async def health(asked: AuthRequest, accounts: Accounts) -> Reply:
    """That it answers; its clients look for the name."""
    about = "Accounts, speaking GoTrue's protocol"
    return json_reply({"version": f"v{version('backstay')}", "name": "GoTrue", "description": about})


async def jwks(asked: AuthRequest, accounts: Accounts) -> Reply:
    """The public keys, the next one among them (TK7).  RFC 7517."""
    return json_reply({"keys": list(accounts.trust.keys.public)}, headers=_PUBLIC)


async def openid_configuration(asked: AuthRequest, accounts: Accounts) -> Reply:
    """Where a verifier finds the keys.  OpenID Connect Discovery 1.0, as far as there is something to discover."""
    issuer = accounts.options.issuer
    known = {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "claims_supported": ["sub", "aud", "exp", "iat", "iss", "email", "phone", "role", "aal", "amr", "session_id"],
    }
    return json_reply(known, headers=_PUBLIC)


ROUTES: Final = (
    Route("GET", "settings", "anyone", settings, "What is switched on"),
    Route("GET", "health", "anyone", health, "Whether it answers"),
    Route("GET", ".well-known/jwks.json", "anyone", jwks, "Keys that verify access tokens"),
    Route("GET", ".well-known/openid-configuration", "anyone", openid_configuration, "Where those keys are"),
)
