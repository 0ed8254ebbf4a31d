"""`Provider`: a third party that people sign in with, as the operator configured it.

1. A provider is data.  What the well-known ones need stands in `PRESETS`; any other is known by its ``issuer``.
2. *trusted* says that the provider's word about an e-mail address is believed: then its owner is the account's (OA6).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from backstay.auth.oauth.idtoken import ALL_ALGORITHMS
from backstay.auth.oauth.preset import PRESETS, Preset
from backstay.errors import ConfigError

#: What reads a person out of the provider's answers.
Reader: TypeAlias = Literal["oidc", "azure", "github"]

_NAME: Final = re.compile(r"(custom:)?[a-z][a-z0-9_-]{0,31}")
_RESERVED: Final = frozenset({"email", "phone", "anonymous", "anonymous_users", "sso", "web3", "passkey"})
_TENANT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,99}")
_SCOPE: Final = re.compile(r"[!#-\[\]-~]{1,200}")
#: What a parameter of the operator's must not replace.
_OURS: Final = frozenset(
    {"client_id", "response_type", "redirect_uri", "state", "nonce", "code_challenge", "code_challenge_method", "scope"}
)
_MICROSOFT: Final = "https://login.microsoftonline.com/"
#: Microsoft's own accounts, which the word ``consumers`` stands for.
_CONSUMERS: Final = "9188040d-6c67-4c5b-b112-36a304b66dad"


@dataclass(frozen=True, slots=True, repr=False)
class AppleKey:
    """What Apple takes a signed secret with."""

    team_id: str
    key_id: str
    #: PEM.
    private_key: str


@dataclass(frozen=True, slots=True, repr=False)
class Provider:
    """One entry of ``BACKSTAY_PROVIDERS``."""

    name: str
    client_id: str
    client_secret: str = ""
    #: Further client ids whose ID tokens are taken: those of the app on phones.
    client_ids: tuple[str, ...] = ()
    #: OpenID Connect, by discovery; ``None``: OAuth 2.0 with the preset's endpoints.
    issuer: str | None = None
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    trusted: bool = False
    #: A directory whose addresses are all its own, and which does not say ``email_verified``.
    assume_verified: bool = False
    #: Its addresses may be those of a private network.
    allow_private: bool = False
    algorithms: tuple[str, ...] = ALL_ALGORITHMS
    #: Further parameters of the request, by the operator only (OA11).
    parameters: tuple[tuple[str, str], ...] = ()
    form_post: bool = False
    reader: Reader = "oidc"
    apple: AppleKey | None = None
    preset: Preset | None = None

    @property
    def audiences(self) -> tuple[str, ...]:
        """Every client id whose tokens are for this app."""
        return (self.client_id, *self.client_ids)

    @property
    def is_tenantless(self) -> bool:
        """Whether accounts of any of Microsoft's tenants are let in."""
        return self.reader == "azure" and (self.issuer or "").split("/")[3:4] in (["common"], ["organizations"])

    def secrets(self) -> tuple[str, ...]:
        """What must be shown nowhere."""
        return tuple(text for text in (self.client_secret, self.apple and self.apple.private_key) if text)

    def __repr__(self) -> str:
        return f"Provider({self.name!r}, ***)"


def parse_providers(text: str) -> Mapping[str, Provider]:
    """Read ``BACKSTAY_PROVIDERS``: a JSON object of names and options.

    >>> parse_providers('{"google": {"client_id": "x", "client_secret": "y"}}')["google"].issuer
    'https://accounts.google.com'

    Raises:
        ConfigError: BST-E227, with the name and the option that is wrong, and never a value.
    """
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        raise _wrong("is not JSON") from None
    if not isinstance(given, dict):
        raise _wrong("is not a JSON object of providers")
    return {name: _provider(name, options) for name, options in given.items()}


def _provider(name: str, options: Any) -> Provider:
    if not _NAME.fullmatch(name) or name in _RESERVED:
        raise _wrong(f"has the name {name[:40]!r}, which no provider can have", "Use lower-case letters and digits.")
    if not isinstance(options, dict):
        raise _wrong(f"has no options for {name}")
    preset = PRESETS.get(name, Preset())
    read = _Options(name, options, preset)
    issuer = read.issuer()
    apple = read.apple()
    built_in = issuer == preset.issuer or (preset.reader == "azure" and (issuer or "").startswith(_MICROSOFT))
    provider = Provider(
        name,
        read.text("client_id"),
        read.text("client_secret", needed=apple is None),
        client_ids=read.texts("client_ids"),
        issuer=issuer,
        scopes=read.scopes(),
        # Trust belongs to an issuer, and not to a name: one's own GitLab is not the public one.
        trusted=read.flag("trusted", preset.trusted and built_in),
        assume_verified=read.flag("assume_verified", False),
        allow_private=read.flag("allow_private", False),
        algorithms=read.algorithms(),
        parameters=read.parameters(),
        form_post=preset.form_post,
        reader=preset.reader,
        apple=apple,
        preset=preset if preset.token_url else None,
    )
    if provider.assume_verified and provider.is_tenantless:
        raise _wrong(f"{name}: assume_verified would believe every tenant there is", "Name one tenant.")
    if unknown := sorted(options.keys() - read.known):
        raise _wrong(f"{name}: there is no option {unknown[0][:40]!r}", f"Options are {', '.join(sorted(read.known))}.")
    return provider


class _Options:
    """One provider's options, each read once and checked."""

    def __init__(self, name: str, options: Mapping[str, Any], preset: Preset) -> None:
        self._name, self._options, self._preset = name, options, preset
        self.known: set[str] = set()

    def _get(self, key: str) -> Any:
        self.known.add(key)
        return self._options.get(key)

    def _fault(self, key: str, what: str) -> ConfigError:
        return _wrong(f"{self._name}: {key} {what}")

    def text(self, key: str, *, needed: bool = True) -> str:
        value = self._get(key)
        if value is None and not needed:
            return ""
        if not isinstance(value, str) or not value.strip():
            raise self._fault(key, "is missing, or is not text")
        return value.strip()

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise self._fault(key, "is not a list of texts")
        return tuple(value)

    def flag(self, key: str, default: bool) -> bool:
        value = self._get(key)
        if value is not None and not isinstance(value, bool):
            raise self._fault(key, "is neither true nor false")
        return default if value is None else value

    def scopes(self) -> tuple[str, ...]:
        given = self.texts("scopes")
        if not all(_SCOPE.fullmatch(scope) for scope in given):
            raise self._fault("scopes", "has one that is malformed")
        return given or self._preset.scopes

    def algorithms(self) -> tuple[str, ...]:
        given = self.texts("algorithms")
        if not set(given) <= set(ALL_ALGORITHMS):
            raise self._fault("algorithms", f"has one that is not of {', '.join(ALL_ALGORITHMS)}")
        return given or ALL_ALGORITHMS

    def parameters(self) -> tuple[tuple[str, str], ...]:
        value = self._get("parameters")
        if value is None:
            return ()
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise self._fault("parameters", "is not an object of texts")
        if taken := sorted(value.keys() & _OURS):
            raise self._fault("parameters", f"cannot set {taken[0]}")
        return tuple(value.items())

    def issuer(self) -> str | None:
        given = self.text("issuer", needed=False)
        tenant = self.text("tenant", needed=False) if self._preset.reader == "azure" else ""
        if self._preset.reader == "azure" and not given:
            if not _TENANT.fullmatch(tenant):
                raise self._fault("tenant", "is missing: the id of a directory, or `common` for every account there is")
            return f"{_MICROSOFT}{_CONSUMERS if tenant == 'consumers' else tenant}/v2.0"
        if self._preset.token_url:
            if given:
                raise self._fault("issuer", "cannot be set: this provider has none")
            return None
        if not given and self._preset.issuer:
            return self._preset.issuer
        if not re.fullmatch(r"https?://[!-~]+", given) or "?" in given or "#" in given:
            raise self._fault("issuer", "is missing, or is not a URL")
        return given

    def apple(self) -> AppleKey | None:
        if not self._preset.signs_secret or "client_secret" in self._options:
            return None
        key = AppleKey(self.text("team_id"), self.text("key_id"), self.text("private_key"))
        from backstay.auth.oauth.apple import client_secret  # here: it loads cryptography

        try:
            client_secret(key, self.text("client_id"), 0)
        except ValueError:
            raise self._fault("private_key", "is not a P-256 key in PEM") from None
        return key


def _wrong(what: str, hint: str | None = None) -> ConfigError:
    return ConfigError("BST-E227", f"BACKSTAY_PROVIDERS {what}", hint=hint or "See docs/how-to/third-party-sign-in.md.")
