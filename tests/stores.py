"""A `Store` on SQLite in memory and on PostgreSQL, with the tables that Backstay keeps for itself, empty.

Import both fixtures into a ``conftest.py``; an asynchronous test that takes *store* then runs twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from backstay.adapters.load import open_database, sql_dialect
from backstay.db.own import Own
from backstay.db.statement import Statement
from backstay.db.store import Store
from tests.http.api import database

#: Takes every row out, and has what counts begin anew.  TRUNCATE would make a new file for each table and each index.
EMPTY = """DO $$ DECLARE named text; BEGIN
PERFORM set_config('session_replication_role', 'replica', true);
FOR named IN SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'public' LOOP
EXECUTE 'DELETE FROM ' || named; END LOOP;
PERFORM setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL; END $$"""


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the store is: in memory, or a database of this process's own."""
    if request.param == "sqlite":
        yield "sqlite://"
        return
    loop = asyncio.new_event_loop()
    try:
        with database("postgresql", Path(), loop, "store") as url:
            yield url
    finally:
        loop.close()


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    opened = open_database(store_url)
    await opened.open()
    try:
        await opened.create_tables(Own.metadata)
        yield Store(opened, sql_dialect(opened.name).compiler)
        if opened.name == "postgresql":
            await opened.fetch(Statement(EMPTY))
    finally:
        await opened.close()
