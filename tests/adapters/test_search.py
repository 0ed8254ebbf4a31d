"""Search indexes: made with the tables, and mended when they no longer fit."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import apsw
import pytest
import sqlalchemy as sa

from backstay import Searchable
from backstay.adapters.load import open_database
from backstay.errors import ConfigError
from tests.http.api import database


def tables(declared: Searchable | None, **options: Any) -> sa.MetaData:
    metadata = sa.MetaData()
    info = {} if declared is None else {"searchable": declared}
    columns = (
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("title", sa.Text()),
        sa.Column("body", sa.Text()),
    )
    sa.Table("my docs", metadata, *columns, info=info, **options)
    return metadata


async def create(url: str, metadata: sa.MetaData, *keys: str) -> None:
    found = open_database(url, metadata=metadata)
    await found.open()
    try:
        await found.create_tables(metadata)
        async with found.session() as session:
            rows = [{"key": key, "title": f"title {key}", "body": f"running {key}"} for key in keys]
            if rows:
                await session.execute(sa.insert(metadata.tables["my docs"]), rows)
    finally:
        await found.close()


def found(path: Path, query: str, index: str = "my docs_search_fts") -> list[int]:
    connection = apsw.Connection(str(path))
    try:
        return [row[0] for row in connection.execute(f'SELECT rowid FROM "{index}" WHERE "{index}" MATCH ?', (query,))]
    finally:
        connection.close()


async def test_rows_that_were_there_are_indexed(tmp_path: Path) -> None:
    """A declaration that comes later indexes what the table holds; one that changes makes the index again."""
    path = tmp_path / "a.db"
    await create(str(path), tables(None), "x", "y")
    await create(str(path), tables(Searchable("title")))
    assert ([1], [], [1, 2]) == (found(path, "x"), found(path, "run"), found(path, "title"))
    await create(str(path), tables(Searchable("title", "body")), "z")
    assert ([1, 2, 3], [3]) == (found(path, "run"), found(path, "z"))
    await create(str(path), tables(Searchable("title", "body", language="simple")))
    assert ([], [1, 2, 3]) == (found(path, "run"), found(path, "running"))


async def test_numbers_that_do_not_fit(tmp_path: Path) -> None:
    """An index that knows other row numbers than the table has, as after a renumbering, is made again."""
    path, metadata = tmp_path / "a.db", tables(Searchable("title"))
    await create(str(path), metadata, "x", "y", "z")
    connection = apsw.Connection(str(path))
    connection.execute('UPDATE "my docs_search_fts_docsize" SET id = 9 WHERE id = 3')
    connection.execute("""INSERT INTO "my docs_search_fts"("my docs_search_fts") VALUES ('delete-all')""")
    connection.close()
    assert [] == found(path, "y")
    await create(str(path), metadata)
    assert [2] == found(path, "y")


async def test_an_index_that_fits_is_kept(tmp_path: Path) -> None:
    """A start changes nothing where nothing has changed."""
    path, metadata = tmp_path / "a.db", tables(Searchable("title"))
    await create(str(path), metadata, "x")
    version = apsw.Connection(str(path)).pragma("schema_version")
    await create(str(path), metadata)
    assert version == apsw.Connection(str(path)).pragma("schema_version")


async def test_tables_without_row_numbers(tmp_path: Path) -> None:
    """FTS5 needs the row number."""
    with pytest.raises(ConfigError) as caught:
        await create(str(tmp_path / "a.db"), tables(Searchable("title"), sqlite_with_rowid=False))
    assert "BST-E025" == caught.value.code


def test_postgresql(tmp_path: Path) -> None:
    """The column is made, made again when the declaration changes, kept when not, and never taken over."""
    loop = asyncio.new_event_loop()

    async def steps(url: str) -> None:
        import asyncpg

        async def number() -> Any:
            """(attribute number, words of x)"""
            return await connection.fetchrow(
                "SELECT attnum, (SELECT search::text FROM \"my docs\" WHERE key = 'x') FROM pg_attribute"
                " WHERE attrelid = '\"my docs\"'::regclass AND attname = 'search'"
            )

        await create(url, tables(None), "x")
        await create(url, tables(Searchable("body")))
        connection = await asyncpg.connect(url)
        try:
            first = await number()
            assert "'run':1 'x':2" == first[1]
            await create(url, tables(Searchable("body")))
            assert first == await number()
            await create(url, tables(Searchable("title", "body", language="simple")))
            assert "'running':3 'title':1 'x':2,4" == (await number())[1]
            await connection.execute("COMMENT ON COLUMN \"my docs\".search IS 'mine'")
            with pytest.raises(ConfigError) as caught:
                await create(url, tables(Searchable("title")))
            assert "BST-E025" == caught.value.code
        finally:
            await connection.close()

    try:
        with database("postgresql", tmp_path, loop, "search_index") as url:
            loop.run_until_complete(steps(url))
    finally:
        loop.close()
