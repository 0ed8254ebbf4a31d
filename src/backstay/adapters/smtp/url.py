"""Where a mail server is and how to speak to it, as one URL.

1. The connection is encrypted and the server's certificate checked, unless the URL says ``starttls=off``.
2. A password never goes over a connection that is not encrypted, but to the machine itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

Tls: TypeAlias = Literal["starttls", "implicit", "none"]

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, repr=False)
class SmtpServer:
    """A mail server; *ca* is a file of certificates to trust instead of the system's."""

    host: str
    port: int
    tls: Tls
    user: str | None = None
    password: str | None = None
    ca: str | None = None

    @property
    def is_overheard(self) -> bool:
        """Whether what is sent there goes to another machine without encryption."""
        return self.tls == "none" and self.host not in _LOOPBACK

    def __repr__(self) -> str:
        return f"SmtpServer({self.host!r}, {self.port}, {self.tls!r})"


def parse_smtp_url(url: str) -> SmtpServer:
    """Read ``smtp://user:password@host:587`` or ``smtps://…:465``.

    >>> parse_smtp_url("smtp://shop:p%40ss@mail.example.org"), parse_smtp_url("smtps://mail.example.org")
    (SmtpServer('mail.example.org', 587, 'starttls'), SmtpServer('mail.example.org', 465, 'implicit'))
    >>> parse_smtp_url("smtp://shop:pass@mail.example.org?starttls=off")
    Traceback (most recent call last):
    ValueError: a password needs an encrypted connection

    Raises:
        ValueError: what is wrong, without the URL itself.
    """
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("it has a character that no URL has")
    parts = urlsplit(url)
    if parts.scheme not in ("smtp", "smtps"):
        raise ValueError("it does not begin with smtp:// or smtps://")
    if not parts.hostname or parts.path not in ("", "/") or parts.fragment:
        raise ValueError("it does not have the form smtp://user:password@host:port")
    options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    starttls, ca = options.pop("starttls", "required"), options.pop("ca", None)
    if options or starttls not in ("required", "off") or ca == "":
        raise ValueError("its options are starttls=required, starttls=off and ca=PATH")
    if parts.scheme == "smtps" and starttls == "off":
        raise ValueError("smtps:// is encrypted from the start")
    tls: Tls = "implicit" if parts.scheme == "smtps" else "none" if starttls == "off" else "starttls"
    # urlsplit raises ValueError for a port out of range.
    port = parts.port if parts.port is not None else 465 if tls == "implicit" else 587
    if port == 0:
        raise ValueError("its port is 0")
    user = None if parts.username is None else unquote(parts.username)
    password = None if parts.password is None else unquote(parts.password)
    if (user is None) != (password is None) or user == "":
        raise ValueError("it has a user without a password, or a password without a user")
    server = SmtpServer(parts.hostname, port, tls, user, password, ca)
    if user is not None and server.is_overheard:
        raise ValueError("a password needs an encrypted connection")
    return server
