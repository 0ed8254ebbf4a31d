"""Why PostgreSQL cannot be had when an app or a command starts: the cause in words, and the one thing to do.

For whoever starts it, who may know hosts, users and databases; clients are told ``PGRST000`` and nothing else.
A password is in none of it.
"""

from __future__ import annotations

import socket
import ssl
from typing import Final
from urllib.parse import unquote, urlsplit

import asyncpg

from backstay.errors import ConfigError

_URL: Final = "BACKSTAY_DATABASE"


def unreached(error: BaseException | None, url: str) -> ConfigError:
    """What *error* of connecting to *url* stands for: BST-E091."""
    parts = urlsplit(url)
    if "@" in parts.path or (isinstance(error, ValueError) and not isinstance(error, asyncpg.InterfaceError)):
        # Parts of a password may stand where a host or a port is looked for, and are not told.
        message = f"{_URL} cannot be read: its host or port is none"
        return ConfigError("BST-E091", message, hint="Write : / @ and % of a password as %3A %2F %40 and %25.")
    before, _, hosts = parts.netloc.rpartition("@")
    user = unquote(before.partition(":")[0]) or "the user of this process"
    message, hint = _told(error, hosts or "this machine", user, unquote(parts.path.lstrip("/")) or user, parts.query)
    return ConfigError("BST-E091", message, hint=hint)


def _told(error: BaseException | None, place: str, user: str, database: str, asked: str) -> tuple[str, str]:
    match error:
        case asyncpg.PostgresError():
            return _refused(error, place, user, database)
        case asyncpg.ClientConfigurationError() | OverflowError():
            return _unread(str(error).partition("\n")[0])
        case TimeoutError():
            return f"PostgreSQL at {place} did not answer in time", f"Is {place} right, and no firewall in between?"
        case socket.gaierror():
            return f"There is no host {place}", f"Correct the host in {_URL}."
        case ssl.SSLError():
            return (
                f"The certificate of PostgreSQL at {place} is not trusted, or its TLS is another: {error}",
                f"Name its authority by sslrootcert in {_URL}, or choose another sslmode.",
            )
        case ConnectionError() if "SSL" in str(error) and "sslmode=" in asked:
            return f"PostgreSQL at {place} speaks no TLS", f"Switch it on there, or leave sslmode out of {_URL}."
        case FileNotFoundError() if "sslrootcert=" in asked or "sslcert=" in asked or "sslkey=" in asked:
            return _unread("there is no file of that name for a certificate or a key")
        case FileNotFoundError() | ConnectionRefusedError():
            return _nobody(place)
        case OSError() if "Connect call failed" in str(error):
            return _nobody(place)  # of a name that has several addresses all were tried
        case OSError() if error.strerror:
            return f"PostgreSQL at {place} cannot be reached: {error.strerror}", f"Is {place} right in {_URL}?"
        case _:
            return f"What answers at {place} is not PostgreSQL, or has hung up", f"Correct host and port in {_URL}."


def _unread(why: str) -> tuple[str, str]:
    return f"{_URL} cannot be read: {why}", "Correct that part of the URL."


def _nobody(place: str) -> tuple[str, str]:
    return f"No PostgreSQL listens at {place}", f"Start it, or correct host and port in {_URL}."


def _refused(error: asyncpg.PostgresError, place: str, user: str, database: str) -> tuple[str, str]:
    said = str(getattr(error, "message", "") or error)
    match getattr(error, "sqlstate", None):
        case "28P01":
            return (
                f"PostgreSQL at {place} refuses the password of {user}, or knows no such user",
                f"Correct user and password in {_URL}.",
            )
        case "28000" if "does not exist" in said:
            return f"PostgreSQL at {place} knows no user {user}", f"Make it with: createuser {user}; or correct {_URL}."
        case "28000":
            return f"PostgreSQL at {place} does not let {user} in: {said}", "Allow it in pg_hba.conf of that server."
        case "3D000":
            return (
                f"PostgreSQL at {place} has no database {database}",
                f"Make it with: createdb {database}; or correct {_URL}.",
            )
        case "42704":
            return _unread(said)
        case "42501":
            return (
                f"{user} may not connect to {database}: {said}",
                f"Allow it with: GRANT CONNECT ON DATABASE {database} TO {user}",
            )
        case "53300":
            return f"PostgreSQL at {place} has no connection left: {said}", "Raise max_connections, or end others."
        case "57P03":
            return f"PostgreSQL at {place} is not ready yet: {said}", "Start this again when it is."
        case _:
            return f"PostgreSQL at {place} refuses the connection: {said}", f"Correct {_URL}, or the server."
