"""`Parties`: the third parties of one app, and how they are reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from backstay.auth.oauth.directory import Directory
from backstay.auth.oauth.provider import Provider
from backstay.auth.refusal import AuthError
from backstay.outbound import Fetch, nowhere


@dataclass(frozen=True, slots=True, eq=False)
class Parties:
    """*providers* by name; *fetch* is how the app makes requests."""

    providers: Mapping[str, Provider] = field(default_factory=lambda: MappingProxyType({}))
    fetch: Fetch = nowhere
    directory: Directory = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "directory", Directory(self.fetch))

    def named(self, name: str | None) -> Provider:
        """The provider *name*.

        Raises:
            AuthError: validation_failed, without a name; provider_disabled, where the app has none of that name.
        """
        if not name:
            raise AuthError("validation_failed", "provider is missing")
        found = self.providers.get(name)
        if found is None:
            raise AuthError("provider_disabled", "Unsupported provider: provider is not enabled")
        return found
