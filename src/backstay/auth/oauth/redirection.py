"""Back to the app, with a session, a code, or what went wrong; and what both ends of the way share."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit, urlunsplit

from backstay.auth.accounts import Accounts
from backstay.errors import BackstayError
from backstay.response.reply import Headers, Reply


def callback_url(accounts: Accounts) -> str:
    """What is registered with the provider; WB6: never made from the request's Host."""
    return f"{accounts.options.public_url}/auth/v1/callback"


def is_secure(accounts: Accounts) -> bool:
    """Whether browsers reach the API by https."""
    return accounts.options.public_url.startswith("https://")


def state_key(accounts: Accounts) -> bytes:
    """The key that makes verifiers and nonces."""
    return accounts.keyring.derive("oauth-state")


def found(url: str, status: int = 303, headers: Headers = ()) -> Reply:
    """Go to *url*; nobody keeps the way there."""
    return Reply(status, ((b"location", url.encode("ascii")), (b"cache-control", b"no-store"), *headers))


def with_query(url: str, told: Mapping[str, str]) -> str:
    """*url* with *told* behind what its query says already.

    >>> with_query("https://app.example.org/in?x=1#y", {"code": "a b"})
    'https://app.example.org/in?x=1&code=a+b#y'
    """
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, urlencode(told))))))


def with_fragment(url: str, told: Mapping[str, str]) -> str:
    """*url* with *told* as its fragment, which no server's log ever sees."""
    return f"{url.partition('#')[0]}#{urlencode(told)}"


def failed(back: str, error: BackstayError, *, kind: str | None = None, headers: Headers = ()) -> Reply:
    """Back to the app with what went wrong, in the query and in the fragment: some clients read one, some the other."""
    kind = kind or ("server_error" if error.status >= 500 else "access_denied" if error.status == 403 else _KIND)
    told = {"error": kind, "error_code": error.code, "error_description": error.message}
    return found(with_fragment(with_query(back, told), told), headers=headers)


_KIND = "invalid_request"
