"""`Person`: who somebody is at a provider, read out of its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from backstay.auth.address import normal_email
from backstay.auth.oauth.provider import Provider
from backstay.auth.refusal import AuthError

_MAX_CHARS: Final = 1000
#: What is kept of an ID token: who it is, and nothing about the token.
_KEPT: Final = (
    "name",
    "given_name",
    "family_name",
    "nickname",
    "preferred_username",
    "picture",
    "locale",
    "zoneinfo",
    "hd",
)


@dataclass(frozen=True, slots=True, repr=False)
class Person:
    """*subject* is the identity (OA8); *email* is as `normal_email` writes it, and *verified* by the provider or not.

    *data* is what the identity keeps, in the names that GoTrue's clients read.
    """

    provider: str
    subject: str
    email: str | None
    verified: bool
    data: Mapping[str, Any]


def person_of_claims(provider: Provider, claims: Mapping[str, Any], *, name: str = "") -> Person:
    """Read checked claims; *name* is what a form besides said (Apple's, once)."""
    email = _email(claims.get("email"))
    verified = email is not None and _is_verified(provider, claims)
    texts = {key: _text(claims.get(key)) for key in _KEPT}
    full_name = texts["name"] or _text(name)
    return _person(
        provider,
        str(claims["sub"]),
        email,
        verified,
        {
            **texts,
            "iss": claims.get("iss"),
            "full_name": full_name,
            "name": full_name,
            "avatar_url": texts["picture"],
        },
    )


def person_of_github(provider: Provider, person: Mapping[str, Any], emails: Sequence[Any]) -> Person:
    """Read GitHub's ``/user`` and ``/user/emails``: the address is the primary one there.

    Raises:
        AuthError: bad_oauth_callback, without an id.
    """
    id = person.get("id")
    if isinstance(id, bool) or not isinstance(id, int):
        raise AuthError("bad_oauth_callback", "The provider did not say who it is")
    primary: Mapping[str, Any] = next(
        (entry for entry in emails if isinstance(entry, dict) and entry.get("primary") is True), {}
    )
    login = _text(person.get("login"))
    name = _text(person.get("name")) or login
    email = _email(primary.get("email"))
    return _person(
        provider,
        str(id),
        email,
        email is not None and primary.get("verified") is True,
        {
            "iss": "https://api.github.com",
            "full_name": name,
            "name": name,
            "user_name": login,
            "preferred_username": login,
            "avatar_url": _text(person.get("avatar_url")),
        },
    )


def _person(provider: Provider, subject: str, email: str | None, verified: bool, data: Mapping[str, Any]) -> Person:
    kept = {key: value for key, value in data.items() if value}
    about = {"sub": subject, "provider_id": subject, "email_verified": verified, "phone_verified": False}
    return Person(provider.name, subject, email, verified, kept | about | ({} if email is None else {"email": email}))


def _is_verified(provider: Provider, claims: Mapping[str, Any]) -> bool:
    # Microsoft's ``email`` is whatever a tenant's administrator wrote, unless it says that it owns the domain.
    said = claims.get("xms_edov" if provider.reader == "azure" else "email_verified")
    if said is None:
        return provider.assume_verified
    # Apple writes texts.
    return said is True or said in ("true", "1") or (provider.reader == "azure" and said == 1)


def _email(value: Any) -> str | None:
    try:
        return normal_email(value) if isinstance(value, str) else None
    except AuthError:
        return None


def _text(value: Any) -> str:
    """*value* as PostgreSQL can keep it: without NUL and halves of surrogate pairs."""
    return value.encode("utf-8", "replace").decode().replace("\0", "")[:_MAX_CHARS] if isinstance(value, str) else ""
