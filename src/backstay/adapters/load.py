"""The one place that turns a URL into an adapter, and a missing driver into the line that installs it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from sqlalchemy import MetaData

from backstay.budget import DEFAULT_BUDGET, RequestBudget
from backstay.db.statement import Database
from backstay.db.store import Store
from backstay.errors import ConfigError, DatabaseError
from backstay.mail.transport import Transport
from backstay.outbound import Fetch
from backstay.sql.dialect import SqlDialect

#: What SQLite says of a file that it cannot open, read or write.
_FILE: Final = frozenset({"PGRST000", "XX001", "25006", "42501", "BST503"})


def open_database(
    url: str,
    *,
    metadata: MetaData | None = None,
    schema: str | None = None,
    budget: RequestBudget | None = None,
    **options: Any,
) -> Database:
    """The database at *url*, not yet open: ``await database.open()`` opens it.

    ==========================================  ==========================================
    ``sqlite:///app.db``, ``sqlite:////srv/a``  a file, relative or absolute
    ``sqlite://``                               in memory, of this process, for tests
    ``app.db``, ``./data/app``, ``/srv/app.db``  a file
    ``postgresql://…``, ``postgres://…``        a server, as libpq reads it
    ==========================================  ==========================================

    *metadata* names the broken constraints on SQLite.  *schema* is PostgreSQL's.  *budget* is what one request may
    cost.  Other *options* go to `SqliteDatabase` or `PostgresDatabase`: ``budget_seconds``, ``wait_seconds``, …

    Raises:
        ConfigError: BST-E101, the driver is not installed; BST-E103, the URL is not understood.
    """
    scheme = url.partition("://")[0] if "://" in url else ""
    match scheme.partition("+")[0]:
        case "" | "sqlite":
            from backstay.adapters.sqlite.database import SqliteDatabase

            if schema is not None:
                raise ConfigError("BST-E103", "SQLite has no schemas", hint="leave the schema setting out")
            return SqliteDatabase(sqlite_path(url), metadata=metadata, budget=budget, **options)
        case "postgresql" | "postgres":
            try:
                from backstay.adapters.postgresql.database import PostgresDatabase
            except ModuleNotFoundError as error:
                if error.name != "asyncpg":
                    raise
                raise ConfigError(
                    "BST-E101", "PostgreSQL needs the asyncpg driver", hint="pip install 'backstay[postgres]'"
                ) from error
            if budget is not None:
                options["budget_seconds"] = budget.database_seconds
            return PostgresDatabase(f"postgresql://{url.partition('://')[2]}", schema=schema, **options)
    raise ConfigError(
        "BST-E103",
        f"no database adapter for {scheme}://",
        hint="e.g. sqlite:///app.db or postgresql://user@host/database",
    )


async def opened(database: Database, url: str) -> None:
    """Open *database*, which `open_database` has made of *url*, for whoever starts an app or a command.

    Raises:
        ConfigError: BST-E091 (PostgreSQL) or BST-E092 (a file), with the cause and what to do; BST-E102.
    """
    try:
        await database.open()
    except DatabaseError as error:
        raise unreached(error, url) from error


def unreached(error: DatabaseError, url: str) -> Exception:
    """*error* of opening *url* in the words of whoever started it; itself where it is about something else."""
    if is_postgresql(url):
        from backstay.adapters.postgresql.unreached import unreached as told_of_server

        return told_of_server(error.__cause__, url) if error.code == "PGRST000" else error
    from backstay.adapters.sqlite.unreached import unreached as told_of_file

    return told_of_file(error, sqlite_path(url)) if error.code in _FILE else error


def is_postgresql(url: str) -> bool:
    """Whether *url* is of a PostgreSQL server."""
    return url.partition(":")[0].partition("+")[0] in ("postgresql", "postgres")


def mail_transport(url: str, sender: str, *, now: Callable[[], datetime]) -> Transport:
    """Who sends mails: the server at *url* (`parse_smtp_url`), as *sender* (`parse_sender`).

    Raises:
        ConfigError: BST-E603, when the file of certificates that *url* names cannot be read.
        ValueError: *url* or *sender* are none; `Settings` has looked before.
    """
    from backstay.adapters.smtp.message import parse_sender
    from backstay.adapters.smtp.transport import SmtpTransport
    from backstay.adapters.smtp.url import parse_smtp_url

    return SmtpTransport(parse_smtp_url(url), parse_sender(sender), now=now)


def outbound(*, loopback: bool) -> Fetch:
    """How the app makes requests itself (SR1); *loopback* also allows http to this machine."""
    from backstay.adapters.httpx2.fetch import Fetcher

    return Fetcher(loopback=loopback)


def sqlite_path(url: str) -> str:
    """The path in *url*; ``""`` for memory.  Three slashes: relative; four: absolute.  A path means itself.

    >>> sqlite_path("sqlite:///app.db"), sqlite_path("sqlite:////srv/my%20app.db"), sqlite_path("sqlite://")
    ('app.db', '/srv/my app.db', '')
    """
    if "://" not in url:
        return url
    parts = urlsplit(url)
    if parts.netloc or parts.query or parts.fragment:
        raise ConfigError(
            "BST-E103", "a SQLite URL is a path only", hint="e.g. sqlite:///relative.db or sqlite:////absolute.db"
        )
    path = unquote(parts.path.removeprefix("/"))
    return "" if path == ":memory:" else path


def sql_dialect(name: str, *, budget: RequestBudget = DEFAULT_BUDGET) -> SqlDialect:
    """How the database called *name* speaks, in answers that fit the *budget*."""
    if name == "sqlite":
        from backstay.adapters.sqlite.dialect import ApswDialect
        from backstay.sql.sqlite import sqlite

        return sqlite(ApswDialect())
    from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

    from backstay.sql.postgresql import postgresql

    speaks = PGDialect_asyncpg()  # type: ignore[no-untyped-call]
    return postgresql(speaks, answer_bytes=budget.answer_bytes)


def open_store(url: str) -> Store:
    """The tables that Backstay keeps in the database at *url*, not yet open: for commands, which have no app."""
    database = open_database(url)
    return Store(database, sql_dialect(database.name).compiler)
