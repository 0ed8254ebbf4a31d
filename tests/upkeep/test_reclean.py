"""Texts that were stored before the list changed (HT1)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from backstay import ConfigError, Html
from backstay.adapters.load import open_database
from backstay.catalog import build_catalog
from backstay.db.statement import Statement, Steps
from backstay.upkeep import Recleaning, reclean
from tests.http.api import Api


def test_old_texts_are_cleaned(ward: Api) -> None:
    """HT1: every row of every batch is cleaned, once; what is clean is not written."""

    async def work() -> tuple[int, int, list[Any]]:
        async with ward.app.session() as session:
            table = ward.app.metadata.tables["wards"]
            plain = sa.table("wards", sa.column("name"), sa.column("sign"))
            rows = [{"name": f"w{i}", "sign": f"<b onclick=x()>{i}</b>" if i % 2 else "<b>x</b>"} for i in range(45)]
            await session.execute(sa.insert(plain), rows)
        first = (await reclean(ward.app.database, build_catalog(ward.app.metadata), batch=10)).rows
        second = (await ward.app.reclean_html()).rows
        async with ward.app.session() as session:
            return first, second, list(await session.scalars(sa.select(table.c.sign).where(table.c.name == "w7")))

    ward.dirty = True
    assert (22, 0, ["<b>7</b>"]) == ward.loop.run_until_complete(work())


def test_a_tangled_text_is_told_of_and_left(tmp_path: Path) -> None:
    """HT1: what was stored before there was a bound stops nobody: the rows behind it are cleaned, and it is named."""
    tangled = "<div>" * 300
    metadata = sa.MetaData()
    sa.Table("notes", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", Html()))

    def stored() -> Steps[None]:
        yield Statement("INSERT INTO notes VALUES (1, ?), (2, ?)", (tangled, "<b onclick=x()>b</b>"))

    async def work() -> tuple[Recleaning, list[str]]:
        database = open_database(f"sqlite:///{tmp_path / 'app.db'}", metadata=metadata)
        await database.open()
        try:
            await database.create_tables(metadata)
            await database.transact(stored)
            done = await reclean(database, build_catalog(metadata))
            rows = await database.fetch_all(Statement("SELECT text FROM notes ORDER BY id"))
            return done, [row[0] for row in rows]
        finally:
            await database.close()

    done, texts = asyncio.run(work())
    left = ("notes.text of the row 1: more than 256 elements within each other",)
    assert (Recleaning(1, left), [tangled, "<b>b</b>"]) == (done, texts)


def test_a_table_without_a_key_is_refused() -> None:
    """There is nothing to go through its rows by, and that is said before anything is written."""
    metadata = sa.MetaData()
    sa.Table("notes", metadata, sa.Column("text", Html()))
    database: Any = None
    with pytest.raises(ConfigError) as caught:
        asyncio.run(reclean(database, build_catalog(metadata)))
    assert "BST-E507" == caught.value.code
