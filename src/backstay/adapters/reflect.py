"""The one place that turns a URL into what its database says about itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from backstay.adapters.load import is_postgresql, open_database, opened, sqlite_path, unreached
from backstay.catalog.facts import Facts
from backstay.catalog.reserved import refuse_system_schema, without_reserved
from backstay.errors import ConfigError, DatabaseError


async def reflect(url: str, schemas: Sequence[str], functions: Sequence[str] = ()) -> Facts:
    """Describe the database at *url*, without the tables that are never served.

    On SQLite, which has no schemas, the first of *schemas* is only a name.

    Raises:
        ConfigError: BST-E104, no such schema; BST-E105, no such file; BST-E106, no such function; BST-E108, a schema of
            PostgreSQL's own; BST-E109, a function that gives rows of ours; BST-E101 and BST-E103 as `open_database`.
        ConfigError: BST-E091 and BST-E092, the database cannot be reached.
    """
    if is_postgresql(url):
        from backstay.adapters.postgresql.database import PostgresDatabase
        from backstay.adapters.postgresql.reflect import reflect_postgresql

        for schema in schemas:
            refuse_system_schema(schema)
        database = open_database(url, budget_seconds=60.0, search_path=tuple(schemas), max_size=1)
        assert isinstance(database, PostgresDatabase)  # noqa: S101 - what such a URL means
        await opened(database, url)
        try:
            return without_reserved(await reflect_postgresql(database, schemas, functions))
        finally:
            await database.close()
    from backstay.adapters.sqlite.reflect import reflect_sqlite

    if functions:
        raise ConfigError("BST-E106", "SQLite has no functions of its own to call", hint="Leave --function out.")
    path = sqlite_path(url)
    if not Path(path).expanduser().is_file():
        # SQLite itself would make an empty one.
        raise ConfigError("BST-E105", f"There is no file {path!r}", hint="Name one that exists, as sqlite:///shop.db.")
    try:
        return without_reserved(await asyncio.to_thread(reflect_sqlite, path, schemas[0]))
    except DatabaseError as error:
        raise unreached(error, url) from error
