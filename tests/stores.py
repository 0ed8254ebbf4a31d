"""A `Store` on SQLite and on PostgreSQL, with the tables that Backstay keeps for itself, empty.

Import both fixtures into a ``conftest.py``; an asynchronous test that takes *store* then runs twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from shutil import copyfile
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from sqlalchemy import MetaData

from backstay.adapters.load import open_database, sql_dialect
from backstay.db.own import Own
from backstay.db.statement import Statement
from backstay.db.store import Store
from tests.http.api import database, quick_folder

#: Takes every row out, and has what counts begin anew.  TRUNCATE would make a new file for each table and each index.
EMPTY = """DO $$ DECLARE named text; BEGIN
PERFORM set_config('session_replication_role', 'replica', true);
FOR named IN SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'public' LOOP
EXECUTE 'DELETE FROM ' || named; END LOOP;
PERFORM setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL; END $$"""


async def make_tables(url: str, *each: MetaData) -> None:
    """Make all tables in the database at *url*, once for all tests."""
    opened = open_database(url)
    await opened.open()
    try:
        for metadata in each:
            await opened.create_tables(metadata)
    finally:
        await opened.close()


def empty_copy(url: str) -> str:
    """The URL of a new copy of the SQLite file at *url*, in which `make_tables` made all tables."""
    made = Path(urlsplit(url).path.removeprefix("/"))
    return f"sqlite:///{copyfile(made, made.with_name(f'{uuid4().hex}.db'))}"


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the tables are: a file to copy, or a database of this process's own."""
    loop = asyncio.new_event_loop()
    try:
        with quick_folder() as folder, database(request.param, folder, loop, "store") as url:
            loop.run_until_complete(make_tables(url, Own.metadata))
            yield url
    finally:
        loop.close()


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    opened = open_database(store_url if store_url.startswith("postgresql") else empty_copy(store_url))
    await opened.open()
    try:
        yield Store(opened, sql_dialect(opened.name).compiler)
        if opened.name == "postgresql":
            await opened.fetch(Statement(EMPTY))
    finally:
        await opened.close()
