"""What well-known providers need: one entry each, and nothing in code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Preset:
    """Defaults of a provider's options; those of an unknown one are a plain OpenID provider's."""

    issuer: str | None = None
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    trusted: bool = False
    reader: Literal["oidc", "azure", "github"] = "oidc"
    #: Whether the answer comes as a form from the provider's page: then the cookie must be sent across sites.
    form_post: bool = False
    #: Whether the client's secret is a token that the app signs.
    signs_secret: bool = False
    #: OAuth 2.0 without discovery.
    authorize_url: str = ""
    token_url: str = ""
    person_url: str = ""
    emails_url: str = ""


PRESETS: Final[Mapping[str, Preset]] = {
    # https://developer.apple.com/documentation/signinwithapplerestapi
    "apple": Preset(
        "https://appleid.apple.com",
        ("openid", "email", "name"),
        trusted=True,
        form_post=True,
        signs_secret=True,
    ),
    # https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc; the tenant makes the issuer.
    "azure": Preset(trusted=True, reader="azure"),
    # https://docs.github.com/apps/oauth-apps/building-oauth-apps
    "github": Preset(
        scopes=("read:user", "user:email"),
        trusted=True,
        reader="github",
        authorize_url="https://github.com/login/oauth/authorize",
        token_url="https://github.com/login/oauth/access_token",  # noqa: S106 - a URL
        person_url="https://api.github.com/user",
        emails_url="https://api.github.com/user/emails",
    ),
    "gitlab": Preset("https://gitlab.com", trusted=True),
    "google": Preset("https://accounts.google.com", trusted=True),
}
